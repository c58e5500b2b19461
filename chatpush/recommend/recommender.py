"""Pick items for a user, a newcomer or nobody, each with its reason.

Every ranker, built in or from a plugin, proposes by the same protocol; the
blend decides. The user's own events are read from the store at each request, so
what they did a moment ago counts, and what they bought or waved away is left
out. If the rankers run dry, the charts and then the rest of the shelf fill the
list: it is short only when nothing else is allowed.
"""

import asyncio
from collections.abc import Awaitable, Callable, Iterator, Sequence
from dataclasses import dataclass

import structlog

from chatpush.clock import Clock
from chatpush.domain import DEFAULT_LOCALE, DEFAULT_TENANT, Event, ItemId, Pick, TenantId, User, UserId, to_ms
from chatpush.plugins.contracts import Candidate, Ranker, RankingRequest
from chatpush.plugins.host import Plugins
from chatpush.recommend import blend
from chatpush.recommend.behaviour import Behaviour
from chatpush.recommend.blend import Forbidden, Proposal
from chatpush.recommend.catalogue import Catalogue, Shelf
from chatpush.recommend.content import ContentRanker
from chatpush.recommend.popular import PopularRanker, RisingRanker
from chatpush.recommend.reasons import reason
from chatpush.recommend.together import TogetherRanker
from chatpush.recommend.training import Training
from chatpush.recommend.walk import WalkRanker
from chatpush.store.database import Database

log = structlog.get_logger(__name__)
FindUser = Callable[[TenantId, UserId], Awaitable[User | None]]
MOST_PICKS = 100
SPARE = 60
"""Candidates asked for beyond the limit, because some will be forbidden."""
PLUGIN_SECONDS = 0.25
WEEK_MILLISECONDS = 7 * 86_400_000


@dataclass(frozen=True, slots=True)
class Picked:
    """Picks and where they come from: ``personal``, ``popular`` or ``none``."""

    picks: tuple[Pick, ...]
    source: str


class Recommender:
    """The one who picks."""

    def __init__(
        self,
        database: Database,
        catalogue: Catalogue,
        behaviour: Behaviour,
        plugins: Plugins,
        clock: Clock,
        find_user: FindUser,
        *,
        exploration: float = 0.1,
        refit_seconds: float = 900.0,
    ) -> None:
        self._behaviour = behaviour
        self._clock = clock
        self._find_user = find_user
        self._exploration = exploration
        self._untried_by: dict[TenantId, tuple[object, tuple[ItemId, ...], frozenset[ItemId]]] = {}
        self._walk = WalkRanker()
        self._popular = PopularRanker()
        self._content = ContentRanker()
        together = TogetherRanker()
        self._personal: list[Ranker] = [self._walk, together, self._content]
        self._general: list[Ranker] = [self._popular, RisingRanker(self._popular)]
        self._foreign: list[Ranker] = list(plugins.rankers())
        self.training = Training(
            database, catalogue, behaviour, clock, [self._walk, self._popular, together], self._content,
            refit_seconds,
        )  # fmt: skip

    async def pick(self, tenant: TenantId, user: UserId | None, limit: int, locale: str = "") -> list[Pick]:
        """Return up to ``limit`` picks, best first."""
        return list((await self.picked(tenant, user, limit, locale)).picks)

    async def picked(self, tenant: TenantId, user: UserId | None, limit: int, locale: str = "") -> Picked:
        """Return picks with their source."""
        limit = max(1, min(limit, MOST_PICKS))
        shelf = await self.training.ready(tenant)
        if not shelf.items:
            return Picked((), "none")
        person = await self._find_user(tenant, user) if user else None
        events = await self._behaviour.recent(tenant, user) if user else ()
        bars = blend.forbidden(events, self._clock.now())
        if person is not None and not person.personalized:
            person, events = None, ()
        locale = locale or (person.locale if person else DEFAULT_LOCALE)
        request = RankingRequest(tenant, person, events, limit + SPARE, locale)
        lists = await self._ask_all(request, shelf)
        merged = blend.merged((ranker.weight, found) for ranker, found in lists)
        proposals = [one for one in merged if self._may(one.item, shelf, bars)]
        chosen = blend.spread(proposals, shelf.items, limit)
        self._fill(chosen, tenant, shelf, bars, limit)
        if events:
            like = next(found for ranker, found in lists if ranker is self._content)
            chosen = self._with_untried(chosen, events[0], like, shelf, bars)
        personal = bool(events) and any(code.reason_code not in GENERAL for code in chosen)
        picks = tuple(self._pick(one, shelf, locale) for one in chosen)
        return Picked(picks, ("personal" if personal else "popular") if picks else "none")

    async def pick_many(
        self, tenant: TenantId, users: Sequence[UserId], limit: int, locale: str = ""
    ) -> dict[UserId, list[Pick]]:
        """Return picks for many users, a few at a time."""
        gate = asyncio.Semaphore(4)

        async def one(user: UserId) -> list[Pick]:
            async with gate:
                return await self.pick(tenant, user, limit, locale)

        found = await asyncio.gather(*(one(user) for user in users))
        return dict(zip(users, found, strict=True))

    async def start(self) -> None:
        """Fit for the default tenant in the background, so that its first user need not wait."""
        self.training.warm(DEFAULT_TENANT)

    async def stop(self) -> None:
        """Leave fits that are under way."""
        await self.training.stop()

    async def _ask_all(self, request: RankingRequest, shelf: Shelf) -> list[tuple[Ranker, list[Candidate]]]:
        rankers = [*(self._personal if request.events else ()), *self._general, *self._foreign]
        lists = await asyncio.gather(*(self._ask(ranker, request, shelf) for ranker in rankers))
        return list(zip(rankers, lists, strict=True))

    async def _ask(self, ranker: Ranker, request: RankingRequest, shelf: Shelf) -> list[Candidate]:
        """Ask one ranker; a plugin's that fails, hangs or talks nonsense proposes nothing."""
        if ranker not in self._foreign:
            return await ranker.rank(request, shelf.items)
        try:
            async with asyncio.timeout(PLUGIN_SECONDS):
                answer = await ranker.rank(request, shelf.items)
            return [one for one in answer if isinstance(one, Candidate)][: request.limit]
        except Exception as error:
            log.warning("ranker failed", ranker=getattr(ranker, "name", "?"), error=repr(error))
            return []

    def _may(self, item: ItemId, shelf: Shelf, bars: Forbidden) -> bool:
        return item in shelf.items and bars.allows(shelf.items[item])

    def _fill(
        self, chosen: list[Proposal], tenant: TenantId, shelf: Shelf, bars: Forbidden, limit: int
    ) -> None:
        """Fill what is left from the charts, then from the whole shelf."""
        if len(chosen) >= limit:
            return
        have = {one.item for one in chosen}
        for proposal in self._rest(tenant, shelf):
            if proposal.item in have or not self._may(proposal.item, shelf, bars):
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
        self,
        chosen: list[Proposal],
        last: Event,
        like: Sequence[Candidate],
        shelf: Shelf,
        bars: Forbidden,
    ) -> list[Proposal]:
        """Give the last slots to items that had no chance yet."""
        luck = blend.chance(last.tenant, last.user, self._clock.now().date(), "explore")
        slots = blend.explore_slots(len(chosen), self._exploration, luck)
        if not slots:
            return chosen
        kept = chosen[: len(chosen) - slots]
        have = {one.item for one in kept} | bars.items
        untried, arrivals = self._untried(last.tenant, shelf)
        pool = blend.pool(untried, arrivals, like, luck).values()
        allowed = [one for one in pool if one.item not in have and self._may(one.item, shelf, bars)]
        found = blend.explored(allowed, slots, luck)
        return [*chosen[: len(chosen) - len(found)], *found]

    def _untried(self, tenant: TenantId, shelf: Shelf) -> tuple[tuple[ItemId, ...], frozenset[ItemId]]:
        """Return the items hardly anybody touched, and new arrivals; found once per fit and day."""
        now = self._clock.now()
        state = (shelf.version, id(self._popular.chart(tenant)), now.date())
        cached = self._untried_by.get(tenant)
        if cached is None or cached[0] != state:
            touched = self._popular.untried(tenant, blend.UNTRIED_USERS)
            arrivals = blend.new_arrivals(shelf.created_ms, to_ms(now))
            cached = self._untried_by[tenant] = (state, tuple(sorted(touched)), arrivals)
        return cached[1], cached[2]

    def _pick(self, one: Proposal, shelf: Shelf, locale: str) -> Pick:
        code = one.reason_code
        counted = int(one.reason_values.get("counted_ms", 0))
        if code in TIMELY and counted < to_ms(self._clock.now()) - WEEK_MILLISECONDS:
            code = "popular"
        return Pick(shelf.items[one.item], round(one.score, 6), reason(code, one.reason_values, locale))


TIMELY = frozenset({"popular_week", "rising"})
"""Reasons that speak of now: said only when the last event is not older than a week."""
GENERAL = frozenset({"popular", "popular_week", "rising", "available"})
