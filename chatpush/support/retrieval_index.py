"""Rank texts for a question by BM25, in memory, sparse.

An index is immutable: a change builds a new one from the documents' term
arrays, which are kept, so that only changed texts are read and split again.
Building weighs every term once (eager scoring); a question then only adds up
the rows of its terms. Ties keep the order of the documents, so the same
store gives the same ranking everywhere.
"""

from collections import Counter
from collections.abc import Iterable, Sequence, Set
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import sparse

from chatpush.support.synonyms import Meaning, Synonyms
from chatpush.support.terms import Unit, keys, terms, units

K1 = 1.2
B = 0.6
HEADING_WEIGHT = 3.0
TITLE_WEIGHT = 0.8  # the article's title, for a section that has a heading of its own
TAGS_WEIGHT = 0.2
MISSPELT = 0.7  # what a word shows whose grams are there but not its stem
ALIKE = 0.5  # share of its grams that must be there
WEAK = 0.35  # what a single Chinese character shows of a word when none of its pairs is there
MEANT = 0.8  # what a synonym shows of a word
MEANT_WEIGHT = 0.6  # what a synonym's terms weigh
AGREEMENT = 1.0  # what a heading that says the question adds to a score


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
    """A text as an index sees it; ``heading`` are the key terms of what heads it."""

    article: str
    position: int
    language: str
    numbers: NDArray[np.int32]
    counts: NDArray[np.float32]
    heading: frozenset[int]
    heading_keys: frozenset[int]


def document(
    vocabulary: Vocabulary,
    article: str,
    position: int,
    language: str,
    text: str,
    *,
    heading: str = "",
    title: str = "",
    tags: str = "",
) -> Document:
    """Split a text into terms; words of its heading weigh more, those of the article a little."""
    weights: dict[str, float] = dict(Counter(terms(text)))
    headed = heading or title
    parts = [(headed, HEADING_WEIGHT), (title if heading else "", TITLE_WEIGHT), (tags, TAGS_WEIGHT)]
    for part, weight in parts:
        for term in terms(part):
            weights[term] = weights.get(term, 0.0) + weight
    numbers = np.fromiter((vocabulary.learn(term) for term in weights), np.int32, len(weights))
    counts = np.fromiter(weights.values(), np.float32, len(weights))
    return Document(
        article, position, language, numbers, counts,
        frozenset(vocabulary.learn(term) for term in terms(headed)),
        frozenset(vocabulary.learn(term) for term in keys(headed)),
    )  # fmt: skip


@dataclass(frozen=True, slots=True)
class Scored:
    """A document found, with what its rank rests on."""

    document: Document
    score: float
    coverage: float
    agreement: float  # of what is asked and what the heading says, how much is the same


@dataclass(frozen=True, slots=True)
class Ranking:
    """The answer to one question: best documents, and how strange its words are."""

    best: tuple[Scored, ...]
    unknown: float
    units: int


@dataclass(frozen=True, slots=True)
class _Asked:
    """A question, taken apart once for all documents."""

    units: tuple[Unit, ...]
    weights: tuple[float, ...]
    keys: frozenset[int]
    meanings: tuple[tuple[Meaning, frozenset[int]], ...]


class Index:
    """BM25 over a fixed set of documents."""

    def __init__(
        self, vocabulary: Vocabulary, documents: Sequence[Document], synonyms: Synonyms | None = None
    ) -> None:
        self._vocabulary = vocabulary
        self._documents = list(documents)
        self._synonyms = synonyms or Synonyms()
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
        asked = self._ask(question)
        total = sum(asked.weights)
        scores = self._scores(question, asked)
        if scores is None or not total:
            return Ranking((), 1.0, len(asked.units))
        unknown = sum(
            w * (1 - self._known(unit, asked)) for unit, w in zip(asked.units, asked.weights, strict=True)
        )
        if language is not None:
            scores = np.where(self._languages == language, scores, 0.0)
        count = min(limit, len(scores))
        top = np.argpartition(-scores, count - 1)[:count]
        best = [
            self._scored(self._documents[i], float(scores[i]), asked) for i in np.sort(top) if scores[i] > 0
        ]
        best.sort(key=lambda one: -one.score)
        return Ranking(tuple(best), unknown / total, len(asked.units))

    def _ask(self, question: str) -> _Asked:
        asked = tuple(units(question))
        meanings = tuple(
            (one, numbers)
            for one in self._synonyms.of(question)
            if (numbers := self._numbers(one.keys)) and len(numbers) == len(set(one.keys))
        )
        return _Asked(
            asked, tuple(self._unit_idf(unit) for unit in asked), self._numbers(keys(question)), meanings
        )

    def _numbers(self, found: Iterable[str]) -> frozenset[int]:
        return frozenset(
            n for term in found if self._has(term) and (n := self._vocabulary.number(term)) is not None
        )

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

    def _scores(self, question: str, asked: _Asked) -> NDArray[np.float64] | None:
        """Return every document's score, or None if no document has a term."""
        if self._weights is None:
            return None
        pointers, cells, values = self._weights.indptr, self._weights.indices, self._weights.data
        found_cells, found_values = [], []
        wanted = dict.fromkeys(terms(question), 1.0)
        for meaning, _ in asked.meanings:
            for term in meaning.terms:
                wanted.setdefault(term, MEANT_WEIGHT)
        for term, weight in wanted.items():
            number = self._vocabulary.number(term)
            if number is not None and number < self._weights.shape[0]:
                part = slice(pointers[number], pointers[number + 1])
                found_cells.append(cells[part])
                found_values.append(values[part] * weight)
        if not found_cells:
            return None
        cells, values = np.concatenate(found_cells), np.concatenate(found_values)
        return np.bincount(cells, values, len(self._documents)).astype(np.float64)

    def _unit_idf(self, unit: Unit) -> float:
        if not unit.pairs:
            return self.idf(unit.term)
        known = [self.idf(pair) for pair in unit.pairs if self._has(pair)]
        return max(known) if known else self._highest_idf

    def _known(self, unit: Unit, asked: _Asked) -> float:
        """Return how far any text at all knows what is asked about, 0 to 1."""
        if any(self._has(pair) for pair in unit.pairs) or _meant(unit, asked):
            return 1.0
        if self._has(unit.term):
            return WEAK if unit.pairs else 1.0
        found = sum(self._has(gram) for gram in unit.grams)
        return MISSPELT if unit.grams and found == len(unit.grams) else 0.0

    def _has(self, term: str) -> bool:
        number = self._vocabulary.number(term)
        return number is not None and number < len(self._idf) and bool(self._idf[number] > 0)

    def _scored(self, entry: Document, score: float, asked: _Asked) -> Scored:
        held = set(entry.numbers.tolist())
        total = sum(asked.weights)
        covered = headed = 0.0
        for unit, weight in zip(asked.units, asked.weights, strict=True):
            covered += weight * self._shown(unit, held, asked)
            headed += weight * self._shown(unit, entry.heading, asked)
        said = set(asked.keys)
        for _, numbers in asked.meanings:
            said |= numbers
        weights = {number: float(self._idf[number]) for number in entry.heading_keys}
        whole = sum(weights.values())
        answered = sum(weights[n] for n in entry.heading_keys & said) / whole if whole else 0.0
        agreement = (headed / total * answered) ** 0.5 if total else 0.0
        return Scored(
            entry, score * (1 + AGREEMENT * agreement), covered / total if total else 0.0,
            agreement,
        )  # fmt: skip

    def _shown(self, unit: Unit, held: Set[int], asked: _Asked) -> float:
        """Return how far a document's terms show what is asked about, 0 to 1."""
        if any(self._vocabulary.number(pair) in held for pair in unit.pairs):
            return 1.0
        there = self._vocabulary.number(unit.term) in held
        if there and not unit.pairs:
            return 1.0
        if any(numbers <= held for numbers in _meant(unit, asked)):
            return MEANT
        if there:
            return WEAK
        found = sum(self._vocabulary.number(gram) in held for gram in unit.grams)
        alike = found / len(unit.grams) if unit.grams else 0.0
        return alike * MISSPELT if alike >= ALIKE else 0.0


def _meant(unit: Unit, asked: _Asked) -> list[frozenset[int]]:
    """Return the key terms of everything a unit may mean as well."""
    return [
        numbers
        for meaning, numbers in asked.meanings
        if unit.term in meaning.stands_for or not meaning.stands_for.isdisjoint(unit.pairs)
    ]
