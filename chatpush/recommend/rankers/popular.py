"""Pick what many people want now, and what more and more people want.

Every user counts once per item, however often they clicked: a script can't
push an item up. Works for nobody in particular, so it is also what remains when
personal picks are switched off or run out.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from chatpush.domain import Item, ItemId, TenantId
from chatpush.plugins.contracts import Candidate, RankingRequest
from chatpush.recommend.training.footprints import Floats, Footprints, Ints, top

POPULAR_DAYS = 14.0
"""Half-life of popularity."""
WEEK = 7.0
RISING_DAYS = 3.0
RISING_AGAINST_DAYS = 28.0
HEAD = 1000
"""Candidates made ready once per fit."""
RISING_USERS = 3
"""An item with fewer recent users than this is an accident, not a trend."""


@dataclass(frozen=True)
class Charts:
    """The charts of one tenant: a score per item, and distinct users in the last week and ever."""

    items: tuple[ItemId, ...]
    popular: Floats
    rising: Floats
    this_week: Ints
    users: Ints
    newest_ms: int
    head: tuple[Candidate, ...] = ()
    rising_head: tuple[Candidate, ...] = ()


def charts(prints: Footprints) -> Charts:
    """Count distinct users per item, fading with age; one sort, then every count is a sum."""
    count = max(len(prints.items), 1)
    pair = prints.user * count + prints.item
    order = np.argsort(pair, kind="stable")
    pair = pair[order]
    begins = np.flatnonzero(np.concatenate(([True], pair[1:] != pair[:-1]))) if pair.size else pair
    item = pair[begins] % count
    if begins.size:
        best = np.maximum.reduceat(prints.weights(POPULAR_DAYS)[order], begins)
        age = np.minimum.reduceat(prints.ages_in_days()[order], begins)
    else:
        best = age = np.zeros(0, dtype=np.float32)

    def users(chosen: NDArray[np.bool_]) -> Ints:
        return np.bincount(item[chosen], minlength=count)

    return Charts(
        prints.items,
        np.bincount(item, weights=best, minlength=count).astype(np.float32),
        _rising(users(age <= RISING_DAYS), users(age <= RISING_AGAINST_DAYS)),
        users(age <= WEEK),
        users(age >= 0),
        prints.newest_ms,
    )


def _rising(recent: Ints, long: Ints) -> Floats:
    """Return by how many standard deviations the last days exceed the last weeks' pace."""
    expected = long * (RISING_DAYS / RISING_AGAINST_DAYS)
    surprise = (recent - expected) / np.sqrt(expected + 1.0)
    return np.where(recent >= RISING_USERS, np.maximum(surprise, 0.0), 0.0).astype(np.float32)


class PopularRanker:
    """Candidates by how many people wanted them lately."""

    name = "popular"
    weight = 0.15

    def __init__(self) -> None:
        self._fitted: dict[TenantId, Charts] = {}

    def fit(self, tenant: TenantId, prints: Footprints) -> None:
        """Replace the tenant's charts; runs in a thread."""
        fresh = charts(prints)
        rising = (
            Candidate(fresh.items[number], score, "rising", {"counted_ms": fresh.newest_ms})
            for number, score in top(fresh.rising.copy(), HEAD)
        )
        self._fitted[tenant] = replace(fresh, head=tuple(_popular(fresh, HEAD)), rising_head=tuple(rising))

    def chart(self, tenant: TenantId) -> Charts | None:
        """Return the tenant's charts, if there are any yet."""
        return self._fitted.get(tenant)

    def trending(self, tenant: TenantId, count: int = 60) -> list[ItemId]:
        """Return what more and more people want, filled up with what many want."""
        chart = self.chart(tenant)
        if chart is None:
            return []
        return list(dict.fromkeys(one.item for one in (*chart.rising_head[:count], *chart.head)))[:count]

    def untried(self, tenant: TenantId, most_users: int) -> set[ItemId]:
        """Return the items that hardly anybody has touched."""
        chart = self.chart(tenant)
        if chart is None:
            return set()
        return {item for item, users in zip(chart.items, chart.users, strict=False) if users <= most_users}

    def all(self, tenant: TenantId) -> list[Candidate]:
        """Return every item anybody wanted, most wanted first."""
        chart = self.chart(tenant)
        return _popular(chart, len(chart.items)) if chart else []

    async def rank(
        self,
        request: RankingRequest,
        items: Mapping[ItemId, Item],  # noqa: ARG002 - the protocol's
    ) -> list[Candidate]:
        return self.rank_many([request])[0]

    def rank_many(self, requests: Sequence[RankingRequest], *_: object) -> list[list[Candidate]]:
        """Return candidates for several users: the same for all."""
        charts_of = [self.chart(request.tenant) for request in requests]
        return [
            list(chart.head[: request.limit]) if chart else []
            for request, chart in zip(requests, charts_of, strict=True)
        ]


class RisingRanker:
    """Candidates that more people want than usual."""

    name = "rising"
    weight = 0.1

    def __init__(self, popular: PopularRanker) -> None:
        self._popular = popular

    async def rank(
        self,
        request: RankingRequest,
        items: Mapping[ItemId, Item],  # noqa: ARG002 - the protocol's
    ) -> list[Candidate]:
        return self.rank_many([request])[0]

    def rank_many(self, requests: Sequence[RankingRequest], *_: object) -> list[list[Candidate]]:
        """Return candidates for several users: the same for all."""
        charts_of = [self._popular.chart(request.tenant) for request in requests]
        return [
            list(chart.rising_head[: request.limit]) if chart else []
            for request, chart in zip(requests, charts_of, strict=True)
        ]


def _popular(chart: Charts, limit: int) -> list[Candidate]:
    return [
        Candidate(
            chart.items[number],
            score,
            "popular_week" if chart.this_week[number] else "popular",
            {"counted_ms": chart.newest_ms},
        )
        for number, score in top(chart.popular.copy(), min(limit, len(chart.items)))
    ]
