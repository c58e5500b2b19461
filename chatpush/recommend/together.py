"""Pick what others put into the same basket.

The same walk as in ``walk.py``, over baskets instead of users: one user's
purchases with less than half an hour between them. Asked with what the user
bought or put into the cart in the last days.
"""

import asyncio
from collections.abc import Mapping
from datetime import timedelta

import numpy as np
from scipy import sparse

from chatpush.domain import Item, ItemId, TenantId
from chatpush.plugins.contracts import Candidate, RankingRequest
from chatpush.recommend.footprints import PURCHASE, Footprints, history, top
from chatpush.recommend.walk import Walk

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
        fitted = self._fitted.get(request.tenant)
        chosen = [event for event in request.events if event.type in CHOSEN and event.item]
        if fitted is None or not chosen:
            return []
        last = [event for event in chosen if chosen[0].at - event.at <= FRESH]
        prints, walk = fitted

        def candidates() -> list[Candidate]:
            taste = history(last, prints.index)
            if not taste.items.size:
                return []
            best = top(walk.scores(taste), request.limit, taste.items)
            causes = walk.because(taste, [number for number, _ in best])
            return [
                Candidate(
                    prints.items[number],
                    score,
                    "together",
                    _title(items, prints.items[taste.items[cause]]),
                )
                for (number, score), cause in zip(best, causes, strict=True)
            ]

        return await asyncio.to_thread(candidates)


def _title(items: Mapping[ItemId, Item], item: ItemId) -> Mapping[str, str]:
    return {"title": items[item].title} if item in items else {}
