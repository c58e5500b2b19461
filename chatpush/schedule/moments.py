"""Say when each user of a page gets a campaign's message: at once, at their hour, or one after the other.

Nothing here reads a clock or a database.
"""

from collections.abc import Mapping, Sequence
from datetime import datetime, time, timedelta
from zoneinfo import ZoneInfo

from chatpush.domain import User, UserId, from_ms, to_ms
from chatpush.notify.deciding.hours import instant, zone

RECIPIENT = "recipient"
PARTS_OF_A_SECOND = 4
"""A throttled page is a quarter of a second's users: what a restart may find due at once is no more."""

LONGEST_LEAD_MS = 10_000


def at_wall(people: Sequence[User], wall: time, where: str, after: datetime) -> dict[UserId, datetime]:
    """Return when a clock next shows ``wall`` after a moment: each user's own, or the one of zone ``where``."""
    known: dict[str, datetime] = {}
    found: dict[UserId, datetime] = {}
    for person in people:
        name = person.timezone if where == RECIPIENT else where
        if name not in known:
            known[name] = _next(zone(name), wall, after)
        found[person.id] = known[name]
    return found


def page_size(throttle: int | None, largest: int) -> int:
    """Return how many users a page has."""
    return largest if throttle is None else max(1, min(largest, throttle // PARTS_OF_A_SECOND))


def paced(
    people: Sequence[User], throttle: int, paced_until: int, now: datetime
) -> tuple[Mapping[UserId, datetime], int]:
    """Return each user's moment, so many a second behind all before them, and until when that takes (ms).

    Fractions of a millisecond are rounded up, so that never more go than were asked for.
    """
    begin = to_ms(now)
    if begin < paced_until <= begin + LONGEST_LEAD_MS:  # further ahead, the clock was set back meanwhile
        begin = paced_until
    due = {person.id: from_ms(begin - (-index * 1000 // throttle)) for index, person in enumerate(people)}
    return due, begin - (-len(people) * 1000 // throttle)


def _next(where: ZoneInfo, wall: time, after: datetime) -> datetime:
    day = after.astimezone(where).date() - timedelta(days=1)
    while (at := instant(datetime.combine(day, wall), where)) < after:
        day += timedelta(days=1)
    return at
