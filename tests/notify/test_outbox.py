"""The loop itself: it wakes at once, waits for what is due, and bends to plugins."""

import time
from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from chatpush.clock import SystemClock
from chatpush.domain import Category, Content, OutgoingMessage, TenantId, UserId
from chatpush.errors import Unavailable
from chatpush.notify.audience.users import UserChange
from chatpush.notify.listing import Window
from chatpush.notify.messages.accepted import AcceptedMessages
from chatpush.notify.messages.drafts import MessageDraft, Priority, Recipient
from chatpush.notify.templates.template_source import LocaleSource
from chatpush.plugins.contracts import Drop, Sent
from chatpush.plugins.hooks import hook
from chatpush.plugins.host import Plugins
from chatpush.store.database import Database
from chatpush.store.vault import Vault
from tests.clocks import StillClock
from tests.notify.building import Room, build_room
from tests.waiting import until


def hello(user: str, title: str = "Hello", **more: Any) -> MessageDraft:
    return MessageDraft(to=(Recipient(user=UserId(user)),), content=Content(title, ""), **more)


@pytest.fixture
async def running(database: Database, vault: Vault) -> AsyncIterator[Room]:
    """The room with its loops running on the system's clock."""
    room = build_room(database, vault, SystemClock())
    await room.outbox.start()
    await room.fanout.start()
    yield room
    await room.fanout.stop()
    await room.outbox.stop()


async def test_a_message_wakes_the_loop_at_once(running: Room, tenant: TenantId) -> None:
    await running.messages.accept(tenant, hello("warm-up"))
    await until(lambda: running.publisher.to("warm-up"))
    began = time.monotonic()
    await running.messages.accept(tenant, hello("emma"))
    await until(lambda: running.publisher.to("emma"))
    assert time.monotonic() - began < 1.0  # tens of milliseconds here; a polling loop would take longer


async def test_the_loop_wakes_for_what_is_due_later(running: Room, tenant: TenantId) -> None:
    later = SystemClock().now() + timedelta(milliseconds=150)
    await running.messages.accept(tenant, hello("emma", send_at=later))
    await until(lambda: running.publisher.to("emma"))
    assert SystemClock().now() >= later


async def test_topics_are_fanned_out_in_the_background(running: Room, tenant: TenantId) -> None:
    await running.topics.add(tenant, "vip", [f"u{n}" for n in range(5)])
    running.fanout.page_size = 2
    await running.messages.accept(
        tenant, MessageDraft(to=(Recipient(topic="vip"),), content=Content("Hi", ""))
    )
    await until(lambda: len([one for one in running.publisher.all if one.key]) == 5)


async def test_who_waits_is_never_behind_a_campaign(room: Room, tenant: TenantId) -> None:
    room.outbox._batch = 1
    await room.users.put(tenant, UserId("emma"), UserChange(consents={"marketing": True}))
    for category, priority, title in (
        (Category.MARKETING, Priority.NORMAL, "third"),
        (Category.TRANSACTIONAL, Priority.LOW, "fourth"),
        (Category.TRANSACTIONAL, Priority.NORMAL, "second"),
        (Category.ALERT, Priority.HIGH, "first"),
    ):
        await room.messages.accept(tenant, hello("emma", title, category=category, priority=priority))
    await room.settle()
    assert [one["title"] for one in room.publisher.to("emma")] == ["first", "second", "third", "fourth"]


class Censor:
    """Changes what is rude and drops what is forbidden."""

    @hook
    def filter_message(self, message: OutgoingMessage) -> OutgoingMessage | Drop | None:
        if "forbidden" in message.content.title:
            return Drop("forbidden words")
        if "rude" in message.content.title:
            return replace(message, content=replace(message.content, title="polite"))
        return None


async def test_filters_change_and_drop_with_a_reason(
    database: Database, vault: Vault, still_clock: StillClock, tenant: TenantId
) -> None:
    room = build_room(database, vault, still_clock, plugins=Plugins({"censor": Censor()}))
    await room.messages.accept(tenant, hello("emma", "rude"))
    dropped = await room.messages.accept(tenant, hello("emma", "forbidden"))
    await room.settle()
    assert [one["title"] for one in room.publisher.to("emma")] == ["polite"]
    (report,) = (await room.messages.deliveries(tenant, dropped, Window())).data
    assert (report.state, report.reason) == ("suppressed", "forbidden words")
    (step,) = await room.trace.of(tenant, report.id)
    assert (step.step, step.verdict) == ("filter", "suppressed")


class Mail:
    """A channel that fails as told."""

    name = "email"

    def __init__(self) -> None:
        self.sent: list[tuple[str, str]] = []
        self.failing: Exception | None = None

    @hook
    def register_channels(self) -> list[Any]:
        return [self]

    async def send(self, message: OutgoingMessage, address: str) -> Sent:
        if self.failing:
            raise self.failing
        self.sent.append((address, message.content.title))
        return Sent()


@pytest.fixture
async def mailing(database: Database, vault: Vault, still_clock: StillClock, tenant: TenantId) -> Any:
    mail = Mail()
    room = build_room(database, vault, still_clock, plugins=Plugins({"mail": mail}))
    await room.users.ensure(tenant, [UserId("emma")])
    await room.endpoints.set_of(tenant, UserId("emma"), {"email": ["emma@example.com"]})
    return room, mail


async def report(room: Room, tenant: TenantId, message: Any) -> tuple[str, str]:
    (found,) = (await room.messages.deliveries(tenant, message, Window())).data
    return found.state, found.reason


async def test_channels_reach_users_who_are_away(mailing: tuple[Room, Mail], tenant: TenantId) -> None:
    room, mail = mailing
    message = await room.messages.accept(tenant, hello("emma", channels=("ws", "email")))
    await room.settle()
    assert mail.sent == [("emma@example.com", "Hello")]
    assert len(room.publisher.to("emma")) == 1
    assert await report(room, tenant, message) == ("sent", "")
    room.online.add("emma")
    await room.messages.accept(tenant, hello("emma", channels=("ws", "email")))
    await room.settle()
    assert len(mail.sent) == 1
    await room.messages.accept(tenant, hello("emma", channels=("email",)))
    await room.settle()
    assert len(mail.sent) == 2
    assert len((await room.inbox.list(tenant, UserId("emma"), Window())).data) == 2


async def test_a_channel_that_is_down_is_tried_again(
    mailing: tuple[Room, Mail], tenant: TenantId, still_clock: StillClock
) -> None:
    room, mail = mailing
    mail.failing = Unavailable("smtp is down")
    only = await room.messages.accept(tenant, hello("emma", channels=("email",)))
    both = await room.messages.accept(tenant, hello("emma", channels=("ws", "email")))
    await room.settle()
    assert await report(room, tenant, only) == ("queued", "channel_unavailable")
    assert await report(room, tenant, both) == ("sent", "channel_unavailable")
    mail.failing = None
    still_clock.forward(timedelta(seconds=10))
    await room.settle()
    assert len(mail.sent) == 2
    assert len(room.publisher.to("emma")) == 1
    assert await report(room, tenant, only) == await report(room, tenant, both) == ("sent", "")


async def test_retries_end(mailing: tuple[Room, Mail], tenant: TenantId, still_clock: StillClock) -> None:
    room, mail = mailing
    mail.failing = Unavailable("smtp is down")
    message = await room.messages.accept(tenant, hello("emma", channels=("email",)))
    for _ in range(6):
        await room.settle()
        still_clock.forward(timedelta(hours=1))
    assert await report(room, tenant, message) == ("failed", "channel_failed")


async def test_what_a_channel_refuses_is_final(mailing: tuple[Room, Mail], tenant: TenantId) -> None:
    room, mail = mailing
    mail.failing = ValueError("no such mailbox")
    message = await room.messages.accept(tenant, hello("emma", channels=("email",)))
    nowhere = await room.messages.accept(tenant, hello("lin", channels=("email",)))
    await room.settle()
    assert await report(room, tenant, message) == ("failed", "channel_failed")
    assert await report(room, tenant, nowhere) == ("suppressed", "no_channel")


async def test_one_bad_row_fails_alone(room: Room, tenant: TenantId) -> None:
    message = await room.messages.accept(
        tenant,
        MessageDraft(to=tuple(Recipient(user=UserId(name)) for name in "abc"), content=Content("Hi", "")),
    )
    for name in "abc":
        await room.users.put(tenant, UserId(name), UserChange(attributes={"x": 1}))
    await room.database.write(
        lambda tx: tx.execute("UPDATE app_user SET attributes_sealed = :junk WHERE id = 'b'", junk=b"junk")
    )
    await room.settle()
    found = (await room.messages.deliveries(tenant, message, Window())).data
    assert {one.user: (one.state, one.reason) for one in found} == {
        "a": ("sent", ""), "b": ("failed", "internal: VaultError"), "c": ("sent", ""),
    }  # fmt: skip
    assert len(room.publisher.to("a")) == 1


async def test_a_segment_that_goes_away_ends_only_its_own_message(room: Room, tenant: TenantId) -> None:
    await room.users.ensure(tenant, [UserId("emma")])
    await room.segments.put(tenant, "gone", "id exists")
    lost = await room.messages.accept(
        tenant, MessageDraft(to=(Recipient(segment="gone"),), content=Content("Hi", ""))
    )
    kept = await room.messages.accept(
        tenant, MessageDraft(to=(Recipient(everyone=True),), content=Content("Hi", ""))
    )
    await room.segments.delete(tenant, "gone")
    await room.settle()
    assert (await room.messages.get(tenant, lost)).counts == {}
    assert (await room.messages.get(tenant, kept)).counts == {"sent": 1}


async def test_a_finished_draft_has_forgotten_its_recipients(room: Room, tenant: TenantId) -> None:
    await room.topics.add(tenant, "vip", ["lin"])
    await room.templates.put(tenant, "t", {"en": LocaleSource("{{ word }}", "")}, trusted=True)
    to = (Recipient(topic="vip"), Recipient(user=UserId("emma"), data={"word": "own"}))
    await room.messages.accept(tenant, MessageDraft(to=to, template="t", data={"word": "all"}))
    await room.settle()
    assert [room.publisher.to(name)[0]["title"] for name in ("emma", "lin")] == ["own", "all"]
    (row,) = await room.database.read("SELECT * FROM message")
    assert (await AcceptedMessages(room.vault).of_row(row)).to == ()
