"""Turn wall-clock hours in a zone into instants, clock changes included.

A nightly window is a span between two instants, never a comparison of wall
clocks: so it has one beginning and one end also in the night when an hour
comes twice or not at all. Of a doubled hour a window takes the longer reading
(begins at the first, ends at the second); a skipped time means the moment of
the jump.
"""

import re
from datetime import UTC, date, datetime, time, timedelta
from functools import lru_cache
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from chatpush.domain import QuietHours
from chatpush.errors import InvalidInput

HH_MM = re.compile(r"([01]\d|2[0-3]):([0-5]\d)")
RESOLUTION = timedelta(seconds=1)


@lru_cache(maxsize=1024)
def zone(name: str, param: str = "timezone") -> ZoneInfo:
    """Return the time zone of an IANA name; ``param`` is where it was said.

    Raises:
        InvalidInput: there is no such zone.
    """
    try:
        return ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError) as error:
        raise InvalidInput(
            f"no time zone {name!r}; use an IANA name such as Europe/London or Asia/Shanghai",
            param=param,
        ) from error


@lru_cache(maxsize=4096)
def wall(text: str, param: str = "quiet_hours") -> time:
    """Return ``HH:MM`` as a time.

    Raises:
        InvalidInput: it is not a time of day.
    """
    if not (found := HH_MM.fullmatch(text)):
        raise InvalidInput(f"{text!r} is not a time of day; write it as HH:MM", param=param)
    return time(int(found[1]), int(found[2]))


def quiet_hours(start: str, end: str) -> QuietHours:
    """Return a checked window.

    Raises:
        InvalidInput: a time is malformed, or both are the same.
    """
    if wall(start) == wall(end):
        raise InvalidInput(
            "quiet hours begin and end at the same time; use null for none", param="quiet_hours"
        )
    return QuietHours(start, end)


def parse_window(text: str) -> QuietHours | None:
    """Return the window of ``22:00-08:00``; None for the empty text.

    Raises:
        InvalidInput: it does not have this form.
    """
    if not text:
        return None
    start, dash, end = text.partition("-")
    if not dash:
        raise InvalidInput(f"{text!r} is not a window; write it as 22:00-08:00", param="quiet_hours")
    return quiet_hours(start.strip(), end.strip())


def instant(local: datetime, where: ZoneInfo, *, later: bool = False) -> datetime:
    """Return the UTC instant of a naive wall-clock time.

    A doubled time means its first occurrence, or the second if ``later``; a
    skipped one the moment the clock jumped over it.
    """
    first = local.replace(tzinfo=where, fold=0)
    second = local.replace(tzinfo=where, fold=1)
    if first.utcoffset() == second.utcoffset():
        return first.astimezone(UTC)
    early, late = first.astimezone(UTC), second.astimezone(UTC)
    if early <= late:
        return late if later else early
    return _jump(late, early, where)


def quiet_until(now: datetime, window: QuietHours, zone_name: str) -> datetime | None:
    """Return when the quiet hours around ``now`` end, or None outside of them."""
    where = zone(zone_name)
    today = now.astimezone(where).date()
    for day in (today - timedelta(days=1), today):
        begins, ends = _span(day, window, where)
        if begins <= now < ends:
            return ends
    return None


def _span(day: date, window: QuietHours, where: ZoneInfo) -> tuple[datetime, datetime]:
    """Return the instants of the window that begins on a local day."""
    start, end = wall(window.start), wall(window.end)
    last_day = day if start < end else day + timedelta(days=1)
    return (
        instant(datetime.combine(day, start), where),
        instant(datetime.combine(last_day, end), where, later=True),
    )


def _jump(before: datetime, after: datetime, where: ZoneInfo) -> datetime:
    """Return the instant of the clock change within a span, by bisection."""
    offset = before.astimezone(where).utcoffset()
    while after - before > RESOLUTION:
        middle = before + (after - before) / 2
        if middle.astimezone(where).utcoffset() == offset:
            before = middle
        else:
            after = middle
    return after.replace(microsecond=0)
