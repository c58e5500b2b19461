"""Background rounds turn when rung, survive failures, and stop in good order."""

import asyncio

import pytest
from structlog.testing import capture_logs

from chatpush.errors import Unavailable
from chatpush.rounds import Rounds
from tests.waiting import until


async def test_a_ring_makes_a_turn_and_silence_makes_none() -> None:
    turns: list[int] = []

    async def turn() -> None:
        turns.append(len(turns))

    rounds = Rounds("test", turn)
    await rounds.start()
    await until(lambda: len(turns) == 1)
    rounds.ring()
    await until(lambda: len(turns) == 2)
    await rounds.stop()
    rounds.ring()
    assert len(turns) == 2


async def test_work_left_over_is_taken_at_once() -> None:
    left = [3, 2, 1]

    async def turn() -> float | None:
        left.pop()
        return 0 if left else None

    rounds = Rounds("test", turn)
    await rounds.start()
    await until(lambda: not left)
    await rounds.stop()


async def test_a_failing_turn_comes_again() -> None:
    tries: list[int] = []

    async def turn() -> None:
        tries.append(1)
        if len(tries) < 3:
            raise ConnectionError("not yet")

    rounds = Rounds("test", turn)
    await rounds.start()
    await until(lambda: len(tries) == 3)
    await rounds.stop()


@pytest.mark.parametrize(
    ("error", "traced"), [(Unavailable("the disk is full"), False), (ValueError("a slip"), True)]
)
async def test_what_is_away_is_told_in_a_line_and_a_slip_with_its_place(
    error: Exception, traced: bool
) -> None:
    tries: list[int] = []

    async def turn() -> None:
        tries.append(1)
        if len(tries) == 1:
            raise error

    rounds = Rounds("test", turn)
    with capture_logs() as lines:
        await rounds.start()
        await until(lambda: len(tries) == 2)
        await rounds.stop()
    assert [("exc_info" in line, line.get("error", "")) for line in lines] == [
        (traced, "" if traced else "the disk is full")
    ]


async def test_stopping_waits_for_the_turn_under_way() -> None:
    begun, finished = asyncio.Event(), asyncio.Event()

    async def turn() -> None:
        begun.set()
        await asyncio.sleep(0)
        finished.set()

    rounds = Rounds("test", turn)
    await rounds.start()
    await begun.wait()
    await rounds.stop()
    assert finished.is_set()
