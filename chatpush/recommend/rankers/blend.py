"""Make one list of what several rankers propose: rules only, nothing waits here.

Scores are added by the rankers' weights, forbidden items are left out, many of
one kind are spread, and a share of the slots goes to items nobody had a chance
to like yet. The same user gets the same list all day.
"""

import hashlib
from collections import deque
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from itertools import islice
from random import Random
from typing import Any

from chatpush.domain import Event, Item, ItemId, TenantId
from chatpush.plugins.contracts import Candidate
from chatpush.recommend.behaviour.liking import dislikes

BOUGHT_AGAIN = timedelta(days=90)
"""What was bought is left alone this long."""
DISMISSED = timedelta(days=180)
SAME_KIND = 0.85
"""Each further item of one kind counts this much less."""
SPREAD_OVER = 4
"""Candidates per slot that take part in the spreading."""
NEW_FOR = timedelta(days=14)
UNTRIED_USERS = 2
ARRIVAL, ARRIVAL_ALIKE = 0.5, 6.0
"""What being new is worth in the draw, and how many times more likeness to the user's taste is then worth."""
DRAWN = 100
DRAW_FLOOR = 0.05
"""What the least promising untried item is worth in the draw."""


@dataclass(frozen=True, slots=True)
class Proposal:
    """An item with its blended score and the reason that weighed most."""

    item: ItemId
    score: float
    reason_code: str
    reason_values: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Forbidden:
    """What must not be shown to this user now."""

    items: frozenset[ItemId] = frozenset()
    tags: frozenset[str] = frozenset()
    brands: frozenset[str] = frozenset()
    only: Collection[ItemId] | None = None
    """If given, nothing else is allowed."""
    at: datetime | None = None
    """The moment of showing; None asks nothing about an item's time."""
    language: str = ""
    """The reader's, if it is known."""
    belongs: Callable[[str], bool] | None = None
    """Whether the reader is of an item's audience; None asks nothing about that."""

    def allows(self, item: Item) -> bool:
        """Return whether the item may be shown: in stock, in its time, for this reader, not forbidden."""
        if self.only is not None and item.id not in self.only:
            return False
        if item.id in self.items or (item.stock is not None and item.stock <= 0):
            return False
        if self.at is not None and not in_time(item, self.at):
            return False
        if self.tags and any(tag.lower() in self.tags for tag in item.tags):
            return False
        if self.brands and str(item.attributes.get("brand", "")).lower() in self.brands:
            return False
        return self._is_for_the_reader(item)

    def _is_for_the_reader(self, item: Item) -> bool:
        if self.language and item.language and _language(item.language) != self.language:
            return False
        return not item.audience or self.belongs is None or self.belongs(item.audience)


def in_time(item: Item, at: datetime) -> bool:
    """Return whether an item is on offer at a moment."""
    begun = item.valid_from is None or item.valid_from <= at
    return begun and (item.valid_to is None or at < item.valid_to)


def _language(locale: str) -> str:
    return locale.replace("_", "-").split("-")[0].lower()


def forbidden(
    events: Sequence[Event],
    now: datetime,
    due: Collection[ItemId] = frozenset(),
    locale: str = "",
    belongs: Callable[[str], bool] | None = None,
) -> Forbidden:
    """Read from a user's events what they bought lately, dismissed, rated badly, or asked not to see.

    What is ``due`` to be bought again may be shown though it was bought.
    A ``mute`` event holds until it is undone by an ``unmute`` of the same thing.
    """
    items: set[ItemId] = set()
    tags: set[str] = set()
    brands: set[str] = set()
    for event in sorted(events, key=lambda one: one.at):
        age = now - event.at
        if event.item and (
            (event.type == "purchase" and age < BOUGHT_AGAIN and event.item not in due)
            or (event.type == "dismiss" and age < DISMISSED)
            or (dislikes(event) and age < DISMISSED)
            or event.type == "mute"
        ):
            items.add(event.item)
        if event.type == "unmute" and event.item:
            items.discard(event.item)
        if event.type in ("mute", "unmute"):
            for known, name in ((tags, "tag"), (brands, "brand")):
                value = str(event.properties.get(name, "")).lower()
                if value:
                    (known.add if event.type == "mute" else known.discard)(value)
    return Forbidden(
        frozenset(items),
        frozenset(tags),
        frozenset(brands),
        at=now,
        language=_language(locale),
        belongs=belongs,
    )


def merged(proposals: Iterable[tuple[float, Sequence[Candidate]]]) -> Iterator[Proposal]:
    """Add up the rankers' weighed scores per item; yield them best first, with the heaviest reason."""
    total: dict[ItemId, float] = {}
    heaviest: dict[ItemId, tuple[float, Candidate]] = {}
    for weight, candidates in proposals:
        for candidate in candidates:
            item, score = candidate.item, candidate.score
            gain = weight * (score if 0.0 <= score <= 1.0 else float(score > 1.0))
            before = heaviest.get(item)
            if before is None:
                total[item], heaviest[item] = gain, (gain, candidate)
                continue
            total[item] += gain
            if gain > before[0]:
                heaviest[item] = (gain, candidate)
    for score, item in sorted((-score, item) for item, score in total.items()):
        best = heaviest[item][1]
        yield Proposal(item, -score, best.reason_code, best.reason_values)


def spread(proposals: Iterable[Proposal], items: Mapping[ItemId, Item], limit: int) -> list[Proposal]:
    """Take the best, each further one of a kind (its first tag) counting less."""
    waiting: dict[str, deque[Proposal]] = {}
    for proposal in islice(proposals, limit * SPREAD_OVER):
        waiting.setdefault(_kind(items, proposal.item), deque()).append(proposal)
    worth = dict.fromkeys(waiting, 1.0)
    taken: list[Proposal] = []
    while waiting and len(taken) < limit:
        kind = max(waiting, key=lambda one: waiting[one][0].score * worth[one])
        taken.append(waiting[kind].popleft())
        if kind:
            worth[kind] *= SAME_KIND
        if not waiting[kind]:
            del waiting[kind]
    return taken


def _kind(items: Mapping[ItemId, Item], item: ItemId) -> str:
    return items[item].tags[0] if item in items and items[item].tags else ""


def chance(tenant: TenantId, user: str, day: date, purpose: str) -> Random:
    """Return chance that falls the same way for a user all day, on every node."""
    seed = hashlib.sha256(f"{tenant}\x00{user}\x00{day.isoformat()}\x00{purpose}".encode()).digest()
    return Random(seed)


def explore_slots(limit: int, share: float, luck: Random) -> int:
    """Return how many of the slots explore; the fraction left over is drawn."""
    whole, fraction = divmod(limit * share, 1.0)
    return min(int(whole) + (luck.random() < fraction), max(limit - 1, 0))


def new_arrivals(created_ms: Mapping[ItemId, int], now_ms: int) -> frozenset[ItemId]:
    """Return what came in lately and after the first day of the catalogue (then all would be new)."""
    opened = min(created_ms.values(), default=0) + 86_400_000
    newest = now_ms - int(NEW_FOR.total_seconds() * 1000)
    return frozenset(item for item, born in created_ms.items() if born >= newest and born > opened)


def pool(
    untried: Sequence[ItemId],
    chances: frozenset[ItemId],
    arrivals: frozenset[ItemId],
    like: Sequence[Candidate],
    luck: Random,
) -> dict[ItemId, Proposal]:
    """Return untried items worth a slot: what is like the user's taste, new arrivals, some others.

    ``chances`` are the untried as a set.
    """
    drawn = luck.sample(untried, min(len(untried), DRAWN))
    found = {item: Proposal(item, 0.0, "discovery") for item in drawn}
    for candidate in like:
        if candidate.item in chances:
            found[candidate.item] = Proposal(
                candidate.item, candidate.score, candidate.reason_code, candidate.reason_values
            )
    for item in sorted(arrivals & chances)[:DRAWN]:
        before = found.get(item)
        alike = ARRIVAL_ALIKE * before.score if before else 0.0
        found[item] = Proposal(item, ARRIVAL + alike, "new_arrival")
    return found


def explored(candidates: Sequence[Proposal], count: int, luck: Random) -> list[Proposal]:
    """Draw some, better ones more often (weighted sampling without replacement)."""
    draws = {
        one.item: luck.random() ** (1.0 / (DRAW_FLOOR + one.score))
        for one in sorted(candidates, key=lambda one: one.item)
    }
    return sorted(candidates, key=lambda one: (-draws[one.item], one.item))[:count]
