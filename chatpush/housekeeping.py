"""Do what nobody asks for: sweep up what is over, count who was connected.

Chores run once a minute or once an hour, one after the other. A chore that
fails is logged and comes again next time; it never stops the others.
"""

from collections.abc import Awaitable, Callable, Mapping

import structlog

from chatpush.clock import Clock
from chatpush.rounds import Worker

log = structlog.get_logger(__name__)
Chore = Callable[[], Awaitable[object]]
MINUTE_SECONDS = 60.0
HOUR_SECONDS = 3600.0


class Housekeeping(Worker):
    """Runs chores by name."""

    def __init__(self, clock: Clock, minutely: Mapping[str, Chore], hourly: Mapping[str, Chore]) -> None:
        self._clock = clock
        self._minutely = minutely
        self._hourly = hourly
        self._next_hour = 0.0
        super().__init__("housekeeping", self.turn)

    async def turn(self) -> float:
        """Do what is due and say when to come again."""
        due = dict(self._minutely)
        now = self._clock.monotonic()
        if now >= self._next_hour:
            self._next_hour = now + HOUR_SECONDS
            due |= self._hourly
        for name, chore in due.items():
            try:
                await chore()
            # The edge of a task: one failed chore must not keep the others from being done.
            except Exception:
                log.exception("chore failed", chore=name)
        return MINUTE_SECONDS
