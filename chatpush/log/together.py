"""Ask once for all who ask at the same time.

Thousands of clients come at once and each wants to know where a channel
stands; a thread hop each would cost more than the answers.
"""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Generic, TypeVar

Q = TypeVar("Q")
A = TypeVar("A")


class Together(Generic[Q, A]):
    """Collects questions while an answer is on its way; ``answer(questions)`` takes them in one go."""

    def __init__(self, answer: Callable[[list[Q]], Awaitable[list[A]]]) -> None:
        self._answer = answer
        self._asked: dict[Q, asyncio.Future[A]] = {}
        self._task: asyncio.Task[None] | None = None

    async def ask(self, question: Q) -> A:
        """Return the answer; the same question at the same time is asked once."""
        future = self._asked.get(question)
        if future is None:
            loop = asyncio.get_running_loop()
            future = self._asked[question] = loop.create_future()
            if self._task is None:
                self._task = loop.create_task(self._run())
        return await asyncio.shield(future)

    async def _run(self) -> None:
        try:
            while self._asked:
                asked, self._asked = self._asked, {}
                try:
                    answers = await self._answer(list(asked))
                except Exception as error:
                    for future in asked.values():
                        future.set_exception(error)
                        future.exception()  # whoever asked may be gone
                else:
                    for future, answer in zip(asked.values(), answers, strict=True):
                        future.set_result(answer)
        finally:
            self._task = None
