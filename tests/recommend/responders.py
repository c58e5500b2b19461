"""Simulated people who open messages as they please, for tests of the send-time model and the bench."""

from dataclasses import dataclass, field
from itertools import pairwise
from random import Random

import numpy as np
from numpy.typing import NDArray

from chatpush.recommend.timing.responses import HALF_LIFE_DAYS, Hours, Responses, Told, crowd_of, responses

Ints = NDArray[np.int_]
SENT_FROM = 9
"""Each day's message goes out within 24 hours from here."""


def people(count: int, seed: int) -> Hours:
    """Return people × kind of day × hour, how willing each is: early birds, lunch breaks, evenings, weekends."""
    chance = np.random.default_rng(seed)
    hour = np.arange(24)
    found = []
    for _ in range(count):
        peak = chance.choice([8.0, 12.5, 18.0, 21.0]) + chance.normal(0, 1)
        away = np.abs((hour - peak + 12) % 24 - 12)
        weekday = 0.03 + chance.uniform(0.2, 0.8) * np.exp(-0.5 * (away / 1.5) ** 2)
        found.append([weekday, weekday * chance.uniform(0.3, 1.2)])
    return np.clip(np.array(found), 0, 0.95)


@dataclass
class Outcome:
    """Opens expected in the last week at the hours chosen, at the best ones and at any; and what was said of them."""

    chosen: float = 0.0
    best: float = 0.0
    any_hour: float = 0.0
    said: list[float] = field(default_factory=list)
    true: list[float] = field(default_factory=list)

    @property
    def share(self) -> float:
        """The share of the oracle's extra opens."""
        return (self.chosen - self.any_hour) / (self.best - self.any_hour)

    def calibration(self, bins: int = 8) -> list[tuple[float, float]]:
        """Return (said, true) means by equal shares of what was said."""
        said, true = np.array(self.said), np.array(self.true)
        edges = np.quantile(said, np.linspace(0, 1, bins + 1))
        chosen = [(said >= low) & (said <= high) for low, high in pairwise(edges)]
        return [(float(said[one].mean()), float(true[one].mean())) for one in chosen]


def simulate(
    count: int = 300, weeks: int = 8, visits: float = 1.0, later: float = 0.5, seed: int = 1,
    exploration: float = 0.1,
) -> Outcome:  # fmt: skip
    """Send everybody a message a day, hours chosen by the model alone, and let it learn from what comes back.

    ``visits`` a week come without a message; what is not opened at once is seen
    ``later`` in a share of cases, when its reader happens to be there.
    """
    chance, luck = np.random.default_rng(seed), Random(seed)
    willing = people(count, seed)
    told, one, outcome = Told.of(count), np.arange(count), Outcome()
    cohorts = ["UTC"] * count
    for week in range(weeks + 1):
        fade = 2.0 ** (-7 / HALF_LIFE_DAYS)
        told = Told(told.signs * fade, told.tries * fade, told.opened * fade)
        crowd = crowd_of(told, cohorts)
        for day in range(7):
            hours: Ints = (np.arange(24) + SENT_FROM) % 24
            kinds: Ints = ((day + (np.arange(24) + SENT_FROM) // 24) % 7 >= 5).astype(int)
            known = responses(told, crowd, cohorts)
            chances = known.chances()
            chosen = _hours(known, chances, kinds, hours, exploration, luck)
            kind, hour = kinds[chosen], hours[chosen]
            true = willing[:, kinds, hours]
            if week == weeks:
                outcome.chosen += float(true[one, chosen].sum())
                outcome.best += float(true.max(axis=1).sum())
                outcome.any_hour += float(true.mean(axis=1).sum())
                other = chance.integers(0, 24, count)
                for place in (chosen, other):
                    outcome.said += chances[one, kinds[place], hours[place]].tolist()
                    outcome.true += true[one, place].tolist()
            opened = chance.random(count) < true[one, chosen]
            np.add.at(told.tries, (one, kind, hour), 1.0)
            np.add.at(told.opened, (one, kind, hour), opened.astype(float))
            for user in np.flatnonzero(~opened & (chance.random(count) < later)):
                there = chance.choice(24, p=true[user] / true[user].sum())
                told.signs[user, kinds[there], hours[there]] += 0.5
        _visit(told, willing, visits, chance)
    return outcome


def _hours(
    known: Responses, chances: Hours, kinds: Ints, hours: Ints, exploration: float, luck: Random
) -> Ints:
    """Return each one's place among the 24 hours."""
    chosen: Ints = chances[:, kinds, hours].argmax(axis=1)
    for user in range(len(chosen)):
        if exploration and known.explores(user, exploration, luck):
            chosen[user] = known.tried(user, luck)[kinds, hours].argmax()
    return chosen


def _visit(told: Told, willing: Hours, visits: float, chance: np.random.Generator) -> None:
    days = np.array([5.0, 2.0])[None, :, None]
    for user, count in enumerate(chance.poisson(visits, len(willing))):
        often = (willing[user] * days[0]).ravel()
        for there in chance.choice(often.size, count, p=often / often.sum()):
            told.signs[user, there // 24, there % 24] += 0.5
