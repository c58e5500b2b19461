"""The agents' list: who waits longest stands first, on both databases."""

from collections.abc import AsyncIterator
from datetime import timedelta

import pytest

from chatpush.domain import DEFAULT_TENANT, ConversationState, UserId
from chatpush.errors import InvalidInput
from chatpush.store.database import Database
from chatpush.store.vault import Vault
from chatpush.support.people.queue import Queue
from tests.clocks import StillClock
from tests.conftest import MASTER_KEY
from tests.support.house import House, build

USERS = [UserId(name) for name in ("ada", "bob", "cleo", "dan")]


@pytest.fixture
async def house(any_database: Database, still_clock: StillClock) -> AsyncIterator[House]:
    """A room in which four users have said something, a minute apart."""
    vault = Vault(any_database, MASTER_KEY)
    await vault.ready(DEFAULT_TENANT)
    house = await build(any_database, vault, still_clock)
    for user in USERS:
        still_clock.forward(timedelta(minutes=1))
        await house.say("Hello", user)
    yield house
    await house.close()


@pytest.fixture
def queue(house: House, any_database: Database) -> Queue:
    vault = house.conversations._vault
    return Queue(any_database, vault, house.conversations)


async def test_the_longest_wait_stands_first_then_the_latest_word(
    house: House, queue: Queue, still_clock: StillClock
) -> None:
    for user in ("cleo", "ada"):
        still_clock.forward(timedelta(minutes=1))
        await house.desk.hand_over(await house.conversation(UserId(user)))
    lines = await queue.lines(DEFAULT_TENANT)
    assert [line.conversation.user for line in lines] == ["cleo", "ada", "dan", "bob"]
    assert lines[0].last is not None
    assert lines[0].last.id == lines[0].conversation.last_turn
    waiting = await queue.lines(DEFAULT_TENANT, (ConversationState.WAITING,), limit=1)
    assert [line.conversation.user for line in waiting] == ["cleo"]


async def test_counts_know_whose_own_they_are(house: House, queue: Queue, still_clock: StillClock) -> None:
    bob = await house.conversation(UserId("bob"))
    await house.desk.take_over(DEFAULT_TENANT, bob.id, "psn_1", "Grace")
    await house.desk.hand_over(await house.conversation(UserId("dan")))
    counts = await queue.counts(DEFAULT_TENANT, "psn_1")
    assert counts.mine == 1
    assert counts.of(ConversationState.WAITING) == 1
    assert counts.of(ConversationState.ASSISTANT) == 2
    assert counts.waiting_since == still_clock.now()
    assert (await queue.counts(DEFAULT_TENANT, "psn_2")).mine == 0
    mine = await queue.lines(DEFAULT_TENANT, (ConversationState.AGENT,), agent="psn_1")
    assert [line.conversation.user for line in mine] == ["bob"]


async def test_the_list_is_read_on_from_any_place_to_its_end(
    house: House, queue: Queue, still_clock: StillClock
) -> None:
    for number in range(40):
        still_clock.forward(timedelta(milliseconds=number % 3))  # some share their moment
        made = await house.conversations.create(DEFAULT_TENANT, UserId(f"more-{number}"), "en")
        if number % 4 == 0:
            await house.desk.hand_over(made)
    whole = [line.conversation.id for line in await queue.lines(DEFAULT_TENANT)]
    assert len(whole) == 44
    read: list[str] = []
    after = ""
    while page := await queue.lines(DEFAULT_TENANT, after=after, limit=7):
        read += [line.conversation.id for line in page]
        after = page[-1].place
    assert read == whole
    # A line that has gone to the top meanwhile leaves its place behind.
    page = await queue.lines(DEFAULT_TENANT, limit=20)
    still_clock.forward(timedelta(seconds=1))
    await house.say("Still there?", page[-1].conversation.user)
    behind = await queue.lines(DEFAULT_TENANT, after=page[-1].place)
    assert [line.conversation.id for line in behind] == whole[20:]
    with pytest.raises(InvalidInput):
        await queue.lines(DEFAULT_TENANT, after="1.2.'; DROP TABLE")
