"""Run a piece of background work whenever there is some, and never die of it.

A turn does one bounded piece and says when it wants the next: at once (0),
after so many seconds, or only when somebody rings (None). Ringing costs
nothing, so whoever makes work rings and nobody polls.
"""

import asyncio
import contextlib
from collections.abc import Awaitable, Callable

import structlog

from chatpush.errors import Unavailable

log = structlog.get_logger(__name__)

LONGEST_WAIT_SECONDS = 60.0
FIRST_BACKOFF_SECONDS = 0.1
LONGEST_BACKOFF_SECONDS = 10.0
STOP_SECONDS = 5.0


class Rounds:
    """One background loop."""

    def __init__(self, name: str, turn: Callable[[], Awaitable[float | None]]) -> None:
        self._name = name
        self._turn = turn
        self._bell = asyncio.Event()
        self._stopping = False
        self._task: asyncio.Task[None] | None = None

    async def start(self) -> None:
        """Begin, with a first turn at once."""
        self._stopping = False
        self._bell.set()
        self._task = asyncio.create_task(self._run(), name=self._name)

    async def stop(self) -> None:
        """Finish the present turn, or cut it off after ``STOP_SECONDS``."""
        self._stopping = True
        self.ring()
        task, self._task = self._task, None
        if task is not None:
            await asyncio.wait([task], timeout=STOP_SECONDS)
            task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await task

    def ring(self) -> None:
        """Say that there is work."""
        self._bell.set()

    async def _run(self) -> None:
        failures = 0
        while not self._stopping:
            self._bell.clear()
            try:
                pause = await self._turn()
            # The edge of a task: whatever went wrong, the work is still there and is tried again.
            except Exception as error:
                failures += 1
                pause = min(FIRST_BACKOFF_SECONDS * 2**failures, LONGEST_BACKOFF_SECONDS)
                # A full disk or a database that is away says all by its name, and says it often.
                shown = {"error": str(error)} if isinstance(error, Unavailable) else {"exc_info": error}
                log.error("background turn failed", loop=self._name, again_in_seconds=pause, **shown)
                await asyncio.sleep(pause)
                continue
            failures = 0
            if pause != 0:
                await self._wait(LONGEST_WAIT_SECONDS if pause is None else min(pause, LONGEST_WAIT_SECONDS))

    async def _wait(self, seconds: float) -> None:
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                await self._bell.wait()


class Worker:
    """Something that works in the background from ``start`` to ``stop``, by turns as those of ``Rounds``."""

    def __init__(self, name: str, turn: Callable[[], Awaitable[float | None]]) -> None:
        self._rounds = Rounds(name, turn)

    async def start(self) -> None:
        """Go on with whatever was left undone, and with what comes."""
        await self._rounds.start()

    async def stop(self) -> None:
        """Finish the present turn."""
        await self._rounds.stop()

    def ring(self) -> None:
        """Say that there is work."""
        self._rounds.ring()
