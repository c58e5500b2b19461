"""Pick items for a user, a newcomer or nobody, each with its reason.

Every ranker, built in or from a plugin, proposes by the same protocol; the
blend decides. The user's own events are read from the store at each request, so
what they did a moment ago counts, and what they bought or waved away is left
out, as is what its audience or a plugin denies them. If the rankers run dry, the
charts and then the rest of the shelf fill the list: it is short only when nothing
else is allowed. Many users are read, scored and answered together.
"""

import asyncio
from collections.abc import Awaitable, Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from functools import partial
from typing import Protocol

import structlog

from chatpush.clock import Clock
from chatpush.domain import (
    DEFAULT_LOCALE,
    DEFAULT_TENANT,
    Event,
    EventId,
    Item,
    ItemId,
    Pick,
    TenantId,
    User,
    UserId,
)
from chatpush.plugins.contracts import Candidate, Ranker, RankingRequest
from chatpush.plugins.host import Plugins
from chatpush.recommend.behaviour.behaviour import Behaviour
from chatpush.recommend.catalogue import Catalogue, Shelf
from chatpush.recommend.rankers import blend
from chatpush.recommend.rankers.again import AgainRanker, SeenRanker
from chatpush.recommend.rankers.assembling import Asked, Assembler, Offered, Picked
from chatpush.recommend.rankers.audiences import belongs
from chatpush.recommend.rankers.content import ContentRanker
from chatpush.recommend.rankers.kindred import KindredRanker
from chatpush.recommend.rankers.likeminded import LikemindedRanker
from chatpush.recommend.rankers.popular import PopularRanker, RisingRanker
from chatpush.recommend.rankers.together import TogetherRanker
from chatpush.recommend.training.training import Fitted, Training
from chatpush.store.database import Database

__all__ = ["Picked", "Recommender"]
log = structlog.get_logger(__name__)
FindUser = Callable[[TenantId, UserId], Awaitable[User | None]]
FindUsers = Callable[[TenantId, Iterable[UserId]], Awaitable[Mapping[UserId, User]]]
Seen = Callable[[TenantId, UserId, Picked], None]
MOST_PICKS = 100
SPARE = 60
"""Candidates asked for beyond the limit, because some will be forbidden."""
PLUGIN_SECONDS = 0.25
USERS_AT_ONCE = 100
LONGER, FILTER_ROUNDS = 4, 9
"""Lists that plugins look through grow so many times each round: the last one is longer than any shelf."""
FOR_YOU, TRENDING, NEW = "for_you", "trending", "new"
KINDS = (FOR_YOU, TRENDING, NEW)
"""Among all items, among what more and more people want, among new arrivals."""


@dataclass(frozen=True)
class WhatIf:
    """What to suppose: other weights of rankers by name, items left out, a moment in the past."""

    weights: Mapping[str, float] = field(default_factory=dict)
    exclude: frozenset[ItemId] = frozenset()
    as_of: datetime | None = None


class Batching(Ranker, Protocol):
    """A built-in ranker: it ranks for many at once, in a thread."""

    def rank_many(
        self, requests: Sequence[RankingRequest], items: Mapping[ItemId, Item]
    ) -> list[list[Candidate]]:
        """Return a list per request."""
        ...


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
        find_users: FindUsers | None = None,
        cohort_attributes: Sequence[str] = (),
        exploration: float = 0.1,
        refit_seconds: float = 900.0,
        on_shown: Seen = lambda *_: None,
    ) -> None:
        self._behaviour = behaviour
        self._plugins = plugins
        self._clock = clock
        self._find_user = find_user
        self._find_users = find_users
        self._on_shown = on_shown
        self.likeminded = LikemindedRanker()
        self._popular = PopularRanker()
        self._content = ContentRanker(self._new_arrivals)
        self.again = AgainRanker(clock)
        together = TogetherRanker()
        self._personal: list[Batching] = [
            self.likeminded, together, self._content, self.again, SeenRanker(clock),
        ]  # fmt: skip
        kindred = KindredRanker(database, clock, find_users, cohort_attributes)
        self._general: list[Batching] = [self._popular, RisingRanker(self._popular), kindred]
        self._foreign: list[Ranker] = list(plugins.rankers())
        self._assembler = Assembler(
            self._popular,
            {"because": self.likeminded, "together": together, "similar": self._content},
            exploration,
        )
        fitted: list[Fitted] = [self.likeminded, self._popular, together, self.again]
        self.training = Training(
            database, catalogue, behaviour, clock, fitted, self._content, refit_seconds, kindred.look
        )  # fmt: skip

    async def pick(self, tenant: TenantId, user: UserId | None, limit: int, locale: str = "") -> list[Pick]:
        """Return at most ``limit`` picks, best first."""
        return list((await self.picked(tenant, user, limit, locale)).picks)

    async def picked(
        self,
        tenant: TenantId,
        user: UserId | None,
        limit: int,
        locale: str = "",
        context: Sequence[ItemId] = (),
    ) -> Picked:
        """Return picks with their source; ``context``: what the reader has before them now, stored nowhere."""
        return (await self._picked(tenant, [user], limit, locale, context=context))[0]

    async def pick_many(
        self,
        tenant: TenantId,
        users: Sequence[UserId],
        limit: int,
        locale: str = "",
        kind: str = FOR_YOU,
        *,
        noted: bool = True,
    ) -> dict[UserId, list[Pick]]:
        """Return picks for many users, a page of them at a time, among all items or only some.

        Not ``noted``: nobody will see them, so nothing is to be learned from what follows.
        """
        found: dict[UserId, list[Pick]] = {}
        for start in range(0, len(users), USERS_AT_ONCE):
            page = users[start : start + USERS_AT_ONCE]
            answers = await self._picked(tenant, page, limit, locale, kind, noted=noted)
            found |= {user: list(one.picks) for user, one in zip(page, answers, strict=True)}
        return found

    @property
    def weights(self) -> dict[str, float]:
        """The built-in rankers' weights by name, in the order they are asked."""
        return {ranker.name: ranker.weight for ranker in (*self._personal, *self._general)}

    async def supposed(
        self, tenant: TenantId, user: UserId, limit: int, locale: str, what_if: WhatIf
    ) -> Picked:
        """Return picks as they would be; nobody sees them, and nothing is logged as shown."""
        shelf = await self.training.ready(tenant)
        events = (await self._behaviour.recent_many(tenant, [user]))[user]
        if what_if.as_of is not None:
            events = tuple(event for event in events if event.at <= what_if.as_of)
        person = await self._find_user(tenant, user)
        asked = self._asked(tenant, user, person, events, max(1, min(limit, MOST_PICKS)), locale)
        bars = replace(
            asked.bars, items=asked.bars.items | what_if.exclude, at=what_if.as_of or asked.bars.at
        )
        asked = replace(asked, bars=bars, weights=what_if.weights)
        return (await self._answered([asked], shelf))[0] if shelf.items else Picked((), "none")

    async def explained(self, tenant: TenantId, user: UserId, item: str) -> list[str]:
        """Return, line by line, who proposes an item to a user and what forbids it."""
        shelf = await self.training.ready(tenant)
        known = shelf.items.get(ItemId(item))
        if known is None:
            return [f"{item} is not on the shelf"]
        events = (await self._behaviour.recent_many(tenant, [user]))[user]
        person = await self._find_user(tenant, user)
        asked = self._asked(tenant, user, person, events, MOST_PICKS, "")
        lines = [f"{known.title} for {user}, who has {len(events)} events that count"]
        if person is not None and not person.personalized:
            lines.append("the user switched personal picks off")
        if not asked.bars.allows(known):
            lines.append(
                "forbidden: sold out, out of its time, for other readers, bought lately, dismissed or muted"
            )
        elif not await self._allowed(asked, [known]):
            lines.append("left out by a plugin")
        rankers = [*(self._personal if asked.request.events else ()), *self._general]
        for ranker in rankers:
            (found,) = await asyncio.to_thread(ranker.rank_many, [asked.request], shelf.items)
            for place, one in enumerate(found, 1):
                if one.item == item:
                    lines.append(f"{ranker.name}: place {place}, {one.score:.3f} × {ranker.weight}")
        answer = (await self._answered([asked], shelf))[0]
        for place, pick in enumerate(answer.picks, 1):
            if pick.item.id == item:
                lines.append(f"place {place} of the list: {pick.reason.text}")
                return lines
        return [*lines, f"not among the first {MOST_PICKS}"]

    async def start(self) -> None:
        """Fit for the default tenant in the background, so that its first user need not wait."""
        self.training.warm(DEFAULT_TENANT)

    async def stop(self) -> None:
        """Leave fits that are under way."""
        await self.training.stop()

    async def _picked(
        self,
        tenant: TenantId,
        users: Sequence[UserId | None],
        limit: int,
        locale: str,
        kind: str = FOR_YOU,
        *,
        noted: bool = True,
        context: Sequence[ItemId] = (),
    ) -> list[Picked]:
        shelf = await self.training.ready(tenant)
        if not shelf.items:
            return [Picked((), "none") for _ in users]
        names = [user for user in users if user]
        people = await self._people(tenant, names)
        events = await self._behaviour.recent_many(tenant, names) if names else {}
        limit = max(1, min(limit, MOST_PICKS))

        def prepared() -> list[Asked]:
            only = self._only(tenant, kind, shelf)
            return [
                self._asked(
                    tenant, user, people.get(user) if user else None, events.get(user, ()) if user else (),
                    limit, locale, only, context,
                )
                for user in users
            ]  # fmt: skip

        # Beside the loop, like all that grows with the number of users or events.
        asked = await asyncio.to_thread(prepared)
        if self._foreign:
            await asyncio.gather(*(self._ask_foreign(one, shelf) for one in asked))
        answers = await self._answered(asked, shelf)
        for one, answer in zip(asked, answers, strict=True):
            if one.user and noted:
                self._on_shown(tenant, one.user, answer)
        return answers

    def _new_arrivals(self, tenant: TenantId) -> Collection[ItemId]:
        return self._assembler.arrivals(tenant)

    def _only(self, tenant: TenantId, kind: str, shelf: Shelf) -> frozenset[ItemId] | None:
        """Return the items a kind of list is confined to."""
        if kind == TRENDING:
            return frozenset(self._popular.trending(tenant))
        if kind == NEW:
            return self._assembler.untried(tenant, shelf, self._clock.now()).arrivals
        return None

    async def _people(self, tenant: TenantId, names: Sequence[UserId]) -> Mapping[UserId, User]:
        if self._find_users is not None and len(names) > 1:
            return await self._find_users(tenant, names)
        found = [await self._find_user(tenant, name) for name in names]
        return {person.id: person for person in found if person is not None}

    def _asked(
        self,
        tenant: TenantId,
        user: UserId | None,
        person: User | None,
        events: tuple[Event, ...],
        limit: int,
        locale: str,
        only: Collection[ItemId] | None = None,
        context: Sequence[ItemId] = (),
    ) -> Asked:
        personal, now = person is None or person.personalized, self._clock.now()
        due = self.again.due(tenant, events) if personal else ()
        known_locale = locale or (person.locale if person else "")
        bars = blend.forbidden(events, now, due, known_locale, partial(belongs, person))
        bars = replace(bars, only=only, items=bars.items.union(context))
        looked_at = [Event(tenant, EventId(""), user or UserId(""), "view", now, item) for item in context]
        events = (*looked_at, *events)
        locale = locale or (person.locale if person and personal else DEFAULT_LOCALE)
        request = RankingRequest(
            tenant, person if personal else None, events if personal else (), limit + SPARE, locale
        )
        return Asked(request, limit, bars, user, person)

    async def _ask_foreign(self, asked: Asked, shelf: Shelf) -> None:
        """Ask plugins' rankers; one that fails, hangs or talks nonsense proposes nothing."""
        for ranker in self._foreign:
            try:
                async with asyncio.timeout(PLUGIN_SECONDS):
                    answer = await ranker.rank(asked.request, shelf.items)
                found = [one for one in answer if isinstance(one, Candidate)][: asked.request.limit]
                asked.foreign.append((float(ranker.weight), found))
            except Exception as error:
                log.warning("ranker failed", ranker=getattr(ranker, "name", "?"), error=repr(error))

    async def _answered(self, asked: Sequence[Asked], shelf: Shelf) -> list[Picked]:
        """Rank and assemble, and let plugins leave items out."""
        answers = await asyncio.to_thread(self._answer, asked, shelf)
        if not self._plugins.has("filter_picks"):
            return answers
        pairs = zip(asked, answers, strict=True)
        return list(await asyncio.gather(*(self._permitted(one, answer, shelf) for one, answer in pairs)))

    async def _permitted(self, asked: Asked, answer: Picked, shelf: Shelf) -> Picked:
        """Return an answer without what plugins leave out, with others in the places as long as there are any.

        What might take a place is shown to them in ever longer lists.
        """
        for turn in range(1, FILTER_ROUNDS + 1):
            denied = await self._denied(asked, answer)
            if not denied:
                return answer
            asked = asked.without(denied)
            longer = replace(asked, limit=min(asked.limit * LONGER**turn, len(shelf.items)))
            others = await asyncio.to_thread(self._answer, [longer], shelf)
            asked = asked.without(await self._denied(asked, others[0]))
            answer = (await asyncio.to_thread(self._answer, [asked], shelf))[0]
        return answer.without(await self._denied(asked, answer))

    async def _denied(self, asked: Asked, answer: Picked) -> frozenset[ItemId]:
        items = [pick.item for pick in answer.picks]
        return frozenset(item.id for item in items) - await self._allowed(asked, items)

    async def _allowed(self, asked: Asked, items: Sequence[Item]) -> frozenset[ItemId]:
        unknown = User(asked.request.tenant, asked.user) if asked.user else None
        left = await self._plugins.filter_picks(tuple(items), asked.person or unknown)
        return frozenset(item.id for item in left)

    def _answer(self, asked: Sequence[Asked], shelf: Shelf) -> list[Picked]:
        """Rank and assemble; runs in a thread."""
        requests = [one.request for one in asked]
        now = self._clock.now()
        self._assembler.untried(requests[0].tenant, shelf, now)
        known = [number for number, request in enumerate(requests) if request.events]
        some = [requests[number] for number in known]
        lists: list[list[tuple[Ranker, list[Candidate]]]] = [[] for _ in asked]
        like: dict[int, list[Candidate]] = {}
        for ranker in self._personal if some else ():
            for number, found in zip(known, ranker.rank_many(some, shelf.items), strict=True):
                lists[number].append((ranker, found))
                if ranker is self._content:
                    like[number] = found
        for ranker in self._general:
            for number, found in enumerate(ranker.rank_many(requests, shelf.items)):
                lists[number].append((ranker, found))
        offered = [Offered(one, like.get(number, ())) for number, one in enumerate(lists)]
        return self._assembler.assemble(asked, offered, shelf, now)
