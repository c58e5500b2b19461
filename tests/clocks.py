"""A clock that tests hold in their hand."""

from datetime import UTC, datetime, timedelta

from chatpush.domain import to_ms


class StillClock:
    """Stands still until told otherwise."""

    def __init__(self, moment: datetime | None = None) -> None:
        self.moment = moment or datetime(2026, 11, 24, 12, 0, tzinfo=UTC)
        self.seconds = 0.0

    def now(self) -> datetime:
        return self.moment

    def monotonic(self) -> float:
        return self.seconds

    def milliseconds(self) -> int:
        return to_ms(self.moment)

    def forward(self, delta: timedelta) -> None:
        """Let time pass."""
        self.moment += delta
        self.seconds += delta.total_seconds()

    def set(self, moment: datetime) -> None:
        """Move the wall clock; the monotonic one never goes back."""
        self.seconds += max(0.0, (moment - self.moment).total_seconds())
        self.moment = moment
