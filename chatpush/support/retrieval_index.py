"""Rank texts for a question by BM25, in memory, sparse.

An index is immutable: a change builds a new one from the documents' term
arrays, which are kept, so that only changed texts are read and split again.
Building weighs every term once (eager scoring); a question then only adds up
the rows of its terms. Ties keep the order of the documents, so the same
store gives the same ranking everywhere.
"""

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import sparse

from chatpush.support.terms import Unit, terms, units

K1 = 1.2
B = 0.75
TITLE_WEIGHT = 2.0
MISSPELT = 0.7  # what a word shows whose grams are there but not its stem
ALIKE = 0.5  # share of its grams that must be there
WEAK = 0.35  # what a single Chinese character shows of a word when none of its pairs is there


class Vocabulary:
    """Numbers for terms; only grows, so that documents stay valid."""

    def __init__(self) -> None:
        self._numbers: dict[str, int] = {}

    def __len__(self) -> int:
        return len(self._numbers)

    def learn(self, term: str) -> int:
        """Return the term's number, giving it one if needed."""
        return self._numbers.setdefault(term, len(self._numbers))

    def number(self, term: str) -> int | None:
        """Return the term's number, if it has one."""
        return self._numbers.get(term)


@dataclass(frozen=True, slots=True)
class Document:
    """A text as an index sees it."""

    article: str
    position: int
    language: str
    numbers: NDArray[np.int32]
    counts: NDArray[np.float32]


def document(
    vocabulary: Vocabulary, article: str, position: int, language: str, title: str, text: str
) -> Document:
    """Split a text into terms; words of the title weigh more."""
    counted: Counter[str] = Counter(terms(text))
    weights: dict[str, float] = dict(counted)
    for term in terms(title):
        weights[term] = weights.get(term, 0.0) + TITLE_WEIGHT
    numbers = np.fromiter((vocabulary.learn(term) for term in weights), np.int32, len(weights))
    counts = np.fromiter(weights.values(), np.float32, len(weights))
    return Document(article, position, language, numbers, counts)


@dataclass(frozen=True, slots=True)
class Scored:
    """A document found, with what its rank rests on."""

    document: Document
    score: float
    coverage: float


@dataclass(frozen=True, slots=True)
class Ranking:
    """The answer to one question: best documents, and how strange its words are."""

    best: tuple[Scored, ...]
    unknown: float
    units: int
    ceiling: float


class Index:
    """BM25 over a fixed set of documents."""

    def __init__(self, vocabulary: Vocabulary, documents: Sequence[Document]) -> None:
        self._vocabulary = vocabulary
        self._documents = list(documents)
        self._languages = np.array([entry.language for entry in self._documents], dtype=object)
        self._idf: NDArray[np.float32] = np.zeros(len(vocabulary), np.float32)
        self._weights = self._weigh() if self._documents else None
        self._highest_idf = float(np.log(1 + (len(self._documents) + 0.5) / 0.5)) if documents else 1.0

    def __len__(self) -> int:
        return len(self._documents)

    def idf(self, term: str) -> float:
        """Return how telling a term is here; a term never seen is most telling."""
        number = self._vocabulary.number(term)
        if number is None or number >= len(self._idf) or self._idf[number] == 0:
            return self._highest_idf
        return float(self._idf[number])

    def rank(self, question: str, language: str | None, limit: int) -> Ranking:
        """Return the best documents of a language (None: of all)."""
        asked = units(question)
        weights = [self._unit_idf(unit) for unit in asked]
        total = sum(weights)
        unknown = sum(w for unit, w in zip(asked, weights, strict=True) if not self._knows(unit))
        scores, ceiling = self._scores(question)
        if scores is None or not total:
            return Ranking((), 1.0, len(asked), 0.0)
        if language is not None:
            scores = np.where(self._languages == language, scores, 0.0)
        count = min(limit, len(scores))
        top = np.argpartition(-scores, count - 1)[:count]
        top = top[np.lexsort((top, -scores[top]))]
        best = [
            Scored(self._documents[i], float(scores[i]), self._coverage(self._documents[i], asked, weights))
            for i in top
            if scores[i] > 0
        ]
        return Ranking(tuple(best), unknown / total, len(asked), ceiling)

    def _weigh(self) -> sparse.csr_array[Any]:
        """Return terms by documents, each cell its BM25 weight."""
        sizes = np.array([len(entry.numbers) for entry in self._documents])
        rows = np.concatenate([entry.numbers for entry in self._documents])
        counts = np.concatenate([entry.counts for entry in self._documents])
        columns = np.repeat(np.arange(len(self._documents), dtype=np.int32), sizes)
        lengths = np.bincount(columns, weights=counts, minlength=len(self._documents))
        average = max(float(lengths.mean()), 1e-9)
        frequency = np.bincount(rows, minlength=len(self._vocabulary)).astype(np.float32)
        number = len(self._documents)
        self._idf = np.where(
            frequency > 0, np.log(1 + (number - frequency + 0.5) / (frequency + 0.5)), 0.0
        ).astype(np.float32)
        saturation = counts + K1 * (1 - B + B * lengths[columns] / average)
        values = (self._idf[rows] * counts * (K1 + 1) / saturation).astype(np.float32)
        shape = (len(self._vocabulary), number)
        return sparse.coo_array((values, (rows, columns)), shape=shape).tocsr()

    def _scores(self, question: str) -> tuple[NDArray[np.float64] | None, float]:
        """Return every document's score and the most a document could get."""
        if self._weights is None:
            return None, 0.0
        pointers, cells, values = self._weights.indptr, self._weights.indices, self._weights.data
        found_cells, found_values, ceiling = [], [], 0.0
        for term in set(terms(question)):
            ceiling += self.idf(term) * (K1 + 1)
            number = self._vocabulary.number(term)
            if number is not None and number < self._weights.shape[0]:
                part = slice(pointers[number], pointers[number + 1])
                found_cells.append(cells[part])
                found_values.append(values[part])
        if not found_cells:
            return None, ceiling
        cells, values = np.concatenate(found_cells), np.concatenate(found_values)
        return np.bincount(cells, values, len(self._documents)).astype(np.float64), ceiling

    def _unit_idf(self, unit: Unit) -> float:
        known = [self.idf(pair) for pair in unit.pairs if self._has(pair)]
        return max([self.idf(unit.term), *known])

    def _knows(self, unit: Unit) -> bool:
        return any(self._has(term) for term in (unit.term, *unit.pairs))

    def _has(self, term: str) -> bool:
        number = self._vocabulary.number(term)
        return number is not None and number < len(self._idf) and self._idf[number] > 0

    def _coverage(self, entry: Document, asked: Iterable[Unit], weights: Iterable[float]) -> float:
        """Return the share of what is asked (by idf) that a document speaks of."""
        held = set(entry.numbers.tolist())
        covered = total = 0.0
        for unit, weight in zip(asked, weights, strict=True):
            total += weight
            covered += weight * self._shown(unit, held)
        return covered / total if total else 0.0

    def _shown(self, unit: Unit, held: set[int]) -> float:
        """Return how far a document's terms show what is asked about, 0 to 1."""
        if any(self._vocabulary.number(pair) in held for pair in unit.pairs):
            return 1.0
        if self._vocabulary.number(unit.term) in held:
            return WEAK if unit.pairs else 1.0
        found = sum(self._vocabulary.number(gram) in held for gram in unit.grams)
        alike = found / len(unit.grams) if unit.grams else 0.0
        return alike * MISSPELT if alike >= ALIKE else 0.0
