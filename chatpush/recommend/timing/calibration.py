"""Compare the chances that were said with what readers then opened, on a tenant's own messages.

What was known a week ago says how likely each message since then was to be
opened soon; its receipt says whether it was. Told by equal shares of messages,
least likely first: where both agree, a chance of a third means one in three.
"""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

import numpy as np

from chatpush.clock import Clock
from chatpush.domain import TenantId, User, UserId, from_ms, to_ms
from chatpush.notify.deciding.hours import zone
from chatpush.recommend.timing.responses import crowd_of, place, responses
from chatpush.recommend.timing.timing import (
    DELIVERIES,
    EVENTS,
    LOOK_BACK,
    SAMPLE,
    SOON_MS,
    USERS_AT_ONCE,
    FindUsers,
    Rows,
    cohort,
    told_of,
)
from chatpush.store.database import Database, Row

JUDGED = timedelta(days=7)
LEAST_MESSAGES = 100
"""With fewer, a difference would be chance."""
MOST_BINS, LEAST_IN_BIN = 8, 25


@dataclass(frozen=True, slots=True)
class Bin:
    """Messages of about the same chance: the mean said, the share opened soon, and how many there were."""

    said: float
    opened: float
    messages: int


class Calibration:
    """Judges the send-time model by receipts."""

    def __init__(self, database: Database, find_users: FindUsers, clock: Clock) -> None:
        self._database = database
        self._find_users = find_users
        self._clock = clock

    async def of(self, tenant: TenantId) -> tuple[Bin, ...]:
        """Return the comparison for the last week's messages, empty while there are too few."""
        now = self._clock.now()
        then = now - JUDGED
        after = await self._read(DELIVERIES, tenant, then, from_ms(to_ms(now) - SOON_MS))
        if len(after) < LEAST_MESSAGES:
            return ()
        before = (
            await self._read(EVENTS, tenant, then - LOOK_BACK, then),
            await self._read(DELIVERIES, tenant, then - LOOK_BACK, then),
        )
        names = sorted({UserId(row["user_id"]) for rows in (*before, after) for row in rows})
        users: list[User] = []
        for start in range(0, len(names), USERS_AT_ONCE):
            users += (await self._find_users(tenant, names[start : start + USERS_AT_ONCE])).values()
        return await asyncio.to_thread(compared, users, before, after, then)

    async def _read(self, sql: str, tenant: TenantId, since: datetime, until: datetime) -> list[Row]:
        return await self._database.read(
            sql.format(users=""), t=tenant, since=to_ms(since), until=to_ms(until), n=SAMPLE
        )


def compared(users: Sequence[User], before: Rows, after: Sequence[Row], then: datetime) -> tuple[Bin, ...]:
    """Return what ``before`` says of the messages ``after``, beside what became of them."""
    told = told_of(users, before, then)
    cohorts = [cohort(user) for user in users]
    chances = responses(told, crowd_of(told, cohorts), cohorts).chances()
    number = {user.id: position for position, user in enumerate(users)}
    zones = [zone(user.timezone) for user in users]
    said, opened = [], []
    for row in after:
        user = number.get(row["user_id"])
        if user is not None:
            said.append(chances[user, *place(from_ms(row["at"]).astimezone(zones[user]))])
            opened.append(row["opened_at"] is not None and row["opened_at"] - row["at"] <= SOON_MS)
    if len(said) < LEAST_MESSAGES:
        return ()
    order = np.argsort(np.array(said), kind="stable")
    return tuple(
        Bin(float(np.array(said)[some].mean()), float(np.array(opened)[some].mean()), int(some.size))
        for some in np.array_split(order, min(MOST_BINS, len(said) // LEAST_IN_BIN))
    )
