"""What training leaves behind: settings, directions and weights, tied to items by their ids.

Nothing in it is about a user. It fits onto any later catalogue: items that came
since have no directions yet and are reached by the walk, by their words and by
the slots for new items.
"""

import io
import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field, fields, replace
from typing import Any
from zipfile import BadZipFile

import numpy as np
from numpy.typing import NDArray
from scipy import sparse

from chatpush.domain import ItemId
from chatpush.errors import ChatpushError
from chatpush.recommend.rankers.collaborative import Collaborative, Settings, walk_of
from chatpush.recommend.rankers.ease import Ease, ease
from chatpush.recommend.rankers.spectral import ROUNDS, Spectrum, spectrum
from chatpush.recommend.training.choosing import Choice
from chatpush.recommend.training.footprints import Floats

FORMAT = 1
WARM_ROUNDS = 1
"""Passes needed when directions of nearly the same events are known."""


class DamagedModel(ChatpushError):
    """A model file is not what training wrote."""

    code = "damaged_model"


@dataclass(frozen=True)
class Learned:
    """A trained model without its walk, which is made anew from the events at every fit."""

    settings: Settings
    items: tuple[ItemId, ...]
    vectors: Floats | None = None
    strength: Floats | None = None
    ease: Floats | None = None
    report: dict[str, Any] = field(default_factory=dict)

    def model(self, pairs: sparse.csr_matrix[np.float32], items: Sequence[ItemId]) -> Collaborative:
        """Return the model for today's events and items."""
        place = {item: number for number, item in enumerate(self.items)}
        rows = np.array([place.get(item, -1) for item in items], dtype=np.int64)
        same = bool(len(rows) == len(self.items) and (rows == np.arange(len(rows))).all())
        found = directions = None
        if self.vectors is not None and self.strength is not None:
            vectors = self.vectors if same else np.where((rows >= 0)[:, None], self.vectors[rows], 0.0)
            degrees = np.asarray(pairs.sum(axis=0), dtype=np.float32).ravel()
            directions = Spectrum(vectors.astype(np.float32, copy=False), self.strength, np.sqrt(degrees))
        if self.ease is not None:
            weights = self.ease
            if not same:
                weights = weights[rows[:, None], rows[None, :]]
                weights[rows < 0, :] = 0.0
                weights[:, rows < 0] = 0.0
            found = Ease(weights)
        return Collaborative(self.settings, walk_of(pairs, self.settings), directions, found)

    def packed(self) -> bytes:
        """Return it as bytes; vectors in half precision."""
        about = {"format": FORMAT, "settings": asdict(self.settings), "report": self.report}
        about["items"] = list(self.items)
        arrays: dict[str, Any] = {"about": np.frombuffer(json.dumps(about).encode(), dtype=np.uint8)}
        for name in ("vectors", "ease"):
            value = getattr(self, name)
            if value is not None:
                arrays[name] = value.astype(np.float16)
        if self.strength is not None:
            arrays["strength"] = self.strength
        file = io.BytesIO()
        np.savez(file, allow_pickle=False, **arrays)
        return file.getvalue()


def unpacked(data: bytes) -> Learned:
    """Read what ``packed`` wrote.

    Raises:
        DamagedModel: it is something else, or its parts don't fit together.
    """
    try:
        with np.load(io.BytesIO(data), allow_pickle=False) as file:
            about = json.loads(file["about"].tobytes())
            arrays = {name: file[name].astype(np.float32) for name in file.files if name != "about"}
        known = {one.name for one in fields(Settings)}
        settings = Settings(**{name: value for name, value in about["settings"].items() if name in known})
        items = tuple(ItemId(item) for item in about["items"])
        kind, report = about["format"], dict(about["report"])
    except (ValueError, KeyError, TypeError, OSError, EOFError, AttributeError, BadZipFile) as error:
        raise DamagedModel(f"the model can't be read ({error}); train anew") from error
    vectors, strength, weights = (arrays.get(name) for name in ("vectors", "strength", "ease"))
    fits = vectors is None or (strength is not None and vectors.shape == (len(items), strength.size))
    fits = fits and (weights is None or weights.shape == (len(items), len(items)))
    fits = fits and all(bool(np.isfinite(one).all()) for one in arrays.values())
    if kind != FORMAT or not fits:
        raise DamagedModel("the model's parts don't fit together; train anew")
    return Learned(settings, items, vectors, strength, weights, report)


def learn(
    pairs: sparse.csr_matrix[np.float32],
    items: Sequence[ItemId],
    choice: Choice,
    *,
    start: NDArray[np.floating[Any]] | None = None,
) -> Learned:
    """Fit the chosen settings on all pairs; ``start``: directions of an earlier fit of the same items."""
    settings = choice.settings
    learned = Learned(settings, tuple(items), report=choice.report())
    if settings.spectral:
        first, wide = choice.vectors if start is None else start, settings.directions
        warm = first is not None and first.shape[0] == pairs.shape[1] and first.shape[1] >= wide
        found = spectrum(pairs, wide, start=first, rounds=WARM_ROUNDS if warm else ROUNDS)
        learned = replace(learned, vectors=found.vectors, strength=found.strength)
    if settings.ease:
        learned = replace(learned, ease=ease(pairs, settings.penalty).weights)
    return learned
