"""Predict every item from every other: EASE (Steck, "Embarrassingly shallow autoencoders", 2019).

One inverse of an items × items matrix, so only for catalogues of some thousand
items; there it is hard to beat. A new event counts at once: scores are one
product of the user's items with the learned weights.
"""

from dataclasses import dataclass

import numpy as np
from scipy import sparse

from chatpush.recommend.training.footprints import Floats, Ints

MOST_ITEMS = 8000
"""One float32 copy is 256 MB at this size, and a fit holds two."""
INVERTED_WHOLE = 256


@dataclass(frozen=True)
class Ease:
    """``weights``: items × items, zero on the diagonal."""

    weights: Floats

    def scores(self, items: Ints, weights: Floats) -> Floats:
        """Return one user's score of every item."""
        scores: Floats = weights @ self.weights[items]
        return np.maximum(scores, 0.0)

    def scores_many(self, rows: sparse.csr_matrix[np.float32]) -> Floats:
        """Return users × items scores."""
        scores: Floats = np.asarray(rows @ self.weights, dtype=np.float32)
        return np.maximum(scores, 0.0, out=scores)


def ease(pairs: sparse.csr_matrix[np.float32], penalty: float) -> Ease:
    """Learn the weights; ``penalty`` is in units of one full event per user.

    Raises:
        ValueError: there are more items than ``MOST_ITEMS``.
    """
    count = pairs.shape[1]
    if count > MOST_ITEMS:
        raise ValueError(f"EASE takes {MOST_ITEMS} items at most, not {count}")
    gram = np.asarray((pairs.T @ pairs).toarray(), dtype=np.float32)
    gram.flat[:: count + 1] += np.float32(penalty)
    inverted(gram)
    gram /= -np.diag(gram)[None, :].copy()
    gram.flat[:: count + 1] = 0.0
    return Ease(gram)


def inverted(positive: Floats) -> None:
    """Invert a symmetric positive definite matrix in place, by halves (Schur complement).

    Products do nearly all of the work: they are as fast as can be and, unlike
    SciPy's solvers, leave the interpreter to others meanwhile.
    """
    size = positive.shape[0]
    if size <= INVERTED_WHOLE:
        positive[:] = np.linalg.inv(positive)
        return
    half = size // 2
    first, across, second = positive[:half, :half], positive[:half, half:], positive[half:, half:]
    inverted(first)
    led = first @ across
    second -= across.T @ led
    inverted(second)
    back = led @ second
    first += back @ led.T
    np.negative(back, out=across)
    positive[half:, :half] = across.T
