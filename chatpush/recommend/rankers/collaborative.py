"""Score all items for a user from what everybody did, by the method that suits the catalogue.

A short walk (``walk.py``), the strongest common directions (``spectral.py``) or
every item from every other (``ease.py``): each part is brought to length one per user and added by weight.
Which parts, and how heavy, is chosen on a hold-out (``choosing.py``) and never
by hand. Nothing here is learned about a user: their events are folded in at the
moment of asking, so a new event counts at once.
"""

from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from scipy import sparse

from chatpush.recommend.rankers.ease import Ease
from chatpush.recommend.rankers.spectral import TINY, Spectrum
from chatpush.recommend.rankers.walk import Walk
from chatpush.recommend.training.footprints import Floats, History, Ints

CHUNK_CELLS = 4_200_000
"""Scores made at once: users × items."""
MANY_CELLS = 4_000_000
"""Vectors larger than this (items × directions) are not read whole for one user."""
PROMISING = 500


@dataclass(frozen=True, slots=True)
class Settings:
    """What is added to what: weights of the parts, and how each damps common items."""

    walk: float = 1.0
    spread: float = 0.9
    start: float = 0.7
    end: float = 0.2
    spectral: float = 0.0
    directions: int = 0
    ease: float = 0.0
    penalty: float = 0.0

    @property
    def method(self) -> str:
        """The parts by name, such as ``walk + spectral``."""
        parts = {"walk": self.walk, "spectral": self.spectral, "ease": self.ease}
        return " + ".join(name for name, weight in parts.items() if weight) or "nothing"

    def as_dict(self) -> dict[str, Any]:
        """Return it for a report."""
        return {"method": self.method, **asdict(self)}


@dataclass(frozen=True)
class Collaborative:
    """A fitted model; it never changes."""

    settings: Settings
    walk: Walk
    spectrum: Spectrum | None = None
    ease: Ease | None = None

    def scores(self, taste: History) -> Floats:
        """Return a score for every item, zero for the user's own."""
        chosen, own = self.settings, taste.items
        total = np.zeros(self.walk.items, dtype=np.float32)
        if chosen.walk:
            _add(total, self.walk.scores(taste), chosen.walk, own)
        if self.ease is not None and chosen.ease:
            _add(total, self.ease.scores(own, taste.weights), chosen.ease, own)
        if self.spectrum is not None and chosen.spectral:
            place = self.spectrum.place(own, taste.weights)
            if self.spectrum.vectors.size > MANY_CELLS:
                return self._narrowed(total, self.spectrum, place, own)
            _add(total, self.spectrum.scores(place, 1.0), chosen.spectral, own)
        return total

    def _narrowed(self, total: Floats, spectrum: Spectrum, place: Floats, own: Ints) -> Floats:
        """Add the directions to promising items only, and leave only these: reading all takes too long.

        Promising are the best so far, and the best by the strongest directions.
        """
        outline = spectrum.outline
        rough = outline.scores(place[: outline.strength.size], 1.0)
        best = np.unique(
            np.concatenate([np.argpartition(one, -PROMISING)[-PROMISING:] for one in (total, rough)])
        )
        length = max(spectrum.length(place, own), float(TINY))
        scores = np.zeros_like(total)
        scores[best] = total[best] + spectrum.scores_of(place, best) * np.float32(
            self.settings.spectral / length
        )
        scores[own] = 0.0
        return scores

    def scores_many(self, rows: sparse.csr_matrix[np.float32]) -> Floats:
        """Return users × items scores, zero for what each has; bring chunks of ``chunk_users`` rows.

        An item's scores lie beside each other in memory, as ``top_many`` reads them.
        """
        chosen = self.settings
        total = np.zeros(rows.shape, dtype=np.float32, order="F")
        if chosen.walk:
            _add_many(total, self.walk.scores_many(rows), chosen.walk, rows)
        if self.spectrum is not None and chosen.spectral:
            places = self.spectrum.directions(rows)
            _add_many(total, self.spectrum.scores(places, 1.0), chosen.spectral, rows)
        if self.ease is not None and chosen.ease:
            _add_many(total, self.ease.scores_many(rows), chosen.ease, rows)
        return total

    @property
    def chunk_users(self) -> int:
        """How many users ``scores_many`` takes at once within bounded memory."""
        return max(1, min(256, CHUNK_CELLS // max(self.walk.items, 1)))


def walk_of(pairs: sparse.csr_matrix[np.float32], settings: Settings) -> Walk:
    """Return the walk as the settings say."""
    return Walk(pairs, spread=settings.spread, start=settings.start, end=settings.end)


def without_own(scores: Floats, rows: sparse.csr_matrix[np.float32]) -> Floats:
    """Put zero where a user has the item already, in place."""
    scores[np.repeat(np.arange(rows.shape[0]), np.diff(rows.indptr)), rows.indices] = 0.0
    return scores


def _add(total: Floats, part: Floats, weight: float, own: Ints) -> None:
    part[own] = 0.0
    part *= np.float32(weight) / max(float(np.sqrt(part @ part)), float(TINY))
    total += part


def _add_many(total: Floats, part: Floats, weight: float, rows: sparse.csr_matrix[np.float32]) -> None:
    without_own(part, rows)
    length = np.sqrt(np.einsum("ij,ij->i", part, part))
    part *= (np.float32(weight) / np.maximum(length, TINY))[:, None]
    total += part
