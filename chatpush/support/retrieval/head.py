"""Choose the answer to a question by a linear head, and say how sure that is.

The head names the answer; a calibrated rule over its signs (the head's own
score, its nearest example, the centre of the answer's examples, how strange
the words are, whether these agree) gives the probability that it is right.
That probability is stretched so that ``ANSWER_AT`` means: on questions kept
aside, with answers taken out as strangers, so many of ten were right from here
on. Where examples have vectors, a second side (``head_vectors``) looks at the
question's vector: the answer is that of both sides' weighted mean share (the geometric one), and a rule of
its own is calibrated over the signs of both. A question without a vector is
answered by the words' side and rule alone. Pure arithmetic on arrays;
training is ``head_training``'s trade.
"""

import math
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import sparse

from chatpush.support.retrieval.head_features import Features, Matrix, Weighted
from chatpush.support.retrieval.head_linear import Floats, Linear, lead, near, shares
from chatpush.support.retrieval.head_vectors import Rows, VectorSide

ANSWER_AT = 0.55  # what the learned threshold becomes; the default of ``support.confidence``
MARGIN_SHARPNESS = 6.0  # makes the margins of support vector machines logits that a mean can be taken of
WORDS_SHARE = 0.3  # what words weigh beside vectors in that mean
LEAST = 1e-9  # share; how far one side can rule an answer out
MIN_EXAMPLES = 5  # of an answer, before it takes part
MIN_ANSWERS = 4
MOST_EXAMPLES = 50_000


@dataclass(frozen=True, slots=True)
class Example:
    """A question and the answer it has."""

    question: str
    answer: str
    compared: bool = True  # whether it has a vector of its own; an article's title has none


@dataclass(frozen=True, slots=True)
class Decision:
    """The answer a head chose, how sure it is, and the example that is nearest."""

    answer: str
    confidence: float
    nearest: str


@dataclass(frozen=True, slots=True)
class Rule:
    """The logistic rule over the signs, and the probability from which to answer."""

    mean: Floats
    scale: Floats
    weights: Floats
    bias: float
    threshold: float

    def probability(self, signs: Floats) -> Floats:
        """Return the probability that an answer is right, of one or many."""
        total = ((signs - self.mean) / self.scale) @ self.weights + self.bias
        found: Floats = 1.0 / (1.0 + np.exp(-np.clip(total, -30, 30)))
        return found

    def confidence(self, probability: float) -> float:
        """Return the probability stretched so that the threshold stands at ``ANSWER_AT``."""
        if probability >= self.threshold:
            above = (probability - self.threshold) / max(1 - self.threshold, 1e-9)
            return ANSWER_AT + (1 - ANSWER_AT) * above
        return ANSWER_AT * probability / self.threshold


def enough(examples: Sequence[Example]) -> list[Example]:
    """Return the examples of answers that have enough of them; none if those are too few."""
    by_answer: dict[str, list[Example]] = defaultdict(list)
    for one in dict.fromkeys(examples):
        by_answer[one.answer].append(one)
    kept = {answer: several for answer, several in by_answer.items() if len(several) >= MIN_EXAMPLES}
    if len(kept) < MIN_ANSWERS:
        return []
    most = max(MIN_EXAMPLES, MOST_EXAMPLES // len(kept))
    return [one for several in kept.values() for one in several[:most]]


def labels(examples: Sequence[Example], answers: Sequence[str]) -> NDArray[np.int32]:
    """Return the number of every example's answer."""
    numbers = {answer: number for number, answer in enumerate(answers)}
    return np.array([numbers[one.answer] for one in examples], np.int32)


class Head:
    """A trained head with the examples it was trained on."""

    def __init__(
        self,
        features: Features,
        linear: Linear,
        examples: Sequence[Example],
        rule: Rule | None = None,
        vectors: VectorSide | None = None,
        vectors_rule: Rule | None = None,
    ) -> None:
        self.features = features
        self.linear = linear
        self.rule = rule
        self.vectors = vectors
        self.vectors_rule = vectors_rule
        self._examples = list(examples)
        self._labels = labels(self._examples, linear.answers)
        matrix = features.matrix([one.question for one in self._examples])
        # Three blocks of length one: a cosine is their mean.
        self._near = _postings(matrix, np.sqrt(np.maximum(_square(matrix), 1e-9)))
        self._centres = self._centre(matrix)

    @property
    def answers(self) -> frozenset[str]:
        """Return every answer the head may give."""
        return frozenset(self.linear.answers)

    @property
    def space(self) -> str:
        """Return whose vectors it understands; nothing if none."""
        return self.vectors.space if self.vectors is not None else ""

    def decide(self, question: str, vector: Rows | None = None) -> Decision | None:
        """Return the answer to a question, or None if it shares nothing with the examples."""
        asked = self.features.of(question)
        side, rule = self.vectors, self.vectors_rule
        if side is not None and rule is not None and vector is not None and len(vector) == side.width:
            best, signs, nearest = self._look_twice(asked, side, vector)
        elif self.rule is not None and len(asked.numbers):
            best, signs, nearest = self._look(asked)
            rule = self.rule
        else:
            return None
        sure = rule.confidence(float(rule.probability(signs)))
        return Decision(self.linear.answers[best], sure, self._examples[nearest].question)

    def signs(self, questions: Sequence[str]) -> tuple[list[str], Floats]:
        """Return the answers chosen by words and the signs of each, for calibration."""
        return self._named([self._look(self.features.of(question)) for question in questions])

    def signs_twice(
        self, side: VectorSide, questions: Sequence[str], vectors: Rows
    ) -> tuple[list[str], Floats]:
        """Return the answers chosen by words and vectors and the signs of each, for calibration."""
        pairs = zip(questions, vectors, strict=True)
        return self._named([self._look_twice(self.features.of(one), side, row) for one, row in pairs])

    def scores(self, asked: Weighted) -> Floats:
        """Return the score of every answer by words."""
        found = asked.weights @ self.linear.weights[asked.numbers] + self.linear.bias
        return found.astype(np.float64)

    def _named(self, seen: Sequence[tuple[int, Floats, int]]) -> tuple[list[str], Floats]:
        return [self.linear.answers[best] for best, _, _ in seen], np.array([signs for _, signs, _ in seen])

    def _look(self, asked: Weighted) -> tuple[int, Floats, int]:
        scores = self.scores(asked)
        best = int(scores.argmax())
        signs, nearest = self._word_signs(asked, scores, best)
        return best, np.array(signs), nearest

    def _look_twice(self, asked: Weighted, side: VectorSide, vector: Rows) -> tuple[int, Floats, int]:
        """Return what both sides say together."""
        scores = self.scores(asked)
        by_words = shares(scores if self.linear.probable else scores * MARGIN_SHARPNESS)
        by_vector = side.shares(vector, by_words)
        both = shares(WORDS_SHARE * np.log(by_words + LEAST) + (1 - WORDS_SHARE) * np.log(by_vector + LEAST))
        best = int(both.argmax())
        word_signs, _ = self._word_signs(asked, scores, best)
        vector_signs, nearest = side.signs(vector, by_vector, best)
        signs = [float(both[best]), lead(both, best, 0.0), *word_signs, *vector_signs]
        return best, np.array(signs), nearest

    def _word_signs(self, asked: Weighted, scores: Floats, best: int) -> tuple[list[float], int]:
        scale = shares(scores) if self.linear.probable else scores
        length = math.sqrt(float(asked.weights @ asked.weights)) or 1.0
        seen = near(
            _look_up(self._near, asked) / length, self._labels, _look_up(self._centres, asked) / length, best
        )
        signs = [
            float(scale[best]), lead(scale, best, 0.0 if self.linear.probable else -1.0), seen.own,
            seen.own - seen.other, seen.centre, seen.centre - seen.rival, seen.vote, asked.unknown,
            seen.nearest_agrees, seen.centre_agrees, seen.likeness, math.log1p(len(asked.numbers)),
        ]  # fmt: skip
        return signs, seen.nearest

    def _centre(self, matrix: Matrix) -> tuple[Any, Any, Any, int]:
        count = len(self.linear.answers)
        rows = sparse.csr_array(
            (np.ones(len(self._labels), np.float32), (self._labels, np.arange(len(self._labels)))),
            shape=(count, len(self._labels)),
        )
        centres = sparse.csr_array(rows @ matrix)
        return _postings(centres, np.sqrt(np.maximum(_square(centres), 1e-9)))


def _square(matrix: Matrix) -> Floats:
    """Return the squared length of every row."""
    rows = np.repeat(np.arange(matrix.shape[0]), np.diff(matrix.indptr))
    return np.bincount(rows, matrix.data.astype(np.float64) ** 2, matrix.shape[0]).astype(np.float64)


def _postings(matrix: Matrix, lengths: Floats) -> tuple[Any, Any, Any, int]:
    """Return a matrix by feature, rows of length one, for looking questions up."""
    columns = sparse.csc_array(matrix)
    values = columns.data / lengths[columns.indices]
    return columns.indptr, columns.indices, values.astype(np.float32), matrix.shape[0]


def _look_up(postings: tuple[Any, Any, Any, int], asked: Weighted) -> Floats:
    """Return the likeness of every row to a question."""
    pointers, rows, values, count = postings
    parts = [slice(pointers[number], pointers[number + 1]) for number in asked.numbers]
    if not parts:
        return np.zeros(count)
    found_rows = np.concatenate([rows[part] for part in parts])
    found = np.concatenate([values[part] * weight for part, weight in zip(parts, asked.weights, strict=True)])
    likeness: Floats = np.bincount(found_rows, found, count).astype(np.float64)
    return likeness
