"""Ring when the next campaign is due: an alarm clock and nothing more.

APScheduler holds no state worth keeping: its store is memory, and what fires,
and whether it fired already, is decided by ``Runs.tick`` from our own rows. It
may ring twice or late without harm. A sweep every half minute finds what other
nodes changed and what a sleeping machine missed.
"""

import asyncio
import contextlib
from collections.abc import Awaitable, Callable
from datetime import UTC, timedelta

import structlog
from apscheduler.jobstores.memory import MemoryJobStore
from apscheduler.schedulers.asyncio import AsyncIOScheduler
from apscheduler.triggers.date import DateTrigger
from apscheduler.triggers.interval import IntervalTrigger

from chatpush.clock import Clock
from chatpush.schedule.campaigns import Campaigns
from chatpush.schedule.runs import Runs

log = structlog.get_logger(__name__)
NEXT, SWEEP = "next", "sweep"
SWEEP_SECONDS = 30


class Alarm:
    """Calls ``runs.tick`` at the right moments; ``every`` adds chores to the same clock."""

    def __init__(self, campaigns: Campaigns, runs: Runs, clock: Clock) -> None:
        self._campaigns = campaigns
        self._runs = runs
        self._clock = clock
        self._scheduler: AsyncIOScheduler | None = None
        self._chores: list[tuple[str, float, Callable[[], Awaitable[object]]]] = []
        self._setting: set[asyncio.Task[None]] = set()

    def every(self, name: str, seconds: float, chore: Callable[[], Awaitable[object]]) -> None:
        """Add a chore done at intervals, such as retention; call before ``start``."""
        self._chores.append((name, seconds, chore))

    async def start(self) -> None:
        """Make up for what was missed, then wait for the next."""
        # Late is better than never: no grace (the default is one second), and late rings become one.
        self._scheduler = AsyncIOScheduler(
            jobstores={"default": MemoryJobStore()},
            job_defaults={"misfire_grace_time": None, "coalesce": True, "max_instances": 1},
            timezone=UTC,
        )
        self._scheduler.add_job(
            self._rung, IntervalTrigger(seconds=SWEEP_SECONDS, timezone=UTC), id=SWEEP, name=SWEEP
        )
        for name, seconds, chore in self._chores:
            self._scheduler.add_job(
                _guarded,
                IntervalTrigger(seconds=seconds, timezone=UTC),
                args=(name, chore),
                id=f"chore {name}",
            )
        self._scheduler.start()
        self._campaigns.on_change = self._changed
        await self._ring()

    async def stop(self) -> None:
        """Ring no more."""
        self._campaigns.on_change = lambda: None
        scheduler, self._scheduler = self._scheduler, None
        if scheduler is not None:
            scheduler.shutdown(wait=False)
        await asyncio.gather(*self._setting, return_exceptions=True)

    def _changed(self) -> None:
        """A campaign was made, changed, paused or resumed: the next firing may have moved."""
        self._runs.ring()
        task = asyncio.get_running_loop().create_task(self._ring())
        self._setting.add(task)
        task.add_done_callback(self._setting.discard)

    async def _rung(self) -> None:
        # The scheduler cancels at its end what runs, and would log that as a failure of ours.
        with contextlib.suppress(asyncio.CancelledError):
            await self._ring()

    async def _ring(self) -> None:
        """Fire what is due and set the alarm to what comes next."""
        try:
            await self._runs.tick()
            await self._set()
        except Exception as error:
            log.exception("alarm rang in vain; the sweep will try again", error=str(error))

    async def _set(self) -> None:
        following = await self._campaigns.next_firing()
        if self._scheduler is None:
            return
        if following is None:
            if self._scheduler.get_job(NEXT) is not None:
                self._scheduler.remove_job(NEXT)
            return
        soonest = self._clock.now() + timedelta(milliseconds=50)
        self._scheduler.add_job(
            self._rung, DateTrigger(max(following, soonest), timezone=UTC), id=NEXT, name=NEXT,
            replace_existing=True,
        )  # fmt: skip


async def _guarded(name: str, chore: Callable[[], Awaitable[object]]) -> None:
    """Do a chore; whatever goes wrong, it is done again next time."""
    try:
        with contextlib.suppress(asyncio.CancelledError):  # as above
            await chore()
    except Exception as error:
        log.exception("chore failed", chore=name, error=str(error))
