"""Whatever people, users and the house do at the same time, each step is one the state machine has.

A database that lets one call through at a time, in an order that Hypothesis
chooses, makes every interleaving of two to five actions between their reads and
their writes. The turns that each step says tell afterwards what happened.
"""

import asyncio
import itertools
from collections.abc import Callable, Coroutine, Iterable
from typing import Any, cast

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from chatpush.domain import DEFAULT_TENANT, ConversationState, Speaker, UserId
from chatpush.errors import Conflict
from chatpush.store.database import Database
from chatpush.store.vault import Vault
from chatpush.support.assistant.phrases import words
from chatpush.support.conversations.turns import Conversation
from tests.clocks import StillClock
from tests.support.house import House, build
from tests.support.test_assigning import team_of

ASSISTANT, WAITING, AGENT, CLOSED = (
    ConversationState.ASSISTANT,
    ConversationState.WAITING,
    ConversationState.AGENT,
    ConversationState.CLOSED,
)
HOUSE_GIVES_TO = ("Grace", "Linus")
PEOPLE = ("Ann", "Bea")
ACTIONS = (
    "Ann takes", "Bea takes", "Ann replies", "gives back", "closes", "hands over", "asks", "leaves", "assigns",
    "puts back",
)  # fmt: skip


class Turnstile:
    """A database whose calls wait, once it is shut, until they are let through."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._parked: dict[asyncio.Task[object], asyncio.Future[None]] = {}
        self._moved = asyncio.Event()
        self._tasks: list[asyncio.Task[object]] = []

    def __getattr__(self, name: str) -> Any:
        return getattr(self._database, name)

    async def read(self, *args: Any, **params: Any) -> Any:
        """Read when let through."""
        await self._pass()
        return await self._database.read(*args, **params)

    async def write(self, *args: Any, **params: Any) -> Any:
        """Write when let through."""
        await self._pass()
        return await self._database.write(*args, **params)

    async def run(self, order: Iterable[tuple[int, int]], *actions: Coroutine[Any, Any, object]) -> None:
        """Do these at the same time: of ``order`` each says which goes on, and for how many calls.

        Those that tell that what they were to do does not hold any more are content.
        """
        self._tasks = [asyncio.create_task(action) for action in actions]
        for task in self._tasks:
            task.add_done_callback(lambda _: self._moved.set())
        for number, calls in itertools.chain(order, ((number, 1000) for number in range(len(actions)))):
            task = self._tasks[number % len(actions)]
            for _ in range(calls):
                await self._settle()
                if task.done():
                    break
                self._parked.pop(task).set_result(None)
        ended = await asyncio.gather(*self._tasks, return_exceptions=True)
        self._tasks = []
        for error in ended:
            if isinstance(error, BaseException) and not isinstance(error, Conflict):
                raise error

    async def _settle(self) -> None:
        """Wait until every task stands before a call, or is through."""
        while any(not task.done() and task not in self._parked for task in self._tasks):
            self._moved.clear()
            await self._moved.wait()

    async def _pass(self) -> None:
        task = asyncio.current_task()
        if task in self._tasks:
            parked = self._parked[cast("asyncio.Task[object]", task)] = (
                asyncio.get_running_loop().create_future()
            )
            self._moved.set()
            await parked


@pytest.fixture
async def turnstile(database: Database) -> Turnstile:
    """A turnstile before the test's database."""
    return Turnstile(database)


@pytest.fixture
async def house(turnstile: Turnstile, vault: Vault, still_clock: StillClock) -> House:
    """A house behind it."""
    house = await build(cast(Database, turnstile), vault, still_clock)
    await team_of(house, capacity=100)
    return house


def doing(house: House, conversation: Conversation, action: str) -> Coroutine[Any, Any, object]:
    """Return an action under way."""
    tenant, id_, desk = DEFAULT_TENANT, conversation.id, house.desk

    async def put_back() -> None:
        found = await house.conversations.get(tenant, id_)
        if found.state is AGENT:
            await desk.requeue(found)

    does: dict[str, Callable[[], Coroutine[Any, Any, object]]] = {
        "Ann takes": lambda: desk.take_over(tenant, id_, "per_ann", "Ann"),
        "Bea takes": lambda: desk.take_over(tenant, id_, "per_bea", "Bea"),
        "Ann replies": lambda: desk.reply(tenant, id_, "per_ann", "Ann", "Hello."),
        "gives back": lambda: desk.release(tenant, id_),
        "closes": lambda: desk.close(tenant, id_),
        "hands over": lambda: desk.hand_over(conversation),
        "asks": lambda: house.conversations.ask(conversation, "Hm?", "en"),
        "leaves": lambda: desk.leave_message(conversation, "ada@shop.example", "Please write."),
        "assigns": house.people.staff.assigning.turn,
        "puts back": put_back,
    }
    return does[action]()


async def replayed(house: House, conversation: Conversation) -> tuple[ConversationState, str]:
    """Go through what was said; return where it ends.

    Raises:
        AssertionError: a step is none of the state machine.
    """
    state, agent = ASSISTANT, ""
    for turn in await house.conversations.turns(conversation):
        joined = {words("agent_joined", "en", name=name): name for name in (*HOUSE_GIVES_TO, *PEOPLE)}
        back = {words("requeued", "en", name=name): name for name in (*HOUSE_GIVES_TO, *PEOPLE)}
        if turn.text in joined:
            name = joined[turn.text]
            assert state is WAITING if name in HOUSE_GIVES_TO else state is not CLOSED, (state, turn.text)
            state, agent = AGENT, name
        elif turn.text in back:
            assert (state, agent) == (AGENT, back[turn.text])
            state, agent = WAITING, ""
        elif turn.text == words("released", "en"):
            assert state in {WAITING, AGENT}
            state, agent = ASSISTANT, ""
        elif turn.text == words("hand_over_asked", "en") or (
            turn.text == "Please write." and state in {ASSISTANT, CLOSED}
        ):
            state, agent = WAITING, ""
        elif turn.text == words("closed", "en"):
            assert state is not CLOSED
            state, agent = CLOSED, ""
        elif turn.by is Speaker.AGENT:
            assert (state, agent) == (AGENT, turn.name)
        elif turn.text == "Hm?" and state is CLOSED:
            state = ASSISTANT
    return state, agent


users = itertools.count()


@settings(
    max_examples=80,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@given(
    st.lists(st.sampled_from(ACTIONS), min_size=2, max_size=5),
    st.lists(st.tuples(st.integers(0, 4), st.integers(1, 12)), max_size=16),
)
# The look at the queue, then a person takes over and gives back, then the assignment of what was seen.
@example(["assigns", "Ann takes", "gives back"], [(0, 7), (1, 99), (2, 99)])
@example(["Ann replies", "Bea takes"], [(0, 14), (1, 99)])
# One has read the state to tell of it; the other changes and tells it first.
@example(["Ann takes", "gives back"], [(0, 4), (1, 99)])
async def test_every_interleaving_is_a_walk_through_the_state_machine(
    turnstile: Turnstile, house: House, actions: list[str], order: list[tuple[int, int]]
) -> None:
    conversation = await house.conversation(UserId(f"user{next(users)}"))
    await house.desk.hand_over(conversation)
    await turnstile.run(order, *(doing(house, conversation, action) for action in actions))
    now = await house.conversations.get(DEFAULT_TENANT, conversation.id)
    assert await replayed(house, conversation) == (now.state, now.agent_name)
    # Whoever listens has heard last what holds.
    told = house.channels.on(conversation.channel, "state")[-1]
    assert (told["state"], told["agent"] or "") == (now.state, now.agent_name)
    if now.state is not CLOSED:
        await house.desk.close(DEFAULT_TENANT, conversation.id)
