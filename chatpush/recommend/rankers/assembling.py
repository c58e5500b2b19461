"""Make a user's list out of what the rankers propose: rules and arithmetic, no waiting.

Forbidden items are left out, many of one kind are spread, the charts and then
the rest of the shelf fill what is empty, and the last slots go to items that
had no chance yet, each with the probability it was given.
"""

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any, Protocol

from chatpush.domain import ItemId, Pick, TenantId, User, UserId, to_ms
from chatpush.plugins.contracts import Candidate, Ranker, RankingRequest
from chatpush.recommend.catalogue import Shelf
from chatpush.recommend.rankers import blend
from chatpush.recommend.rankers.blend import Forbidden, Proposal
from chatpush.recommend.rankers.popular import PopularRanker
from chatpush.recommend.reasons import Chosen, Reasoned, reason

WEEK_MILLISECONDS = 7 * 86_400_000
TIMELY = frozenset({"popular_week", "rising"})
"""Reasons that speak of now: said only when the last event is not older than a week."""
KINDRED = "kindred"
"""Chosen by what the user is: personal without any event."""
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

    def without(self, items: Collection[ItemId]) -> "Picked":
        """Return it without some items."""
        kept = [
            (pick, chance)
            for pick, chance in zip(self.picks, self.chances, strict=True)
            if pick.item.id not in items
        ]
        return Picked(
            tuple(pick for pick, _ in kept),
            self.source if kept else "none",
            tuple(chance for _, chance in kept),
        )


@dataclass(frozen=True)
class Asked:
    """One user's request with everything needed to answer it."""

    request: RankingRequest
    limit: int
    bars: Forbidden
    user: UserId | None = None
    person: User | None = None
    """Who that is, even if they want nothing personal."""
    weights: Mapping[str, float] = field(default_factory=dict)
    """Other weights of rankers than their own, by name."""
    foreign: list[tuple[float, list[Candidate]]] = field(default_factory=list)

    def without(self, items: Collection[ItemId]) -> "Asked":
        """Return it with more items forbidden."""
        return replace(self, bars=replace(self.bars, items=self.bars.items.union(items)))


@dataclass(frozen=True, slots=True)
class Untried:
    """Items that had no chance yet, and new arrivals, as of a state of shelf and charts."""

    state: object
    items: tuple[ItemId, ...]
    chances: frozenset[ItemId]
    arrivals: frozenset[ItemId]


class Explaining(Protocol):
    """A ranker that finds reasons for what was chosen, not for all it proposed."""

    def explain_many(
        self, chosen: Sequence[Chosen], items: Mapping[ItemId, Any]
    ) -> list[dict[ItemId, Reasoned]]:
        """Return reasons for what each user gets."""
        ...


@dataclass(frozen=True)
class Offered:
    """What the rankers offer one user; ``like``: candidates by likeness of words."""

    lists: Sequence[tuple[Ranker, list[Candidate]]]
    like: Sequence[Candidate] = ()


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
        self, asked: Sequence[Asked], offered: Sequence[Offered], shelf: Shelf, now: datetime
    ) -> list[Picked]:
        """Return a list for each user."""
        lists = [self._chosen(one, offer, shelf, now) for one, offer in zip(asked, offered, strict=True)]
        reasons = self._explained(asked, [chosen for chosen, _ in lists], shelf)
        answers = []
        for one, (chosen, chances), known in zip(asked, lists, reasons, strict=True):
            events = one.request.events
            personal = any(
                pick.reason_code == KINDRED or (events and pick.reason_code not in GENERAL) for pick in chosen
            )
            picks = tuple(_worded(chosen, known, one.request.locale, shelf, now))
            source = ("personal" if personal else "popular") if picks else "none"
            answers.append(Picked(picks, source, tuple(chances)))
        return answers

    def _chosen(
        self, asked: Asked, offered: Offered, shelf: Shelf, now: datetime
    ) -> tuple[list[Proposal], list[tuple[float, bool]]]:
        """Return what one user gets, and for each the chance it had and whether it is tried."""
        request, bars = asked.request, asked.bars
        own = ((asked.weights.get(ranker.name, ranker.weight), found) for ranker, found in offered.lists)
        weighed = [*own, *asked.foreign]
        proposals = (one for one in blend.merged(weighed) if _may(one.item, shelf, bars))
        chosen = blend.spread(proposals, shelf.items, asked.limit)
        self._fill(chosen, request.tenant, shelf, bars, asked.limit)
        if request.events and asked.user:
            return self._with_untried(chosen, asked, offered.like, shelf, now)
        return chosen, [(1.0, False)] * len(chosen)

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

    def _explained(
        self, asked: Sequence[Asked], lists: Sequence[Sequence[Proposal]], shelf: Shelf
    ) -> list[dict[ItemId, Reasoned]]:
        """Return for each user what the rankers say of what was chosen, for that alone and for all users at once."""
        found: list[dict[ItemId, Reasoned]] = [{} for _ in asked]
        for code, ranker in self._explaining.items():
            by_user = [[one.item for one in chosen if one.reason_code == code] for chosen in lists]
            some = [number for number, items in enumerate(by_user) if items]
            wanted = [(asked[number].request, by_user[number]) for number in some]
            for number, reasons in zip(some, ranker.explain_many(wanted, shelf.items), strict=True):
                found[number] |= reasons
        return found


def _worded(
    chosen: Sequence[Proposal], known: Mapping[ItemId, Reasoned], locale: str, shelf: Shelf, now: datetime
) -> Iterator[Pick]:
    """Yield picks with their reasons in words."""
    for one in chosen:
        code, values = known.get(one.item, (one.reason_code, one.reason_values))
        if code == "again":
            values = {"title": shelf.items[one.item].title}
        counted = int(values.get("counted_ms", 0))
        if code in TIMELY and counted < to_ms(now) - WEEK_MILLISECONDS:
            code = "popular"
        if code == "because":
            code = "chosen"
        yield Pick(shelf.items[one.item], round(one.score, 6), reason(code, values, locale))


def _may(item: ItemId, shelf: Shelf, bars: Forbidden) -> bool:
    return item in shelf.items and bars.allows(shelf.items[item])
