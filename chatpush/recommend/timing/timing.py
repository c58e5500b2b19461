"""Find the hour at which a user is likely to look, and say how likely.

What is known comes from two places: messages sent and whether they were opened
soon (receipts), and what users did otherwise, which tells when they are there.
Each user is seen in their own zone. It says nothing it doesn't know: a user
without any history gets everybody's best hour. Now and then another hour is
tried, less often the more is known, so that a changed habit is noticed.
"""

import asyncio
from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from datetime import datetime, timedelta

from chatpush.clock import Clock
from chatpush.domain import QuietHours, TenantId, User, UserId, from_ms, to_ms
from chatpush.notify.deciding.hours import quiet_until, zone
from chatpush.recommend.rankers import blend
from chatpush.recommend.timing.responses import (
    UNKNOWN,
    Crowd,
    Hours,
    Responses,
    Told,
    crowd_of,
    faded,
    place,
    responses,
)
from chatpush.store.database import Database, Row
from chatpush.store.parameters import among

SIGNS: Mapping[str, float] = {"click": 1.0, "purchase": 1.0, "cart": 1.0, "view": 0.5}
"""What an event says about being there."""
SEEN_LATER = 0.5
SOON_MS = 2 * 3_600_000
"""An opening within two hours is an answer to the message; a later one says when the user came by."""
LOOK_BACK = timedelta(days=90)
SAMPLE = 20_000
MOST_OF_A_PAGE = 50_000
USERS_AT_ONCE = 500
KNOWN_FOR = timedelta(hours=1)
EVENTS = """SELECT user_id, type, at FROM event WHERE tenant = :t {users} AND at > :since AND at <= :until
 ORDER BY at DESC LIMIT :n"""
DELIVERIES = """SELECT user_id, settled_at AS at, COALESCE(clicked_at, seen_at) AS opened_at FROM delivery
 WHERE tenant = :t {users} AND settled_at > :since AND settled_at <= :until ORDER BY settled_at DESC LIMIT :n"""

FindUsers = Callable[[TenantId, Iterable[UserId]], Awaitable[Mapping[UserId, User]]]
Rows = tuple[list[Row], list[Row]]


class Timing:
    """Knows the best hour of every user."""

    def __init__(
        self, database: Database, find_users: FindUsers, clock: Clock, *, exploration: float = 0.0,
        quiet_hours: QuietHours | None = None,
    ) -> None:  # fmt: skip
        self._database = database
        self._find_users = find_users
        self._clock = clock
        self._exploration = exploration
        self._quiet_hours = quiet_hours
        self._crowds: dict[TenantId, tuple[float, Crowd]] = {}

    async def best(self, tenant: TenantId, user: User, after: datetime) -> datetime:
        """Return the best moment of the 24 hours from ``after`` on."""
        return (await self.best_many(tenant, [user], after))[user.id]

    async def best_many(
        self, tenant: TenantId, users: Sequence[User], after: datetime
    ) -> dict[UserId, datetime]:
        """Return each user's best moment, outside their quiet hours; only what was before ``after`` counts."""
        crowd = await self._crowd(tenant)
        found: dict[UserId, datetime] = {}
        for start in range(0, len(users), USERS_AT_ONCE):
            page = users[start : start + USERS_AT_ONCE]
            rows = await self._rows(tenant, page, after)
            found |= await asyncio.to_thread(self._best_of_page, tenant, page, rows, crowd, after)
        return found

    async def chances(self, tenant: TenantId, user: User) -> tuple[Hours, float]:
        """Return kind of day × hour: a user's chance of opening; and how many messages that stands on."""
        now = self._clock.now()
        rows = await self._rows(tenant, [user], now)
        known = responses(told_of([user], rows, now), await self._crowd(tenant), [cohort(user)])
        return known.chances()[0], float(known.tries[0])

    async def usual(self, tenant: TenantId) -> Hours:
        """Return kind of day × hour: the chance that somebody of whom nothing is known opens soon."""
        usual: Hours = responses(Told.of(1), await self._crowd(tenant), [""]).chances()[0]
        return usual

    async def _rows(self, tenant: TenantId, page: Sequence[User], until: datetime) -> Rows:
        names, params = among([user.id for user in page])
        span = {"since": to_ms(until - LOOK_BACK), "until": to_ms(until), "n": MOST_OF_A_PAGE}
        users = f"AND user_id IN {names}"
        return (
            await self._database.read(EVENTS.format(users=users), t=tenant, **span, **params),
            await self._database.read(DELIVERIES.format(users=users), t=tenant, **span, **params),
        )

    async def _crowd(self, tenant: TenantId) -> Crowd:
        """Return what is common among a sample of users, each in their own zone."""
        known = self._crowds.get(tenant)
        now = self._clock.monotonic()
        if known is not None and now - known[0] < KNOWN_FOR.total_seconds():
            return known[1]
        moment = self._clock.now()
        span = {"since": to_ms(moment - LOOK_BACK), "until": to_ms(moment), "n": SAMPLE}
        rows = (
            await self._database.read(EVENTS.format(users=""), t=tenant, **span),
            await self._database.read(DELIVERIES.format(users=""), t=tenant, **span),
        )
        names = sorted({UserId(row["user_id"]) for some in rows for row in some})
        users: list[User] = []
        for start in range(0, len(names), USERS_AT_ONCE):
            users += (await self._find_users(tenant, names[start : start + USERS_AT_ONCE])).values()

        def learn() -> Crowd:
            return crowd_of(told_of(users, rows, moment), [cohort(user) for user in users])

        crowd = await asyncio.to_thread(learn) if users else UNKNOWN
        self._crowds[tenant] = (now, crowd)
        return crowd

    def _best_of_page(
        self, tenant: TenantId, page: Sequence[User], rows: Rows, crowd: Crowd, after: datetime
    ) -> dict[UserId, datetime]:
        known = responses(told_of(page, rows, after), crowd, [cohort(user) for user in page])
        chances = known.chances()
        return {
            user.id: best_hour(
                self._tried(tenant, user, number, known, after, chances[number]),
                user,
                after,
                self._quiet_hours,
            )
            for number, user in enumerate(page)
        }

    def _tried(
        self, tenant: TenantId, user: User, number: int, known: Responses, after: datetime, chances: Hours
    ) -> Hours:
        """Return the user's chances, or now and then some that may be true instead."""
        if not self._exploration:
            return chances
        luck = blend.chance(tenant, user.id, after.date(), "hour")
        return known.tried(number, luck) if known.explores(number, self._exploration, luck) else chances


def cohort(user: User) -> str:
    """Return whom a user's habits resemble before they are known: people of the same zone."""
    return user.timezone


def told_of(users: Sequence[User], rows: Rows, until: datetime) -> Told:
    """Count events and deliveries by user, kind of day and local hour."""
    told = Told.of(len(users))
    number = {user.id: position for position, user in enumerate(users)}
    zones = [zone(user.timezone) for user in users]

    def count(counts: Hours, user: int, at: int, weight: float) -> None:
        moment = from_ms(at)
        counts[user, *place(moment.astimezone(zones[user]))] += weight * faded(moment, until)

    events, deliveries = rows
    for row in events:
        if row["user_id"] in number and row["type"] in SIGNS:
            count(told.signs, number[row["user_id"]], row["at"], SIGNS[row["type"]])
    waits_since = to_ms(until) - SOON_MS
    for row in deliveries:
        user, opened_at = number.get(row["user_id"]), row["opened_at"]
        if user is None or (opened_at is None and row["at"] > waits_since):
            continue  # it may still be opened soon
        count(told.tries, user, row["at"], 1.0)
        if opened_at is not None and opened_at - row["at"] <= SOON_MS:
            count(told.opened, user, row["at"], 1.0)
        elif opened_at is not None:
            count(told.signs, user, opened_at, SEEN_LATER)
    return told


def best_hour(
    chances: Hours, user: User, after: datetime, usual_quiet_hours: QuietHours | None = None
) -> datetime:
    """Return the best beginning of an hour within a day, outside quiet hours if that can be."""
    where, quiet = zone(user.timezone), user.quiet_hours or usual_quiet_hours
    moments = [after]
    for hours in range(1, 24):
        later = after + timedelta(hours=hours)
        local = later.astimezone(where)
        moments.append(
            later - timedelta(minutes=local.minute, seconds=local.second, microseconds=local.microsecond)
        )
    awake = [
        moment for moment in moments if quiet is None or quiet_until(moment, quiet, user.timezone) is None
    ]
    return max(
        awake or moments,
        key=lambda moment: (chances[place(moment.astimezone(where))], -moment.timestamp()),
    )
