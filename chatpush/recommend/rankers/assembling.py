"""Make a user's list out of what the rankers propose: rules and arithmetic, no waiting.

Forbidden items are left out, many of one kind are spread, the charts and then
the rest of the shelf fill what is empty, and the last slots go to items that
had no chance yet, each with the probability it was given.
"""

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Protocol

from chatpush.domain import ItemId, Pick, TenantId, UserId, to_ms
from chatpush.plugins.contracts import Candidate, Ranker, RankingRequest
from chatpush.recommend.catalogue import Shelf
from chatpush.recommend.rankers import blend
from chatpush.recommend.rankers.blend import Forbidden, Proposal
from chatpush.recommend.rankers.popular import PopularRanker
from chatpush.recommend.reasons import Reasoned, reason

WEEK_MILLISECONDS = 7 * 86_400_000
TIMELY = frozenset({"popular_week", "rising"})
"""Reasons that speak of now: said only when the last event is not older than a week."""
GENERAL = frozenset({"popular", "popular_week", "rising", "available"})


@dataclass(frozen=True, slots=True)
class Picked:
    """Picks and where they come from: ``personal``, ``popular`` or ``none``.

    ``chances``: for each pick, the probability with which it got its place, and
    whether it was put there to be tried.
    """

    picks: tuple[Pick, ...]
    source: str
    chances: tuple[tuple[float, bool], ...] = ()


@dataclass(frozen=True)
class Asked:
    """One user's request with everything needed to answer it."""

    request: RankingRequest
    limit: int
    bars: Forbidden
    user: UserId | None = None
    weights: Mapping[str, float] = field(default_factory=dict)
    """Other weights of rankers than their own, by name."""
    foreign: list[tuple[float, list[Candidate]]] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class Untried:
    """Items that had no chance yet, and new arrivals, as of a state of shelf and charts."""

    state: object
    items: tuple[ItemId, ...]
    chances: frozenset[ItemId]
    arrivals: frozenset[ItemId]


class Explaining(Protocol):
    """A ranker that finds reasons for what was chosen, not for all it proposed."""

    def explain(
        self, request: RankingRequest, items: Mapping[ItemId, Any], chosen: Sequence[ItemId]
    ) -> dict[ItemId, Reasoned]:
        """Return reasons for chosen items."""
        ...


class Assembler:
    """Makes lists."""

    def __init__(
        self, popular: PopularRanker, explaining: Mapping[str, Explaining], exploration: float
    ) -> None:
        self._popular = popular
        self._explaining = explaining
        self._exploration = exploration
        self._untried_by: dict[TenantId, Untried] = {}

    def assemble(
        self,
        asked: Asked,
        lists: Sequence[tuple[Ranker, list[Candidate]]],
        like: Sequence[Candidate],
        shelf: Shelf,
        now: datetime,
    ) -> Picked:
        """Return the list for one user; ``like``: candidates by likeness of words."""
        request, bars = asked.request, asked.bars
        own = ((asked.weights.get(ranker.name, ranker.weight), found) for ranker, found in lists)
        weighed = [*own, *asked.foreign]
        proposals = (one for one in blend.merged(weighed) if _may(one.item, shelf, bars))
        chosen = blend.spread(proposals, shelf.items, asked.limit)
        self._fill(chosen, request.tenant, shelf, bars, asked.limit)
        chances = [(1.0, False)] * len(chosen)
        if request.events and asked.user:
            chosen, chances = self._with_untried(chosen, asked, like, shelf, now)
        personal = bool(request.events) and any(one.reason_code not in GENERAL for one in chosen)
        picks = tuple(self._worded(chosen, request, shelf, now))
        source = ("personal" if personal else "popular") if picks else "none"
        return Picked(picks, source, tuple(chances))

    def _fill(
        self, chosen: list[Proposal], tenant: TenantId, shelf: Shelf, bars: Forbidden, limit: int
    ) -> None:
        """Fill what is left from the charts, then from the whole shelf."""
        if len(chosen) >= limit:
            return
        have = {one.item for one in chosen}
        for proposal in self._rest(tenant, shelf):
            if proposal.item in have or not _may(proposal.item, shelf, bars):
                continue
            chosen.append(proposal)
            have.add(proposal.item)
            if len(chosen) >= limit:
                return

    def _rest(self, tenant: TenantId, shelf: Shelf) -> Iterator[Proposal]:
        for candidate in self._popular.all(tenant):
            yield Proposal(candidate.item, 0.0, candidate.reason_code, candidate.reason_values)
        for item in shelf.newest_first:
            yield Proposal(item, 0.0, "available")

    def _with_untried(
        self, chosen: list[Proposal], asked: Asked, like: Sequence[Candidate], shelf: Shelf, now: datetime
    ) -> tuple[list[Proposal], list[tuple[float, bool]]]:
        """Give the last slots to items that had no chance yet."""
        tenant, bars = asked.request.tenant, asked.bars
        luck = blend.chance(tenant, asked.user or "", now.date(), "explore")
        slots = blend.explore_slots(len(chosen), self._exploration, luck)
        expected = len(chosen) * self._exploration
        exploit = [
            (1.0 - min(max(expected - (len(chosen) - 1 - place), 0.0), 1.0), False)
            for place in range(len(chosen))
        ]
        if not slots:
            return chosen, [(max(chance, 0.01), put) for chance, put in exploit]
        have = {one.item for one in chosen[: len(chosen) - slots]} | bars.items
        tried = self.untried(tenant, shelf, now)
        pool = blend.pool(tried.items, tried.chances, tried.arrivals, like, luck).values()
        allowed = [one for one in pool if one.item not in have and _may(one.item, shelf, bars)]
        found = blend.explored(allowed, slots, luck)
        worth = sum(blend.DRAW_FLOOR + one.score for one in allowed) or 1.0
        drawn = [
            (min(1.0, max(expected, 0.01) * (blend.DRAW_FLOOR + one.score) / worth), True) for one in found
        ]
        kept = len(chosen) - len(found)
        sure = [(max(chance, 0.01), put) for chance, put in exploit[:kept]]
        return [*chosen[:kept], *found], [*sure, *drawn]

    def arrivals(self, tenant: TenantId) -> Collection[ItemId]:
        """Return the new arrivals found last that had no chance yet, a bounded number."""
        cached = self._untried_by.get(tenant)
        return sorted(cached.arrivals & cached.chances)[: blend.DRAWN] if cached else ()

    def untried(self, tenant: TenantId, shelf: Shelf, now: datetime) -> "Untried":
        """Return the items hardly anybody touched, and new arrivals; found once per fit and day."""
        state = (shelf.version, id(self._popular.chart(tenant)), now.date())
        cached = self._untried_by.get(tenant)
        if cached is None or cached.state != state:
            touched = frozenset(self._popular.untried(tenant, blend.UNTRIED_USERS))
            arrivals = blend.new_arrivals(shelf.created_ms, to_ms(now))
            cached = self._untried_by[tenant] = Untried(state, tuple(sorted(touched)), touched, arrivals)
        return cached

    def _worded(
        self, chosen: Sequence[Proposal], request: RankingRequest, shelf: Shelf, now: datetime
    ) -> Iterator[Pick]:
        """Yield picks with their reasons in words; personal ones are looked up here, for these alone."""
        by_code: dict[str, list[ItemId]] = {}
        for one in chosen:
            if one.reason_code in self._explaining:
                by_code.setdefault(one.reason_code, []).append(one.item)
        known: dict[ItemId, Reasoned] = {}
        for code, items in by_code.items():
            known |= self._explaining[code].explain(request, shelf.items, items)
        for one in chosen:
            code, values = known.get(one.item, (one.reason_code, one.reason_values))
            if code == "again":
                values = {"title": shelf.items[one.item].title}
            counted = int(values.get("counted_ms", 0))
            if code in TIMELY and counted < to_ms(now) - WEEK_MILLISECONDS:
                code = "popular"
            if code == "because":
                code = "chosen"
            words = reason(code, values, request.locale)
            yield Pick(shelf.items[one.item], round(one.score, 6), words)


def _may(item: ItemId, shelf: Shelf, bars: Forbidden) -> bool:
    return item in shelf.items and bars.allows(shelf.items[item])
