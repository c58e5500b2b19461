"""Candidates by what people with the same items went on to, scored by the collaborative model.

Every fit makes the walks anew from the events; what training learned (see
``learned.py``) is laid over them. Reasons are found for what was chosen only.
"""

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from scipy import sparse

from chatpush.domain import Item, ItemId, TenantId
from chatpush.plugins.contracts import Candidate, RankingRequest
from chatpush.recommend.rankers.collaborative import Collaborative, Settings
from chatpush.recommend.reasons import Reasoned, title
from chatpush.recommend.training.choosing import Choice
from chatpush.recommend.training.footprints import Floats, Footprints, History, history, top
from chatpush.recommend.training.learned import Learned, learn

BECAUSE = {"purchase": "because_bought", "rating": "because_bought", "cart": "because_cart"}
LONGEST_TASTE = 500
"""A user's heaviest items; a till or a crawler has thousands."""


@dataclass(frozen=True)
class Fitted:
    """One tenant's model with the events it stands on."""

    prints: Footprints
    model: Collaborative

    def taste(self, request: RankingRequest) -> History:
        """Return the user's items as the model numbers them."""
        found = history(request.events, self.prints.index)
        if found.items.size <= LONGEST_TASTE:
            return found
        return History(
            found.items[:LONGEST_TASTE], found.weights[:LONGEST_TASTE], found.kinds[:LONGEST_TASTE]
        )

    def candidates(self, taste: History, scores: Floats, limit: int) -> list[Candidate]:
        """Return the best of the scores."""
        items = self.prints.items
        return [Candidate(items[n], score, "because") for n, score in top(scores, limit, taste.items)]


class LikemindedRanker:
    """Candidates by likeminded people."""

    name = "likeminded"
    weight = 1.0

    def __init__(self) -> None:
        self._fitted: dict[TenantId, Fitted] = {}
        self._learned: dict[TenantId, Learned] = {}

    def fit(self, tenant: TenantId, prints: Footprints) -> None:
        """Replace the tenant's model, with what was learned last; runs in a thread."""
        learned = self._learned.get(tenant) or Learned(Settings(), prints.items)
        self._fitted[tenant] = Fitted(prints, learned.model(prints.matrix(), prints.items))

    def learned(self, tenant: TenantId) -> Learned | None:
        """Return what the tenant's model learned, if anything."""
        return self._learned.get(tenant)

    def prints(self, tenant: TenantId) -> Footprints | None:
        """Return the events the tenant's model stands on."""
        fitted = self._fitted.get(tenant)
        return fitted.prints if fitted else None

    def adopt(self, tenant: TenantId, learned: Learned | None) -> None:
        """Serve what was learned from now on (None: the plain walk again); runs in a thread."""
        if learned is None:
            self._learned.pop(tenant, None)
        else:
            self._learned[tenant] = learned
        if fitted := self._fitted.get(tenant):
            self.fit(tenant, fitted.prints)

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
        tastes = [fitted.taste(request) for request in requests]
        if len(requests) == 1:
            scores = fitted.model.scores(tastes[0]) if tastes[0].items.size else None
            return [[] if scores is None else fitted.candidates(tastes[0], scores, requests[0].limit)]
        found: list[list[Candidate]] = []
        step = fitted.model.chunk_users
        for start in range(0, len(tastes), step):
            some = tastes[start : start + step]
            scores_many = fitted.model.scores_many(_rows(some, len(fitted.prints.items)))
            found += [
                fitted.candidates(taste, scores, requests[start].limit)
                for taste, scores in zip(some, scores_many, strict=True)
            ]
        return found

    def explain(
        self, request: RankingRequest, items: Mapping[ItemId, Item], chosen: Sequence[ItemId]
    ) -> dict[ItemId, Reasoned]:
        """Return reason codes and values for chosen items: the user's item that leads there most."""
        fitted = self._fitted.get(request.tenant)
        if fitted is None:
            return {}
        taste, index = fitted.taste(request), fitted.prints.index
        known = [item for item in chosen if item in index]
        if not known or not taste.items.size:
            return {}
        causes = fitted.model.walk.because(taste, [index[item] for item in known])
        reasons: dict[ItemId, Reasoned] = {}
        for item, cause in zip(known, causes, strict=True):
            code = BECAUSE.get(taste.kinds[cause], "because_viewed")
            reasons[item] = (code, title(items, fitted.prints.items[taste.items[cause]]))
        return reasons


def _rows(tastes: Sequence[History], items: int) -> sparse.csr_matrix[np.float32]:
    starts = np.concatenate(([0], np.cumsum([taste.items.size for taste in tastes])))
    columns = np.concatenate([taste.items for taste in tastes])
    weights = np.concatenate([taste.weights for taste in tastes])
    return sparse.csr_matrix((weights, columns, starts), shape=(len(tastes), max(items, 1)), dtype=np.float32)


def trained(prints: Footprints, choice: Choice, before: Learned | None = None) -> Learned:
    """Fit the choice on these events, starting from an earlier model of the same items if there is one."""
    same = before is not None and before.items == prints.items
    return learn(prints.matrix(), prints.items, choice, start=before.vectors if same and before else None)
