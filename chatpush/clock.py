"""Tell the time, so that tests can hold it still.

Rooms take a ``Clock`` and never ask the system themselves. Times are aware
UTC; ``monotonic`` measures waits and never goes back.
"""

import time
from datetime import UTC, datetime
from typing import Protocol


class Clock(Protocol):
    """A source of the current time."""

    def now(self) -> datetime:
        """Return the current time, aware and in UTC."""
        ...

    def monotonic(self) -> float:
        """Return seconds on a clock that never goes back."""
        ...

    def milliseconds(self) -> int:
        """Return the current time as milliseconds since 1970, for who asks a hundred thousand times a second."""
        ...


class SystemClock:
    """The machine's own clock."""

    def now(self) -> datetime:
        return datetime.now(UTC)

    def monotonic(self) -> float:
        return time.monotonic()

    def milliseconds(self) -> int:
        return time.time_ns() // 1_000_000
