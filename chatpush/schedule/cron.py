"""Read a cron expression and list its times of one local day; no zone, no clock.

Five fields: minute, hour, day of month, month, day of week (0 and 7 are
Sunday), with ``*``, lists, ranges, steps and names; or ``@hourly``, ``@daily``,
``@weekly``, ``@monthly``, ``@yearly``. If both day fields are restricted, either
is enough, as in every cron.
"""

from dataclasses import dataclass
from datetime import date, time
from functools import lru_cache

from chatpush.errors import InvalidInput

MONTHS = ("jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec")
DAYS = ("sun", "mon", "tue", "wed", "thu", "fri", "sat")
MACROS = {
    "@hourly": "0 * * * *",
    "@daily": "0 0 * * *",
    "@midnight": "0 0 * * *",
    "@weekly": "0 0 * * 0",
    "@monthly": "0 0 1 * *",
    "@yearly": "0 0 1 1 *",
    "@annually": "0 0 1 1 *",
}


@dataclass(frozen=True, slots=True)
class Field:
    """One field: what it is called, its bounds, its names."""

    name: str
    low: int
    high: int
    names: tuple[str, ...] = ()
    first_name: int = 0


FIELDS = (
    Field("minute", 0, 59),
    Field("hour", 0, 23),
    Field("day of month", 1, 31),
    Field("month", 1, 12, MONTHS, 1),
    Field("day of week", 0, 7, DAYS),
)


@dataclass(frozen=True, slots=True)
class Cron:
    """A parsed expression. ``hourly``: it means every hour, not hours of the day."""

    expression: str
    minutes: tuple[int, ...]
    hours: tuple[int, ...]
    days: frozenset[int]
    months: frozenset[int]
    weekdays: frozenset[int]
    any_day: bool
    any_weekday: bool
    hourly: bool

    def on(self, day: date) -> bool:
        """Return whether it fires on a day at all."""
        if day.month not in self.months:
            return False
        in_month, in_week = day.day in self.days, day.isoweekday() % 7 in self.weekdays
        if self.any_day or self.any_weekday:
            return in_month and in_week
        return in_month or in_week

    def times(self) -> list[time]:
        """Return its times of a day it fires on, in order."""
        return [time(hour, minute) for hour in self.hours for minute in self.minutes]


@lru_cache(maxsize=1024)
def parse(expression: str) -> Cron:
    """Read an expression.

    Raises:
        InvalidInput: it isn't one; the message names the field and what is wrong in it.
    """
    text = MACROS.get(expression.strip().lower(), expression)
    parts = text.lower().split()
    if len(parts) != len(FIELDS):
        raise _wrong(
            f"cron {expression[:80]!r} has {len(parts)} fields instead of 5: "
            "minute hour day-of-month month day-of-week"
        )
    minutes, hours, days, months, weekdays = (
        _values(part, field) for part, field in zip(parts, FIELDS, strict=True)
    )
    return Cron(
        expression=expression,
        minutes=tuple(sorted(minutes)),
        hours=tuple(sorted(hours)),
        days=frozenset(days),
        months=frozenset(months),
        weekdays=frozenset(value % 7 for value in weekdays),
        any_day=parts[2].startswith("*"),
        any_weekday=parts[4].startswith("*"),
        hourly=parts[1].startswith("*"),
    )


def _values(text: str, field: Field) -> set[int]:
    values: set[int] = set()
    for part in text.split(","):
        body, slash, step_text = part.partition("/")
        step = _step(step_text, part, field) if slash else 1
        low, high = _bounds(body, field, stepped=bool(slash))
        if low > high:
            raise _wrong(f"cron {field.name}: {body!r} runs backwards")
        values.update(range(low, high + 1, step))
    return values


def _bounds(body: str, field: Field, *, stepped: bool) -> tuple[int, int]:
    if body == "*":
        return field.low, field.high if field.names is not DAYS else field.high - 1
    first, dash, last = body.partition("-")
    low = _value(first, field)
    if dash:
        return low, _value(last, field)
    return low, field.high if stepped else low


def _step(text: str, part: str, field: Field) -> int:
    if not text.isascii() or not text.isdigit() or int(text) < 1:
        raise _wrong(f"cron {field.name}: the step of {part!r} must be a whole number from 1")
    return int(text)


def _value(text: str, field: Field) -> int:
    if text in field.names:
        return field.names.index(text) + field.first_name
    if not text.isascii() or not text.isdigit() or not field.low <= int(text) <= field.high:
        raise _wrong(f"cron {field.name}: {text!r} is not from {field.low} to {field.high}")
    return int(text)


def _wrong(message: str) -> InvalidInput:
    return InvalidInput(message, param="trigger.cron")
