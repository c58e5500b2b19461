"""What any side of a head is made of: linear scores of the answers, and what the nearest examples say of one.

A side looks at a question in its own way, by words or by a vector; both reach
the same kind of numbers, which the calibrated rule takes for signs.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

NEIGHBOURS = 10
Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Linear:
    """The answers and the weight of every feature for each of them."""

    answers: tuple[str, ...]
    weights: NDArray[np.float32]  # features by answers
    bias: NDArray[np.float32]
    probable: bool  # whether scores are logits of one distribution


@dataclass(frozen=True, slots=True)
class Near:
    """How the examples and the answers' centres stand to a chosen answer.

    ``own`` and ``other`` are the nearest example of the answer and of the rest,
    ``centre`` and ``rival`` the same of the centres; ``vote`` is the answer's share
    of the nearest ten, weighed by likeness.
    """

    nearest: int
    likeness: float
    own: float
    other: float
    centre: float
    rival: float
    vote: float
    nearest_agrees: bool
    centre_agrees: bool


def near(likeness: Floats, labels: NDArray[np.int32], centres: Floats, best: int) -> Near:
    """Return how examples (their likeness to the question, their answers' numbers) stand to an answer."""
    mine = labels == best
    nearest = int(likeness.argmax())
    count = min(NEIGHBOURS, len(likeness))
    neighbours = np.argpartition(-likeness, count - 1)[:count]
    weights = likeness[neighbours]
    return Near(
        nearest, float(likeness[nearest]),
        float(likeness[mine].max(initial=0.0)), float(likeness[~mine].max(initial=0.0)),
        float(centres[best]), float(np.delete(centres, best).max(initial=0.0)),
        float(weights[mine[neighbours]].sum() / max(weights.sum(), 1e-9)),
        bool(labels[nearest] == best), bool(centres.argmax() == best),
    )  # fmt: skip


def shares(logits: Floats) -> Floats:
    """Return a distribution over answers."""
    found = np.exp(logits - logits.max())
    even: Floats = found / found.sum()
    return even


def lead(scores: Floats, best: int, least: float) -> float:
    """Return how far an answer's score stands above the others' highest; above ``least`` if it is alone."""
    others = np.delete(scores, best)
    return float(scores[best]) - (float(others.max()) if len(others) else least)
