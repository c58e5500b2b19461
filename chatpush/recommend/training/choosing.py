"""Choose the method and its settings on a hold-out, so that nobody has to.

A fifth of each user's items is hidden, every part of the model is fitted on the
rest, and the parts' scores of a sample of users are kept for a pool of the best
items only: trying one more setting then costs milliseconds. A part or a
direction joins only if it gains more than ``WORTH`` (recall and NDCG at 20
together), because each costs time at every request.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import sparse

from chatpush.recommend.rankers.collaborative import Settings, without_own
from chatpush.recommend.rankers.ease import MOST_ITEMS, Ease, ease
from chatpush.recommend.rankers.spectral import TINY, Spectrum, spectrum
from chatpush.recommend.rankers.walk import Walk
from chatpush.recommend.training.footprints import Floats, Ints

Matrix = sparse.csr_matrix[np.float32]
HIDDEN = 0.2
SAMPLE_USERS = 1500
LEAST_USERS = 30
"""With fewer to ask, nothing is chosen: the walk as it stands is safe."""
AT = 20
POOL = 120
"""Items kept per user and part."""
CHUNK_CELLS = 2_500_000
WORTH = 0.003
ENDS = (0.0, 0.1, 0.2, 0.3, 0.4, 0.6)
WEIGHTS = (0.0, 0.1, 0.2, 0.35, 0.5, 0.6, 0.75, 1.0, 1.5, 2.5, 4.0)
NARROWINGS = (32, 128, 512, 768)
PENALTIES = (30.0, 100.0, 300.0, 1000.0)
SMALL = 400_000
"""With fewer events than this, more kinds of walk are tried."""


@dataclass(frozen=True)
class Choice:
    """The settings chosen, how good they are on the hold-out, and what else was tried."""

    settings: Settings
    recall: float
    ndcg: float
    users: int
    tried: tuple[dict[str, Any], ...] = ()
    vectors: NDArray[np.float16] | None = None
    """Directions found on the way, coarsely; the final fit starts from them."""

    def report(self) -> dict[str, Any]:
        """Return it for people and files."""
        return {
            "settings": self.settings.as_dict(), "recall": round(self.recall, 5), "ndcg": round(self.ndcg, 5),
            "users": self.users, "tried": list(self.tried),
        }  # fmt: skip


@dataclass(frozen=True)
class Pooled:
    """Scores of parts for a pool of items per user (users × pool), and which of these were hidden."""

    parts: dict[tuple[Any, ...], Floats]
    hidden: NDArray[np.bool_]
    counts: Ints

    def quality(self, settings: Settings) -> tuple[float, float]:
        """Return recall and NDCG at ``AT`` of these settings."""
        total = np.zeros(self.hidden.shape, dtype=np.float32)
        for key, weight in _keys(settings):
            if weight:
                total += np.float32(weight) * self.parts[key]
        at = min(AT, self.hidden.shape[1])
        best: Ints = np.argpartition(total, -at, axis=1)[:, -at:]
        values = -np.take_along_axis(total, best, 1)
        order: Ints = np.argsort(values, axis=1, kind="stable")
        ranked: Ints = np.take_along_axis(best, order, 1)
        return quality(np.take_along_axis(self.hidden, ranked, 1), self.counts)


def quality(hits: NDArray[np.bool_], counts: Ints) -> tuple[float, float]:
    """Return mean recall and NDCG of ranked hits (users × k) with so many to be found each."""
    if not len(counts):
        return 0.0, 0.0
    gains = 1.0 / np.log2(np.arange(2, int(hits.shape[1]) + 2))
    ideal = np.concatenate(([0.0], np.cumsum(gains)))[np.minimum(counts, hits.shape[1])]
    found = np.maximum(counts, 1)
    recall = float((hits.sum(axis=1) / found).mean())
    return recall, float(((hits * gains).sum(axis=1) / np.maximum(ideal, 1e-9)).mean())


def hold_out(pairs: Matrix, share: float = HIDDEN, seed: int = 7) -> tuple[Matrix, Matrix]:
    """Return the pairs without, and only with, a share of each user's (at least one of three)."""
    counts = np.diff(pairs.indptr)
    user = np.repeat(np.arange(pairs.shape[0]), counts)
    order = np.lexsort((np.random.default_rng(seed).random(pairs.nnz), user))
    rank = np.empty(pairs.nnz, dtype=np.int64)
    rank[order] = np.arange(pairs.nnz) - np.repeat(pairs.indptr[:-1], counts)
    hide = np.where(counts >= 3, np.maximum(np.floor(counts * share), 1), 0)
    hidden = rank < hide[user]
    return _only(pairs, user, ~hidden), _only(pairs, user, hidden)


def _only(pairs: Matrix, user: Ints, chosen: NDArray[np.bool_]) -> Matrix:
    return sparse.csr_matrix((pairs.data[chosen], (user[chosen], pairs.indices[chosen])), shape=pairs.shape)


def choose(
    pairs: Matrix, *, directions: int = 768, tell: Callable[[str], None] = lambda _: None, seed: int = 7
) -> Choice:
    """Return the best settings for these users × items."""
    tell("hiding a fifth")
    known, hidden = hold_out(pairs, seed=seed)
    users = np.flatnonzero(np.diff(hidden.indptr))
    if users.size < LEAST_USERS:
        return Choice(Settings(), 0.0, 0.0, int(users.size))
    if users.size > SAMPLE_USERS:
        users = np.sort(np.random.default_rng(seed).choice(users, SAMPLE_USERS, replace=False))
    tell("finding directions")
    most = max(2, min(directions, min(known.shape) // 3, 768))
    found = spectrum(known, most)
    tell("scoring the sample")
    pooled = _pool(known, hidden, users, found)
    tell("trying settings")
    best, tried = _search(pooled)
    recall, ndcg = pooled.quality(best)
    return Choice(best, recall, ndcg, int(users.size), tuple(tried), found.vectors.astype(np.float16))


def _keys(settings: Settings) -> Iterator[tuple[tuple[Any, ...], float]]:
    yield ("walk", settings.spread, settings.start, settings.end), settings.walk
    yield ("spectral", settings.directions), settings.spectral
    yield ("ease", settings.penalty), settings.ease


@dataclass(frozen=True)
class Scorers:
    """Every part that may be chosen, fitted: walks by (spread, start), EASE by penalty, directions by width."""

    walks: dict[tuple[float, float], Walk]
    eases: dict[float, Ease]
    spectrum: Spectrum
    widths: tuple[int, ...]

    def scored(self, rows: Matrix) -> Iterator[tuple[tuple[Any, ...], Floats, tuple[float, ...]]]:
        """Yield, part by part: its key, the raw scores of users × items, and item damping exponents to try."""
        for (spread, start), walk in self.walks.items():
            yield ("walk", spread, start), walk.scores_many(rows), ENDS
        places = self.spectrum.damped(self.spectrum.directions(rows))
        total = np.zeros(rows.shape, dtype=np.float32)
        before = 0
        for width in self.widths:
            # Wider ones contain the narrower: each direction is read once. Lengths are levelled by the caller.
            total += places[:, before:width] @ self.spectrum.vectors[:, before:width].T
            before = width
            yield ("spectral", width), total * self.spectrum.root, ()
        for penalty, found in self.eases.items():
            yield ("ease", penalty), found.scores_many(rows), ()


def _scorers(known: Matrix, found: Spectrum) -> Scorers:
    kinds = [(0.9, 0.7), (0.5, 0.5), (0.7, 0.9)] if known.nnz <= SMALL else [(0.9, 0.7)]
    penalties: tuple[float, ...] = ()
    if known.shape[1] <= MOST_ITEMS:
        penalties = PENALTIES if known.shape[1] <= 3500 else PENALTIES[2:3]
    return Scorers(
        {(spread, start): Walk(known, spread=spread, start=start, end=0.0) for spread, start in kinds},
        {penalty: ease(known, penalty) for penalty in penalties},
        found,
        tuple(sorted({min(k, found.strength.size) for k in NARROWINGS})),
    )


def _pool(known: Matrix, hidden: Matrix, users: Ints, found: Spectrum) -> Pooled:
    scorers = _scorers(known, found)
    degrees = np.maximum(np.asarray(known.sum(axis=0), dtype=np.float32).ravel(), TINY)
    chunk = max(1, CHUNK_CELLS // known.shape[1])
    pieces: dict[tuple[Any, ...], list[Floats]] = {}
    marks = []
    size = min(3 * POOL, known.shape[1])
    for start in range(0, users.size, chunk):
        rows, truth = known[users[start : start + chunk]], hidden[users[start : start + chunk]]
        raws = [(key, without_own(raw, rows), ends) for key, raw, ends in scorers.scored(rows)]
        pool = _best_items([key[0] for key, _, _ in raws], [raw for _, raw, _ in raws], degrees, size)
        marks.append(np.take_along_axis(np.asarray(truth.toarray() > 0), pool, 1))
        for key, raw, ends in raws:
            for end in ends or (None,):
                part = raw if end is None else raw * degrees ** np.float32(-end)
                length = np.maximum(np.sqrt(np.einsum("ij,ij->i", part, part)), TINY)
                name = key if end is None else (*key, end)
                pieces.setdefault(name, []).append(np.take_along_axis(part, pool, 1) / length[:, None])
    parts = {name: np.concatenate(found) for name, found in pieces.items()}
    return Pooled(parts, np.concatenate(marks), np.diff(hidden[users].indptr).astype(np.int64))


def _best_items(kinds: list[str], raws: list[Floats], degrees: Floats, size: int) -> Ints:
    """Return users × size items: the best of each kind of part, filled up by others."""
    merit = np.zeros_like(raws[0])
    for kind, raw in dict(zip(kinds, raws, strict=True)).items():
        part = raw * degrees ** np.float32(-0.2) if kind == "walk" else raw
        most = min(POOL, raw.shape[1])
        best = np.argpartition(part, -most, axis=1)[:, -most:]
        np.put_along_axis(merit, best, np.take_along_axis(merit, best, 1) + 1.0, 1)
    found: Ints = np.argpartition(merit, -size, axis=1)[:, -size:]
    return found


def _search(pooled: Pooled) -> tuple[Settings, list[dict[str, Any]]]:
    """Try each method from its own start, one setting after the other, and keep the best."""
    tried: list[dict[str, Any]] = []
    best, best_score = Settings(), -1.0
    for name, start, ways in _methods(pooled):
        settings, score = start, sum(pooled.quality(start))
        for _ in range(2):
            for options in ways:
                for change in options:
                    candidate = replace(settings, **change)
                    quality_now = sum(pooled.quality(candidate))
                    if quality_now > score:
                        settings, score = candidate, quality_now
        recall, ndcg = pooled.quality(settings)
        tried.append({"name": name, "recall": round(recall, 5), "ndcg": round(ndcg, 5)})
        if score > best_score * (1 + WORTH):
            best, best_score = settings, score
    return best, tried


def _methods(pooled: Pooled) -> Iterator[tuple[str, Settings, list[list[dict[str, Any]]]]]:
    """Yield the methods, cheapest to serve first: name, start, and the settings to try in turn."""
    walks = sorted({key[1:3] for key in pooled.parts if key[0] == "walk"}, reverse=True)
    walk = [
        {"spread": spread, "start": start, "end": end} for spread, start in walks for end in ENDS
    ]  # fmt: skip
    narrow = sorted(key[1] for key in pooled.parts if key[0] == "spectral")
    spectral = [{"spectral": weight, "directions": k} for weight in WEIGHTS for k in narrow]
    penalties = sorted(key[1] for key in pooled.parts if key[0] == "ease")
    first = Settings(directions=narrow[-1], penalty=penalties[0] if penalties else 0.0)
    if penalties:
        first = replace(first, penalty=penalties[len(penalties) // 2])
    yield "walk", first, [walk]
    yield "walk + spectral", replace(first, spectral=0.35), [walk, spectral]
    if penalties:
        alone = [{"penalty": penalty} for penalty in penalties]
        mixed = [{"ease": weight} for weight in WEIGHTS]
        yield "ease", replace(first, walk=0.0, ease=1.0), [alone]
        yield "walk + ease", replace(first, ease=1.0), [mixed, alone, walk]
        yield "everything", replace(first, ease=1.0, spectral=0.35), [mixed, alone, spectral, walk]
