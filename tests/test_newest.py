"""Only the newest of what is offered for a key is worked on, and work never stops for good."""

import asyncio

from chatpush.newest import Newest


class Work:
    """Takes what it is given once its gate is open; may be told to fail, or to want it again."""

    def __init__(self) -> None:
        self.taken: list[tuple[str, int]] = []
        self.gate = asyncio.Event()
        self.gate.set()
        self.then: list[float | Exception | None] = []

    async def take(self, key: str, value: int) -> float | None:
        self.taken.append((key, value))
        await self.gate.wait()
        then = self.then.pop(0) if self.then else None
        if isinstance(then, Exception):
            raise then
        return then


async def test_what_came_meanwhile_is_worked_on_next_but_only_the_newest() -> None:
    work = Work()
    newest = Newest("work", work.take)
    work.gate.clear()
    newest.offer("a", 1)
    newest.offer("b", 1)
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    for number in (2, 3, 4):
        newest.offer("a", number)
    work.gate.set()
    await newest.idle()
    assert work.taken == [("a", 1), ("b", 1), ("a", 4)]


async def test_a_failure_costs_only_its_offer() -> None:
    work = Work()
    work.then = [ValueError("no")]
    newest = Newest("work", work.take)
    newest.offer("a", 1)
    await newest.idle()
    newest.offer("a", 2)
    await newest.idle()
    assert work.taken == [("a", 1), ("a", 2)]


async def test_the_same_is_tried_again_if_asked_for() -> None:
    work = Work()
    work.then = [0.0, 0.0]
    newest = Newest("work", work.take)
    newest.offer("a", 1)
    await newest.idle()
    assert work.taken == [("a", 1)] * 3


async def test_what_is_withdrawn_in_the_calm_is_not_worked_on() -> None:
    work = Work()
    newest = Newest("work", work.take)
    newest.offer("a", 1)
    newest.withdraw("a")
    await newest.idle()
    assert work.taken == []


async def test_stopping_gives_up_what_is_under_way() -> None:
    work = Work()
    work.gate.clear()
    newest = Newest("work", work.take)
    newest.offer("a", 1)
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    await newest.stop()
    work.gate.set()
    newest.offer("a", 2)
    await newest.idle()
    assert work.taken == [("a", 1), ("a", 2)]
