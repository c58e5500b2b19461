"""Pick what a short random walk from the user's items arrives at.

Three steps (item → user → item, the RP3beta family: Paudel et al., "Updatable,
accurate, diverse, and scalable recommendations for interactive applications",
2017): two sparse products, nothing trained, no item × item matrix. A new event
counts with its user's next picks, because the walk starts from the events
themselves and not from anything learned about the user.
"""

from collections.abc import Sequence

import numpy as np
from scipy import sparse

from chatpush.recommend.training.footprints import Floats, History, Ints

CROWDED = 5000
"""Users with more items than this are crawlers or tills; nobody's taste is like theirs."""
PATH_CELLS = 4_000_000
"""Paths looked up at once: items that users have × items that they get."""


class Walk:
    """A walk over a rows × items matrix (rows: users, or baskets).

    ``spread``, ``start`` and ``end`` damp busy rows, common starting items and
    common target items.
    """

    def __init__(
        self,
        pairs: sparse.csr_matrix[np.float32],
        *,
        spread: float = 0.9,
        start: float = 0.7,
        end: float = 0.2,
    ) -> None:
        row_sums = np.asarray(pairs.sum(axis=1)).ravel()
        item_sums = np.asarray(pairs.sum(axis=0)).ravel()
        crowded = np.diff(pairs.indptr) > CROWDED
        row_scale = np.where(crowded, 0.0, _power(row_sums, spread)).astype(np.float32)
        self._to_items = sparse.csr_matrix(
            (pairs.data * _power(item_sums, end)[pairs.indices], pairs.indices, pairs.indptr),
            shape=pairs.shape,
        )
        self._by_item = pairs.T.tocsr()
        start_scale = np.repeat(_power(item_sums, start), np.diff(self._by_item.indptr))
        self._to_rows = sparse.csr_matrix(
            (
                self._by_item.data * start_scale * row_scale[self._by_item.indices],
                self._by_item.indices,
                self._by_item.indptr,
            ),
            shape=self._by_item.shape,
        )

    @property
    def items(self) -> int:
        """How many items there are."""
        return int(self._to_items.shape[1])

    def scores_many(self, rows: sparse.csr_matrix[np.float32]) -> Floats:
        """Return users × items scores for the rows of many users, an item's beside each other in memory."""
        reached = (rows @ self._to_rows).T.toarray()
        scores: Floats = (self._to_items.T @ reached).T
        return scores

    def scores(self, taste: History) -> Floats:
        """Return a score for every item."""
        rows, reached = self._reached(taste)
        scores = np.zeros(self._to_items.shape[1], dtype=np.float32)
        if rows.size == 0:
            return scores
        if rows.size * 4 > reached.size:
            dense: Floats = self._to_items.T @ reached
            return dense
        part = self._to_items[rows]
        spread = np.repeat(reached[rows], np.diff(part.indptr)) * part.data
        return np.bincount(part.indices, weights=spread, minlength=scores.size).astype(np.float32)

    def because(self, taste: History, targets: Sequence[int]) -> list[int]:
        """Return, for each target, the position in the history that leads to it most."""
        if not targets:
            return []
        first = self._to_rows[taste.items]
        first.data *= np.repeat(taste.weights, np.diff(first.indptr))
        # Few targets: their rows laid open cost less than a product of two sparse matrices.
        paths = first @ self._by_item[np.array(targets)].toarray().T
        return [int(position) for position in paths.argmax(axis=0)]

    def because_many(self, tastes: Sequence[History], targets: Sequence[Sequence[int]]) -> list[list[int]]:
        """Return ``because`` for many users: what several of them have or get is looked up once."""
        found: list[list[int]] = []
        start = 0
        while start < len(tastes):
            end = self._together(tastes, targets, start)
            found += self._because_page(tastes[start:end], targets[start:end])
            start = end
        return found

    def _together(self, tastes: Sequence[History], targets: Sequence[Sequence[int]], start: int) -> int:
        """Return up to where users fit into ``PATH_CELLS``, at least one."""
        have = get = 0
        for end in range(start, len(tastes)):
            have, get = have + tastes[end].items.size, get + len(targets[end])
            if end > start and have * get > PATH_CELLS:
                return end
        return len(tastes)

    def _because_page(self, tastes: Sequence[History], targets: Sequence[Sequence[int]]) -> list[list[int]]:
        if len(tastes) == 1:
            return [self.because(tastes[0], targets[0])]
        causes, cause_at = np.unique(np.concatenate([one.items for one in tastes]), return_inverse=True)
        wanted = np.concatenate([np.asarray(one, dtype=np.int64) for one in targets])
        effects, effect_at = np.unique(wanted, return_inverse=True)
        paths = (self._to_rows[causes] @ self._by_item[effects].T).toarray()
        found, cause, effect = [], 0, 0
        for taste, own in zip(tastes, targets, strict=True):
            rows = cause_at[cause : cause + taste.items.size]
            columns = effect_at[effect : effect + len(own)]
            led = paths[rows[:, None], columns] * taste.weights[:, None]
            found.append(led.argmax(axis=0).tolist() if led.size else [0] * len(own))
            cause, effect = cause + taste.items.size, effect + len(own)
        return found

    def _reached(self, taste: History) -> tuple[Ints, Floats]:
        """Return the rows one step away, and a weight for every row."""
        part = self._to_rows[taste.items]
        spread = np.repeat(taste.weights, np.diff(part.indptr)) * part.data
        reached = np.bincount(part.indices, weights=spread, minlength=self._to_rows.shape[1]).astype(
            np.float32
        )
        few = part.nnz * 16 < reached.size
        return (np.unique(part.indices) if few else np.flatnonzero(reached)), reached


def _power(sums: Floats, exponent: float) -> Floats:
    """Return ``sums ** -exponent``, zero for empty ones."""
    return np.power(np.where(sums > 0, sums, np.inf), -exponent).astype(np.float32)
