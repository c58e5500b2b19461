"""Find the hour at which a user is likely to look.

A histogram over the hours of the week in the user's own zone, filled by what
they did lately, drawn towards everybody's habits while there is little of it,
and those towards ordinary waking hours. It says nothing it doesn't know: a
user without any events gets everybody's best hour.
"""

import asyncio
from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from datetime import datetime, timedelta

import numpy as np
from numpy.typing import NDArray

from chatpush.clock import Clock
from chatpush.domain import TenantId, User, UserId, from_ms, to_ms
from chatpush.notify.hours import quiet_until, zone
from chatpush.notify.listing import among
from chatpush.store.database import Database

Hours = NDArray[np.float64]

WEEK_HOURS = 168
RESPONSES: Mapping[str, float] = {
    "click": 1.0, "purchase": 1.0, "cart": 1.0, "view": 0.5, "seen": 0.5,
}  # fmt: skip
"""How much an event says about the hour; a ``dismiss`` shows a reader, but not a pleased one."""
LOOK_BACK = timedelta(days=90)
HALF_LIFE_DAYS = 30.0
OWN_AGAINST_ALL = 4.0
"""Everybody's habits weigh as much as this many of the user's own responses."""
ALL_AGAINST_DAYTIME = 24.0
WEEKLY = 0.2
"""What a count says about its own hour of the week; the rest is about that hour on any day."""
BLUR = {
    hours: float(np.exp(-0.5 * (hours / 1.5) ** 2) / sum(np.exp(-0.5 * (h / 1.5) ** 2) for h in range(-4, 5)))
    for hours in range(-4, 5)
}
SAMPLE = 20_000
MOST_OF_A_PAGE = 50_000
USERS_AT_ONCE = 500
KNOWN_FOR = timedelta(hours=1)
DAYTIME = np.array(
    [0.2] * 7 + [0.6, 0.9, 1.1, 1.2, 1.1, 1.2, 1.0, 1.0, 1.0, 1.0, 1.1, 1.3, 1.4, 1.3, 1.0, 0.6, 0.3]
)

FindUsers = Callable[[TenantId, Iterable[UserId]], Awaitable[Mapping[UserId, User]]]


class Timing:
    """Knows the best hour of every user."""

    def __init__(self, database: Database, find_users: FindUsers, clock: Clock) -> None:
        self._database = database
        self._find_users = find_users
        self._clock = clock
        self._everybody: dict[TenantId, tuple[float, Hours]] = {}

    async def best(self, tenant: TenantId, user: User, after: datetime) -> datetime:
        """Return the best moment of the 24 hours from ``after`` on."""
        return (await self.best_many(tenant, [user], after))[user.id]

    async def best_many(
        self, tenant: TenantId, users: Sequence[User], after: datetime
    ) -> dict[UserId, datetime]:
        """Return each user's best moment; only responses before ``after`` count."""
        everybody = await self._habits(tenant)
        found: dict[UserId, datetime] = {}
        for start in range(0, len(users), USERS_AT_ONCE):
            page = users[start : start + USERS_AT_ONCE]
            names, params = among([user.id for user in page])
            rows = await self._database.read(
                f"""SELECT user_id, type, at FROM event WHERE tenant = :t AND user_id IN {names}
                    AND at > :since AND at <= :until ORDER BY at DESC LIMIT :n""",
                t=tenant, since=to_ms(after - LOOK_BACK), until=to_ms(after), n=MOST_OF_A_PAGE, **params,
            )  # fmt: skip
            by_user: dict[str, list[tuple[str, int]]] = {}
            for row in rows:
                by_user.setdefault(row["user_id"], []).append((row["type"], row["at"]))
            found |= await asyncio.to_thread(_best_of_page, page, by_user, everybody, after)
        return found

    async def _habits(self, tenant: TenantId) -> Hours:
        """Return everybody's share by hour of the week, each in their own zone."""
        known = self._everybody.get(tenant)
        now = self._clock.monotonic()
        if known is not None and now - known[0] < KNOWN_FOR.total_seconds():
            return known[1]
        moment = self._clock.now()
        rows = await self._database.read(
            """SELECT user_id, type, at FROM event WHERE tenant = :t AND at > :since
               ORDER BY at DESC LIMIT :n""",
            t=tenant, since=to_ms(moment - LOOK_BACK), n=SAMPLE,
        )  # fmt: skip
        names = list({UserId(row["user_id"]) for row in rows})
        zones: dict[str, str] = {}
        for start in range(0, len(names), USERS_AT_ONCE):
            users = await self._find_users(tenant, names[start : start + USERS_AT_ONCE])
            zones |= {name: user.timezone for name, user in users.items()}

        def count() -> Hours:
            by_user: dict[str, list[tuple[str, int]]] = {}
            for row in rows:
                by_user.setdefault(row["user_id"], []).append((row["type"], row["at"]))
            total = np.zeros(WEEK_HOURS)
            for name, responses in by_user.items():
                own = histogram(responses, zones.get(name, "UTC"), moment)
                total += own / max(own.sum(), 1.0)  # one busy user is not everybody
            return shrunk(total, _any_day(total), DAYTIME_WEEK, ALL_AGAINST_DAYTIME)

        habits = await asyncio.to_thread(count)
        self._everybody[tenant] = (now, habits)
        return habits


def histogram(responses: Iterable[tuple[str, int]], zone_name: str, until: datetime) -> Hours:
    """Count (type, time) responses by hour of the local week, fading with age."""
    where = zone(zone_name)
    counts = np.zeros(WEEK_HOURS)
    for kind, at in responses:
        weight = RESPONSES.get(kind)
        if weight is None:
            continue
        moment = from_ms(at)
        age_days = (until - moment).total_seconds() / 86_400
        counts[hour_of_week(moment.astimezone(where))] += weight * 2.0 ** (-age_days / HALF_LIFE_DAYS)
    return counts


def shrunk(counts: Hours, any_day: Hours, towards: Hours, strength: float) -> Hours:
    """Return shares by hour of the week: counts, blurred a little, drawn towards other shares.

    Most of each count stands for its hour on any day, because most habits are daily.
    """
    own = WEEKLY * _blurred(counts) + (1.0 - WEEKLY) * _blurred(any_day)
    shares: Hours = (own + strength * towards) / (own.sum() + strength)
    return shares


def _blurred(counts: Hours) -> Hours:
    """Spread each hour's count over its neighbours: habits are not that exact."""
    blurred: Hours = sum(
        (share * np.roll(counts, hours) for hours, share in BLUR.items()), np.zeros_like(counts)
    )
    return blurred


def _any_day(counts: Hours) -> Hours:
    """Return the counts spread evenly over the days of the week."""
    return np.tile(counts.reshape(7, 24).mean(axis=0), 7)


DAYTIME_WEEK: Hours = np.tile(DAYTIME, 7) / (DAYTIME.sum() * 7)


def hour_of_week(local: datetime) -> int:
    """Return 0 (Monday midnight) to 167."""
    return local.weekday() * 24 + local.hour


def _best_of_page(
    page: Sequence[User], by_user: Mapping[str, list[tuple[str, int]]], everybody: Hours, after: datetime
) -> dict[UserId, datetime]:
    found = {}
    for user in page:
        counts = histogram(by_user.get(user.id, ()), user.timezone, after)
        shares = shrunk(counts, _any_day(counts), everybody, OWN_AGAINST_ALL)
        found[user.id] = best_hour(shares, user, after)
    return found


def best_hour(shares: Hours, user: User, after: datetime) -> datetime:
    """Return the best beginning of an hour within a day, outside the user's quiet hours."""
    where = zone(user.timezone)
    moments = [after]
    for hours in range(1, 24):
        later = after + timedelta(hours=hours)
        local = later.astimezone(where)
        moments.append(
            later - timedelta(minutes=local.minute, seconds=local.second, microseconds=local.microsecond)
        )
    awake = [
        moment
        for moment in moments
        if user.quiet_hours is None or quiet_until(moment, user.quiet_hours, user.timezone) is None
    ]
    return max(
        awake or moments,
        key=lambda moment: (shares[hour_of_week(moment.astimezone(where))], -moment.timestamp()),
    )
