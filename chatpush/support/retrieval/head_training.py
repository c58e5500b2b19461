"""Train a linear head from examples, and calibrate when it may answer.

Few examples an answer: logistic regression over all answers. Many: one linear
support vector machine per answer, which is as good and far quicker then. Calibration
uses the customer's own examples only: folds, each with a quarter of the answers
left out, so that their questions are strangers; what the head says of the
questions kept aside, right or wrong, is what the rule and its threshold learn.
Where examples have vectors, a logistic regression over them is trained beside,
and what both say together is calibrated the same way.

Everything here is slow and meant for a process of its own.
"""

import random
import warnings
from collections import defaultdict
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from sklearn.exceptions import ConvergenceWarning
from sklearn.linear_model import LogisticRegression
from sklearn.svm import LinearSVC

from chatpush.support.retrieval.head import MIN_ANSWERS, Example, Head, Rule, enough, labels
from chatpush.support.retrieval.head_features import Features
from chatpush.support.retrieval.head_linear import Floats, Linear
from chatpush.support.retrieval.head_vectors import Compared, VectorSide

FOLDS = 3
LEFT_OUT = 0.25
REGRESSION_CELLS = 120_000  # rows times answers up to which regression is quick enough whatever there is
FEW_EXAMPLES = 30  # of an answer in the mean: up to here regression is worth ten times the time
FEW_CELLS = 2_000_000
FEW_STEPS = 20  # then; more of them fit the few examples, not the next question
MOST_WEIGHTS = 20_000_000  # features times answers; bounds what a head takes of memory
REGRESSION_C = 30.0
MACHINE_C = 0.7
VECTOR_C = 100.0
MOST_VECTOR_WORK = (
    2_000_000_000  # examples times width times answers; bounds what a regression over vectors takes
)
NEVER = -1e4  # the logit of an answer that no vector speaks for
RULE_C = 1.0
TARGET = 0.9
FEWEST_ANSWERED = 30  # a precision over fewer is no evidence
Tell = Callable[[str], None]


@dataclass(frozen=True, slots=True)
class Aside:
    """What a head said of questions kept aside: the signs, and whether it was right."""

    signs: Floats
    right: NDArray[np.bool_]


def train(
    examples: Sequence[Example],
    vectors: Compared | None = None,
    target: float = TARGET,
    tell: Tell = lambda _: None,
) -> Head | None:
    """Return a calibrated head, or None if there are too few examples."""
    kept = enough(examples)
    if not kept:
        return None
    if vectors is not None:
        place = {one: number for number, one in enumerate(examples)}
        vectors = vectors.part([place[one] for one in kept])
        if len({kept[spoken].answer for spoken in vectors.places}) < MIN_ANSWERS:
            vectors = None
    tell("training")
    head = fit(kept, vectors)
    by_words: list[Aside] = []
    by_both: list[Aside] = []
    for number in range(FOLDS):
        tell(f"calibrating {number + 1} of {FOLDS}")
        words, both = keep_aside(kept, number, vectors)
        by_words.append(words)
        by_both += [both] if both is not None else []
    rule = calibrate(by_words, target)
    if head.vectors is None or not by_both:
        return Head(head.features, head.linear, kept, rule)
    return Head(head.features, head.linear, kept, rule, head.vectors, calibrate(by_both, target))


def fit(examples: Sequence[Example], vectors: Compared | None = None) -> Head:
    """Return a head without a rule."""
    texts = [one.question for one in examples]
    answers = sorted({one.answer for one in examples})
    features = Features.learn(texts, MOST_WEIGHTS // len(answers))
    matrix = features.matrix(texts)
    numbers = labels(examples, answers)
    machine = _machine(len(texts), len(answers))
    with warnings.catch_warnings():  # that the steps ended it is meant
        warnings.simplefilter("ignore", ConvergenceWarning)
        machine.fit(matrix, numbers)
    probable = isinstance(machine, LogisticRegression)
    linear = _linear(machine, answers, np.arange(len(answers), dtype=np.int32), probable)
    return Head(features, linear, examples, vectors=_side(answers, numbers, vectors))


def _machine(examples: int, answers: int) -> LogisticRegression | LinearSVC:
    """Return what learns so many examples of so many answers."""
    if examples * answers <= REGRESSION_CELLS:
        return LogisticRegression(C=REGRESSION_C, max_iter=100)
    if examples <= FEW_EXAMPLES * answers and examples * answers <= FEW_CELLS:
        return LogisticRegression(C=REGRESSION_C, max_iter=FEW_STEPS)
    return LinearSVC(C=MACHINE_C, random_state=0)


def _side(answers: Sequence[str], numbers: NDArray[np.int32], vectors: Compared | None) -> VectorSide | None:
    """Return the side that looks at vectors, or None if one answer alone has any, or too many have."""
    if vectors is None:
        return None
    spoken = np.unique(numbers[vectors.places])
    if len(spoken) < 2 or vectors.rows.size * len(spoken) > MOST_VECTOR_WORK:
        return None
    machine = LogisticRegression(C=VECTOR_C, max_iter=300)
    machine.fit(vectors.rows, numbers[vectors.places])
    return VectorSide(_linear(machine, answers, spoken, True), numbers, vectors)


def _linear(
    machine: LogisticRegression | LinearSVC, answers: Sequence[str], known: NDArray[np.int32], probable: bool
) -> Linear:
    """Return a machine's weights for every answer, those it knows being trained."""
    weights, bias = machine.coef_, machine.intercept_
    if len(known) == 2:  # sklearn keeps one row for two classes
        weights, bias = np.vstack([-weights, weights]), np.concatenate([-bias, bias])
    every = np.zeros((weights.shape[1], len(answers)), np.float32)
    biases = np.full(len(answers), NEVER, np.float32)
    every[:, known], biases[known] = weights.T, bias
    return Linear(tuple(answers), every, biases, probable)


def keep_aside(
    examples: Sequence[Example], number: int, vectors: Compared | None = None
) -> tuple[Aside, Aside | None]:
    """Train on a part, with some answers left out; return what words, and both sides, say of the rest."""
    trained, asked = _split(examples, number)
    head = fit([examples[place] for place in trained], vectors.part(trained) if vectors is not None else None)
    said, signs = head.signs([examples[place].question for place in asked])
    by_words = Aside(signs, np.array([examples[p].answer == one for p, one in zip(asked, said, strict=True)]))
    if vectors is None or head.vectors is None:
        return by_words, None
    rows = vectors.part(asked)
    compared = [asked[place] for place in rows.places]
    if not compared:
        return by_words, None
    said, signs = head.signs_twice(head.vectors, [examples[place].question for place in compared], rows.rows)
    right = np.array([examples[p].answer == one for p, one in zip(compared, said, strict=True)])
    return by_words, Aside(signs, right)


def _split(examples: Sequence[Example], number: int) -> tuple[list[int], list[int]]:
    """Return the places of a part to train on, with a quarter of the answers left out, and of a part to ask."""
    order = random.Random(number)
    by_answer: dict[str, list[int]] = defaultdict(list)
    for place, one in enumerate(examples):
        by_answer[one.answer].append(place)
    answers = sorted(by_answer)
    order.shuffle(answers)
    gone = set(answers[: max(1, round(LEFT_OUT * len(answers)))])
    trained: list[int] = []
    asked: list[int] = []
    for answer in sorted(by_answer):
        several = by_answer[answer]
        order.shuffle(several)
        third = max(1, len(several) // FOLDS)
        asked += several[:third]
        if answer not in gone:
            trained += several[third:]
    return trained, asked


def calibrate(aside: Sequence[Aside], target: float) -> Rule:
    """Return the rule over the signs and the least probability whose answers are right often enough."""
    signs = np.concatenate([one.signs for one in aside])
    right = np.concatenate([one.right for one in aside])
    if right.all() or not right.any():
        constant = 1.0 if right.all() else 0.0
        width = signs.shape[1]
        return Rule(np.zeros(width), np.ones(width), np.zeros(width), 4 * constant - 2, 0.5)
    # Each fold is judged by a rule it had no part in, or the threshold would flatter itself.
    judged = np.zeros(len(right))
    start = 0
    for number, one in enumerate(aside):
        others = [other for place, other in enumerate(aside) if place != number]
        rule = _rule(
            np.concatenate([other.signs for other in others]),
            np.concatenate([other.right for other in others]),
        )
        judged[start : start + len(one.right)] = rule.probability(one.signs)
        start += len(one.right)
    rule = _rule(signs, right)
    return Rule(rule.mean, rule.scale, rule.weights, rule.bias, threshold(judged, right, target))


def threshold(probability: Floats, right: NDArray[np.bool_], target: float) -> float:
    """Return the least probability from which answers are right as often as asked for."""
    order = np.argsort(-probability)
    precision = np.cumsum(right[order]) / np.arange(1, len(order) + 1)
    good = np.flatnonzero(precision >= target)
    good = good[good + 1 >= min(FEWEST_ANSWERED, len(order))]
    if not len(good):
        return float(min(0.99, probability.max()))
    return float(np.clip(probability[order[good[-1]]], 0.05, 0.99))


def _rule(signs: Floats, right: NDArray[np.bool_]) -> Rule:
    mean, scale = signs.mean(axis=0), np.maximum(signs.std(axis=0), 1e-6)
    fitted = LogisticRegression(C=RULE_C, max_iter=500).fit((signs - mean) / scale, right)
    return Rule(mean, scale, fitted.coef_[0].astype(np.float64), float(fitted.intercept_[0]), 0.5)
