"""Say when a team is there: by weekday, in its own zone, but for its holidays.

Nothing here reads a clock. Hours are written as people write them on a door,
``09:00-17:30``, several a day if there is a break; ``24:00`` is midnight at the
day's end. Without any hours a team is always there. A zone's clock change is
the zone's own affair: nine o'clock is nine o'clock on the wall.
"""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import date, datetime, time, timedelta
from typing import Any
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from chatpush.errors import InvalidInput

DAYS = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
MOST_SPANS = 6
MOST_HOLIDAYS = 200
LOOK_AHEAD_DAYS = 60
_SPAN = re.compile(r"([01]\d|2[0-3]):([0-5]\d)-(([01]\d|2[0-3]):([0-5]\d)|24:00)")


@dataclass(frozen=True, slots=True)
class OfficeHours:
    """When a team is there. ``week`` maps mon … sun to spans; none at all means always."""

    zone: str = "UTC"
    week: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    holidays: tuple[str, ...] = ()

    @property
    def always(self) -> bool:
        """Whether there is no closing time."""
        return not any(self.week.values()) and not self.holidays

    def is_open(self, moment: datetime) -> bool:
        """Return whether somebody is there at an aware time."""
        if self.always:
            return True
        zone = ZoneInfo(self.zone)
        day = moment.astimezone(zone).date()
        return any(start <= moment < end for start, end in self._spans(day, zone))

    def opens_at(self, moment: datetime) -> datetime | None:
        """Return when it opens next: now if it is open, None if not within ``LOOK_AHEAD_DAYS``."""
        if self.is_open(moment):
            return moment
        zone = ZoneInfo(self.zone)
        today = moment.astimezone(zone).date()
        for ahead in range(LOOK_AHEAD_DAYS + 1):
            for start, _ in self._spans(today + timedelta(days=ahead), zone):
                if start > moment:
                    return start
        return None

    def _spans(self, day: date, zone: ZoneInfo) -> Iterator[tuple[datetime, datetime]]:
        if day.isoformat() in self.holidays:
            return
        written = self.week.get(DAYS[day.weekday()], ()) if any(self.week.values()) else ("00:00-24:00",)
        for span in sorted(written):
            start, _, end = span.partition("-")
            yield _wall(day, start, zone), _wall(day, end, zone)

    def stored(self) -> dict[str, Any]:
        """Return them as JSON."""
        return {
            "zone": self.zone, "week": {day: list(spans) for day, spans in self.week.items()},
            "holidays": list(self.holidays),
        }  # fmt: skip


def office_hours(given: Mapping[str, Any]) -> OfficeHours:
    """Return checked hours.

    Raises:
        InvalidInput: a zone, day, span or date is none; it says which.
    """
    zone = str(given.get("zone") or "UTC")
    try:
        ZoneInfo(zone)
    except (ZoneInfoNotFoundError, ValueError, OSError) as error:
        raise InvalidInput(
            f"no time zone {zone[:60]!r}; write one as Europe/London", param="hours.zone"
        ) from error
    week: dict[str, tuple[str, ...]] = {}
    for day, spans in dict(given.get("week") or {}).items():
        if day not in DAYS:
            raise InvalidInput(f"no day {str(day)[:20]!r}; there are {', '.join(DAYS)}", param="hours.week")
        week[day] = tuple(sorted(_span(str(span)) for span in list(spans)[: MOST_SPANS + 1]))
        if len(week[day]) > MOST_SPANS:
            raise InvalidInput(f"a day has at most {MOST_SPANS} spans", param="hours.week")
    holidays = tuple(sorted({_day(str(day)) for day in list(given.get("holidays") or [])}))
    if len(holidays) > MOST_HOLIDAYS:
        raise InvalidInput(f"at most {MOST_HOLIDAYS} holidays", param="hours.holidays")
    return OfficeHours(zone, week, holidays)


def _span(text: str) -> str:
    text = text.strip().replace("–", "-").replace(" ", "")
    start, _, end = text.partition("-")
    if not _SPAN.fullmatch(text) or start >= end:
        raise InvalidInput(f"{text[:40]!r} is no span; write 09:00-17:30", param="hours.week")
    return text


def _day(text: str) -> str:
    try:
        return date.fromisoformat(text.strip()).isoformat()
    except ValueError as error:
        raise InvalidInput(f"{text[:40]!r} is no date; write 2026-12-25", param="hours.holidays") from error


def _wall(day: date, clock: str, zone: ZoneInfo) -> datetime:
    if clock == "24:00":
        return datetime.combine(day + timedelta(days=1), time(), zone)
    return datetime.combine(day, time.fromisoformat(clock), zone)
