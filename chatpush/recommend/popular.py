"""Pick what many people want now, and what more and more people want.

Every user counts once per item, however often they clicked: a script can't
push an item up. Works for nobody in particular, so it is also what remains when
personal picks are switched off or run out.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace

import numpy as np

from chatpush.domain import Item, ItemId, TenantId
from chatpush.plugins.contracts import Candidate, RankingRequest
from chatpush.recommend.footprints import Floats, Footprints, Ints, top

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


def charts(prints: Footprints) -> Charts:
    """Count distinct users per item, fading with age."""
    count = max(len(prints.items), 1)
    ages = prints.ages_in_days()
    return Charts(
        prints.items,
        _by_user(prints, prints.weights(POPULAR_DAYS), count),
        _rising(
            _users(prints, ages <= RISING_DAYS, count), _users(prints, ages <= RISING_AGAINST_DAYS, count)
        ),
        _users(prints, ages <= WEEK, count).astype(np.int64),
        _users(prints, ages >= 0, count).astype(np.int64),
        prints.newest_ms,
    )


def _by_user(prints: Footprints, weights: Floats, count: int) -> Floats:
    """Sum each user's single best weight per item."""
    pair = prints.user * count + prints.item
    order = np.lexsort((-weights, pair))
    pair, weights = pair[order], weights[order]
    first = np.ones(pair.size, dtype=bool)
    first[1:] = pair[1:] != pair[:-1]
    return np.bincount(pair[first] % count, weights=weights[first], minlength=count).astype(np.float32)


def _users(prints: Footprints, chosen: np.ndarray[tuple[int], np.dtype[np.bool_]], count: int) -> Floats:
    """Count the distinct users of each item among the chosen events."""
    pairs = np.unique(prints.user[chosen] * count + prints.item[chosen])
    return np.bincount(pairs % count, minlength=count).astype(np.float32)


def _rising(recent: Floats, long: Floats) -> Floats:
    """Return by how many standard deviations the last days exceed the last weeks' pace."""
    expected = long * np.float32(RISING_DAYS / RISING_AGAINST_DAYS)
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
        self._fitted[tenant] = replace(fresh, head=tuple(_popular(fresh, HEAD)))

    def chart(self, tenant: TenantId) -> Charts | None:
        """Return the tenant's charts, if there are any yet."""
        return self._fitted.get(tenant)

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
        chart = self.chart(request.tenant)
        return list(chart.head[: request.limit]) if chart else []


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
        chart = self._popular.chart(request.tenant)
        if chart is None:
            return []
        best = top(chart.rising.copy(), request.limit)
        return [Candidate(chart.items[number], score, "rising") for number, score in best]


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
