"""Ask once for all who ask at the same time.

Thousands of clients come at once and each wants to know where a channel
stands; a thread hop each would cost more than the answers. The first is
answered at once, and those who come within a moment after it together.
"""

import asyncio
from collections.abc import Awaitable, Callable, Iterable, Iterator
from typing import Generic, TypeVar

BREATH_SECONDS = 0.002
Q = TypeVar("Q")
A = TypeVar("A")


class Together(Generic[Q, A]):
    """Collects questions while an answer is on its way; ``answer(questions)`` takes them in one go."""

    def __init__(self, answer: Callable[[list[Q]], Awaitable[list[A]]]) -> None:
        self._answer = answer
        self._asked: dict[Q, list[asyncio.Future[A]]] = {}
        self._task: asyncio.Task[None] | None = None

    async def ask(self, question: Q) -> A:
        """Return the answer; the same question at the same time is asked once."""
        loop = asyncio.get_running_loop()
        future: asyncio.Future[A] = loop.create_future()
        self._asked.setdefault(question, []).append(future)
        if self._task is None:
            self._task = loop.create_task(self._run())
        return await future

    async def _run(self) -> None:
        try:
            while self._asked:
                asked, self._asked = self._asked, {}
                try:
                    answers = await self._answer(list(asked))
                except Exception as error:
                    for future in _waiting(asked.values()):
                        future.set_exception(error)
                else:
                    for futures, answer in zip(asked.values(), answers, strict=True):
                        for future in _waiting((futures,)):
                            future.set_result(answer)
                await asyncio.sleep(BREATH_SECONDS)
        finally:
            self._task = None


def _waiting(asked: Iterable[list[asyncio.Future[A]]]) -> Iterator[asyncio.Future[A]]:
    """Yield the futures of those who still wait; some may be gone."""
    return (future for futures in asked for future in futures if not future.done())
