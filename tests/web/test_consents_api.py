"""Consents by category and channel over HTTP: said, proved, kept to at every step, and explained."""

from datetime import timedelta
from email import message_from_bytes, policy
from email.message import EmailMessage
from pathlib import Path
from typing import Any

import pytest

from chatpush.errors import Unavailable
from chatpush.store.database import Database
from chatpush.store.vault import Vault
from tests.channels.peers import mailing
from tests.clocks import StillClock
from tests.serving import Served, serving
from tests.waiting import until
from tests.web.harness import Client
from tests.web.notifying import problem
from tests.web.test_escalation_api import chained, delivery, send

EMMA = {"X-As": "user:emma"}
OFFER = {"title": "All lanterns at half price", "body": ""}


@pytest.fixture
def database(any_database: Database) -> Database:
    """Asked of each kind of database."""
    return any_database


async def say(client: Client, **consents: Any) -> None:
    """Let emma's backend say what she agreed to."""
    answer = await client.put("/v1/users/emma", json=consents)
    assert answer.status == 200, await answer.text()


async def test_a_backend_says_and_proves_consents_of_single_channels(
    database: Database, vault: Vault, still_clock: StillClock
) -> None:
    async with chained(database, vault, still_clock) as (client, _, _):
        said = {"marketing": {"mail": False, "live": True}, "alert": {"push": False}}
        await say(
            client, consents={"marketing": True}, channel_consents=said, consent_text="Not by mail.",
            consent_address="203.0.113.7",
        )  # fmt: skip
        found = await (await client.get("/v1/users/emma")).json()
        assert found["consents"] == {"marketing": True}
        assert found["channel_consents"] == {
            "marketing": {"mail": False, "inbox": True}, "alert": {"push": False}
        }  # fmt: skip
        (listed,) = (await (await client.get("/v1/users")).json())["data"]
        assert listed["channel_consents"] == found["channel_consents"]
        ledger = (await (await client.get("/v1/users/emma/consents")).json())["data"]
        assert [(one["category"], one["channel"], one["granted"]) for one in ledger] == [
            ("marketing", None, True), ("marketing", "mail", False), ("marketing", "inbox", True),
            ("alert", "push", False),
        ]  # fmt: skip
        assert {(one["text"], one["address"]) for one in ledger} == {("Not by mail.", "203.0.113.7")}
        stored = await database.read("SELECT evidence_sealed FROM consent_entry")
        assert all(b"Not by mail" not in bytes(row["evidence_sealed"]) for row in stored)


@pytest.mark.parametrize(
    ("said", "param"),
    [
        ({"marketing": {"emial": False}}, "channel_consents.marketing"),
        ({"marketing": {"mail": "never"}}, "channel_consents.marketing.mail"),
        ({"marketing": False}, "channel_consents.marketing"),
        ({"transactional": {"mail": False}}, "channel_consents.transactional"),
        ({"spam": {"mail": False}}, "channel_consents.spam"),
    ],
)
async def test_what_cannot_be_chosen_is_refused_by_its_name(
    database: Database, vault: Vault, still_clock: StillClock, said: Any, param: str
) -> None:
    async with chained(database, vault, still_clock) as (client, _, _):
        answer = await client.put("/v1/users/emma", json={"channel_consents": said})
        assert (await problem(answer, 422))[1] == param
        own = await client.put("/v1/me/preferences", json={"channels": said}, headers=EMMA)
        assert (await problem(own, 422))[0] == "invalid_input"
        assert (await (await client.get("/v1/users/emma/consents")).json())["data"] == []


async def test_preferences_are_a_matrix_that_shows_what_the_policy_does(
    database: Database, vault: Vault, still_clock: StillClock
) -> None:
    async with chained(database, vault, still_clock) as (client, _, _):

        async def put(**change: Any) -> Any:
            answer = await client.put("/v1/me/preferences", json=change, headers=EMMA)
            assert answer.status == 200, await answer.text()
            return await answer.json()

        def row(*given: bool) -> dict[str, bool]:
            return dict(zip(("inbox", "mail", "push"), given, strict=True))

        found = await (await client.get("/v1/me/preferences", headers=EMMA)).json()
        assert found["channels"] == {"marketing": row(False, False, False), "alert": row(True, True, True)}
        found = await put(channels={"marketing": {"mail": True}}, consent_text="Offers by mail")
        assert (found["categories"]["marketing"], found["channels"]["marketing"]) == (
            False, row(False, True, False)
        )  # fmt: skip
        found = await put(categories={"marketing": True}, channels={"marketing": {"push": False}})
        assert found["channels"]["marketing"] == row(True, True, False)
        found = await put(categories={"marketing": False})
        assert found["channels"] == {"marketing": row(False, False, False), "alert": row(True, True, True)}
        found = await put(categories={"marketing": True})
        assert found["channels"]["marketing"] == row(True, True, False)
        (first, *_) = (await (await client.get("/v1/users/emma/consents")).json())["data"]
        assert (first["via"], first["channel"], first["text"]) == ("preferences", "mail", "Offers by mail")
        assert first["address"] == "127.0.0.1"


async def test_preferences_know_that_an_installation_asks_for_no_consent(tmp_path: Path) -> None:
    async with serving(tmp_path, notify={"marketing_needs_consent": False}) as served:
        found = await served.told("GET", "/v1/me/preferences", user="emma")
        assert found["categories"] == {"marketing": True, "alert": True}
        assert found["channels"] == {"marketing": {"inbox": True}, "alert": {"inbox": True}}


async def outcome(client: Client, message: str) -> tuple[str, str | None]:
    found = await delivery(client, message)
    return found["state"], found["reason"]


async def test_a_closed_channel_is_left_out_and_a_message_without_an_open_one_is_refused(
    database: Database, vault: Vault, still_clock: StillClock
) -> None:
    async with chained(database, vault, still_clock) as (client, room, posts):
        await say(client, consents={"marketing": True}, channel_consents={"marketing": {"mail": False}})

        async def offer(*channels: str, category: str = "marketing") -> str:
            body = {"content": OFFER, "to": [{"user": "emma"}], "channels": channels, "category": category}
            answer = await client.post("/v1/messages", json=body)
            await room.settle()
            return str((await answer.json())["id"])

        both = await offer("mail", "push")
        assert await outcome(client, both) == ("sent", None)
        (sent,) = (await delivery(client, both))["trace"]
        assert (sent["detail"]["channels"], sent["detail"]["closed"]) == (["push"], ["mail"])
        assert await outcome(client, await offer("mail")) == ("suppressed", "opted_out: mail")
        assert (posts.mail.sent, posts.push.sent) == ([], ["p1"])
        # What the user must know comes as ever, and alerts were not spoken of.
        await offer("mail", category="transactional")
        await offer("mail", category="alert")
        assert posts.mail.sent == ["emma@example.com"] * 2


async def test_who_wants_offers_by_mail_only_gets_them_there_and_nowhere_else(
    database: Database, vault: Vault, still_clock: StillClock
) -> None:
    async with chained(database, vault, still_clock) as (client, room, posts):
        await say(client, channel_consents={"marketing": {"mail": True}})
        room.online.add("emma")  # an open page is no reason to keep the letter back
        for channels in (["ws", "mail"], ["ws"]):
            body = {
                "content": OFFER, "to": [{"user": "emma"}], "channels": channels, "category": "marketing"
            }  # fmt: skip
            message = (await (await client.post("/v1/messages", json=body)).json())["id"]
            await room.settle()
        assert posts.mail.sent == ["emma@example.com"]
        assert room.publisher.to("emma") == []
        assert await outcome(client, message) == ("suppressed", "no_consent: inbox")
        inbox = await (await client.get("/v1/me/inbox", headers=EMMA)).json()
        assert (inbox["data"], inbox["unread"]) == ([], 0)


async def test_who_closed_all_but_what_has_no_address_is_said_to_have_closed_it(
    database: Database, vault: Vault, still_clock: StillClock
) -> None:
    async with chained(database, vault, still_clock) as (client, room, posts):
        answer = await client.put("/v1/users/lin", json={"channel_consents": {"alert": {"inbox": False}}})
        assert answer.status == 200
        body = {"content": OFFER, "to": [{"user": "lin"}], "category": "alert", "channels": ["ws", "push"]}
        message = (await (await client.post("/v1/messages", json=body)).json())["id"]
        await room.settle()
        assert (room.publisher.to("lin"), posts.push.sent) == ([], [])
        assert await outcome(client, message) == ("suppressed", "no_channel: closed inbox")


async def test_a_chain_passes_over_what_is_closed_and_says_so(
    database: Database, vault: Vault, still_clock: StillClock
) -> None:
    async with chained(database, vault, still_clock) as (client, room, posts):
        await say(client, channel_consents={"alert": {"push": False, "inbox": False}})
        message = await send(client, ["ws", "push", "mail"], category="alert")
        await room.settle()
        assert (room.publisher.to("emma"), posts.push.sent, posts.mail.sent) == ([], [], ["emma@example.com"])
        found = await delivery(client, message)
        assert (found["state"], found["reason"]) == ("sent", None)
        assert [(one["step"], one["detail"].get("channel"), one["detail"].get("reason")) for one in found["trace"]] == [
            ("escalation", "ws", "channel_closed"), ("escalation", "push", "channel_closed"), ("delivery", None, None),
        ]  # fmt: skip
        why = await (await client.get(f"/v1/me/deliveries/{found['id']}/why", headers=EMMA)).json()
        assert [one["code"] for one in why["reasons"]] == ["alerts_on", "for_you", "not_by"]
        assert why["reasons"][2]["text"] == (
            "It did not come by the inbox, push, because you switched that off for such messages."
        )


async def test_what_is_closed_while_a_chain_waits_is_kept_to(
    database: Database, vault: Vault, still_clock: StillClock
) -> None:
    async with chained(database, vault, still_clock) as (client, room, posts):
        one_closed = await send(client, ["ws", "push", "mail"], category="alert")
        await room.settle()
        await say(client, channel_consents={"alert": {"push": False}})
        still_clock.forward(timedelta(seconds=61))
        await room.settle()
        assert (posts.push.sent, posts.mail.sent) == ([], ["emma@example.com"])
        all_closed = await send(client, ["ws", "push", "mail"], category="alert")
        await room.settle()
        await say(client, consents={"alert": False})
        still_clock.forward(timedelta(seconds=61))
        await room.settle()
        assert (posts.push.sent, posts.mail.sent) == ([], ["emma@example.com"])
        assert await outcome(client, one_closed) == ("sent", None)
        # It stays what it was, something on the reader's page, and says why it went no further.
        assert await outcome(client, all_closed) == ("sent", "channel_closed")
        critical = await send(client, ["ws", "push", "mail"], category="transactional")
        await room.settle()
        still_clock.forward(timedelta(seconds=61))
        await room.settle()
        assert posts.push.sent == ["p1"], critical


async def test_a_channel_that_is_down_is_not_tried_again_once_it_is_closed(
    database: Database, vault: Vault, still_clock: StillClock
) -> None:
    async with chained(database, vault, still_clock) as (client, room, posts):
        posts.mail.failing = Unavailable("down")
        body = {"content": OFFER, "to": [{"user": "emma"}], "channels": ["mail", "push"], "category": "alert"}
        message = (await (await client.post("/v1/messages", json=body)).json())["id"]
        await room.settle()
        assert (posts.push.sent, (await outcome(client, message))[1]) == (["p1"], "channel_unavailable")
        await say(client, channel_consents={"alert": {"mail": False}})
        posts.mail.failing = None
        still_clock.forward(timedelta(hours=1))
        await room.settle()
        assert posts.mail.sent == []
        assert await outcome(client, message) == ("sent", "channel_closed")


async def test_a_reader_learns_by_which_channel_they_agreed(
    database: Database, vault: Vault, still_clock: StillClock
) -> None:
    async with chained(database, vault, still_clock) as (client, room, _):
        await say(client, channel_consents={"marketing": {"mail": True}}, locale="zh-CN")
        body = {
            "content": OFFER, "to": [{"user": "emma"}], "channels": ["ws", "mail"], "category": "marketing"
        }  # fmt: skip
        message = (await (await client.post("/v1/messages", json=body)).json())["id"]
        await room.settle()
        found = await delivery(client, message)
        path = f"/v1/me/deliveries/{found['id']}/why"
        chinese = await (await client.get(path, headers=EMMA)).json()
        assert [one["code"] for one in chinese["reasons"]] == ["agreed_by_on", "for_you", "not_by"]
        assert "同意通过mail接收" in chinese["reasons"][0]["text"]
        assert chinese["reasons"][2]["text"] == "它没有通过站内信发送，因为您对此类消息关闭了该渠道。"
        english = await (await client.get(f"{path}?locale=en", headers=EMMA)).json()
        assert english["reasons"][0]["text"].startswith("You agreed to news and offers by mail on ")


async def test_one_click_in_a_letter_ends_the_letters_and_the_page_offers_to_end_everything(
    tmp_path: Path,
) -> None:
    async with mailing() as (mail, port):
        channels = {
            "public_url": "https://push.example.com",
            "email": {"host": "127.0.0.1", "port": port, "security": "none", "sender": "shop@example.com"},
        }
        async with serving(tmp_path, channels=channels) as served:
            for user, locale in (("emma", "en"), ("lin", "zh-CN")):
                profile = {
                    "consents": {"marketing": True}, "locale": locale,
                    "endpoints": {"email": [f"{user}@example.com"]},
                }  # fmt: skip
                await served.told("PUT", f"/v1/users/{user}", profile)
            for user in ("emma", "lin"):
                body = {
                    "content": OFFER, "to": [{"user": user}], "channels": ["ws", "email"], "category": "marketing"
                }  # fmt: skip
                await served.told("POST", "/v1/messages", body)
            await until(lambda: len(mail.letters) == 2)
            links = {}
            for one in mail.letters:
                assert isinstance(one.content, bytes)
                letter = message_from_bytes(one.content, _class=EmailMessage, policy=policy.default)
                link = "".join(letter["List-Unsubscribe"].split()).strip("<>")
                links[one.rcpt_tos[0]] = link.replace("https://push.example.com", served.url)
            await one_click(served, links["emma@example.com"])
            await by_hand(served, links["lin@example.com"])


async def one_click(served: Served, link: str) -> None:
    """What a mail program does: a POST, and nothing else (RFC 8058)."""
    body = {"List-Unsubscribe": "One-Click"}
    async with served.http.post(link, data=body) as answer:
        assert (answer.status, await answer.json()) == (
            200,
            {"unsubscribed": "marketing", "channel": "email"},
        )
    found = await served.told("GET", "/v1/me/preferences", user="emma")
    assert found["channels"]["marketing"] == {"inbox": True, "email": False}
    last = (await served.told("GET", "/v1/users/emma/consents"))["data"][-1]
    assert (last["via"], last["channel"], last["address"]) == ("one-click", "email", "127.0.0.1")
    offer = {"content": OFFER, "to": [{"user": "emma"}], "category": "marketing"}
    await served.told("POST", "/v1/messages", offer | {"channels": ["ws", "email"]})
    refused = (await served.told("POST", "/v1/messages", offer | {"channels": ["email"]}))["id"]

    async def arrived() -> Any:
        ends = (await served.told("GET", f"/v1/messages/{refused}/deliveries"))["data"]
        shown = (await served.told("GET", "/v1/me/inbox", user="emma"))["data"]
        return len(shown) == 2 and [one["reason"] for one in ends if one["state"] == "suppressed"]

    assert await until(arrived) == ["opted_out: email"]


async def by_hand(served: Served, link: str) -> None:
    """What a person does: opens the page, which changes nothing, and presses its buttons."""
    async with served.http.get(link) as answer:
        page = await answer.text()
        assert answer.status == 200
        assert "default-src 'none'" in answer.headers["Content-Security-Policy"]
        assert ('lang="zh-CN"' in page, "不再通过邮件接收优惠与资讯？" in page) == (True, True)
        assert ('value="this"' in page, 'value="everywhere"' in page) == (True, True)
    assert (await served.told("GET", "/v1/users/lin"))["channel_consents"] == {}
    for wrong in ("", "stop=maybe", "stop=this&" + "x" * 2000):
        async with served.http.post(f"{link}/choice", data=wrong) as answer:
            assert answer.status == 422, await answer.text()
    async with served.http.post(f"{link}/choice", data={"stop": "this"}) as answer:
        page = await answer.text()
        assert ("您将不再通过邮件收到" in page, 'value="everywhere"' in page) == (True, True)
    assert (await served.told("GET", "/v1/users/lin"))["channel_consents"] == {"marketing": {"email": False}}
    async with served.http.post(f"{link}/choice", data={"stop": "everywhere"}) as answer:
        page = await answer.text()
        assert ("任何渠道" in page, "<button" in page) == (True, False)
    lin = await served.told("GET", "/v1/users/lin")
    assert lin["consents"] == {"marketing": False}
    ledger = (await served.told("GET", "/v1/users/lin/consents"))["data"]
    assert [(one["channel"], one["granted"], one["via"], one["text"]) for one in ledger] == [
        (None, True, "api", None), ("email", False, "unsubscribe page", "不再通过邮件接收"),
        (None, False, "unsubscribe page", "所有渠道都不再接收"),
    ]  # fmt: skip
    for method in ("GET", "POST"):
        assert (await served.ask(method, "/v1/unsubscribe/x.y")).status == 404
    assert (await served.ask("POST", "/v1/unsubscribe/x.y/choice", None)).status == 422
