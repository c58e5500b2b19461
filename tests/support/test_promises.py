"""Promises: kept once, expired with a word, cancelled, never of somebody else."""

from datetime import timedelta

import pytest

from chatpush.domain import DEFAULT_TENANT, ConversationState, Event, EventId, PromiseId, Speaker, iso
from chatpush.errors import NotFound
from chatpush.plugins.contracts import Follow
from chatpush.store.database import Database
from chatpush.support.assistant.promises import fill, matches
from tests.support.house import ADA, House, delivered
from tests.waiting import until

FOLLOW = Follow(
    "order.delivered",
    {"order_id": "1001"},
    {"en": "Shall I tell you when 1001 arrives?"},
    {"en": "{order_id} is here, weighing {weight:.1f} kg{__class__}."},
)


@pytest.fixture
def database(any_database: Database) -> Database:
    """Both kinds of database."""
    return any_database


def event(**properties: object) -> Event:
    """Return an event of the order."""
    properties = {"order_id": 1001, "weight": 2.25, **properties}
    return Event(
        DEFAULT_TENANT, EventId("evt_9"), ADA, "order.delivered", delivered().at, properties=properties
    )


async def test_texts_are_filled_and_reach_into_nothing(house: House) -> None:
    await house.promises.make(await house.conversation(), FOLLOW, "en")
    assert await house.promises.on_event(event()) == 1
    assert (await house.turns())[-1].text == "1001 is here, weighing 2.2 kg."
    assert fill("{a.b} {a[0]} {missing}!", {"a": "x"}) == "{a.b} {a[0]} !"
    assert fill("{a:zzz}", {"a": 1}) == "1"


async def test_only_what_matches_keeps_it(house: House) -> None:
    await house.promises.make(await house.conversation(), FOLLOW, "en")
    assert await house.promises.on_event(event(order_id=1002)) == 0
    assert not matches({"order_id": "1001"}, Event(DEFAULT_TENANT, EventId("e"), ADA, "t", event().at))
    assert await house.promises.on_event(event()) == 1


async def test_a_promise_lives_as_long_as_its_event_can_come(house: House) -> None:
    house.tool.until = house.clock.now() + timedelta(hours=3)
    await house.say("Where is my order 1001?")
    turn = await house.say("yes")
    assert turn.promise is not None
    assert turn.promise["until"] == iso(house.tool.until)
    house.clock.forward(timedelta(hours=3))
    assert await house.promises.expire() == 1
    turn = await house.say("Where is my order 1001?")
    assert turn.text == "Order 1001 is shipped."  # it is over, so nothing is offered
    assert turn.actions == ()


async def test_a_time_without_a_zone_is_a_tools_fault(house: House) -> None:
    house.tool.until = house.clock.now().replace(tzinfo=None)
    await house.say("Where is my order 1001?")
    assert (await house.conversation()).state is ConversationState.WAITING


async def test_an_overdue_promise_expires_with_a_word(house: House) -> None:
    await house.promises.make(await house.conversation(), FOLLOW, "en")
    assert await house.promises.expire() == 0
    house.clock.forward(timedelta(days=31))
    assert await house.promises.expire() == 1
    turn = (await house.turns())[-1]
    assert turn.by is Speaker.ASSISTANT
    assert "no longer watching" in turn.text
    assert await house.promises.on_event(event()) == 0
    assert await house.promises.expire() == 0
    assert await house.promises.counts(DEFAULT_TENANT) == {"expired": 1}


async def test_the_sweep_runs_by_itself(house: House) -> None:
    await house.promises.make(await house.conversation(), FOLLOW, "en")
    house.clock.forward(timedelta(days=31))
    await house.promises.start()

    async def expired() -> bool:
        return bool((await house.promises.counts(DEFAULT_TENANT)).get("expired"))

    await until(expired)


async def test_a_cancelled_promise_is_not_kept(house: House) -> None:
    made = await house.promises.make(await house.conversation(), FOLLOW, "en")
    await house.promises.cancel(DEFAULT_TENANT, ADA, made.id)
    assert await house.promises.list(DEFAULT_TENANT, ADA) == []
    assert await house.promises.on_event(event()) == 0
    with pytest.raises(NotFound):
        await house.promises.cancel(DEFAULT_TENANT, ADA, made.id)
    with pytest.raises(NotFound):
        await house.promises.cancel(DEFAULT_TENANT, ADA, PromiseId("prm_none"))


async def test_with_a_person_in_charge_it_is_a_note(house: House) -> None:
    conversation = await house.conversation()
    await house.promises.make(conversation, FOLLOW, "en")
    await house.desk.take_over(DEFAULT_TENANT, conversation.id, "per_1", "Grace")
    await house.promises.on_event(event())
    assert (await house.turns())[-1].by is Speaker.SYSTEM
    assert (await house.conversation()).state is ConversationState.AGENT
    assert len(house.notices) == 1


async def test_what_a_crash_kept_from_being_published_is_published_with_the_next_delivery(
    house: House,
) -> None:
    conversation = await house.conversation()
    await house.promises.make(conversation, FOLLOW, "en")
    publish = house.channels.publish

    async def down(*args: object, **kwargs: object) -> None:
        raise ConnectionError("the log is down")

    house.channels.publish = down  # type: ignore[method-assign]
    with pytest.raises(ConnectionError):
        await house.promises.on_event(event())
    house.channels.publish = publish  # type: ignore[method-assign]
    assert await house.promises.on_event(event()) == 1
    texts = [data["turn"]["text"] for data in house.channels.on(conversation.channel, "turn")]
    assert texts.count("1001 is here, weighing 2.2 kg.") == 1
    assert len(house.notices) == 1
    assert len([turn for turn in await house.turns() if "1001 is here" in turn.text]) == 1


async def test_an_erased_users_promise_is_gone_with_them(house: House, database: Database) -> None:
    await house.promises.make(await house.conversation(), FOLLOW, "en")
    await house.conversations._vault.forget(DEFAULT_TENANT, ADA)
    assert await house.promises.on_event(event()) == 0


async def test_content_is_sealed(house: House, database: Database) -> None:
    await house.say("My secret is swordfish")
    await house.promises.make(await house.conversation(), FOLLOW, "en")
    for table in ("turn", "conversation", "promise"):
        for row in await database.read(f"SELECT * FROM {table}"):
            whole = b"".join(v if isinstance(v, bytes) else str(v).encode() for v in row.values())
            assert b"swordfish" not in whole
            # As words and as JSON write it: the bare digits may be part of any id or time.
            assert b" 1001" not in whole
            assert b'"1001"' not in whole
