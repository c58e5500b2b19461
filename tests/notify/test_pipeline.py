"""A message's whole way, from accept to receipt, over both databases."""

from collections.abc import Sequence
from datetime import timedelta
from typing import Any

import pytest

from chatpush.domain import Category, Content, DeliveryId, QuietHours, ReceiptKind, TenantId, UserId
from chatpush.errors import InvalidInput, KeyReused
from chatpush.notify.audience.users import UserChange
from chatpush.notify.listing import Window
from chatpush.notify.messages.drafts import MessageDraft, Recipient
from chatpush.notify.templates.template_source import LocaleSource
from chatpush.store.database import Database
from tests.clocks import StillClock
from tests.notify.building import Room


@pytest.fixture
def database(any_database: Database) -> Database:
    """The pipeline runs over each kind of database."""
    return any_database


EMMA, LIN = UserId("emma"), UserId("lin")


def to(*users: str) -> tuple[Recipient, ...]:
    return tuple(Recipient(user=UserId(user)) for user in users)


def hello(*users: str, **more: Any) -> MessageDraft:
    return MessageDraft(to=to(*users), content=Content("Hello", "How are you?"), **more)


async def states(room: Room, tenant: TenantId, message: Any) -> dict[str, tuple[str, str]]:
    listed = await room.messages.deliveries(tenant, message, Window(limit=100))
    return {one.user: (one.state, one.reason) for one in listed.data}


async def test_a_message_reaches_inbox_and_page_in_the_users_language(room: Room, tenant: TenantId) -> None:
    await room.templates.put(
        tenant,
        "order_shipped",
        {
            "en": LocaleSource(
                "On its way", "Dear {{ user.name }}, order {{ order.id }} for {{ order.total|money('GBP') }}"
            ),
            "zh": LocaleSource(
                "已发货", "{{ user.name }}，您的订单{{ order.id }}已发货", url="/orders/{{ order.id }}"
            ),
        },
        trusted=True,
    )
    await room.users.put(tenant, LIN, UserChange(locale="zh-CN", attributes={"name": "小林"}))
    await room.users.put(tenant, EMMA, UserChange(attributes={"name": "Emma"}))
    data = {"order": {"id": 7, "total": "12.5"}, "items": [{"id": "A1"}], "secret": "no"}
    message = await room.messages.accept(
        tenant, MessageDraft(to=to("emma", "lin", "emma"), template="order_shipped", data=data)
    )
    await room.settle()
    (payload,) = room.publisher.to("lin")
    assert payload["type"] == "message"
    assert payload["title"] == "已发货"
    assert payload["body"] == "小林，您的订单7已发货"
    assert payload["url"] == "/orders/7"
    assert payload["data"] == {"items": [{"id": "A1"}]}
    assert payload["template"] == "order_shipped@1"
    assert payload["unread"] == 1
    assert room.publisher.to("emma")[0]["body"] == "Dear Emma, order 7 for £12.50"
    page = await room.inbox.list(tenant, LIN, Window())
    assert [(item["title"], item["seen"]) for item in page.data] == [("已发货", False)]
    assert await states(room, tenant, message) == {"emma": ("sent", ""), "lin": ("sent", "")}
    found = await room.messages.get(tenant, message)
    assert (found.status, found.counts) == ("completed", {"sent": 2})
    (step,) = await room.trace.of(tenant, payload["delivery"])
    assert (step.verdict, step.detail["because"]) == ("sent", "transactional")
    assert await counted(room) == 2


async def test_content_is_sealed_at_rest(room: Room, tenant: TenantId) -> None:
    await room.messages.accept(tenant, hello("emma"))
    await room.settle()
    rows = await room.database.read("SELECT content_sealed FROM inbox_item")
    drafts = await room.database.read("SELECT draft_sealed, owner FROM message")
    assert b"Hello" not in bytes(rows[0]["content_sealed"])
    assert b"Hello" not in bytes(drafts[0]["draft_sealed"])
    assert drafts[0]["owner"] == "emma"


async def test_unknown_users_are_made_by_their_first_message(room: Room, tenant: TenantId) -> None:
    await room.messages.accept(tenant, hello("new"))
    assert (await room.users.get(tenant, UserId("new"))).locale == "en"


async def test_marketing_needs_consent_and_respects_opting_out(room: Room, tenant: TenantId) -> None:
    await room.users.put(tenant, EMMA, UserChange(consents={"marketing": True}))
    await room.users.put(tenant, UserId("max"), UserChange(consents={"marketing": False}))
    message = await room.messages.accept(tenant, hello("emma", "lin", "max", category=Category.MARKETING))
    await room.settle()
    assert await states(room, tenant, message) == {
        "emma": ("sent", ""),
        "lin": ("suppressed", "no_consent"),
        "max": ("suppressed", "opted_out"),
    }


async def test_marketing_waits_for_nobody_during_a_complaint(room: Room, tenant: TenantId) -> None:
    for user in (EMMA, LIN):
        await room.users.put(tenant, user, UserChange(consents={"marketing": True}))

    async def held(_: TenantId, users: Sequence[UserId]) -> dict[UserId, str]:
        return {user: "open_complaint" for user in users if user == EMMA}

    room.outbox.hold_back = held
    offer = await room.messages.accept(tenant, hello("emma", "lin", category=Category.MARKETING))
    news = await room.messages.accept(tenant, hello("emma"))
    await room.settle()
    assert await states(room, tenant, offer) == {
        "emma": ("suppressed", "open_complaint"), "lin": ("sent", "")
    }  # fmt: skip
    assert await states(room, tenant, news) == {"emma": ("sent", "")}


async def test_quiet_hours_defer_until_they_end(
    room: Room, tenant: TenantId, still_clock: StillClock
) -> None:
    change = UserChange(timezone="Asia/Shanghai", quiet_hours=QuietHours("19:00", "21:30"))
    await room.users.put(tenant, LIN, change)  # noon in UTC is 20:00 there
    message = await room.messages.accept(tenant, hello("lin", category=Category.ALERT))
    await room.settle()
    assert await states(room, tenant, message) == {"lin": ("scheduled", "quiet_hours")}
    still_clock.forward(timedelta(minutes=89))
    await room.settle()
    assert room.publisher.to("lin") == []
    still_clock.forward(timedelta(minutes=1))
    await room.settle()
    assert len(room.publisher.to("lin")) == 1


async def test_the_cap_defers_across_messages_until_the_window_has_room(
    room: Room, tenant: TenantId, still_clock: StillClock
) -> None:
    await room.users.put(tenant, EMMA, UserChange(consents={"marketing": True}))
    for _ in range(2):
        await room.messages.accept(tenant, hello("emma", category=Category.MARKETING))
    await room.settle()
    still_clock.forward(timedelta(hours=1))
    for _ in range(2):  # two at once: the cap counts within a batch too
        await room.messages.accept(tenant, hello("emma", category=Category.MARKETING))
    short = await room.messages.accept(tenant, hello("emma", category=Category.MARKETING, ttl_seconds=60))
    await room.settle()
    assert len(room.publisher.to("emma")) == 3
    assert await states(room, tenant, short) == {"emma": ("suppressed", "frequency_cap")}
    still_clock.forward(timedelta(hours=23))
    await room.settle()
    assert len(room.publisher.to("emma")) == 4


async def test_ttl_is_checked_when_sending(room: Room, tenant: TenantId, still_clock: StillClock) -> None:
    message = await room.messages.accept(tenant, hello("emma", ttl_seconds=60))
    still_clock.forward(timedelta(seconds=60))
    await room.settle()
    assert await states(room, tenant, message) == {"emma": ("expired", "expired")}


async def test_collapse_replaces_the_waiting_copy(room: Room, tenant: TenantId) -> None:
    first = await room.messages.accept(tenant, hello("emma", collapse_key="cart"))
    await room.messages.accept(tenant, hello("emma", collapse_key="cart"))
    await room.settle()
    assert await states(room, tenant, first) == {"emma": ("cancelled", "collapsed")}
    assert len(room.publisher.to("emma")) == 1


async def test_collapse_updates_what_is_on_the_screen(room: Room, tenant: TenantId) -> None:
    await room.messages.accept(tenant, hello("emma", collapse_key="cart"))
    await room.settle()
    shown = room.publisher.to("emma")[0]["delivery"]
    await room.receipts.record(tenant, EMMA, [(shown, ReceiptKind.SEEN)])
    second = await room.messages.accept(
        tenant, MessageDraft(to=to("emma"), content=Content("Two items", ""), collapse_key="cart")
    )
    await room.settle()
    update = room.publisher.to("emma")[-1]
    assert (update["type"], update["delivery"], update["title"]) == ("message.updated", shown, "Two items")
    assert update["unread"] == 1
    assert [item["title"] for item in (await room.inbox.list(tenant, EMMA, Window())).data] == ["Two items"]
    await room.receipts.record(tenant, EMMA, [(shown, ReceiptKind.CLICKED)])
    (report,) = (await room.messages.deliveries(tenant, second, Window())).data
    assert report.clicked_at is not None


async def test_cancel_stops_what_has_not_been_sent(
    room: Room, tenant: TenantId, still_clock: StillClock
) -> None:
    later = still_clock.now() + timedelta(hours=1)
    message = await room.messages.accept(tenant, hello("emma", "lin", cancel_key="cart:1", send_at=later))
    assert await states(room, tenant, message) == dict.fromkeys(("emma", "lin"), ("scheduled", "send_at"))
    assert await room.messages.cancel(tenant, cancel_key="cart:1") == 2
    assert await room.messages.cancel(tenant, cancel_key="cart:1") == 0
    still_clock.forward(timedelta(hours=2))
    await room.settle()
    assert room.publisher.all == []
    assert (await room.messages.get(tenant, message)).status == "cancelled"


async def test_send_at_in_each_recipients_own_zone(
    room: Room, tenant: TenantId, still_clock: StillClock
) -> None:
    await room.users.put(tenant, LIN, UserChange(timezone="Asia/Shanghai"))
    nine = still_clock.now().replace(tzinfo=None, hour=9) + timedelta(days=1)
    await room.messages.accept(tenant, hello("emma", "lin", send_local=nine))
    still_clock.set(still_clock.now().replace(hour=1) + timedelta(days=1))
    await room.settle()
    assert [one.channel for one in room.publisher.all if one.key] == ["user:lin"]
    still_clock.forward(timedelta(hours=8))
    await room.settle()
    assert len(room.publisher.to("emma")) == 1


async def test_the_same_key_is_the_same_message(room: Room, tenant: TenantId) -> None:
    first = await room.messages.accept(tenant, hello("emma"), "campaign:evt_1")
    assert await room.messages.accept(tenant, hello("emma"), "campaign:evt_1") == first
    with pytest.raises(KeyReused):
        await room.messages.accept(tenant, hello("lin"), "campaign:evt_1")
    await room.settle()
    assert len(room.publisher.to("emma")) == 1


async def test_http_keys_lapse_after_a_day(room: Room, tenant: TenantId, still_clock: StillClock) -> None:
    first = await room.messages.accept(tenant, hello("emma"), "http:k:1")
    still_clock.forward(timedelta(hours=25))
    assert await room.messages.accept(tenant, hello("lin"), "http:k:1") != first


async def test_topics_segments_and_names_reach_each_user_once(room: Room, tenant: TenantId) -> None:
    for index in range(12):
        country = "GB" if index % 2 else "CN"
        await room.users.put(tenant, UserId(f"u{index:02}"), UserChange(attributes={"country": country}))
    await room.topics.add(tenant, "vip", ["u01", "u02", "u03"])
    await room.segments.put(tenant, "british", 'country = "GB"')
    room.fanout.page_size = 2
    draft = MessageDraft(
        to=(Recipient(topic="vip"), Recipient(segment="british"), *to("u02", "zed")),
        content=Content("Hi", ""),
    )
    message = await room.messages.accept(tenant, draft)
    await room.settle()
    got = sorted(await states(room, tenant, message))
    assert got == ["u01", "u02", "u03", "u05", "u07", "u09", "u11", "zed"]
    everyone = await room.messages.accept(
        tenant, MessageDraft(to=(Recipient(everyone=True),), content=Content("Hi", ""))
    )
    await room.settle()
    assert (await room.messages.get(tenant, everyone)).counts == {"sent": 13}


async def test_recipients_own_data_goes_over_the_messages(room: Room, tenant: TenantId) -> None:
    await room.templates.put(tenant, "pick", {"en": LocaleSource("{{ word }}", "{{ item }}")}, trusted=True)
    draft = MessageDraft(
        to=(Recipient(user=EMMA, data={"item": "lamp"}), Recipient(user=LIN, data={"item": "bell"})),
        template="pick",
        data={"word": "For you", "item": "nothing"},
    )
    await room.messages.accept(tenant, draft)
    await room.settle()
    assert room.publisher.to("emma")[0]["body"] == "lamp"
    assert room.publisher.to("lin")[0]["body"] == "bell"


async def test_a_queued_message_keeps_its_template_version(room: Room, tenant: TenantId) -> None:
    await room.templates.put(tenant, "t", {"en": LocaleSource("old", "")}, trusted=True)
    await room.messages.accept(tenant, MessageDraft(to=to("emma"), template="t"))
    await room.templates.put(tenant, "t", {"en": LocaleSource("new", "")}, trusted=True)
    await room.settle()
    assert room.publisher.to("emma")[0]["title"] == "old"


async def test_a_template_that_fails_for_one_user_fails_only_there(room: Room, tenant: TenantId) -> None:
    await room.templates.put(tenant, "t", {"en": LocaleSource("Hi {{ user.city }}", "")}, trusted=True)
    await room.users.put(tenant, EMMA, UserChange(attributes={"city": "Leeds"}))
    message = await room.messages.accept(tenant, MessageDraft(to=to("emma", "lin"), template="t"))
    await room.settle()
    found = await states(room, tenant, message)
    assert found["emma"] == ("sent", "")
    assert found["lin"][0] == "failed"
    assert "en.title, line 1" in found["lin"][1]


async def test_publishing_that_fails_is_tried_again(
    room: Room, tenant: TenantId, still_clock: StillClock
) -> None:
    room.publisher.down = True
    message = await room.messages.accept(tenant, hello("emma"))
    await room.settle()
    assert await states(room, tenant, message) == {"emma": ("queued", "unavailable")}
    room.publisher.down = False
    still_clock.forward(timedelta(seconds=10))
    await room.settle()
    assert await states(room, tenant, message) == {"emma": ("sent", "")}
    assert len((await room.inbox.list(tenant, EMMA, Window())).data) == 1


async def test_receipts_count_once_and_only_for_the_owner(room: Room, tenant: TenantId) -> None:
    heard: list[str] = []

    async def listener(reception: Any) -> None:
        heard.append(reception.receipt.kind)
        raise RuntimeError("listeners may fail")

    room.receipts.listen(listener)
    await room.messages.accept(tenant, hello("emma"))
    await room.messages.accept(tenant, hello("emma"))
    await room.settle()
    first, second = [DeliveryId(payload["delivery"]) for payload in room.publisher.to("emma")]
    assert await room.receipts.record(tenant, LIN, [(first, ReceiptKind.SEEN)]) == 0
    assert heard == []
    assert await room.receipts.record(tenant, EMMA, [(first, ReceiptKind.DELIVERED)]) == 2
    assert await room.receipts.record(tenant, EMMA, [(first, ReceiptKind.SEEN)]) == 1
    assert await room.receipts.record(tenant, EMMA, [(first, ReceiptKind.SEEN)]) == 1
    assert heard == ["delivered", "seen"]
    assert room.publisher.to("emma")[-1] == {"type": "unread", "unread": 1}
    assert await room.receipts.record(tenant, EMMA, [(second, ReceiptKind.DISMISSED)]) == 0
    assert await room.receipts.see_all(tenant, EMMA) == 0
    assert heard == ["delivered", "seen", "dismissed"], "what is seen is not seen again"
    assert [item["delivery"] for item in (await room.inbox.list(tenant, EMMA, Window())).data] == [first]


async def test_the_inbox_keeps_the_newest(room: Room, tenant: TenantId) -> None:
    room.outbox._delivery._inbox_size = 3
    for _ in range(5):
        await room.messages.accept(tenant, hello("emma"))
        await room.settle()
    page = await room.inbox.list(tenant, EMMA, Window(limit=2))
    assert page.has_more
    rest = await room.inbox.list(tenant, EMMA, Window(limit=2, starting_after=page.data[-1]["delivery"]))
    assert (len(rest.data), rest.has_more) == (1, False)
    back = await room.inbox.list(tenant, EMMA, Window(limit=2, ending_before=rest.data[0]["delivery"]))
    assert back.data == page.data
    assert await room.receipts.see_all(tenant, EMMA) == 0
    assert {item["seen"] for item in (await room.inbox.list(tenant, EMMA, Window())).data} == {True}
    assert room.publisher.to("emma")[-1] == {"type": "unread", "unread": 0}


async def test_an_erased_user_gets_nothing_and_leaves_no_text(
    room: Room, tenant: TenantId, still_clock: StillClock
) -> None:
    await room.users.put(tenant, EMMA, UserChange(attributes={"name": "Emma"}, consents={"marketing": True}))
    await room.messages.accept(tenant, hello("emma"))
    await room.settle()
    await room.messages.accept(tenant, hello("emma", send_at=still_clock.now() + timedelta(hours=1)))
    await room.users.delete(tenant, EMMA)
    still_clock.forward(timedelta(hours=2))
    await room.settle()
    assert len(room.publisher.to("emma")) == 1
    for table in ("app_user", "inbox_item", "consent_entry"):
        assert await room.database.read(f"SELECT 1 FROM {table}") == []
    rows = await room.database.read("SELECT user_id FROM delivery")
    assert all("emma" not in row["user_id"] for row in rows)


@pytest.mark.parametrize(
    ("draft", "param"),
    [
        (MessageDraft(to=(), content=Content("a", "b")), "to"),
        (MessageDraft(to=to("emma")), "template"),
        (MessageDraft(to=to("emma"), template="nope"), "template"),
        (MessageDraft(to=to("emma"), template="nope@x"), "template"),
        (hello("em ma"), "to[0].user"),
        (hello("emma", ttl_seconds=0), "ttl"),
        (hello("emma", locale="klingon!"), "locale"),
        (hello("emma", channels=("pigeon",)), "channels"),
        (MessageDraft(to=(Recipient(topic="nope"),), content=Content("a", "b")), "to.topic"),
        (MessageDraft(to=(Recipient(segment="nope"),), content=Content("a", "b")), "to.segment"),
    ],
)
async def test_bad_drafts_name_the_field(
    room: Room, tenant: TenantId, draft: MessageDraft, param: str
) -> None:
    with pytest.raises(InvalidInput) as caught:
        await room.messages.accept(tenant, draft)
    assert caught.value.param == param


async def test_times_in_the_past_or_the_far_future_are_refused(
    room: Room, tenant: TenantId, still_clock: StillClock
) -> None:
    for days in (-1, 400):
        with pytest.raises(InvalidInput, match="send_at"):
            await room.messages.accept(
                tenant, hello("emma", send_at=still_clock.now() + timedelta(days=days))
            )


async def test_what_was_marked_before_is_not_counted_again(room: Room, tenant: TenantId) -> None:
    """A page that died half marked comes again, with what is new in it."""
    await room.messages.accept(tenant, hello("emma"))
    await room.settle()
    assert await counted(room) == 1
    again = "UPDATE delivery SET state = 'queued', pending = 1, due_at = 0 WHERE user_id = 'emma'"
    await room.database.write(lambda tx: tx.execute(again))
    await room.messages.accept(tenant, hello("lin", "max"))
    await room.settle()
    assert await counted(room) == 3
    assert await room.database.read("SELECT id FROM delivery WHERE state <> 'sent'") == []


async def counted(room: Room) -> int:
    rows = await room.database.read("SELECT SUM(quantity) AS n FROM usage_event WHERE kind = 'messages'")
    return int(rows[0]["n"])
