"""Pick for whom nothing is known but what they are: what people of the same country, plan or language want.

Counted are users, not events, for each value of the attributes that the
settings name; a value that few have says nothing, about the shop or about
anybody. Shares are drawn towards everybody's while a group is small. Counted
in a sample of the latest events, once an hour where there are many users.
"""

import asyncio
from collections import Counter, defaultdict
from collections.abc import Awaitable, Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from math import exp, log, sqrt

from chatpush.clock import Clock
from chatpush.domain import Item, ItemId, TenantId, User, UserId
from chatpush.plugins.contracts import Candidate, RankingRequest
from chatpush.recommend.reasons import NOTHING_TO_SAY
from chatpush.recommend.training.footprints import WEIGHTS
from chatpush.store.database import Database

FindUsers = Callable[[TenantId, Iterable[UserId]], Awaitable[Mapping[UserId, User]]]
Trait = tuple[str, str]
"""An attribute with its value."""
SAMPLE = 20_000
USERS_AT_ONCE = 500
KNOWN_FOR = timedelta(hours=1)
SMALL = 1000
"""A crowd of fewer users is counted at every fit."""
LEAST_USERS = 10
"""A trait of fewer users says nothing."""
TOWARDS_ALL = 10.0
"""Everybody's share weighs as much as this many users of a trait."""
KNOWN_BY_EVENTS = 3
"""From so many events on, what they did says more than what they are."""
LONGEST_VALUE = 60
LEAST_LIFT, LARGEST_LIFT = 0.1, 5.0


@dataclass
class Crowd:
    """How many users there are, by trait, and how many of them touched an item."""

    users: int = 0
    items: Counter[ItemId] = field(default_factory=Counter)
    of_trait: Counter[Trait] = field(default_factory=Counter)
    items_of: dict[Trait, Counter[ItemId]] = field(default_factory=lambda: defaultdict(Counter))

    def add(self, traits: Collection[Trait], items: Collection[ItemId]) -> None:
        """Count one user."""
        self.users += 1
        self.items.update(items)
        for trait in traits:
            self.of_trait[trait] += 1
            self.items_of[trait].update(items)

    def scores(self, traits: Collection[Trait]) -> dict[ItemId, float]:
        """Return the share of users like these who want an item, of items they want more than others do."""
        known = [trait for trait in traits if self.of_trait[trait] >= LEAST_USERS]
        found: dict[ItemId, float] = {}
        for item in {item for trait in known for item in self.items_of[trait]}:
            share = self.items[item] / self.users
            lifts = [
                log((self.items_of[trait][item] / share + TOWARDS_ALL) / (self.of_trait[trait] + TOWARDS_ALL))
                for trait in known
            ]
            # Traits that go together (country and language) must not count twice.
            lift = sum(lifts) / sqrt(len(lifts))
            if lift > LEAST_LIFT:
                found[item] = share * exp(min(lift, LARGEST_LIFT))
        return found


class KindredRanker:
    """Candidates by what a user is."""

    name = "kindred"
    weight = 0.25

    def __init__(
        self, database: Database, clock: Clock, find_users: FindUsers | None, attributes: Sequence[str] = ()
    ) -> None:
        self._database = database
        self._clock = clock
        self._find_users = find_users
        self._attributes = tuple(attributes)
        self._crowds: dict[TenantId, tuple[float, Crowd]] = {}

    async def look(self, tenant: TenantId) -> None:
        """Count anew, if it is time."""
        known, now = self._crowds.get(tenant), self._clock.monotonic()
        fresh = known and known[1].users >= SMALL and now - known[0] < KNOWN_FOR.total_seconds()
        if self._find_users is None or fresh:
            return
        kinds = ", ".join(f"'{kind}'" for kind in WEIGHTS)
        rows = await self._database.read(
            f"SELECT user_id, item FROM event WHERE tenant = :t AND at > 0 AND type IN ({kinds})"
            " AND item IS NOT NULL AND disliked = 0 ORDER BY at DESC LIMIT :n",
            t=tenant, n=SAMPLE,
        )  # fmt: skip
        touched: dict[UserId, set[ItemId]] = defaultdict(set)
        for row in rows:
            touched[UserId(row["user_id"])].add(ItemId(row["item"]))
        names, crowd = list(touched), Crowd()
        for start in range(0, len(names), USERS_AT_ONCE):
            people = await self._find_users(tenant, names[start : start + USERS_AT_ONCE])
            for user in people.values():
                if user.personalized:
                    crowd.add(self._traits(user), touched[user.id])
            await asyncio.sleep(0)
        self._crowds[tenant] = (now, crowd)

    async def rank(self, request: RankingRequest, items: Mapping[ItemId, Item]) -> list[Candidate]:
        return (await asyncio.to_thread(self.rank_many, [request], items))[0]

    def rank_many(
        self, requests: Sequence[RankingRequest], items: Mapping[ItemId, Item]
    ) -> list[list[Candidate]]:
        """Return candidates for those of the users of whom little else is known; runs in a thread."""
        return [self._ranked(request, items) for request in requests]

    def _ranked(self, request: RankingRequest, items: Mapping[ItemId, Item]) -> list[Candidate]:
        _, crowd = self._crowds.get(request.tenant, (0.0, None))
        if crowd is None or request.user is None or len(request.events) >= KNOWN_BY_EVENTS:
            return []
        scores = crowd.scores(self._traits(request.user))
        best = sorted((item for item in scores if item in items), key=lambda item: (-scores[item], item))
        most = max(scores.values(), default=1.0)
        return [
            Candidate(item, scores[item] / most, self.name, NOTHING_TO_SAY) for item in best[: request.limit]
        ]

    def _traits(self, user: User) -> list[Trait]:
        found = [("language", user.locale.replace("_", "-").split("-")[0].lower())]
        for name in self._attributes:
            value = user.attributes.get(name)
            if isinstance(value, str | bool) and value != "" and len(str(value)) <= LONGEST_VALUE:
                found.append((name, str(value)))
        return found
