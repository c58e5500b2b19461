"""Say what to expect of a user: will they open, when, will they buy again, and are they leaving.

Made anew at each question from deliveries and events, so nothing is stored
about a user and nothing has to be erased.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from chatpush.clock import Clock
from chatpush.domain import TenantId, User, from_ms, to_ms
from chatpush.recommend.timing.engagement import Habit, engagement, habit
from chatpush.recommend.timing.responses import Hours
from chatpush.recommend.timing.restraint import Restraint
from chatpush.recommend.timing.timing import Timing
from chatpush.store.database import Database

LOOK_BACK = timedelta(days=180)
MOST_SENT = 500
MOST_BOUGHT = 1000
MOST_BUYERS = 20_000
USUAL_PAUSE = timedelta(days=60)
"""Between two purchases, before the shop has any."""
USUAL_RATE = 0.2
KNOWN_FOR = timedelta(hours=1)


@dataclass(frozen=True)
class Outlook:
    """What to expect of one user.

    ``opens``: chance that the next message is opened at all. ``best_at``: the
    best moment of the next day. ``chances``: kind of day × local hour, of opening
    soon, standing on ``messages`` (old ones count less). ``buying`` None: never
    bought. ``spare``: why it is better not to advertise, or empty.
    """

    opens: float
    best_at: datetime
    chances: Hours
    messages: float
    buying: Habit | None
    spare: str


@dataclass(frozen=True)
class _Usual:
    """What is usual in a shop, and when that was looked up."""

    looked: float
    rate: float
    pause: timedelta


class Outlooks:
    """Looks ahead."""

    def __init__(self, database: Database, timing: Timing, restraint: Restraint, clock: Clock) -> None:
        self._database = database
        self._timing = timing
        self._restraint = restraint
        self._clock = clock
        self._usual_of: dict[TenantId, _Usual] = {}

    async def of(self, tenant: TenantId, user: User) -> Outlook:
        """Return what to expect of a user."""
        now, usual = self._clock.now(), await self._usual(tenant)
        chances, messages = await self._timing.chances(tenant, user)
        spared = await self._restraint.spared(tenant, [user.id])
        return Outlook(
            engagement(await self._sent(tenant, user), now, usual.rate),
            await self._timing.best(tenant, user, now),
            chances,
            messages,
            habit(await self._bought(tenant, user), now, usual.pause),
            spared.get(user.id, ""),
        )

    async def _sent(self, tenant: TenantId, user: User) -> Sequence[tuple[datetime, bool]]:
        rows = await self._database.read(
            """SELECT settled_at, COALESCE(clicked_at, seen_at) AS opened_at FROM delivery
               WHERE tenant = :t AND user_id = :u AND settled_at > :since ORDER BY settled_at DESC LIMIT :n""",
            t=tenant, u=user.id, since=to_ms(self._clock.now() - LOOK_BACK), n=MOST_SENT,
        )  # fmt: skip
        return [(from_ms(row["settled_at"]), row["opened_at"] is not None) for row in rows]

    async def _bought(self, tenant: TenantId, user: User) -> Sequence[datetime]:
        rows = await self._database.read(
            """SELECT at FROM event WHERE tenant = :t AND user_id = :u AND type IN ('purchase', 'dismiss', 'mute')
               AND type = 'purchase' ORDER BY at DESC LIMIT :n""",
            t=tenant, u=user.id, n=MOST_BOUGHT,
        )  # fmt: skip
        return [from_ms(row["at"]) for row in rows]

    async def _usual(self, tenant: TenantId) -> _Usual:
        """Return the shop's rate of opening and pause between purchases; looked up once an hour."""
        known, looked = self._usual_of.get(tenant), self._clock.monotonic()
        if known is not None and looked - known.looked < KNOWN_FOR.total_seconds():
            return known
        since = to_ms(self._clock.now() - LOOK_BACK)
        sent = await self._database.read(
            """SELECT COUNT(*) AS sent, COUNT(COALESCE(clicked_at, seen_at)) AS opened FROM (
                 SELECT clicked_at, seen_at FROM delivery WHERE tenant = :t AND pending = 0
                 AND created_at > :since AND settled_at IS NOT NULL ORDER BY created_at DESC LIMIT 20000) AS lately""",
            t=tenant, since=since,
        )  # fmt: skip
        bought = await self._database.read(
            """SELECT SUM(span) AS span, SUM(pauses) AS pauses FROM (
                 SELECT MAX(at) - MIN(at) AS span, COUNT(DISTINCT at / 86400000) - 1 AS pauses FROM event
                 WHERE tenant = :t AND type IN ('purchase', 'dismiss', 'mute') AND type = 'purchase'
                 GROUP BY user_id HAVING COUNT(DISTINCT at / 86400000) > 1 LIMIT :n) AS buyers""",
            t=tenant, n=MOST_BUYERS,
        )  # fmt: skip
        rate = (sent[0]["opened"] + 10 * USUAL_RATE) / (sent[0]["sent"] + 10)
        span, pauses = bought[0]["span"], bought[0]["pauses"]
        pause = timedelta(milliseconds=float(span) / float(pauses)) if pauses else USUAL_PAUSE
        found = self._usual_of[tenant] = _Usual(looked, float(rate), pause)
        return found
