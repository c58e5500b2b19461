"""Make sure that nobody silently misses what a log has: from time to time compare, and catch up.

A subscriber that stands behind its channel at two checks in a row, though it
is thought to be in step, has missed something. It reads on from the log; if
that is gone, it is told that its state is insufficient.
"""

import asyncio

import structlog

from chatpush.errors import ChatpushError
from chatpush.log.contract import Cursor, Log
from chatpush.realtime.channels import Channels
from chatpush.realtime.feed import LiveChannel, Subscription

log = structlog.get_logger(__name__)

# Many channels are looked at little by little: nothing here is urgent.
AT_ONCE = 64
PAUSE_SECONDS = 0.05


class Positions:
    """Checks the positions of this node's subscribers."""

    def __init__(self, channels: Channels, source: Log, every_seconds: float) -> None:
        self._channels = channels
        self._log = source
        self._every_seconds = every_seconds
        self._suspects: dict[LiveChannel, Cursor] = {}
        self._task: asyncio.Task[None] | None = None

    def start(self) -> None:
        """Begin to check."""
        self._task = asyncio.get_running_loop().create_task(self._run())

    async def stop(self) -> None:
        """Check no more."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)
            self._task = None

    async def check(self) -> int:
        """Compare every positioned channel with the log; return how many subscribers must catch up."""
        before, self._suspects = self._suspects, {}
        moved = 0
        for number, live in enumerate(self._channels.everywhere(), start=1):
            if number % AT_ONCE == 0:
                await asyncio.sleep(PAUSE_SECONDS)
            if not live.positioned or not live.subscriptions:
                continue
            top = await self._log.top(live.tenant, live.name)
            if live in before:
                moved += _catch_up(live, before[live])
            if any(_stands_behind(sub, top) for sub in live.subscriptions.values()):
                self._suspects[live] = top
        return moved

    async def _run(self) -> None:
        while True:
            await asyncio.sleep(self._every_seconds)
            try:
                if moved := await self.check():
                    log.warning("subscribers had missed publications", subscribers=moved)
            except ChatpushError as error:
                log.warning("positions could not be checked", error=str(error))
            except Exception:
                log.exception("checking positions failed once")


def _catch_up(live: LiveChannel, top: Cursor) -> int:
    behind = [sub for sub in live.subscriptions.values() if _stands_behind(sub, top)]
    for sub in behind:
        live.demote(sub)
        sub.in_step = False
        sub.goal = max(sub.goal, top.offset) if sub.epoch == top.epoch else sub.goal
        sub.catch_up.add(sub)
    return len(behind)


def _stands_behind(sub: Subscription, top: Cursor) -> bool:
    if not sub.in_step:
        return False
    offset = sub.live.top if sub.socket is not None else sub.offset
    return sub.epoch != top.epoch or offset < top.offset
