"""Choose the answer to a question by a linear head, and say how sure that is.

The head names the answer; a calibrated rule over twelve signs (the head's own
score, its nearest example, the centre of the answer's examples, how strange
the words are, whether these agree) gives the probability that it is right.
That probability is stretched so that ``ANSWER_AT`` means: on questions kept
aside, with answers taken out as strangers, so many of ten were right from here
on. Pure arithmetic on arrays; training is ``head_training``'s trade.
"""

import io
import json
import math
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import sparse

from chatpush.support.retrieval.head_features import Features, Matrix, Weighted

ANSWER_AT = 0.55  # what the learned threshold becomes; the default of ``support.confidence``
NEIGHBOURS = 10
SIGNS = 12
FORMAT = 1
MIN_EXAMPLES = 5  # of an answer, before it takes part
MIN_ANSWERS = 4
MOST_EXAMPLES = 50_000
Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Example:
    """A question and the answer it has."""

    question: str
    answer: str


@dataclass(frozen=True, slots=True)
class Decision:
    """The answer a head chose, how sure it is, and the example that is nearest."""

    answer: str
    confidence: float
    nearest: str


@dataclass(frozen=True, slots=True)
class Linear:
    """The answers and the weight of every feature for each of them."""

    answers: tuple[str, ...]
    weights: NDArray[np.float32]  # features by answers
    bias: NDArray[np.float32]
    probable: bool  # whether scores are logits of one distribution


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


class Head:
    """A trained head with the examples it was trained on."""

    def __init__(
        self, features: Features, linear: Linear, examples: Sequence[Example], rule: Rule | None
    ) -> None:
        self.features = features
        self.linear = linear
        self.rule = rule
        known = {answer: number for number, answer in enumerate(linear.answers)}
        self._examples = [one for one in examples if one.answer in known]
        self._labels = np.array([known[one.answer] for one in self._examples], np.int32)
        matrix = features.matrix([one.question for one in self._examples])
        # Three blocks of length one: a cosine is their mean.
        self._near = _postings(matrix, np.sqrt(np.maximum(_square(matrix), 1e-9)))
        self._centres = self._centre(matrix)

    @property
    def answers(self) -> frozenset[str]:
        """Return every answer the head may give."""
        return frozenset(self.linear.answers)

    def decide(self, question: str) -> Decision | None:
        """Return the answer to a question, or None if it shares nothing with the examples."""
        if self.rule is None:
            return None
        asked = self.features.of(question)
        if not len(asked.numbers):
            return None
        best, signs, nearest = self._look(asked)
        sure = self.rule.confidence(float(self.rule.probability(signs)))
        return Decision(self.linear.answers[best], sure, self._examples[nearest].question)

    def signs(self, questions: Sequence[str]) -> tuple[list[str], Floats]:
        """Return the answers chosen and the signs of each, for calibration."""
        seen = [self._look(self.features.of(question)) for question in questions]
        return [self.linear.answers[best] for best, _, _ in seen], np.array([signs for _, signs, _ in seen])

    def scores(self, asked: Weighted) -> Floats:
        """Return the head's score of every answer."""
        found = asked.weights @ self.linear.weights[asked.numbers] + self.linear.bias
        return found.astype(np.float64)

    def _look(self, asked: Weighted) -> tuple[int, Floats, int]:
        scores = self.scores(asked)
        order = np.argsort(-scores)[:2]
        best = int(order[0])
        if self.linear.probable:
            shares = np.exp(scores - scores[best])
            shares /= shares.sum()
            top, second = float(shares[best]), float(shares[order[1]]) if len(order) > 1 else 0.0
        else:
            top, second = float(scores[best]), float(scores[order[1]]) if len(order) > 1 else -1.0
        length = math.sqrt(float(asked.weights @ asked.weights)) or 1.0
        near = _look_up(self._near, asked) / length
        mine = self._labels == best
        own, other = float(near[mine].max(initial=0.0)), float(near[~mine].max(initial=0.0))
        nearest = int(near.argmax())
        count = min(NEIGHBOURS, len(near))
        neighbours = np.argpartition(-near, count - 1)[:count]
        weights = near[neighbours]
        vote = float(weights[mine[neighbours]].sum() / max(weights.sum(), 1e-9))
        centres = _look_up(self._centres, asked) / length
        rival = float(np.delete(centres, best).max(initial=0.0))
        signs = [
            top, top - second, own, own - other, float(centres[best]), float(centres[best]) - rival, vote,
            asked.unknown, float(self._labels[nearest] == best), float(centres.argmax() == best),
            float(near[nearest]), math.log1p(len(asked.numbers)),
        ]  # fmt: skip
        return best, np.array(signs), nearest

    def _centre(self, matrix: Matrix) -> tuple[Any, Any, Any, int]:
        count = len(self.linear.answers)
        rows = sparse.csr_array(
            (np.ones(len(self._labels), np.float32), (self._labels, np.arange(len(self._labels)))),
            shape=(count, len(self._labels)),
        )
        centres = sparse.csr_array(rows @ matrix)
        return _postings(centres, np.sqrt(np.maximum(_square(centres), 1e-9)))

    def to_bytes(self) -> bytes:
        """Return what it takes to build this head again from the same examples."""
        rule = self.rule
        arrays: dict[str, Any] = {
            "weights": self.linear.weights.astype(np.float16), "bias": self.linear.bias,
            "idf": self.features.idf.astype(np.float32),
        }  # fmt: skip
        if rule is not None:
            arrays |= {"mean": rule.mean, "scale": rule.scale, "rule": rule.weights}
        about = {
            "format": FORMAT, "terms": self.features.terms, "examples": self.features.examples,
            "answers": self.linear.answers, "probable": self.linear.probable,
            "rule": None if rule is None else [rule.bias, rule.threshold],
        }  # fmt: skip
        buffer = io.BytesIO()
        text = np.frombuffer(json.dumps(about, ensure_ascii=False).encode(), np.uint8)
        np.savez_compressed(buffer, about=text, **arrays)
        return buffer.getvalue()

    @classmethod
    def from_bytes(cls, stored: bytes, examples: Sequence[Example]) -> "Head | None":
        """Return a stored head, or None if it was stored by another version of chatpush."""
        with np.load(io.BytesIO(stored), allow_pickle=False) as arrays:
            about = json.loads(arrays["about"].tobytes())
            if about.get("format") != FORMAT:
                return None
            features = Features(about["terms"], arrays["idf"], about["examples"])
            linear = Linear(
                tuple(about["answers"]),
                arrays["weights"].astype(np.float32),
                arrays["bias"],
                about["probable"],
            )
            rule = None
            if about["rule"] is not None:
                bias, threshold = about["rule"]
                rule = Rule(arrays["mean"], arrays["scale"], arrays["rule"], bias, threshold)
        return cls(features, linear, examples, rule)


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
