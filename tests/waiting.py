"""Wait for a condition, never for the clock."""

import asyncio
import inspect
from collections.abc import Awaitable, Callable
from typing import Any, TypeVar, overload

T = TypeVar("T")
LONGEST_SECONDS = 20.0
TICK_SECONDS = 0.005


@overload
async def until(condition: Callable[[], Awaitable[T]], seconds: float = ...) -> T: ...
@overload
async def until(condition: Callable[[], T], seconds: float = ...) -> T: ...
async def until(condition: Callable[[], Any], seconds: float = LONGEST_SECONDS) -> Any:
    """Return the condition's first true answer.

    Raises:
        TimeoutError: it stayed false.
    """
    async with asyncio.timeout(seconds):
        while True:
            answer = condition()
            if inspect.isawaitable(answer):
                answer = await answer
            if answer:
                return answer
            await asyncio.sleep(TICK_SECONDS)
