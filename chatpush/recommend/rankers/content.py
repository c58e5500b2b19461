"""Pick what reads like the things the user likes.

Words and tags weighed by how rare they are (tf-idf), Chinese by pairs of
characters. It needs no other user, so a new item is found at once and one view
is enough to start from.
"""

import asyncio
import re
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from scipy import sparse
from sklearn.feature_extraction.text import TfidfVectorizer

from chatpush.domain import Item, ItemId, TenantId
from chatpush.plugins.contracts import Candidate, RankingRequest
from chatpush.recommend.reasons import NOTHING_TO_SAY, Chosen, Reasoned, title
from chatpush.recommend.training.footprints import Floats, History, history, top_many

WORD = re.compile(r"[a-z0-9]+(?:'[a-z]+)?|[一-鿿]+", re.IGNORECASE)
TEXT_CHARACTERS = 2000
"""More of a description than this tells more about its author than about the item."""
TASTE_ITEMS = 30
"""A user's heaviest items; more of them blur into the average of everything."""
LEAST_LIKENESS = 0.05
CELLS = 1_500_000
"""Scores made at once: users × items."""


def words(item: Item) -> Iterator[str]:
    """Yield what tells an item apart: words of its title and text, and its tags."""
    for text in (item.title, item.text[:TEXT_CHARACTERS]):
        for found in WORD.findall(text.lower()):
            if ord(found[0]) < 0x4E00:
                yield found
            else:
                yield from (found[i : i + 2] for i in range(max(len(found) - 1, 1)))
    for tag in item.tags:
        yield f"tag:{tag.lower()}"


@dataclass(frozen=True)
class Wording:
    """All items as weighed words: items × words."""

    items: tuple[ItemId, ...]
    index: Mapping[ItemId, int]
    by_item: sparse.csr_matrix[np.float32]

    def scores_many(self, tastes: Sequence[History]) -> Floats:
        """Return, users × items, how much each item reads like what a user likes; zero for these.

        An item's scores lie beside each other in memory.
        """
        sizes = [min(taste.items.size, TASTE_ITEMS) for taste in tastes]
        starts = np.concatenate(([0], np.cumsum(sizes)))
        columns = np.concatenate([taste.items[:TASTE_ITEMS] for taste in tastes])
        weights = np.concatenate([taste.weights[:TASTE_ITEMS] for taste in tastes])
        likes = sparse.csr_matrix((weights, columns, starts), shape=(len(tastes), len(self.items)))
        profiles = (likes @ self.by_item).T.toarray()
        # The product with dense profiles reads each item's words once, however common they are.
        scores: Floats = (self.by_item @ profiles).T
        scores[np.repeat(np.arange(len(tastes)), sizes), columns] = 0.0
        return scores

    def because(self, taste: History, targets: Sequence[int]) -> list[int]:
        """Return, for each target, the position in the history that reads most like it."""
        if not targets:
            return []
        rows = self.by_item[taste.items[:TASTE_ITEMS]]
        likeness = (rows @ self.by_item[np.asarray(targets, dtype=np.int64)].T).toarray()
        return [int(position) for position in likeness.argmax(axis=0)]


def wording(items: Sequence[Item]) -> Wording:
    """Weigh the words of all items; items without words stay at zero."""
    ids = tuple(item.id for item in items)
    vectorizer = TfidfVectorizer(analyzer=lambda item: list(words(item)), sublinear_tf=True, dtype=np.float32)
    try:
        matrix = vectorizer.fit_transform(items).tocsr()
    except ValueError:  # no item has a single word
        matrix = sparse.csr_matrix(np.zeros((len(items), 1), dtype=np.float32))
    return Wording(ids, {item: n for n, item in enumerate(ids)}, matrix)


class ContentRanker:
    """Candidates by likeness of words and tags."""

    name = "content"
    weight = 0.2

    def __init__(self, arrivals: Callable[[TenantId], Collection[ItemId]] = lambda _: ()) -> None:
        self._fitted: dict[TenantId, Wording] = {}
        self._arrivals = arrivals

    def fit_items(self, tenant: TenantId, items: Sequence[Item]) -> None:
        """Replace the tenant's wording; runs in a thread."""
        self._fitted[tenant] = wording(items)

    async def rank(self, request: RankingRequest, items: Mapping[ItemId, Item]) -> list[Candidate]:
        return (await asyncio.to_thread(self.rank_many, [request], items))[0]

    def rank_many(
        self,
        requests: Sequence[RankingRequest],
        items: Mapping[ItemId, Item],  # noqa: ARG002 - the protocol's
    ) -> list[list[Candidate]]:
        """Return candidates for several users; runs in a thread."""
        fitted = self._fitted.get(requests[0].tenant) if requests else None
        if fitted is None:
            return [[] for _ in requests]
        tastes = [history(request.events, fitted.index) for request in requests]
        known = [number for number, taste in enumerate(tastes) if taste.items.size]
        found: list[list[Candidate]] = [[] for _ in requests]
        step = max(1, CELLS // max(len(fitted.items), 1))
        for start in range(0, len(known), step):
            some = known[start : start + step]
            scores = fitted.scores_many([tastes[number] for number in some])
            tops = top_many(scores, [requests[number].limit for number in some])
            for row, best, number in zip(scores, tops, some, strict=True):
                found[number] = [
                    Candidate(fitted.items[item], score, "similar", NOTHING_TO_SAY)
                    for item, score in [*best, *self._new(requests[0].tenant, fitted, row, best)]
                    if score > LEAST_LIKENESS
                ]
        return found

    def _new(
        self, tenant: TenantId, fitted: Wording, row: Floats, best: Sequence[tuple[int, float]]
    ) -> list[tuple[int, float]]:
        """Return new arrivals beyond the best: nobody else can find them yet."""
        known = {item for item, _ in best}
        highest = max((float(row[item]) for item, _ in best), default=0.0)
        numbers = [fitted.index[item] for item in self._arrivals(tenant) if item in fitted.index]
        fresh = [number for number in numbers if number not in known] if highest else []
        return [(number, float(row[number]) / highest) for number in fresh]

    def explain_many(
        self, chosen: Sequence[Chosen], items: Mapping[ItemId, Item]
    ) -> list[dict[ItemId, Reasoned]]:
        """Return reasons for chosen items: the user's item that reads most like them."""
        return [self._explain(request, items, own) for request, own in chosen]

    def _explain(
        self, request: RankingRequest, items: Mapping[ItemId, Item], chosen: Sequence[ItemId]
    ) -> dict[ItemId, Reasoned]:
        fitted = self._fitted.get(request.tenant)
        taste = history(request.events, fitted.index) if fitted else None
        if fitted is None or taste is None or not taste.items.size:
            return {}
        known = [item for item in chosen if item in fitted.index]
        causes = fitted.because(taste, [fitted.index[item] for item in known])
        return {
            item: ("similar", title(items, fitted.items[taste.items[cause]]))
            for item, cause in zip(known, causes, strict=True)
        }
