"""Email against a real SMTP server, and unsubscribing with one click."""

import base64
import json
from collections.abc import AsyncIterator
from email import message_from_bytes, policy
from email.message import EmailMessage

import pytest

from chatpush.channel_settings import Email as EmailSettings
from chatpush.channels.email import Email
from chatpush.channels.unsubscribing import Unsubscribing
from chatpush.domain import Category, Content, TenantId, UserId
from chatpush.errors import InvalidInput, NotFound, Unavailable
from chatpush.notify.audience.users import UserChange, Users
from chatpush.store.database import Database
from chatpush.store.vault import Vault
from tests.channels.peers import MailServer, mailing, message
from tests.clocks import StillClock


@pytest.fixture
async def server() -> AsyncIterator[tuple[MailServer, int]]:
    async with mailing() as found:
        yield found


def channel(port: int, clock: StillClock, unsubscribing: Unsubscribing) -> Email:
    settings = EmailSettings(
        host="127.0.0.1", port=port, security="none", sender="shop@example.com", sender_name="Shop"
    )
    return Email(settings, clock, unsubscribing.link)


@pytest.fixture
def unsubscribing(database: Database, vault: Vault, still_clock: StillClock) -> Unsubscribing:
    return Unsubscribing(vault, Users(database, vault, still_clock), "https://push.example.com/")


async def test_a_letter_arrives_whole(
    server: tuple[MailServer, int], still_clock: StillClock, unsubscribing: Unsubscribing
) -> None:
    mail, port = server
    content = Content("已发货\r\nBcc: all@example.com", "<b>小林</b>", url="https://shop.example/7")
    sent = message(content=content, priority="high", collapse_key="order:7")
    receipt = await channel(port, still_clock, unsubscribing).send(sent, "emma@example.com")
    assert "17" in receipt.reference
    (envelope,) = mail.letters
    assert (envelope.mail_from, envelope.rcpt_tos) == ("shop@example.com", ["emma@example.com"])
    assert isinstance(envelope.content, bytes)
    letter = message_from_bytes(envelope.content, _class=EmailMessage, policy=policy.default)
    assert letter["Subject"] == "已发货 Bcc: all@example.com"
    assert letter["Bcc"] is None
    assert letter["X-Priority"] == "1"
    assert letter["References"]
    assert letter["List-Unsubscribe"] is None
    page, plain = letter.get_body(("html",)), letter.get_body(("plain",))
    assert page is not None
    assert plain is not None
    assert "&lt;b&gt;" in page.get_content()
    assert "https://shop.example/7" in plain.get_content()


async def test_marketing_can_be_unsubscribed_with_one_click(
    server: tuple[MailServer, int], still_clock: StillClock, unsubscribing: Unsubscribing,
    database: Database, vault: Vault, tenant: TenantId,
) -> None:  # fmt: skip
    users = Users(database, vault, still_clock)
    await users.put(tenant, UserId("emma"), UserChange(consents={"marketing": True}))
    mail, port = server
    sent = message(category=Category.MARKETING)
    await channel(port, still_clock, unsubscribing).send(sent, "emma@example.com")
    assert isinstance(mail.letters[0].content, bytes)
    letter = message_from_bytes(mail.letters[0].content, _class=EmailMessage, policy=policy.default)
    assert letter["List-Unsubscribe-Post"] == "List-Unsubscribe=One-Click"
    link = "".join(letter["List-Unsubscribe"].split()).strip("<>")
    token = link.removeprefix("https://push.example.com/v1/unsubscribe/")
    with pytest.raises(NotFound):
        await unsubscribing.follow(token[:-1] + ("0" if token[-1] != "0" else "1"))
    for wrong in ("", "x", "x.y", "W10.y", "…"):
        with pytest.raises(NotFound):
            await unsubscribing.follow(wrong)
    ended = await unsubscribing.follow(token)
    assert (ended.category, ended.channel) == ("marketing", "email")
    emma = await users.get(tenant, UserId("emma"))
    assert (emma.consents, emma.channel_consents) == ({"marketing": True}, {"marketing": {"email": False}})
    last = (await users.ledger(tenant, UserId("emma")))[-1]
    assert (last.via, last.channel, last.granted) == ("one-click", "email", False)


async def test_links_of_letters_written_before_consents_had_channels_end_the_category(
    unsubscribing: Unsubscribing, database: Database, vault: Vault, still_clock: StillClock, tenant: TenantId
) -> None:
    users = Users(database, vault, still_clock)
    await users.put(tenant, UserId("emma"), UserChange(consents={"marketing": True}))
    said = json.dumps([tenant, "emma", "marketing"])
    text = base64.urlsafe_b64encode(said.encode()).rstrip(b"=").decode()
    ended = await unsubscribing.follow(f"{text}.{vault.blind(tenant, 'unsubscribe', said)}")
    assert (ended.category, ended.channel) == ("marketing", "")
    assert (await users.get(tenant, UserId("emma"))).consents == {"marketing": False}


@pytest.mark.parametrize(
    "said", ["[1, 2, 3]", '["default", "emma\\u0000", "marketing", ""]', '["default", "\\ud800", "m", ""]', "[" * 4000]
)  # fmt: skip
async def test_made_up_links_lead_nowhere(unsubscribing: Unsubscribing, said: str) -> None:
    text = base64.urlsafe_b64encode(said.encode()).rstrip(b"=").decode()
    for fingerprint in ("x", "é"):
        with pytest.raises(NotFound):
            await unsubscribing.follow(f"{text}.{fingerprint}")


async def test_the_word_under_a_letter_is_in_its_readers_language(
    server: tuple[MailServer, int], still_clock: StillClock, unsubscribing: Unsubscribing,
    database: Database, vault: Vault, tenant: TenantId,
) -> None:  # fmt: skip
    lin = await Users(database, vault, still_clock).put(tenant, UserId("lin"), UserChange(locale="zh-CN"))
    mail, port = server
    sent = message(category=Category.MARKETING, user=lin)
    await channel(port, still_clock, unsubscribing).send(sent, "lin@example.com")
    assert isinstance(mail.letters[0].content, bytes)
    letter = message_from_bytes(mail.letters[0].content, _class=EmailMessage, policy=policy.default)
    for kind in ("html", "plain"):
        part = letter.get_body((kind,))
        assert part is not None
        assert "退订" in part.get_content()


@pytest.mark.parametrize(
    ("recipient", "data", "kind"),
    [
        ("550 no such user", "", InvalidInput), ("450 mailbox busy", "", Unavailable),
        ("", "554 spam", InvalidInput), ("", "451 later", Unavailable),
    ],
)  # fmt: skip
async def test_replies_mean_what_they_mean(
    server: tuple[MailServer, int], still_clock: StillClock, unsubscribing: Unsubscribing,
    recipient: str, data: str, kind: type[Exception],
) -> None:  # fmt: skip
    mail, port = server
    mail.refuse_recipient, mail.refuse_data = recipient, data
    with pytest.raises(kind):
        await channel(port, still_clock, unsubscribing).send(message(), "emma@example.com")


async def test_nobody_there_is_unavailable_and_nonsense_is_refused(
    still_clock: StillClock, unsubscribing: Unsubscribing
) -> None:
    nobody = channel(1, still_clock, unsubscribing)
    with pytest.raises(Unavailable):
        await nobody.send(message(), "emma@example.com")
    for address in ("emma", "a@b\r\nRCPT TO:<x@y>", "a b@c", ""):
        with pytest.raises(InvalidInput):
            await nobody.send(message(), address)
