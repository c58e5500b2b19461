"""Tell what a short text is: category, urgency, sentiment, language, and claims it must not make.

Embedded and quick: kernel ridge regression over pieces of words (n-grams of
characters) and cues (``cues.py``) in English and Chinese, learned at first use in
a tenth of a second from the lines in ``labelled.py``; its chances are calibrated
on lines left out. Rules stand beside it for what must not be a matter of
likelihood. Numbers and fields of templates are blotted out.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache

import numpy as np
from numpy.typing import NDArray
from scipy import sparse
from sklearn.feature_extraction.text import TfidfVectorizer

from chatpush.recommend.analysis.claims import FORBIDDEN, PRICE, SCARCITY, Claim, claims
from chatpush.recommend.analysis.cues import PATTERNS, cues
from chatpush.recommend.analysis.labelled import PARTS, Line, lines
from chatpush.recommend.analysis.languages import language_of

TRANSACTIONAL, MARKETING, ALERT, CONVERSATION = "transactional", "marketing", "alert", "conversation"
LABELS = ("category", "urgency", "sentiment")
LONGEST = 4000
JUDGED_LENGTH = 600
NUMBERS = re.compile(r"[\d０-９][\d０-９.,:%/-]*")
BLOTS = re.compile(r"\{\{.*?\}\}|\{%.*?%\}|\{[a-z_]*\}", re.DOTALL)
ADDRESS = re.compile(r"https?://\S+|www\.\S+|\S+@\S+")
CODE = re.compile(
    r"验证码|动态密码|取件码|校验码|\b(?:verification|security|sign-?in|login|one-?time)\s+(?:code|password|passcode)\b|\bOTP\b",
    re.IGNORECASE,
)
"""Codes that people wait for are never advertising."""
SHOUTING = re.compile(r"[!！]{2,}|\b[A-Z]{5,}\b")
CODE_CHANCE = 0.97
CUE, PAIR = 0.35, 0.175
"""What a cue, and a pair of cues, count beside the pieces of words, which are of length one."""
PENALTY = 0.5
SHARPNESS = (1.0, 1.5, 2.0, 2.5, 3.0, 4.0, 5.0, 6.0)
CUE_NAMES = tuple(PATTERNS)
Numbers = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Analysis:
    """What a text is. ``chances`` of each category; ``claims`` that are forbidden; ``hints`` of what sells."""

    category: str
    chances: dict[str, float]
    urgency: str
    sentiment: str
    language: str
    claims: tuple[Claim, ...]
    hints: tuple[str, ...]

    @property
    def sure(self) -> float:
        """The chance of the category."""
        return self.chances[self.category]


@dataclass(frozen=True)
class _Label:
    """One label: its values, weights of the learned lines, and how sharp its chances are."""

    values: tuple[str, ...]
    weights: Numbers
    sharpness: float


class Classifier:
    """Three labels of a text, learned from lines."""

    def __init__(self, learned: Sequence[Line]) -> None:
        self._pieces = TfidfVectorizer(analyzer="char_wb", ngram_range=(1, 4), sublinear_tf=True)
        self._pieces.fit([plain(line.text) for line in learned])
        self._learned = self._seen([line.text for line in learned])
        kernel: Numbers = (self._learned @ self._learned.T).toarray()
        inverse = np.asarray(np.linalg.inv(kernel + PENALTY * np.eye(len(learned))), dtype=np.float64)
        self._labels = {name: _learn(inverse, [getattr(line, name) for line in learned]) for name in LABELS}

    def chances(self, texts: Sequence[str]) -> dict[str, list[dict[str, float]]]:
        """Return, for each label, each text's chances."""
        kernel = (self._seen(texts) @ self._learned.T).toarray()
        return {
            name: [
                dict(zip(label.values, map(float, row), strict=True))
                for row in _softmax(kernel @ label.weights * label.sharpness)
            ]
            for name, label in self._labels.items()
        }

    def _seen(self, texts: Sequence[str]) -> sparse.csr_matrix[np.float64]:
        """Return texts × (pieces, cues, pairs of cues)."""
        there = np.zeros((len(texts), len(CUE_NAMES)))
        for number, text in enumerate(texts):
            there[number, [CUE_NAMES.index(name) for name in cues(text[:JUDGED_LENGTH])]] = 1.0
        first, second = np.tril_indices(len(CUE_NAMES), -1)
        pairs = there[:, first] * there[:, second]
        pieces = self._pieces.transform([plain(text) for text in texts])
        more = sparse.csr_matrix(np.hstack([there * CUE, pairs * PAIR]))
        return sparse.csr_matrix(sparse.hstack([pieces, more]))


def _learn(inverse: Numbers, given: Sequence[str]) -> _Label:
    """Fit one label; how sure to be is chosen on what is foretold of each line without it (exact for ridge)."""
    values = tuple(sorted(set(given)))
    right = np.array([values.index(one) for one in given])
    targets = np.eye(len(values))[right] * 2.0 - 1.0
    weights = inverse @ targets
    left_out = targets - weights / np.diag(inverse)[:, None]
    rows = np.arange(len(right))
    best = max(SHARPNESS, key=lambda one: float(np.log(_softmax(left_out * one)[rows, right]).mean()))
    return _Label(values, weights, best)


def _softmax(scores: Numbers) -> Numbers:
    raised = np.exp(scores - scores.max(axis=1, keepdims=True))
    chances: Numbers = raised / raised.sum(axis=1, keepdims=True)
    return chances


@cache
def classifier() -> Classifier:
    """Return the classifier, learned from all lines; the first call takes a tenth of a second."""
    return Classifier(lines())


def plain(text: str) -> str:
    """Return what is judged: without numbers, addresses, and fields of templates."""
    text = BLOTS.sub(" ", ADDRESS.sub(" ", text[:JUDGED_LENGTH]))
    return " ".join(NUMBERS.sub(" ", text).split())


def analysed(text: str, known: Classifier | None = None) -> Analysis:
    """Return what a text is."""
    text = text[:LONGEST]
    found = {name: one[0] for name, one in (known or classifier()).chances([text]).items()}
    chances = found["category"]
    if CODE.search(text):
        rest = 1.0 - chances[TRANSACTIONAL] or 1.0
        chances = {name: chance / rest * (1.0 - CODE_CHANCE) for name, chance in chances.items()}
        chances[TRANSACTIONAL] = CODE_CHANCE
    hints = claims(text, (PRICE, SCARCITY))
    return Analysis(
        max(chances, key=lambda name: chances[name]),
        {name: round(chance, 4) for name, chance in chances.items()},
        max(found["urgency"], key=lambda name: found["urgency"][name]),
        max(found["sentiment"], key=lambda name: found["sentiment"][name]),
        language_of(BLOTS.sub(" ", text)),
        tuple(claims(text, FORBIDDEN)),
        tuple(dict.fromkeys([*(hint.kind for hint in hints), *(["shouting"] if SHOUTING.search(text) else [])])),
    )  # fmt: skip


@dataclass(frozen=True, slots=True)
class Accuracy:
    """Shares right on lines held out; ``overruled``: of those no marketing, taken for surely marketing."""

    lines: int
    category: float
    urgency: float
    sentiment: float
    language: float
    marketing_found: float
    overruled: float


def accuracy(sure: float) -> Accuracy:
    """Judge every line by what was learned from the others, a fifth left out at a time.

    ``sure`` is the chance of marketing from which a label is overruled.
    """
    every = lines()
    found: list[tuple[Line, Analysis]] = []
    for part in range(PARTS):
        known = Classifier([line for number, line in enumerate(every) if number % PARTS != part])
        found += [(line, analysed(line.text, known)) for line in every[part::PARTS]]
    marketing = [one for line, one in found if line.category == MARKETING]
    others = [one for line, one in found if line.category in (TRANSACTIONAL, ALERT)]
    return Accuracy(
        len(found),
        _share([one.category == line.category for line, one in found]),
        _share([one.urgency == line.urgency for line, one in found]),
        _share([one.sentiment == line.sentiment for line, one in found]),
        _share([one.language == line.language for line, one in found]),
        _share([one.chances[MARKETING] >= sure for one in marketing]),
        _share([one.chances[MARKETING] >= sure for one in others]),
    )


def _share(right: Sequence[bool]) -> float:
    return sum(right) / max(len(right), 1)
