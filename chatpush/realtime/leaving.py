"""Send everybody away without making one crowd of them: at random moments within a window.

A client that is told to come back does so at once, to another node. Spread
out, ``PER_SECOND`` a second until the window is full, they are no storm there.
"""

import asyncio
import random
from collections.abc import Callable, Sequence

PER_SECOND = 500
TURN_SECONDS = 0.02


def moments(count: int, within: float) -> list[float]:
    """Return when each of so many leaves: seconds from now, in order, all in the window; few need less of it."""
    window = min(within, count / PER_SECOND)
    return sorted(random.uniform(0.0, window) for _ in range(count))


async def send_away(goodbyes: Sequence[Callable[[], None]], within: float) -> None:
    """Say each goodbye once, in random order, over at most ``within`` seconds."""
    loop = asyncio.get_running_loop()
    began = loop.time()
    order = random.sample(goodbyes, len(goodbyes))
    for moment, goodbye in zip(moments(len(order), within), order, strict=True):
        if (early := began + moment - loop.time()) > 0:
            await asyncio.sleep(max(early, TURN_SECONDS))
        goodbye()
