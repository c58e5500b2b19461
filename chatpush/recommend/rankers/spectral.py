"""Find the strongest common directions of taste: the top right singular vectors of who has what.

Subspace iteration with Cholesky-QR in float32: a few passes over the sparse
matrix and a few products of thin ones, nothing items × items. A fit can start
from the vectors of an earlier one and is then done in one pass. At serving, a
user is folded in by one small product; directions that everybody shares
(popularity) are damped by ``1 - s``.
"""

from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import sparse
from scipy.linalg import LinAlgError, solve_triangular

from chatpush.recommend.training.footprints import Floats, Ints

ROUNDS = 3
SPARE_DIRECTIONS = 16
SEED = 20
OUTLINE = 32
SOLVED_AT_ONCE = 1024
TINY = np.float32(1e-6)


@dataclass(frozen=True)
class Spectrum:
    """``vectors``: items × k, strongest first; ``strength``: singular values in 0..1; ``degrees`` of items."""

    vectors: Floats
    strength: Floats
    root: Floats
    """√degree of each item, zero where nobody has it."""

    def narrowed(self, k: int) -> "Spectrum":
        """Return the k strongest directions: a view, not a copy."""
        if k >= self.strength.size:
            return self
        return Spectrum(self.vectors[:, :k], self.strength[:k], self.root)

    def directions(self, rows: sparse.csr_matrix[np.float32]) -> Floats:
        """Return users × k: each user's place among the directions, of length one."""
        scaled = rows.copy()
        scaled.data = scaled.data * self._inverse_root()[scaled.indices]
        found: Floats = np.asarray(scaled @ self.vectors, dtype=np.float32)
        return unit(found)

    def place(self, items: Ints, weights: Floats) -> Floats:
        """Return one user's place among the directions, of length one."""
        root = self.root[items]
        start = np.where(root > 0, weights / np.where(root > 0, root, 1.0), 0.0).astype(np.float32)
        found: Floats = start @ self.vectors[items]
        alone: Floats = unit(found[None])[0]
        return alone

    def scores(self, places: Floats, weight: float) -> Floats:
        """Return scores of all items for users at these places (one, or users × k).

        An item's scores lie beside each other in memory.
        """
        damped = places * (np.float32(weight) * (1.0 - self.strength))
        scores: Floats = (self.vectors @ damped.T).T
        scores *= self.root
        return scores

    def scores_many(self, rows: sparse.csr_matrix[np.float32]) -> Floats:
        """Return users × items scores for the rows of many users."""
        return self.scores(self.directions(rows), 1.0)

    def damped(self, place: Floats) -> Floats:
        """Return a place with popularity damped: its product with ``vectors`` and ``root`` is the score."""
        damped: Floats = place * (1.0 - self.strength)
        return damped

    def scores_of(self, place: Floats, items: Ints) -> Floats:
        """Return one user's scores of these items."""
        scores: Floats = (self.vectors[items] @ self.damped(place)) * self.root[items]
        return scores

    def length(self, place: Floats, without: Ints) -> float:
        """Return the length of one user's scores of all items but these, without making them."""
        damped = self.damped(place)
        own = self.scores_of(place, without)
        return float(np.sqrt(max(float(damped @ self.gram @ damped) - float(own @ own), 0.0)))

    @cached_property
    def gram(self) -> Floats:
        """The directions' products with each other, items weighed by their degree."""
        weighed = self.vectors * self.root[:, None]
        gram: Floats = weighed.T @ weighed
        return gram

    @cached_property
    def outline(self) -> "Spectrum":
        """The strongest directions alone: enough to find candidates."""
        narrow = self.narrowed(OUTLINE)
        return Spectrum(np.ascontiguousarray(narrow.vectors), narrow.strength, narrow.root)

    def _inverse_root(self) -> Floats:
        inverse: Floats = np.where(self.root > 0, 1.0 / np.where(self.root > 0, self.root, 1.0), 0.0)
        return inverse.astype(np.float32, copy=False)


def unit(rows: Floats) -> Floats:
    """Return rows of length one; empty ones stay empty."""
    length = np.sqrt(np.einsum("ij,ij->i", rows, rows))
    level: Floats = rows / np.maximum(length, TINY)[:, None]
    return level


def spectrum(
    pairs: sparse.csr_matrix[np.float32],
    k: int,
    *,
    start: NDArray[np.floating[Any]] | None = None,
    rounds: int = ROUNDS,
) -> Spectrum:
    """Return the k strongest directions of users × items."""
    users, items = (np.asarray(pairs.sum(axis=axis), dtype=np.float32).ravel() for axis in (1, 0))
    root = np.sqrt(items)
    scaled = sparse.csr_matrix(
        (
            pairs.data / np.sqrt(np.repeat(users, np.diff(pairs.indptr)) * items[pairs.indices] + TINY),
            pairs.indices,
            pairs.indptr,
        ),
        shape=pairs.shape,
        dtype=np.float32,
    )
    k = max(1, min(k, *pairs.shape))
    width = min(k + SPARE_DIRECTIONS, *pairs.shape)
    basis = _first(start, pairs.shape[1], width)
    back = scaled.T.tocsr()
    for left in reversed(range(rounds)):
        image = scaled @ basis
        del basis  # two of them at once are the peak of memory
        basis = back @ image
        del image
        basis = orthonormal(basis)
        if not left:  # rounding matters in the last round only
            basis = orthonormal(basis)
    image = scaled @ basis
    values, turn = np.linalg.eigh(image.T @ image)
    del image
    best = np.argsort(-values)[:k]
    strength = np.sqrt(np.clip(values[best], 0.0, 1.0)).astype(np.float32)
    return Spectrum(np.ascontiguousarray(basis @ turn[:, best], dtype=np.float32), strength, root)


def orthonormal(columns: Floats) -> Floats:
    """Return an orthonormal basis by Cholesky-QR: one product, one small factor, one solve in place.

    SciPy keeps the interpreter while it solves, so it is given a slice at a time: others get their turn.
    """
    gram = columns.T @ columns
    lift = np.float32(max(float(np.trace(gram)) / gram.shape[0], 1e-12))
    for shift in (1e-7, 1e-5, 1e-3, 1e-1):
        try:
            factor = np.linalg.cholesky(
                gram + np.eye(gram.shape[0], dtype=np.float32) * (lift * np.float32(shift))
            )
        except LinAlgError:
            continue
        for start in range(0, columns.shape[0], SOLVED_AT_ONCE):
            some = columns[start : start + SOLVED_AT_ONCE]
            some[:] = solve_triangular(factor, some.T, lower=True, check_finite=False).T
        return columns
    return np.ascontiguousarray(np.linalg.qr(columns)[0])


def _first(start: NDArray[np.floating[Any]] | None, items: int, width: int) -> Floats:
    chance = np.random.default_rng(SEED)
    first = chance.standard_normal((items, width), dtype=np.float32)
    if start is not None and start.shape[0] == items:
        known = min(start.shape[1], width)
        first[:, :known] = start[:, :known]
        first[:, known:] *= np.float32(items**-0.5)
    return first
