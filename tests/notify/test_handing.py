"""What was written a moment ago is handed over in memory; whatever comes in between, the queue on disk is the truth."""

from collections.abc import AsyncIterator
from typing import Any

import pytest

from chatpush.domain import Category, Content, OutgoingMessage, TenantId, UserId
from chatpush.notify.audience.users import UserChange
from chatpush.notify.messages.drafts import MessageDraft, Recipient
from chatpush.notify.sending import handing
from chatpush.notify.templates.template_source import LocaleSource
from chatpush.plugins.hooks import hook
from chatpush.plugins.host import Plugins
from chatpush.store.database import Database
from chatpush.store.vault import Vault
from tests.clocks import StillClock
from tests.notify.building import Room, build_room


@pytest.fixture
async def room(database: Database, vault: Vault, still_clock: StillClock) -> AsyncIterator[Room]:
    """The room as it is while the outbox runs: what is due at once is handed over."""
    room = build_room(database, vault, still_clock, page_size=10)
    room.outbox.handing.open()
    yield room
    await room.away.stop()
    await room.renderers.stop()


def hello(*users: str, **more: Any) -> MessageDraft:
    to = tuple(Recipient(user=UserId(user)) for user in users)
    return MessageDraft(to=to, content=Content("Hello", ""), **more)


async def states(room: Room) -> dict[str, tuple[str, str, int, str]]:
    rows = await room.database.read("SELECT user_id, state, reason, pending, claimed_by FROM delivery")
    return {row["user_id"]: (row["state"], row["reason"], row["pending"], row["claimed_by"]) for row in rows}


async def test_it_goes_out_without_a_look_at_the_queue(
    room: Room, tenant: TenantId, monkeypatch: pytest.MonkeyPatch
) -> None:
    await room.templates.put(tenant, "hi", {"en": LocaleSource("Hi {{ user.id }}", "{{ x }}{{ y }}")})
    to = tuple(Recipient(user=UserId(user), data={"x": user * 2}) for user in ("ann", "bob"))
    await room.messages.accept(tenant, MessageDraft(to=to, template="hi", data={"y": "!"}))
    assert await states(room) == dict.fromkeys(("ann", "bob"), ("queued", "", 1, "test"))

    async def nothing(*_: Any) -> list[Any]:
        return []

    monkeypatch.setattr(room.outbox._claims, "claim", nothing)
    await room.settle()
    assert [(one["title"], one["body"]) for one in room.publisher.to("bob")] == [("Hi bob", "bobbob!")]
    assert await states(room) == dict.fromkeys(("ann", "bob"), ("sent", "", 0, ""))


async def test_pages_of_a_topic_are_handed_over_too(room: Room, tenant: TenantId) -> None:
    users = [UserId(f"u{n:02}") for n in range(25)]
    await room.topics.add(tenant, "all", users)
    await room.messages.accept(tenant, MessageDraft(to=(Recipient(topic="all"),), content=Content("Hi", "")))
    await room.fanout.turn()
    assert {one[3] for one in (await states(room)).values()} == {"test"}
    await room.settle()
    assert all(len(room.publisher.to(user)) == 1 for user in users)


async def test_a_cancel_and_an_erasure_in_between_win(room: Room, tenant: TenantId) -> None:
    await room.messages.accept(tenant, hello("ann", "bob", cancel_key="k"))
    await room.messages.cancel(tenant, cancel_key="k", users=[UserId("ann")])
    await room.users.delete(tenant, UserId("bob"))
    await room.settle()
    assert room.publisher.all == []
    assert {one[0] for one in (await states(room)).values()} == {"cancelled"}


async def test_consent_caps_and_filters_hold(
    database: Database, vault: Vault, still_clock: StillClock, tenant: TenantId
) -> None:
    class Louder:
        @hook
        async def filter_message(self, message: OutgoingMessage) -> OutgoingMessage:
            return message

    room = build_room(database, vault, still_clock, plugins=Plugins({"louder": Louder()}))
    room.outbox.handing.open()
    await room.users.put(tenant, UserId("ann"), UserChange(consents={"marketing": True}))
    for _ in range(5):
        await room.messages.accept(tenant, hello("ann", "bob", category=Category.MARKETING))
    await room.settle()
    assert len(room.publisher.to("ann")) == 3
    assert room.publisher.to("bob") == []
    reasons = await database.read(
        "SELECT user_id, reason, COUNT(*) AS n FROM delivery GROUP BY user_id, reason"
    )
    counted = {(row["user_id"], row["reason"]): row["n"] for row in reasons}
    assert counted == {("ann", ""): 3, ("ann", "frequency_cap"): 2, ("bob", "no_consent"): 5}
    await room.renderers.stop()


async def test_the_same_key_again_hands_nothing_over_and_keeps_no_room(room: Room, tenant: TenantId) -> None:
    first = await room.messages.accept(tenant, hello("ann"), "key")
    assert await room.messages.accept(tenant, hello("ann"), "key") == first
    assert room.outbox.handing._count == 1
    await room.settle()
    assert room.outbox.handing._count == 0
    assert len(room.publisher.to("ann")) == 1


async def test_what_has_no_room_waits_on_disk(
    room: Room, tenant: TenantId, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(handing, "MOST_WAITING", 3)
    monkeypatch.setattr(handing, "ROOM_SECONDS", 0.01)
    await room.messages.accept(tenant, hello("ann", "bob"))
    await room.messages.accept(tenant, hello("cat", "dan"))
    await room.messages.room(2)  # nobody makes room; it does not wait for ever
    assert {user: one[3] for user, one in (await states(room)).items()} == {
        "ann": "test", "bob": "test", "cat": "", "dan": "",
    }  # fmt: skip
    await room.settle()
    assert {one[0] for one in (await states(room)).values()} == {"sent"}


async def test_the_urgent_overtake_what_waits(room: Room, tenant: TenantId) -> None:
    await room.users.put(tenant, UserId("ann"), UserChange(consents={"marketing": True}))
    await room.messages.accept(tenant, hello("ann", category=Category.MARKETING))
    await room.messages.accept(tenant, hello("ann"))
    await room.settle()
    assert [one["category"] for one in room.publisher.to("ann")] == ["transactional", "marketing"]


async def test_a_stop_puts_back_what_was_not_begun_and_a_kill_loses_nothing(
    room: Room, database: Database, vault: Vault, still_clock: StillClock, tenant: TenantId
) -> None:
    await room.messages.accept(tenant, hello("ann"))
    await room.outbox.stop()
    assert (await states(room))["ann"] == ("queued", "", 1, "")
    room.outbox.handing.open()
    await room.messages.accept(tenant, hello("bob"))  # and now the process is killed

    other = build_room(database, vault, still_clock)
    await other.outbox.start()
    await other.outbox.stop()
    await other.settle()
    assert [len(other.publisher.to(user)) for user in ("ann", "bob")] == [1, 1]


async def test_later_and_digested_messages_are_not_handed_over(
    room: Room, tenant: TenantId, still_clock: StillClock
) -> None:
    from_now = still_clock.now().replace(hour=23)
    await room.messages.accept(tenant, hello("ann", send_at=from_now))
    assert (await states(room))["ann"][3] == ""
    assert room.outbox.handing._count == 0
