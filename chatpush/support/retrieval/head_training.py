"""Train a linear head from examples, and calibrate when it may answer.

Few examples: logistic regression over all answers. Many: one linear support
vector machine per answer, which is as good and far quicker then. Calibration
uses the customer's own examples only: folds, each with a quarter of the answers
left out, so that their questions are strangers; what the head says of the
questions kept aside, right or wrong, is what the rule and its threshold learn.

Everything here is slow and meant for a process of its own.
"""

import random
from collections import defaultdict
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from sklearn.linear_model import LogisticRegression
from sklearn.svm import LinearSVC

from chatpush.support.retrieval.head import Example, Floats, Head, Linear, Rule, enough
from chatpush.support.retrieval.head_features import Features

FOLDS = 3
LEFT_OUT = 0.25
REGRESSION_CELLS = 120_000  # rows times answers up to which regression is quick enough
MOST_WEIGHTS = 20_000_000  # features times answers; bounds what a head takes of memory
REGRESSION_C = 30.0
MACHINE_C = 0.7
RULE_C = 1.0
TARGET = 0.9
FEWEST_ANSWERED = 30  # a precision over fewer is no evidence
Tell = Callable[[str], None]


@dataclass(frozen=True, slots=True)
class Aside:
    """What a head said of questions kept aside: signs, whether it was right, whether they were strangers."""

    signs: Floats
    right: NDArray[np.bool_]
    stranger: NDArray[np.bool_]


def train(examples: Sequence[Example], target: float = TARGET, tell: Tell = lambda _: None) -> Head | None:
    """Return a calibrated head, or None if there are too few examples."""
    kept = enough(examples)
    if not kept:
        return None
    tell("training")
    head = fit(kept)
    aside = []
    for number in range(FOLDS):
        tell(f"calibrating {number + 1} of {FOLDS}")
        aside.append(keep_aside(kept, number))
    rule = calibrate(aside, target)
    return Head(head.features, head.linear, kept, rule)


def fit(examples: Sequence[Example]) -> Head:
    """Return a head without a rule."""
    texts = [one.question for one in examples]
    answers = sorted({one.answer for one in examples})
    features = Features.learn(texts, MOST_WEIGHTS // len(answers))
    matrix = features.matrix(texts)
    numbers = {answer: number for number, answer in enumerate(answers)}
    labels = np.array([numbers[one.answer] for one in examples])
    probable = len(texts) * len(answers) <= REGRESSION_CELLS
    machine = (
        LogisticRegression(C=REGRESSION_C, max_iter=100)
        if probable
        else LinearSVC(C=MACHINE_C, random_state=0)
    )
    machine.fit(matrix, labels)
    weights, bias = machine.coef_, machine.intercept_
    if len(answers) == 2:  # sklearn keeps one row for two classes
        weights, bias = np.vstack([-weights, weights]), np.concatenate([-bias, bias])
    linear = Linear(
        tuple(answers), np.ascontiguousarray(weights.T, np.float32), bias.astype(np.float32), probable
    )
    return Head(features, linear, examples, None)


def keep_aside(examples: Sequence[Example], number: int) -> Aside:
    """Train on a part, with some answers left out, and look at the rest."""
    order = random.Random(number)
    by_answer: dict[str, list[Example]] = defaultdict(list)
    for one in examples:
        by_answer[one.answer].append(one)
    answers = sorted(by_answer)
    order.shuffle(answers)
    gone = set(answers[: max(1, round(LEFT_OUT * len(answers)))])
    trained: list[Example] = []
    asked: list[Example] = []
    for answer in sorted(by_answer):
        several = list(by_answer[answer])
        order.shuffle(several)
        third = max(1, len(several) // FOLDS)
        asked += several[:third]
        if answer not in gone:
            trained += several[third:]
    head = fit(trained)
    said, signs = head.signs([one.question for one in asked])
    right = np.array([one.answer == answer for one, answer in zip(asked, said, strict=True)])
    return Aside(signs, right, np.array([one.answer in gone for one in asked]))


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
