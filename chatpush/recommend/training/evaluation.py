"""Judge the recommender on what really happened afterwards, beside popularity and item neighbours.

The events before a moment are known, those after it are to be foretold: for
each known user the items they had not touched before. Every figure carries a
95 % interval from resampling users, and so do the differences, because two
figures near each other say nothing.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import sparse

from chatpush.errors import InvalidInput
from chatpush.recommend.rankers.spectral import TINY
from chatpush.recommend.training.choosing import Choice, choose
from chatpush.recommend.training.footprints import Floats, Footprints, Ints
from chatpush.recommend.training.learned import learn

Matrix = sparse.csr_matrix[np.float32]
Scorer = Callable[[Matrix], Floats]
Measured = dict[str, NDArray[np.float64]]
FORETOLD = 0.2
NEIGHBOURS = 200
RESAMPLES = 400
CELLS = 6_000_000
MOST_USERS = 10_000


@dataclass(frozen=True)
class Figure:
    """A mean with its 95 % interval."""

    mean: float
    low: float
    high: float

    def as_list(self) -> list[float]:
        """Return mean, low, high, rounded."""
        return [round(self.mean, 5), round(self.low, 5), round(self.high, 5)]


@dataclass(frozen=True)
class Evaluation:
    """Figures by method and measure; ``ahead``: how much the model leads each other method in NDCG."""

    k: int
    users: int
    choice: Choice
    figures: Mapping[str, Mapping[str, Figure]]
    ahead: Mapping[str, Figure]
    coverage: Mapping[str, float]

    def report(self) -> dict[str, Any]:
        """Return it for people and files."""
        return {
            "k": self.k, "users": self.users, "settings": self.choice.settings.as_dict(),
            "figures": {
                method: {name: figure.as_list() for name, figure in found.items()}
                for method, found in self.figures.items()
            },
            "ahead": {method: figure.as_list() for method, figure in self.ahead.items()},
            "coverage": {method: round(share, 5) for method, share in self.coverage.items()},
        }  # fmt: skip


def temporal_split(prints: Footprints, share: float = FORETOLD) -> tuple[Matrix, Matrix]:
    """Return users × items before, and what known users first touched after, the last share of events."""
    if not prints.at.size:
        raise InvalidInput("there are no events to judge by")
    moment = np.quantile(prints.at, 1.0 - share)
    before = prints.at <= moment

    def pairs(chosen: NDArray[np.bool_]) -> Matrix:
        return Footprints(
            prints.items, prints.users, prints.user[chosen], prints.item[chosen], prints.kind[chosen],
            prints.at[chosen],
        ).matrix()  # fmt: skip

    known, later = pairs(before), pairs(~before)
    had = known.copy()
    had.data[:] = 1.0
    later = sparse.csr_matrix(later - later.multiply(had))
    later.data[later.data < TINY] = 0.0
    strangers = np.diff(known.indptr) == 0
    later = sparse.csr_matrix(sparse.diags_array((~strangers).astype(np.float32)) @ later)
    later.eliminate_zeros()
    return known, later


def popularity(known: Matrix) -> Scorer:
    """Score by how many people have an item."""
    counts = np.bincount(known.indices, minlength=known.shape[1]).astype(np.float32)
    return lambda rows: np.repeat(counts[None], rows.shape[0], axis=0)


def item_neighbours(known: Matrix, neighbours: int = NEIGHBOURS) -> Scorer:
    """Score by cosine to the user's items, nearest neighbours of each only."""
    ones = known.copy()
    ones.data[:] = 1.0
    length = np.sqrt(np.maximum(np.asarray(ones.sum(axis=0)).ravel(), 1.0))
    columns = sparse.csr_matrix(ones @ sparse.diags_array(1.0 / length)).astype(np.float32)
    by_item = columns.T.tocsr()
    step = max(1, CELLS // max(known.shape[1], 1))
    pieces = []
    for start in range(0, known.shape[1], step):
        near = (by_item[start : start + step] @ columns).toarray()
        near[np.arange(near.shape[0]), np.arange(start, start + near.shape[0])] = 0.0
        keep = min(neighbours, near.shape[1])
        best = np.argpartition(near, -keep, axis=1)[:, -keep:]
        values = np.take_along_axis(near, best, 1)
        rows = np.repeat(np.arange(near.shape[0]), keep)
        pieces.append(sparse.csr_matrix((values.ravel(), (rows, best.ravel())), shape=near.shape))
    likeness = sparse.vstack(pieces).tocsr()
    return lambda rows: np.asarray((rows @ likeness).toarray(), dtype=np.float32)


def measure(scorer: Scorer, known: Matrix, later: Matrix, users: Ints, k: int) -> tuple[Measured, float]:
    """Return recall, NDCG, MAP and novelty per user, and the share of the catalogue ever shown."""
    fame = np.log2(
        np.maximum(np.bincount(known.indices, minlength=known.shape[1]), 1) / max(known.shape[0], 1)
    )
    found: dict[str, list[NDArray[np.float64]]] = {"recall": [], "ndcg": [], "map": [], "novelty": []}
    shown: set[int] = set()
    k = min(k, known.shape[1])
    gains = 1.0 / np.log2(np.arange(2, k + 2))
    ideal = np.concatenate(([0.0], np.cumsum(gains)))
    step = max(1, CELLS // known.shape[1])
    for start in range(0, users.size, step):
        rows, truth = known[users[start : start + step]], later[users[start : start + step]]
        scores = scorer(rows)
        scores[np.repeat(np.arange(rows.shape[0]), np.diff(rows.indptr)), rows.indices] = -np.inf
        best: Ints = np.argpartition(scores, -k, axis=1)[:, -k:]
        order: Ints = np.argsort(-np.take_along_axis(scores, best, 1), axis=1, kind="stable")
        best = np.take_along_axis(best, order, 1)
        hits = np.take_along_axis(truth.toarray() > 0, best, 1)
        count = np.diff(truth.indptr)
        precision = np.cumsum(hits, axis=1) / np.arange(1, k + 1)
        found["recall"].append(hits.sum(axis=1) / count)
        found["ndcg"].append((hits * gains).sum(axis=1) / ideal[np.minimum(count, k)])
        found["map"].append((hits * precision).sum(axis=1) / np.minimum(count, k))
        found["novelty"].append(-fame[best].mean(axis=1))
        shown.update(np.unique(best).tolist())
    measured = {name: np.concatenate(values) for name, values in found.items()}
    return measured, len(shown) / known.shape[1]


def interval(values: NDArray[np.float64], seed: int = 1) -> Figure:
    """Return the mean and its 95 % interval by resampling."""
    chance = np.random.default_rng(seed)
    means = [float(values[chance.integers(0, values.size, values.size)].mean()) for _ in range(RESAMPLES)]
    return Figure(float(values.mean()), *(float(one) for one in np.quantile(means, (0.025, 0.975))))


def evaluate(prints: Footprints, k: int = 20, tell: Callable[[str], None] = lambda _: None) -> Evaluation:
    """Choose and fit on the past and judge on what came after.

    Raises:
        InvalidInput: no known user did anything new after the split.
    """
    known, later = temporal_split(prints)
    return judged(known, later, k, tell)


def judged(
    known: Matrix, later: Matrix, k: int = 20, tell: Callable[[str], None] = lambda _: None
) -> Evaluation:
    """Choose and fit on ``known`` and judge on ``later``."""
    users = np.flatnonzero(np.diff(later.indptr))
    if not users.size:
        raise InvalidInput("no known user did anything new after the split; nothing to judge by")
    if users.size > MOST_USERS:
        users = np.sort(np.random.default_rng(0).choice(users, MOST_USERS, replace=False))
    choice = choose(known, tell=tell)
    names = tuple(str(number) for number in range(known.shape[1]))
    tell(f"fitting {choice.settings.method}")
    model = learn(known, names, choice).model(known, names)  # type: ignore[arg-type]
    scorers: dict[str, Scorer] = {
        "chatpush": model.scores_many,
        "popularity": popularity(known),
        "item-kNN": item_neighbours(known),
    }
    figures, coverage, ndcg = {}, {}, {}
    for name, scorer in scorers.items():
        tell(f"judging {name}")
        measured, coverage[name] = measure(scorer, known, later, users, k)
        figures[name] = {measure_name: interval(values) for measure_name, values in measured.items()}
        ndcg[name] = measured["ndcg"]
    ahead = {name: interval(ndcg["chatpush"] - other) for name, other in ndcg.items() if name != "chatpush"}
    return Evaluation(k, int(users.size), choice, figures, ahead, coverage)


def picture(evaluation: Evaluation) -> str:
    """Return the figures as bars with their intervals, an SVG of its own."""
    measures = ("recall", "ndcg", "map")
    most = max(found[name].high for found in evaluation.figures.values() for name in measures) or 1.0
    colours = {"chatpush": "#2563eb", "popularity": "#94a3b8", "item-kNN": "#64748b"}
    parts = [
        '<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 640 300" font-family="sans-serif"'
        ' font-size="13" role="img" aria-label="Quality of recommendations">',
        '<rect width="640" height="300" fill="#fff"/>',
    ]
    for group, name in enumerate(measures):
        left = 40 + group * 200
        parts.append(f'<text x="{left}" y="285">{name}@{evaluation.k}</text>')
        for place, (method, found) in enumerate(evaluation.figures.items()):
            x, figure = left + place * 52, found[name]
            top, low, high = (250 - 210 * value / most for value in (figure.mean, figure.low, figure.high))
            parts += [
                f'<rect x="{x}" y="{top:.1f}" width="40" height="{250 - top:.1f}" fill="{colours[method]}"/>',
                f'<path d="M{x + 20} {low:.1f}V{high:.1f}" stroke="#0f172a" stroke-width="2"/>',
                f'<text x="{x}" y="{high - 4:.1f}" font-size="11">{figure.mean:.3f}</text>',
                f'<text x="{x}" y="265" font-size="9">{method}</text>',
            ]
    return "\n".join([*parts, "</svg>"])
