"""Pick what others put into the same basket.

The same walk as in ``walk.py``, over baskets instead of users: one user's
purchases with less than half an hour between them. Asked with what the user
bought or put into the cart in the last days.
"""

import asyncio
from collections.abc import Mapping, Sequence
from datetime import timedelta

import numpy as np
from scipy import sparse

from chatpush.domain import Item, ItemId, TenantId
from chatpush.plugins.contracts import Candidate, RankingRequest
from chatpush.recommend.behaviour.liking import disliked
from chatpush.recommend.rankers.walk import Walk
from chatpush.recommend.reasons import NOTHING_TO_SAY, Chosen, Reasoned, title
from chatpush.recommend.training.footprints import PURCHASE, Footprints, History, history, top

PAUSE_MILLISECONDS = 30 * 60 * 1000
FRESH = timedelta(days=14)
"""What was bought before this is no longer the same errand."""
CHOSEN = frozenset({"purchase", "cart"})


def baskets(prints: Footprints) -> sparse.csr_matrix[np.float32]:
    """Return baskets × items, 1 where the item was in it."""
    bought = prints.kind == PURCHASE
    user, item, at = prints.user[bought], prints.item[bought], prints.at[bought]
    order = np.lexsort((at, user))
    user, item, at = user[order], item[order], at[order]
    begins = np.ones(user.size, dtype=np.int64)
    begins[1:] = (user[1:] != user[:-1]) | (at[1:] - at[:-1] > PAUSE_MILLISECONDS)
    basket = np.cumsum(begins) - 1
    shape = (int(basket[-1]) + 1 if basket.size else 1, max(len(prints.items), 1))
    pairs = sparse.coo_matrix((np.ones(item.size, dtype=np.float32), (basket, item)), shape=shape).tocsr()
    pairs.data[:] = 1.0
    return pairs


class TogetherRanker:
    """Candidates by what was bought together with the user's last items."""

    name = "together"
    weight = 0.4

    def __init__(self) -> None:
        self._fitted: dict[TenantId, tuple[Footprints, Walk]] = {}

    def fit(self, tenant: TenantId, prints: Footprints) -> None:
        """Replace the tenant's baskets; runs in a thread."""
        self._fitted[tenant] = (prints, Walk(baskets(prints), spread=0.5, start=0.7, end=0.3))

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
        prints, walk = fitted
        found: list[list[Candidate]] = []
        for request in requests:
            taste = self._taste(request)
            best = top(walk.scores(taste), request.limit, taste.items) if taste else []
            found.append(
                [Candidate(prints.items[number], score, "together", NOTHING_TO_SAY) for number, score in best]
            )
        return found

    def _taste(self, request: RankingRequest) -> History | None:
        """Return what the user chose on this errand, if anything."""
        fitted = self._fitted.get(request.tenant)
        unloved = disliked(request.events)
        chosen = [
            event
            for event in request.events
            if event.type in CHOSEN and event.item and event.item not in unloved
        ]
        if fitted is None or not chosen:
            return None
        last = [event for event in chosen if chosen[0].at - event.at <= FRESH]
        taste = history(last, fitted[0].index)
        return taste if taste.items.size else None

    def explain_many(
        self, chosen: Sequence[Chosen], items: Mapping[ItemId, Item]
    ) -> list[dict[ItemId, Reasoned]]:
        """Return reasons for chosen items: the user's item they were bought with most."""
        return [self._explain(request, items, own) for request, own in chosen]

    def _explain(
        self, request: RankingRequest, items: Mapping[ItemId, Item], chosen: Sequence[ItemId]
    ) -> dict[ItemId, Reasoned]:
        fitted, taste = self._fitted.get(request.tenant), self._taste(request)
        if fitted is None or taste is None:
            return {}
        prints, walk = fitted
        known = [item for item in chosen if item in prints.index]
        causes = walk.because(taste, [prints.index[item] for item in known])
        return {
            item: ("together", title(items, prints.items[taste.items[cause]]))
            for item, cause in zip(known, causes, strict=True)
        }
