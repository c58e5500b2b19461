"""Look at a question by its vector: the second side of a head, beside its words.

A logistic regression over the examples' vectors gives a share for each answer;
the nearest examples and the centres of the answers say how far to trust it.
Examples without a vector (of a language that nobody here can compare) take no
part. Pure arithmetic on arrays: vectors are brought.
"""

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from chatpush.support.retrieval.head_linear import Floats, Linear, near, shares

MOST_CELLS = 20_000_000  # examples times width; 80 MB is what a head's vectors take of memory at most
SIGNS = 10
Rows = NDArray[np.float32]
Places = NDArray[np.int32]


@dataclass(frozen=True, slots=True, eq=False)
class Compared:
    """The vectors of some examples, of length one: ``places`` are those in the list of examples, growing."""

    space: str
    places: Places
    rows: Rows

    def part(self, places: Sequence[int]) -> "Compared":
        """Return the vectors of a shorter list, made of the examples at these places of the longer one."""
        row_at = {int(place): row for row, place in enumerate(self.places)}
        kept = [(new, row_at[old]) for new, old in enumerate(places) if old in row_at]
        return Compared(
            self.space, np.array([new for new, _ in kept], np.int32), self.rows[[row for _, row in kept]]
        )


def compared(space: str, answers: Sequence[str], row_of: Callable[[int], Rows | None]) -> Compared:
    """Return the vectors of examples with these answers, as many as may be kept, evenly by answer.

    ``row_of`` gives an example's vector by its place; None or zeros: it has none.
    """
    rows = {place: row for place in range(len(answers)) if (row := row_of(place)) is not None and row.any()}
    width = max((len(row) for row in rows.values()), default=0)
    most = MOST_CELLS // max(width, 1)
    if len(rows) > most:
        each, taken = max(1, most // len(set(answers))), Counter[str]()
        for place in list(rows):
            taken[answers[place]] += 1
            if taken[answers[place]] > each:
                del rows[place]
    if len({len(row) for row in rows.values()}) > 1:  # made by two models under one name
        rows = {}
    places = np.array(list(rows), np.int32)
    return Compared(
        space, places, np.array(list(rows.values()), np.float32).reshape(len(rows), width if rows else 0)
    )


class VectorSide:
    """What a head knows by vectors."""

    def __init__(self, linear: Linear, labels: NDArray[np.int32], compared: Compared) -> None:
        self.linear = linear
        self.space = compared.space
        self._places = compared.places
        self._rows = compared.rows
        self._labels = labels[compared.places]
        self._heard = np.isin(np.arange(len(linear.answers)), self._labels)
        sums = np.zeros((len(linear.answers), self._rows.shape[1]), np.float32)
        np.add.at(sums, self._labels, self._rows)
        self._centres = sums / np.maximum(np.linalg.norm(sums, axis=1, keepdims=True), np.float32(1e-9))

    @property
    def width(self) -> int:
        """Return how many numbers a vector has."""
        return int(self._rows.shape[1])

    def shares(self, vector: Rows, by_words: Floats) -> Floats:
        """Return the share of every answer; of those that no vector speaks for, what words say."""
        heard = shares((vector @ self.linear.weights + self.linear.bias).astype(np.float64))
        found: Floats = np.where(self._heard, heard * by_words[self._heard].sum(), by_words)
        return found

    def signs(self, vector: Rows, share: Floats, best: int) -> tuple[list[float], int]:
        """Return the signs of an answer chosen, and the place of the nearest example."""
        seen = near(
            (self._rows @ vector).astype(np.float64),
            self._labels,
            (self._centres @ vector).astype(np.float64),
            best,
        )
        signs = [
            float(share[best]), float(share.argmax() == best), seen.own, seen.own - seen.other, seen.centre,
            seen.centre - seen.rival, seen.vote, seen.nearest_agrees, seen.centre_agrees, seen.likeness,
        ]  # fmt: skip
        return signs, int(self._places[seen.nearest])
