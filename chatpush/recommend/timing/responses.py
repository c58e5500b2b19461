"""Tell how likely a user is to open a message that comes at an hour, weekdays and weekends apart.

A user's day is thought to be one of some simple ones: so keen at a peak or two,
so wide, so little elsewhere. What they answered, what they left unanswered and
when they are there at all make some of them likely and most of them not; the
chance of an hour is the mean over all, so little knowledge gives a cautious
answer and an honest probability. How common each day is, is learned from
everybody (expectation maximisation), and from the user's cohort, drawn towards
everybody's while the cohort is small.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from random import Random

import numpy as np
from numpy.typing import NDArray

Hours = NDArray[np.float64]

KINDS_OF_DAY = 2
"""Weekday, weekend."""
SATURDAY = 5
HALF_LIFE_DAYS = 30.0
OTHER_KIND = 0.5
"""What a Tuesday says about a Sunday."""
FLOORS = (0.01, 0.04)
KEENNESS = (0.05, 0.12, 0.25, 0.45, 0.7, 0.9)
WIDTHS = (0.8, 1.4, 2.2, 4.0)
FLAT = (0.02, 0.05, 0.1, 0.2, 0.35, 0.5, 0.7, 0.9)
TWICE = (0.12, 0.35, 0.7)
"""How keen those are who look in at two times of the day, at least six hours apart."""
TWICE_SHARE = 0.2
"""How common that is, before anything is known."""
WAKING = np.array(
    [0.1] * 7 + [0.6, 0.9, 1.1, 1.2, 1.1, 1.2, 1.0, 1.0, 1.0, 1.0, 1.1, 1.3, 1.4, 1.3, 1.0, 0.6, 0.3]
)
"""How common each hour is as the peak of a day, before anything is known."""
TOWARDS_WAKING, TOWARDS_EVERYBODY = 20.0, 20.0
"""So many users weigh as much as what is thought before, of everybody and of a cohort."""
ROUNDS = 4
KNOWN_TRIES = 10.0
"""After so many messages exploring has become half as frequent."""


PAIRS = tuple(
    (first, second) for first in range(24) for second in range(first + 6, 24) if second - first <= 18
)


def _days() -> Hours:
    """Return kinds × 24: the chance of an opening by hour."""
    found = [
        np.minimum(floor + keen * _bump(peak, width), 0.97)
        for floor in FLOORS for keen in KEENNESS for width in WIDTHS for peak in range(24)
    ]  # fmt: skip
    twice = [
        np.minimum(FLOORS[0] + keen * (_bump(first, WIDTHS[1]) + _bump(second, WIDTHS[1])), 0.97)
        for keen in TWICE for first, second in PAIRS
    ]  # fmt: skip
    return np.array([*found, *twice, *(np.full(24, rate) for rate in FLAT)])


def _bump(peak: int, width: float) -> Hours:
    away = (np.arange(24) - peak + 12) % 24 - 12
    bump: Hours = np.exp(-0.5 * (away / width) ** 2)
    return bump


DAYS = _days()
COUNT = len(DAYS)
YES, NO = np.log(DAYS), np.log1p(-DAYS)
STRAY = 0.4
"""So much of what people do, they do at any hour: one click at night makes no night owl."""
THERE = np.log((1.0 - STRAY) * DAYS / DAYS.sum(axis=1, keepdims=True) + STRAY / 24)


def _thought() -> Hours:
    bumps = np.tile(WAKING, len(FLOORS) * len(KEENNESS) * len(WIDTHS))
    pairs = np.tile([WAKING[first] * WAKING[second] for first, second in PAIRS], len(TWICE))
    twice = pairs / pairs.sum() * bumps.sum() * TWICE_SHARE
    weights = np.concatenate([bumps, twice, np.full(len(FLAT), bumps.sum() * 0.02)])
    thought: Hours = weights / weights.sum()
    return thought


THOUGHT = _thought()


@dataclass
class Told:
    """What is known of some users, users × kind of day × hour: signs of presence, messages, those opened."""

    signs: Hours
    tries: Hours
    opened: Hours

    @classmethod
    def of(cls, users: int) -> "Told":
        """Return that nothing is known."""
        return cls(*(np.zeros((users, KINDS_OF_DAY, 24)) for _ in range(3)))

    def likely(self) -> Hours:
        """Return users × kind × days: the log likelihood of what is known."""
        own = self.opened @ YES.T + (self.tries - self.opened) @ NO.T + self.signs @ THERE.T
        found: Hours = own + OTHER_KIND * own[:, ::-1]
        return found


@dataclass(frozen=True)
class Crowd:
    """How common each day is, among everybody and in each cohort."""

    everybody: Hours
    cohorts: Mapping[str, Hours]

    def common(self, cohorts: Sequence[str]) -> Hours:
        """Return users × days."""
        return np.array([self.cohorts.get(name, self.everybody) for name in cohorts])


UNKNOWN = Crowd(THOUGHT, {})


@dataclass(frozen=True)
class Responses:
    """What may be the days of some users."""

    weights: Hours
    """Users × kind × days, each a probability."""
    tries: Hours
    """How many messages it stands on, by user."""

    def chances(self) -> Hours:
        """Return users × kind × hour: the chance of an opening."""
        found: Hours = self.weights @ DAYS
        return found

    def tried(self, user: int, luck: Random) -> Hours:
        """Return kind × hour of one day that may be this user's, drawn by how likely it is (Thompson)."""
        return np.array([DAYS[luck.choices(range(COUNT), weights)[0]] for weights in self.weights[user]])

    def explores(self, user: int, share: float, luck: Random) -> bool:
        """Return whether to try a day instead of taking the best hour: less often the more is known."""
        return luck.random() < share * KNOWN_TRIES / (KNOWN_TRIES + float(self.tries[user]))


def crowd_of(told: Told, cohorts: Sequence[str]) -> Crowd:
    """Learn how common each day is."""
    likely = told.likely().mean(axis=1)
    common = THOUGHT
    weights = np.zeros((0, COUNT))
    for _ in range(ROUNDS):
        weights = _probable(likely, common)
        common = (weights.sum(axis=0) + TOWARDS_WAKING * THOUGHT) / (len(likely) + TOWARDS_WAKING)
    by_cohort = {}
    for name in set(cohorts):
        own = weights[[number for number, one in enumerate(cohorts) if one == name]]
        by_cohort[name] = (own.sum(axis=0) + TOWARDS_EVERYBODY * common) / (len(own) + TOWARDS_EVERYBODY)
    return Crowd(common, by_cohort)


def responses(told: Told, crowd: Crowd, cohorts: Sequence[str]) -> Responses:
    """Return what may be these users' days."""
    common = crowd.common(cohorts)
    return Responses(_probable(told.likely(), common[:, None, :]), told.tries.sum(axis=(1, 2)))


def _probable(likely: Hours, common: Hours) -> Hours:
    weights = likely + np.log(common)
    weights = np.exp(weights - weights.max(axis=-1, keepdims=True))
    probable: Hours = weights / weights.sum(axis=-1, keepdims=True)
    return probable


def place(local: datetime) -> tuple[int, int]:
    """Return the kind of day and the hour of a local time."""
    return int(local.weekday() >= SATURDAY), local.hour


def faded(at: datetime, until: datetime) -> float:
    """Return what something that long ago still counts; what lies ahead comes of a wrong clock and is new."""
    age_days = max((until - at).total_seconds(), 0.0) / 86_400
    return float(2.0 ** (-age_days / HALF_LIFE_DAYS))
