"""Know when a campaign fires: as slots, each with a key that happens once.

A slot's key is what must not happen twice. Times of the day and days are keyed
by local date and time, so the hour that comes twice when clocks go back fires
once; hourly things and intervals of hours are keyed by UTC, so real time
counts. A time that is skipped when clocks go forward fires at the moment of the
jump. Nothing here reads a clock.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from functools import lru_cache
from typing import Any, Protocol
from zoneinfo import ZoneInfo

from chatpush.domain import iso
from chatpush.errors import InvalidInput
from chatpush.notify.deciding.hours import instant, zone
from chatpush.schedule import cron
from chatpush.schedule.cron import Cron

SEARCH_DAYS = 366 * 8
"""A cron time that does not come in eight years (29 February on a Monday may take seven) never comes."""
UNITS = {"minutes": 60, "hours": 3600, "days": 86_400, "weeks": 604_800}
LONGEST_DELAY = timedelta(days=366)


@dataclass(frozen=True, slots=True)
class Slot:
    """One firing: its key and its instant in UTC."""

    key: str
    at: datetime


class Trigger(Protocol):
    """When something fires."""

    def after(self, moment: datetime) -> Slot | None:
        """Return the first slot after a moment, or None if there is none."""
        ...

    def latest(self, after: datetime, until: datetime) -> Slot | None:
        """Return the last slot in ``(after, until]``, or None."""
        ...


@dataclass(frozen=True)
class CronTrigger:
    """Fires by a cron expression in a zone."""

    cron: Cron
    where: ZoneInfo

    def after(self, moment: datetime) -> Slot | None:
        day = moment.astimezone(self.where).date() - timedelta(days=1)
        for _ in range(SEARCH_DAYS):
            for slot in self._on(day):
                if slot.at > moment:
                    return slot
            day += timedelta(days=1)
        return None

    def latest(self, after: datetime, until: datetime) -> Slot | None:
        day = until.astimezone(self.where).date() + timedelta(days=1)
        first = after.astimezone(self.where).date() - timedelta(days=1)
        while day >= first:
            for slot in reversed(self._on(day)):
                if after < slot.at <= until:
                    return slot
            day -= timedelta(days=1)
        return None

    def _on(self, day: date) -> tuple[Slot, ...]:
        return _slots_of(self.cron, self.where, day)


@lru_cache(maxsize=128)
def _slots_of(cron: Cron, where: ZoneInfo, day: date) -> tuple[Slot, ...]:
    """Return the slots of one local day, in order, one per instant."""
    if not cron.on(day):
        return ()
    found: dict[datetime, Slot] = {}
    for time in cron.times():
        local = datetime.combine(day, time)
        if not cron.hourly:
            at = instant(local, where)
            found.setdefault(at, Slot(f"{local:%Y-%m-%dT%H:%M} {where.key}", at))
            continue
        for at in _occurrences(local, where):
            found.setdefault(at, Slot(iso(at), at))
    return tuple(found[at] for at in sorted(found))


def _occurrences(local: datetime, where: ZoneInfo) -> Iterator[datetime]:
    """Yield the instants that a wall clock shows this time: none, one or two."""
    for fold in (0, 1):
        at = local.replace(tzinfo=where, fold=fold).astimezone(UTC)
        if at.astimezone(where).replace(tzinfo=None) == local:
            yield at


@dataclass(frozen=True)
class IntervalTrigger:
    """Fires every so many minutes or hours of real time, or days of the calendar."""

    every: int
    unit: str
    start: datetime
    where: ZoneInfo

    def after(self, moment: datetime) -> Slot | None:
        number = max(self._number(moment) - 1, 0)
        while (slot := self._slot(number)).at <= moment:
            number += 1
        return slot

    def latest(self, after: datetime, until: datetime) -> Slot | None:
        number = self._number(until) + 1
        while number >= 0:
            slot = self._slot(number)
            if slot.at <= after:
                return None
            if slot.at <= until:
                return slot
            number -= 1
        return None

    def _number(self, moment: datetime) -> int:
        """Return about how many intervals have passed (calendar days may differ by an hour)."""
        return int((moment - self.start).total_seconds() // (self.every * UNITS[self.unit]))

    def _slot(self, number: int) -> Slot:
        if self.unit in ("minutes", "hours"):
            at = self.start + timedelta(seconds=number * self.every * UNITS[self.unit])
            return Slot(iso(at), at)
        first = self.start.astimezone(self.where).replace(tzinfo=None)
        local = first + timedelta(seconds=number * self.every * UNITS[self.unit])
        return Slot(f"{local:%Y-%m-%d} {self.where.key}", instant(local, self.where))


@dataclass(frozen=True)
class DateTrigger:
    """Fires once."""

    at: datetime

    def after(self, moment: datetime) -> Slot | None:
        return Slot("once", self.at) if self.at > moment else None

    def latest(self, after: datetime, until: datetime) -> Slot | None:
        return Slot("once", self.at) if after < self.at <= until else None


@dataclass(frozen=True)
class EventTrigger:
    """Fires for a user when their event of a type comes; never by the clock."""

    type: str
    match: Mapping[str, Any] = field(default_factory=dict)
    delay: timedelta = timedelta()

    def after(self, moment: datetime) -> Slot | None:  # noqa: ARG002 - the protocol's
        return None

    def latest(self, after: datetime, until: datetime) -> Slot | None:  # noqa: ARG002 - the protocol's
        return None


def upcoming(trigger: Trigger, moment: datetime, count: int) -> list[Slot]:
    """Return the next firings."""
    found: list[Slot] = []
    slot = trigger.after(moment)
    while slot is not None and len(found) < count:
        found.append(slot)
        slot = trigger.after(slot.at)
    return found


def parse(spec: Mapping[str, Any], created_at: datetime) -> Trigger:
    """Read a trigger as the API takes it; intervals without ``start_at`` count from ``created_at``.

    Raises:
        InvalidInput: something in it can't be used; ``param`` names it.
    """
    kind = spec.get("kind")
    where = zone(str(spec.get("timezone") or "UTC"), "trigger.timezone")
    match kind:
        case "cron":
            return CronTrigger(cron.parse(str(spec.get("cron") or "")), where)
        case "interval":
            return _interval(spec, where, created_at)
        case "date":
            return DateTrigger(_moment(spec.get("at"), where, "trigger.at"))
        case "event":
            return _event(spec)
    raise InvalidInput(f"trigger kind {kind!r}: use cron, interval, date or event", param="trigger.kind")


def check(trigger: Trigger, now: datetime) -> None:
    """Check that a trigger will fire at all.

    Raises:
        InvalidInput: its date is past, or its cron time never comes.
    """
    if isinstance(trigger, EventTrigger) or trigger.after(now) is not None:
        return
    if isinstance(trigger, DateTrigger):
        raise InvalidInput(f"{iso(trigger.at)} is in the past", param="trigger.at")
    raise InvalidInput("this cron time never comes", param="trigger.cron")


def _interval(spec: Mapping[str, Any], where: ZoneInfo, created_at: datetime) -> IntervalTrigger:
    every, unit = spec.get("every"), str(spec.get("unit") or "")
    if unit not in UNITS:
        raise InvalidInput(f"unit {unit!r}: use {', '.join(UNITS)}", param="trigger.unit")
    if not isinstance(every, int) or isinstance(every, bool) or not 1 <= every <= 10_000:
        raise InvalidInput("every is a whole number from 1 to 10000", param="trigger.every")
    start_at = spec.get("start_at")
    start = _moment(start_at, where, "trigger.start_at") if start_at else created_at
    return IntervalTrigger(every, unit, start.replace(microsecond=0), where)


def _event(spec: Mapping[str, Any]) -> EventTrigger:
    kind = str(spec.get("type") or "")
    if not kind:
        raise InvalidInput(
            "an event trigger needs the event's type, such as order.paid", param="trigger.type"
        )
    seconds = spec.get("delay_seconds") or 0
    if not isinstance(seconds, int | float) or not 0 <= seconds <= LONGEST_DELAY.total_seconds():
        raise InvalidInput(
            f"delay_seconds is from 0 to {int(LONGEST_DELAY.total_seconds())}", param="trigger.delay_seconds"
        )
    match = spec.get("match") or {}
    if not isinstance(match, Mapping):
        raise InvalidInput("match names properties and their values", param="trigger.match")
    return EventTrigger(kind, dict(match), timedelta(seconds=seconds))


def _moment(value: Any, where: ZoneInfo, param: str) -> datetime:
    """Return the instant of an ISO time; without an offset it is the zone's wall clock."""
    try:
        moment = value if isinstance(value, datetime) else datetime.fromisoformat(str(value))
    except ValueError as error:
        raise InvalidInput(
            f"{str(value)[:40]!r} is not a time such as 2026-12-01T09:00", param=param
        ) from error
    if moment.tzinfo is not None:
        return moment.astimezone(UTC)
    return instant(moment, where)
