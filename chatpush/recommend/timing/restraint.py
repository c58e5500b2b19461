"""Tell whom advertising does no good, from users who were held out at random.

A campaign with a ``holdout`` sends nothing to a random share. Comparing what
both shares went on to buy, in groups of users alike in how much they got lately
and how much of it they opened, shows what writing is worth to each group. A
group that is surely no better off is left alone. What a user was like is read
before the message, never after: else those who opened it would be compared with
those who could not.
"""

import asyncio
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from itertools import groupby

from chatpush.clock import Clock
from chatpush.domain import TenantId, UserId, to_ms
from chatpush.notify.deciding.experiments import HOLDOUT
from chatpush.recommend.timing.engagement import leave_alone, uplift
from chatpush.store.database import Database, Row
from chatpush.store.parameters import among

LOOK_BACK = timedelta(days=90)
WITHIN = timedelta(days=7)
"""What is bought this long after counts."""
LATELY_MS = 7 * 86_400_000
BUSY, FLOODED = 2, 5
"""Messages in a week."""
COOL, KEEN = 0.1, 0.4
"""Shares opened."""
TOWARDS, USUAL_RATE = 4.0, 0.2
MOST_ROWS = 200_000
USERS_AT_ONCE = 500
KNOWN_FOR = timedelta(hours=6)
SPARE = "no_gain"
ROWS = """SELECT user_id, campaign, variant, settled_at, COALESCE(settled_at, due_at) AS at,
 COALESCE(clicked_at, seen_at) AS opened_at FROM delivery WHERE tenant = :t AND category = 'marketing'"""

Kind = tuple[str, str]
"""How much a user opens (cool, mild, keen) and how much they got in a week (few, several, many)."""


@dataclass(frozen=True, slots=True)
class Group:
    """What writing is worth to users of one kind: users and buyers written to and held out, and the gain."""

    kind: Kind
    written: tuple[int, int]
    held_out: tuple[int, int]
    gain: float
    low: float
    high: float

    @property
    def spared(self) -> bool:
        """Whether they are surely no better off."""
        return leave_alone(self.written, self.held_out)


class Restraint:
    """Knows whom to leave alone."""

    def __init__(self, database: Database, clock: Clock) -> None:
        self._database = database
        self._clock = clock
        self._groups: dict[TenantId, tuple[float, tuple[Group, ...]]] = {}

    async def groups(self, tenant: TenantId) -> tuple[Group, ...]:
        """Return what writing is worth to each kind of users; found out every few hours."""
        known, looked = self._groups.get(tenant), self._clock.monotonic()
        if known is not None and looked - known[0] < KNOWN_FOR.total_seconds():
            return known[1]
        rows = await self._tried(tenant)
        bought = await self._bought(tenant, {row["user_id"] for row in rows})
        found = await asyncio.to_thread(_judged, rows, bought, to_ms(self._clock.now() - WITHIN))
        self._groups[tenant] = (looked, found)
        return found

    async def spared(self, tenant: TenantId, users: Sequence[UserId]) -> dict[UserId, str]:
        """Return which of these users better get no advertising now, with the reason."""
        kinds = {group.kind for group in await self.groups(tenant) if group.spared}
        found: dict[UserId, str] = {}
        if not kinds:
            return found
        now = to_ms(self._clock.now())
        for start in range(0, len(users), USERS_AT_ONCE):
            names, params = among(users[start : start + USERS_AT_ONCE])
            rows = await self._database.read(
                f"{ROWS} AND user_id IN {names} AND settled_at > :since ORDER BY user_id, settled_at",
                t=tenant, since=now - _ms(LOOK_BACK), **params,
            )  # fmt: skip
            by_user: dict[str, list[Row]] = {name: [] for name in users[start : start + USERS_AT_ONCE]}
            for row in rows:
                by_user[row["user_id"]].append(row)
            found |= {UserId(name): SPARE for name, own in by_user.items() if kind(own, now) in kinds}
        return found

    async def _tried(self, tenant: TenantId) -> list[Row]:
        """Return advertising of the last weeks, and what was held back, if anything was."""
        since = to_ms(self._clock.now() - LOOK_BACK)
        held = await self._database.read(
            "SELECT 1 AS one FROM delivery WHERE tenant = :t AND variant = :v AND created_at > :since LIMIT 1",
            t=tenant, v=HOLDOUT, since=since,
        )  # fmt: skip
        if not held:
            return []
        return await self._database.read(
            f"{ROWS} AND pending = 0 AND created_at > :since AND (settled_at IS NOT NULL OR variant = :v)"
            " ORDER BY created_at DESC LIMIT :n",
            t=tenant, v=HOLDOUT, since=since, n=MOST_ROWS,
        )  # fmt: skip

    async def _bought(self, tenant: TenantId, users: Iterable[str]) -> dict[str, list[int]]:
        names = sorted(users)
        found: dict[str, list[int]] = {}
        since = to_ms(self._clock.now() - LOOK_BACK)
        for start in range(0, len(names), USERS_AT_ONCE):
            some, params = among(names[start : start + USERS_AT_ONCE])
            for row in await self._database.read(
                f"SELECT user_id, at FROM event WHERE tenant = :t AND user_id IN {some} AND at > :since"
                " AND type IN ('purchase', 'order.paid') ORDER BY at",
                t=tenant, since=since, **params,
            ):  # fmt: skip
                found.setdefault(row["user_id"], []).append(row["at"])
        return found


def kind(before: Sequence[Row], at: int) -> Kind:
    """Return what a user was like at a moment, of the messages that had reached them by then."""
    got = [row for row in before if row["settled_at"] is not None and row["settled_at"] < at]
    opened = sum(1 for row in got if row["opened_at"] is not None and row["opened_at"] < at)
    rate = (opened + TOWARDS * USUAL_RATE) / (len(got) + TOWARDS)
    lately = sum(1 for row in got if row["settled_at"] >= at - LATELY_MS)
    warmth = "cool" if rate < COOL else "keen" if rate >= KEEN else "mild"
    load = "few" if lately < BUSY else "many" if lately >= FLOODED else "several"
    return warmth, load


def _judged(rows: list[Row], bought: Mapping[str, list[int]], latest: int) -> tuple[Group, ...]:
    campaigns = {row["campaign"] for row in rows if row["variant"] == HOLDOUT}
    arms: dict[Kind, list[list[int]]] = {}
    for user, own in _by_user(rows):
        # The first message of each week alone: later ones would count the same purchase again.
        last = 0
        for row in own:
            if row["campaign"] not in campaigns or row["at"] > latest or row["at"] < last + _ms(WITHIN):
                continue
            last = row["at"]
            did = any(last < at <= last + _ms(WITHIN) for at in bought.get(user, ()))
            arm = arms.setdefault(kind(own, last), [[0, 0], [0, 0]])[int(row["variant"] == HOLDOUT)]
            arm[0] += 1
            arm[1] += int(did)
    groups = []
    for one, ((written, buyers), (held, anyway)) in sorted(arms.items()):
        groups.append(
            Group(one, (written, buyers), (held, anyway), *uplift((written, buyers), (held, anyway)))
        )
    return tuple(groups)


def _by_user(rows: list[Row]) -> Iterator[tuple[str, list[Row]]]:
    ordered = sorted(rows, key=lambda row: (row["user_id"], row["at"]))
    for user, own in groupby(ordered, key=lambda row: str(row["user_id"])):
        yield user, list(own)


def _ms(duration: timedelta) -> int:
    return int(duration.total_seconds() * 1000)
