"""Work in the background on the newest of what is offered for each key; what is older is left out.

One task for each key, and none while there is nothing to do. A failure is
logged and the next offer is taken all the same.
"""

import asyncio
from collections.abc import Awaitable, Callable, Hashable
from typing import Generic, TypeVar

import structlog

log = structlog.get_logger(__name__)

K = TypeVar("K", bound=Hashable)
V = TypeVar("V")


class Newest(Generic[K, V]):
    """``take(key, value)`` works on one; it returns after how many seconds to try the same again, None for done.

    After an offer ``calm_seconds`` go by before it is taken, for whoever offers many times in a row.
    """

    def __init__(
        self, name: str, take: Callable[[K, V], Awaitable[float | None]], calm_seconds: float = 0.0
    ) -> None:
        self._name = name
        self._take = take
        self._calm_seconds = calm_seconds
        self._offered: dict[K, V] = {}
        self._tasks: dict[K, asyncio.Task[None]] = {}

    def offer(self, key: K, value: V) -> None:
        """Say what is the newest now."""
        self._offered[key] = value
        task = self._tasks.get(key)
        if task is None or task.done():
            self._tasks[key] = asyncio.create_task(self._keep_up(key), name=f"{self._name} of {key}")

    def withdraw(self, key: K) -> None:
        """Say that there is nothing any more."""
        self._offered.pop(key, None)

    async def idle(self) -> None:
        """Return once nothing is under way."""
        while running := [task for task in self._tasks.values() if not task.done()]:
            await asyncio.gather(*running)

    async def stop(self) -> None:
        """Give up what is under way."""
        for task in self._tasks.values():
            task.cancel()
        await asyncio.gather(*self._tasks.values(), return_exceptions=True)
        self._tasks.clear()

    async def _keep_up(self, key: K) -> None:
        while key in self._offered:
            await asyncio.sleep(self._calm_seconds)
            if key not in self._offered:
                break
            value = self._offered.pop(key)
            try:
                again = await self._take(key, value)
            # The edge of a task: the next offer is worth a try.
            except Exception:
                log.exception("background work failed", work=self._name, key=key)
                continue
            if again is not None:
                self._offered.setdefault(key, value)
                await asyncio.sleep(again)
        self._tasks.pop(key, None)
