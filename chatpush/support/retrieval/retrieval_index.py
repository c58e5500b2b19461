"""Rank texts for a question by BM25, in memory, sparse.

An index is immutable: a change builds a new one from the documents' term
arrays, which are kept, so that only changed texts are read and split again.
Building weighs every term once (eager scoring); a question then only adds up
the rows of its terms. Ties keep the order of the documents, so the same
store gives the same ranking everywhere.
"""

import itertools
from collections import Counter
from collections.abc import Iterable, Sequence, Set
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import sparse

from chatpush.support.retrieval.synonyms import Meaning, Synonyms
from chatpush.support.retrieval.terms import Unit, keys, terms, units

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
MOST_UNITS = 64  # of a question; a longer one is a letter, and its beginning says what it is about
MOST_TERMS = 600
COMPANY = 0.3  # what each further similar question of an article adds to its best one
COMPANIONS = 2
WORDS_SAY = 0.1  # of a best score of words beside a cosine
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
    """The answer to one question: best documents, and how strange its words are.

    ``nearness`` says, where vectors were compared, how far the best document's
    cosine stands above the others', in standard deviations, and above its rival.
    """

    best: tuple[Scored, ...]
    unknown: float
    units: int
    nearness: tuple[float, float] | None = None


@dataclass(frozen=True, slots=True)
class _Sought:
    """A unit of a question in numbers, so that forty documents are looked at without a look-up."""

    weight: float
    known: float  # how far any text at all knows it, 0 to 1
    term: int
    pairs: frozenset[int]
    paired: bool
    grams: frozenset[int]
    gram_count: int
    meant: tuple[frozenset[int], ...]  # the key terms of everything it may mean as well

    def shown(self, held: Set[int]) -> float:
        """Return how far a document's terms show it, 0 to 1."""
        if not self.pairs.isdisjoint(held):
            return 1.0
        there = self.term in held
        if there and not self.paired:
            return 1.0
        if any(numbers <= held for numbers in self.meant):
            return MEANT
        if there:
            return WEAK
        alike = len(self.grams & held) / self.gram_count if self.grams else 0.0
        return alike * MISSPELT if alike >= ALIKE else 0.0


@dataclass(frozen=True, slots=True)
class _Asked:
    """A question, taken apart once for all documents."""

    sought: tuple[_Sought, ...]
    weight: float
    said: frozenset[int]  # key terms of the question and of what it may mean
    meanings: tuple[Meaning, ...]


def _in_company(best: list[Scored]) -> list[Scored]:
    """Let an article's further similar questions (places below zero) speak for its best one, a little."""
    asked: dict[str, list[int]] = {}
    for place, one in enumerate(best):
        if one.document.position < 0:
            asked.setdefault(one.document.article, []).append(place)
    found = list(best)
    for first, *others in asked.values():
        more = COMPANY * sum(best[place].score for place in others[:COMPANIONS])
        found[first] = replace(best[first], score=best[first].score + more)
    found.sort(key=lambda one: -one.score)
    return found


class Index:
    """BM25 over a fixed set of documents."""

    def __init__(
        self, vocabulary: Vocabulary, documents: Sequence[Document], synonyms: Synonyms | None = None
    ) -> None:
        self._vocabulary = vocabulary
        self._documents = list(documents)
        self._synonyms = synonyms or Synonyms()
        self._masks: dict[str, NDArray[np.bool_]] = {}
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

    def rank(
        self, question: str, language: str | None, limit: int, hidden: Set[str] = frozenset()
    ) -> Ranking:
        """Return the best documents of a language (None: of all), but of no hidden article."""
        asked = self._ask(question)
        scores = self._scores(question, asked)
        if scores is None or not asked.weight:
            return Ranking((), 1.0, len(asked.sought))
        unknown = sum(one.weight * (1 - one.known) for one in asked.sought) / asked.weight
        if language is not None:
            scores = np.where(self._of_language(language), scores, 0.0)
        if hidden:
            scores = np.where([entry.article in hidden for entry in self._documents], 0.0, scores)
        count = min(limit, len(scores))
        top = np.argpartition(-scores, count - 1)[:count]
        best = [
            self._scored(self._documents[i], float(scores[i]), asked) for i in np.sort(top) if scores[i] > 0
        ]
        best.sort(key=lambda one: -one.score)
        return Ranking(tuple(_in_company(best)), unknown, len(asked.sought))

    def rank_near(
        self,
        question: str,
        language: str,
        limit: int,
        cosines: NDArray[np.float32],
        hidden: Set[str] = frozenset(),
    ) -> Ranking:
        """Return the best documents of a language by cosine, words having a little say."""
        asked = self._ask(question)
        by_words = self._scores(question, asked)
        words = np.zeros(len(self._documents)) if by_words is None else by_words
        among = self._of_language(language)
        if hidden:
            among = among & np.array([entry.article not in hidden for entry in self._documents])
        if not among.any():
            return Ranking((), 1.0, len(asked.sought))
        fused = np.where(among, cosines + WORDS_SAY * words / max(float(words.max()), 1e-9), -np.inf)
        count = min(limit, int(among.sum()))
        top = np.argpartition(-fused, count - 1)[:count]
        order = sorted((int(place) for place in top), key=lambda place: (-fused[place], place))
        weight = max(asked.weight, 1e-9)
        unknown = sum(one.weight * (1 - one.known) for one in asked.sought) / weight if asked.weight else 1.0
        best = [
            replace(self._scored(self._documents[place], 0.0, asked), score=float(fused[place]))
            for place in order
        ]
        first = self._documents[order[0]].article
        rivals = [place for place in order if self._documents[place].article != first]
        seen = cosines[among]
        spread = max(float(seen.std()), 1e-6)
        near = float(cosines[order[0]])
        rival = float(cosines[rivals[0]]) if rivals else float(seen.mean())
        nearness = ((near - float(seen.mean())) / spread, (near - rival) / spread)
        return Ranking(tuple(best), unknown, len(asked.sought), nearness)

    @property
    def documents(self) -> Sequence[Document]:
        """The documents, in the order that cosines are given in."""
        return self._documents

    def _of_language(self, language: str) -> NDArray[np.bool_]:
        if language not in self._masks:
            self._masks[language] = np.array([entry.language == language for entry in self._documents])
        return self._masks[language]

    def _ask(self, question: str) -> _Asked:
        meant = []
        for one in self._synonyms.of(question):
            numbers = self._numbers(one.keys)
            if numbers and len(numbers) == len(set(one.keys)):
                meant.append((one, numbers))
        sought = tuple(self._seek(unit, meant) for unit in units(question)[:MOST_UNITS])
        said = self._numbers(keys(question)).union(*(numbers for _, numbers in meant))
        return _Asked(sought, sum(one.weight for one in sought), said, tuple(one for one, _ in meant))

    def _seek(self, unit: Unit, meant: Sequence[tuple[Meaning, frozenset[int]]]) -> _Sought:
        pairs, grams = self._numbers(unit.pairs), self._numbers(unit.grams)
        others = tuple(
            numbers
            for one, numbers in meant
            if unit.term in one.stands_for or not one.stands_for.isdisjoint(unit.pairs)
        )
        number = self._vocabulary.number(unit.term)
        has = self._has(unit.term)
        if pairs or others:
            known = 1.0
        elif has:
            known = WEAK if unit.pairs else 1.0
        else:
            known = MISSPELT if unit.grams and len(grams) == len(set(unit.grams)) else 0.0
        if not unit.pairs:
            weight = self.idf(unit.term)
        else:
            weight = max((float(self._idf[pair]) for pair in pairs), default=self._highest_idf)
        return _Sought(
            weight, known, number if number is not None and has else -1, pairs, bool(unit.pairs), grams,
            len(set(unit.grams)), others,
        )  # fmt: skip

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
        frequency, number = self._spread(rows, columns)
        self._idf = np.where(
            frequency > 0, np.log(1 + (number - frequency + 0.5) / (frequency + 0.5)), 0.0
        ).astype(np.float32)
        saturation = counts + K1 * (1 - B + B * lengths[columns] / average)
        values = (self._idf[rows] * counts * (K1 + 1) / saturation).astype(np.float32)
        shape = (len(self._vocabulary), len(self._documents))
        return sparse.coo_array((values, (rows, columns)), shape=shape).tocsr()

    def _spread(self, rows: NDArray[np.int32], columns: NDArray[np.int32]) -> tuple[NDArray[np.float32], int]:
        """Return in how many texts each term is, and how many there are; an article's similar questions are one.

        A word that all of them say is telling, not common.
        """
        groups: dict[tuple[str, int], int] = {}
        group = np.array(
            [
                groups.setdefault((entry.article, max(entry.position, -1)), len(groups))
                for entry in self._documents
            ],
            np.int64,
        )
        seen = np.unique(rows.astype(np.int64) * len(groups) + group[columns])
        frequency = np.bincount(seen // len(groups), minlength=len(self._vocabulary)).astype(np.float32)
        return frequency, len(groups)

    def _scores(self, question: str, asked: _Asked) -> NDArray[np.float64] | None:
        """Return every document's score, or None if no document has a term."""
        if self._weights is None:
            return None
        pointers, cells, values = self._weights.indptr, self._weights.indices, self._weights.data
        found_cells, found_values = [], []
        wanted = dict.fromkeys(itertools.islice(dict.fromkeys(terms(question)), MOST_TERMS), 1.0)
        for meaning in asked.meanings:
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

    def _has(self, term: str) -> bool:
        number = self._vocabulary.number(term)
        return number is not None and number < len(self._idf) and bool(self._idf[number] > 0)

    def _scored(self, entry: Document, score: float, asked: _Asked) -> Scored:
        held = set(entry.numbers.tolist())
        weight = asked.weight or 1.0  # a question of little words only, found by its vector
        covered = sum(one.weight * one.shown(held) for one in asked.sought) / weight
        headed = sum(one.weight * one.shown(entry.heading) for one in asked.sought) / weight
        whole = answered = 0.0
        for number in entry.heading_keys:
            telling = float(self._idf[number])
            whole += telling
            answered += telling if number in asked.said else 0.0
        agreement = (headed * answered / whole) ** 0.5 if whole else 0.0
        return Scored(entry, score * (1 + AGREEMENT * agreement), covered, agreement)
