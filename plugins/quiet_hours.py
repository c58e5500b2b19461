"""Let advertising wait for the hours people like: by weekday, country and holiday, in each reader's own zone.

chatpush knows a reader's nightly quiet hours by itself. This plugin knows weeks:
a message of the named categories that comes outside the day's window waits for
the next one. A day without a window has none. The country is the attribute
``country`` of the user, an ISO 3166 code. Messages of high priority don't wait.

    [plugins.settings.quiet_hours]
    holidays = ["2026-12-25"]

    [plugins.settings.quiet_hours.days]
    weekday = "09:00-20:00"
    sat = "10:00-18:00"

    [plugins.settings.quiet_hours.countries.FR]
    holidays = ["2026-07-14"]
    days = { weekday = "09:30-19:00" }

>>> on_a_sunday = datetime(2026, 11, 22, 12, tzinfo=UTC)
>>> clock = type("Still", (), {"now": lambda self: on_a_sunday})()
>>> verdict = _decide(message(), Settings(), clock.now())
>>> verdict.reason, verdict.until.isoformat()
('waits for Monday 09:00', '2026-11-23T09:00:00+00:00')
"""

from collections.abc import Iterator
from datetime import UTC, date, datetime, time, timedelta
from typing import Any
from zoneinfo import ZoneInfo

from pydantic import BaseModel, ConfigDict, Field, field_validator

from chatpush.clock import Clock, SystemClock
from chatpush.domain import OutgoingMessage
from chatpush.plugins.contracts import Defer
from chatpush.plugins.hooks import hook

inline = True
clock: Clock = SystemClock()
DAYS = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
FARTHEST_DAYS = 21


class Calendar(BaseModel):
    """Windows by day: ``mon`` … ``sun``, or ``weekday`` for Monday to Friday; and days without any."""

    model_config = ConfigDict(extra="forbid")

    days: dict[str, str] = Field(
        {"weekday": "09:00-20:00", "sat": "10:00-18:00"}, description="Windows as HH:MM-HH:MM."
    )
    holidays: list[date] = Field([], description="Days without a window.")

    @field_validator("days")
    @classmethod
    def _are_windows(cls, days: dict[str, str]) -> dict[str, str]:
        for day, window in days.items():
            if day not in (*DAYS, "weekday"):
                raise ValueError(f"{day!r} is no day: use weekday, {', '.join(DAYS)}")
            begin, end = _window(window)
            if begin >= end:
                raise ValueError(f"{window!r} ends before it begins; write it as 09:00-20:00")
        if not days:
            raise ValueError("no day has a window, so nothing would ever be sent; name one at least")
        return days

    def window(self, day: date) -> tuple[time, time] | None:
        """Return a day's window, None if it has none."""
        name = DAYS[day.weekday()]
        written = self.days.get(name) or (self.days.get("weekday") if day.weekday() < 5 else None)
        return None if written is None or day in self.holidays else _window(written)


class Settings(Calendar):
    """What may be set in ``[plugins.settings.quiet_hours]``."""

    categories: list[str] = Field(["marketing"], description="What waits.")
    countries: dict[str, Calendar] = Field({}, description="Other windows for users of a country.")


@hook
def filter_message(message: OutgoingMessage, settings: dict[str, Any]) -> Defer | None:
    """Let a message wait if its reader's day has no room for it now."""
    return _decide(message, Settings(**settings), clock.now())


def _decide(message: OutgoingMessage, settings: Settings, now: datetime) -> Defer | None:
    if message.category not in settings.categories or message.priority == "high":
        return None
    country = str(message.user.attributes.get("country", "")).upper()
    calendar = settings.countries.get(country, settings)
    zone = ZoneInfo(message.user.timezone)
    for opens, closes in _windows(calendar, zone, now):
        if now < opens:
            local = opens.astimezone(zone)
            return Defer(opens, f"waits for {local:%A %H:%M}")
        if now < closes:
            return None
    return None


def _windows(calendar: Calendar, zone: ZoneInfo, now: datetime) -> Iterator[tuple[datetime, datetime]]:
    """Yield the windows from today on, as UTC; wall clocks decide, whatever the clock change."""
    today = now.astimezone(zone).date()
    for ahead in range(FARTHEST_DAYS):
        day = today + timedelta(days=ahead)
        window = calendar.window(day)
        if window:
            begin, end = (datetime.combine(day, at, zone).astimezone(UTC) for at in window)
            yield begin, end


def _window(written: str) -> tuple[time, time]:
    begin, dash, end = written.partition("-")
    if not dash:
        raise ValueError(f"{written!r} is no window; write it as 09:00-20:00")
    return time.fromisoformat(begin.strip()), time.fromisoformat(end.strip())
