"""What all users did with all items, as arrays a ranker can be fitted on.

``Footprints`` is one moment of one tenant: it never changes, so a fit in a
thread sees a consistent world. ``Ledger`` reads events page by page as they
come in and hands out footprints; it keeps nothing about a user but a number.
"""

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray
from scipy import sparse

from chatpush.domain import Event, ItemId, TenantId
from chatpush.recommend.behaviour.liking import disliked
from chatpush.store.database import Database, Row

Ints = NDArray[np.int64]
Floats = NDArray[np.float32]

WEIGHTS: Mapping[str, float] = {
    "purchase": 1.0,
    "rating": 0.8,
    "cart": 0.7,
    "wishlist": 0.6,
    "click": 0.4,
    "view": 0.3,
}
"""How much an event says about taste. What isn't here says nothing good."""
KINDS = tuple(WEIGHTS)
PURCHASE = KINDS.index("purchase")
KIND_WEIGHTS: Floats = np.array([WEIGHTS[kind] for kind in KINDS], dtype=np.float32)
TASTE_DAYS = 180.0
"""Half-life of taste."""
DAY_MILLISECONDS, DAY_SECONDS = 86_400_000, 86_400.0
PAIR_LIMIT = 1.5
"""However often a user comes back to an item, it counts at most this much."""
PAGE = 20_000
SAMPLED = 16
TINIEST = np.finfo(np.float32).tiny


@dataclass(frozen=True)
class Footprints:
    """Who touched what, how and when: four parallel columns over numbered users and items."""

    items: tuple[ItemId, ...]
    users: int
    user: Ints
    item: Ints
    kind: Ints
    at: Ints

    @cached_property
    def index(self) -> dict[ItemId, int]:
        """Item id → its number."""
        return {item: number for number, item in enumerate(self.items)}

    @cached_property
    def newest_ms(self) -> int:
        """When the last event happened: ages count from here, so old data are not all dust."""
        return int(self.at.max()) if self.at.size else 0

    def ages_in_days(self) -> Floats:
        """Return each event's age."""
        return ((self.newest_ms - self.at) / DAY_MILLISECONDS).astype(np.float32)

    def weights(self, half_life_days: float) -> Floats:
        """Return each event's weight by type and age."""
        fading: Floats = np.exp2(-self.ages_in_days() / np.float32(half_life_days))
        return KIND_WEIGHTS[self.kind] * fading

    def matrix(self, half_life_days: float = TASTE_DAYS) -> sparse.csr_matrix[np.float32]:
        """Return users × items, one bounded weight per pair."""
        shape = (max(self.users, 1), max(len(self.items), 1))
        pairs = sparse.coo_matrix((self.weights(half_life_days), (self.user, self.item)), shape=shape).tocsr()
        np.minimum(pairs.data, PAIR_LIMIT, out=pairs.data)
        return pairs


@dataclass(frozen=True)
class History:
    """One user's own items, as numbers with weights; heaviest first, with the best-weighing type."""

    items: Ints
    weights: Floats
    kinds: tuple[str, ...]


def history(events: Sequence[Event], index: Mapping[ItemId, int]) -> History:
    """Weigh a user's events (newest first) as the fit weighs everybody's; what they rated badly is no taste."""
    unloved = disliked(events)
    weight: dict[int, float] = {}
    best: dict[int, tuple[float, str]] = {}
    for event in events:
        number = index.get(event.item) if event.item else None
        worth = WEIGHTS.get(event.type)
        if number is None or worth is None or event.item in unloved:
            continue
        age = (events[0].at - event.at).total_seconds()
        faded = worth * 2.0 ** (-age / (TASTE_DAYS * DAY_SECONDS))
        weight[number] = weight.get(number, 0.0) + faded
        if number not in best or worth > best[number][0]:
            best[number] = (worth, event.type)
    order = sorted((-heavy, number) for number, heavy in weight.items())
    return History(
        np.array([number for _, number in order], dtype=np.int64),
        np.array([min(-heavy, PAIR_LIMIT) for heavy, _ in order], dtype=np.float32),
        tuple([best[number][1] for _, number in order]),
    )


class Ledger:
    """The columns of one tenant, growing with its events."""

    def __init__(self, tenant: TenantId, database: Database) -> None:
        self._tenant = tenant
        self._database = database
        self._users: dict[str, int] = {}
        self._items: dict[str, int] = {}
        self._pages: list[tuple[Ints, Ints, Ints, Ints]] = []
        self._received = -1
        self._last = ""

    async def read_on(self) -> int:
        """Read the events received since the last time and return how many."""
        total = 0
        while True:
            rows = await self._database.read(
                """SELECT id, user_id, type, item, at, received_at, disliked FROM event
                   WHERE tenant = :t AND received_at >= :r AND (received_at > :r OR id > :i)
                   ORDER BY received_at, id LIMIT :n""",
                t=self._tenant, r=self._received, i=self._last, n=PAGE,
            )  # fmt: skip
            if not rows:
                return total
            await asyncio.to_thread(self._take, rows)
            self._received, self._last = rows[-1]["received_at"], rows[-1]["id"]
            total += len(rows)

    def footprints(self, items: Sequence[ItemId]) -> Footprints:
        """Return the columns restricted to these items, numbered in their order."""
        if len(self._pages) > 1:
            self._pages = [_joined(self._pages)]
        user, item, kind, at = self._pages[0] if self._pages else (np.zeros(0, dtype=np.int64),) * 4
        number = {key: position for position, key in enumerate(items)}
        renumber = np.full(max(len(self._items), 1), -1, dtype=np.int64)
        for key, ours in self._items.items():
            renumber[ours] = number.get(ItemId(key), -1)
        item = renumber[item]
        known = item >= 0
        return Footprints(tuple(items), len(self._users), user[known], item[known], kind[known], at[known])

    def _take(self, rows: list[Row]) -> None:
        telling = [
            row for row in rows if row["item"] is not None and row["type"] in WEIGHTS and not row["disliked"]
        ]
        users, items = self._users, self._items
        self._pages.append(
            (
                np.array([users.setdefault(row["user_id"], len(users)) for row in telling], dtype=np.int64),
                np.array([items.setdefault(row["item"], len(items)) for row in telling], dtype=np.int64),
                np.array([KINDS.index(row["type"]) for row in telling], dtype=np.int64),
                np.array([row["at"] for row in telling], dtype=np.int64),
            )
        )


def _best(scores: Floats, limit: int) -> Ints:
    """Return the places of the best, in no order.

    A sample tells from which score on it is worth looking, so that the whole is read once and not sorted.
    """
    wanted = _sampled(limit)
    if scores.size > 4 * SAMPLED * wanted:
        sample = scores[::SAMPLED]
        least = np.partition(sample, -wanted)[-wanted]
        some = np.flatnonzero(scores >= least)
        if limit <= some.size < scores.size:
            found: Ints = some[np.argpartition(scores[some], -limit)[-limit:]]
            return found
    return np.argpartition(scores, -limit)[-limit:]


def _sampled(limit: int) -> int:
    """Return how many of a sample's best are looked for: below the last of them are hardly ever ``limit`` others."""
    return 2 * (limit // SAMPLED) + 4


def _joined(pages: list[tuple[Ints, Ints, Ints, Ints]]) -> tuple[Ints, Ints, Ints, Ints]:
    user, item, kind, at = (np.concatenate(column) for column in zip(*pages, strict=True))
    return user, item, kind, at


def top_many(scores: Floats, limits: Sequence[int]) -> list[list[tuple[int, float]]]:
    """Return ``top`` of many users × items; quick if an item's scores lie beside each other in memory."""
    by_item, limit = scores.T, max(limits, default=0)
    wanted = _sampled(limit)
    if by_item.shape[0] <= 4 * SAMPLED * wanted or len(limits) == 1:
        return [top(row, own) for row, own in zip(scores, limits, strict=True)]
    least = np.partition(by_item[::SAMPLED], -wanted, axis=0)[-wanted]
    item, user = np.divmod(
        np.flatnonzero(by_item >= np.where(least > 0.0, least, TINIEST)), np.int64(len(limits))
    )
    value = by_item[item, user].astype(np.float64)
    order = np.lexsort((-value, user))  # items of equal value stay in their order
    item, value = item[order], value[order]
    ends = np.cumsum(np.bincount(user, minlength=len(limits)))
    found = []
    for number, own in enumerate(limits):
        begin, end = int(ends[number - 1]) if number else 0, int(ends[number])
        if end - begin < own and least[number] > 0.0:
            found.append(top(scores[number], own))
            continue
        end = min(end, begin + own)
        levelled = value[begin:end] / value[begin] if end > begin else value[:0]
        found.append(list(zip(item[begin:end].tolist(), levelled.tolist(), strict=True)))
    return found


def top(scores: Floats, limit: int, without: Ints | None = None) -> list[tuple[int, float]]:
    """Return the best (number, score in 0..1), best first; nothing that scored zero."""
    if without is not None and without.size:
        scores[without] = 0.0
    limit = min(limit, scores.size)
    if limit <= 0:
        return []
    best = _best(scores, limit)
    best = best[np.lexsort((best, -scores[best]))]
    highest = float(scores[best[0]])
    if highest <= 0.0:
        return []
    return [(int(number), float(scores[number]) / highest) for number in best if scores[number] > 0.0]
