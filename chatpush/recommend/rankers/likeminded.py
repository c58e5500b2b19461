"""Candidates by what people with the same items went on to, scored by the collaborative model.

Every fit makes the walks anew from the events; what training learned (see
``learned.py``) is laid over them. Reasons are found for what was chosen only.
"""

import asyncio
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from scipy import sparse

from chatpush.domain import Item, ItemId, TenantId
from chatpush.plugins.contracts import Candidate, RankingRequest
from chatpush.recommend.rankers.collaborative import Collaborative, Settings
from chatpush.recommend.reasons import NOTHING_TO_SAY, Chosen, Reasoned, title
from chatpush.recommend.training.choosing import Choice
from chatpush.recommend.training.footprints import Footprints, History, history, top, top_many
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

    def candidates(self, best: Iterable[tuple[int, float]]) -> list[Candidate]:
        """Return numbered items with their scores as candidates."""
        items = self.prints.items
        return [Candidate(items[number], score, "because", NOTHING_TO_SAY) for number, score in best]


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
            if not tastes[0].items.size:
                return [[]]
            best = top(fitted.model.scores(tastes[0]), requests[0].limit, tastes[0].items)
            return [fitted.candidates(best)]
        found: list[list[Candidate]] = []
        step = fitted.model.chunk_users
        for start in range(0, len(tastes), step):
            some = tastes[start : start + step]
            scores = fitted.model.scores_many(_rows(some, len(fitted.prints.items)))
            limits = [request.limit for request in requests[start : start + step]]
            found += [fitted.candidates(best) for best in top_many(scores, limits)]
        return found

    def explain_many(
        self, chosen: Sequence[Chosen], items: Mapping[ItemId, Item]
    ) -> list[dict[ItemId, Reasoned]]:
        """Return reason codes and values for chosen items: the user's item that leads there most."""
        fitted = self._fitted.get(chosen[0][0].tenant) if chosen else None
        if fitted is None:
            return [{} for _ in chosen]
        index, names = fitted.prints.index, fitted.prints.items
        tastes = [fitted.taste(request) for request, _ in chosen]
        known = [
            [item for item in own if item in index] if taste.items.size else []
            for taste, (_, own) in zip(tastes, chosen, strict=True)
        ]
        causes = fitted.model.walk.because_many(tastes, [[index[item] for item in own] for own in known])
        return [
            {
                item: (
                    BECAUSE.get(taste.kinds[cause], "because_viewed"),
                    title(items, names[taste.items[cause]]),
                )
                for item, cause in zip(own, leading, strict=True)
            }
            for taste, own, leading in zip(tastes, known, causes, strict=True)
        ]


def _rows(tastes: Sequence[History], items: int) -> sparse.csr_matrix[np.float32]:
    starts = np.concatenate(([0], np.cumsum([taste.items.size for taste in tastes])))
    columns = np.concatenate([taste.items for taste in tastes])
    weights = np.concatenate([taste.weights for taste in tastes])
    return sparse.csr_matrix((weights, columns, starts), shape=(len(tastes), max(items, 1)), dtype=np.float32)


def trained(prints: Footprints, choice: Choice, before: Learned | None = None) -> Learned:
    """Fit the choice on these events, starting from an earlier model of the same items if there is one."""
    same = before is not None and before.items == prints.items
    return learn(prints.matrix(), prints.items, choice, start=before.vectors if same and before else None)
