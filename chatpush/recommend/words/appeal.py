"""Foretell how often a text is clicked, from what it is like and from how others did.

A few plain properties of a text are weighed by ridge regression on the logits of
the click rates seen so far; until there is something to learn from, all texts
are foretold the usual rate. A text's own clicks take over as they come in.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from chatpush.recommend.words.slots import width

USUAL_RATE, USUAL_SEEN = 0.05, 20.0
PENALTY = 50.0
"""Seen texts that say as much as the belief that properties matter little."""
WEIGHT = 40.0
"""Seen texts a foretold rate is worth beside a text's own clicks."""
Numbers = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Tried:
    """A text, how many saw it, how many clicked."""

    text: str
    seen: int = 0
    clicked: int = 0


def foretold(tried: Sequence[Tried]) -> list[tuple[float, float]]:
    """Return, for each text, (a, b) of the Beta distribution of its click rate."""
    if not tried:
        return []
    seen = np.array([one.seen for one in tried], dtype=np.float64)
    clicked = np.array([one.clicked for one in tried], dtype=np.float64)
    usual = float((clicked.sum() + USUAL_RATE * USUAL_SEEN) / (seen.sum() + USUAL_SEEN))
    rates = np.clip((clicked + usual * 2) / (seen + 2), 1e-3, 1 - 1e-3)
    looks = np.array([_looks(one.text) for one in tried])
    looks -= looks.mean(axis=0)
    target = np.log(rates / (1 - rates)) - np.log(usual / (1 - usual))
    weighted = looks.T * seen
    weights = np.linalg.solve(weighted @ looks + PENALTY * np.eye(looks.shape[1]), weighted @ target)
    likely = 1.0 / (1.0 + np.exp(-(np.log(usual / (1 - usual)) + looks @ weights)))
    return [
        (float(rate * WEIGHT + one.clicked), float((1 - rate) * WEIGHT + max(one.seen - one.clicked, 0)))
        for rate, one in zip(likely, tried, strict=True)
    ]


def _looks(text: str) -> list[float]:
    """Return what a text is like, in numbers near 0 to 1."""
    columns = width(text)
    return [
        min(columns / 60, 2.0),
        float(columns < 25),
        float("{title}" in text),
        float("?" in text or "？" in text),
        float("!" in text or "！" in text),
        float(any(word in text.lower() for word in ("you", "your", "你", "您"))),
        float("{price}" in text),
        float(text[:7] == "{title}"),
    ]
