"""On simulated people with habits of their own, the hours found earn nearly what an oracle's would."""

from datetime import UTC, datetime, timedelta
from itertools import pairwise

import numpy as np
import pytest
from numpy.typing import NDArray

from chatpush.recommend import timing

NOW = datetime(2026, 11, 2, 9, tzinfo=UTC)
MONDAY = NOW.replace(hour=0)
WEEKS = 8
HOURS = np.arange(timing.WEEK_HOURS)
Hours = NDArray[np.float64]


def people(count: int, seed: int) -> list[Hours]:
    """Return how willing each is, by hour of the week: early birds, lunch breaks, evenings, weekends."""
    chance = np.random.default_rng(seed)
    found = []
    for _ in range(count):
        peak = chance.choice([8.0, 12.5, 18.0, 21.0]) + chance.normal(0, 1)
        away = np.abs((HOURS % 24 - peak + 12) % 24 - 12)
        willing = 0.05 + np.exp(-0.5 * (away / 1.5) ** 2)
        willing[HOURS >= 120] *= chance.uniform(0.3, 1.5)
        found.append(willing)
    return found


def counts_of(willing: Hours, per_week: float, chance: np.random.Generator) -> Hours:
    """Return eight weeks of responses as the model counts them."""
    total = chance.poisson(per_week * WEEKS)
    hours = chance.choice(timing.WEEK_HOURS, total, p=willing / willing.sum())
    weeks = chance.integers(1, WEEKS + 1, total)
    moments = [
        MONDAY - timedelta(weeks=int(week)) + timedelta(hours=int(hour), minutes=20)
        for hour, week in zip(hours, weeks, strict=True)
    ]
    return timing.histogram([("seen", int(one.timestamp() * 1000)) for one in moments], "UTC", NOW)


def learned(per_week: float, seed: int = 1) -> tuple[list[Hours], list[Hours], Hours]:
    """Return people, the shares found for each, and everybody's."""
    chance = np.random.default_rng(seed)
    crowd = people(300, seed)
    counts = [counts_of(willing, per_week, chance) for willing in crowd]
    total = np.sum([one / max(one.sum(), 1.0) for one in counts], axis=0)
    everybody = timing.shrunk(total, timing._any_day(total), timing.DAYTIME_WEEK, timing.ALL_AGAINST_DAYTIME)
    shares = [timing.shrunk(one, timing._any_day(one), everybody, timing.OWN_AGAINST_ALL) for one in counts]
    return crowd, shares, everybody


def opens(crowd: list[Hours], shares: list[Hours]) -> tuple[float, float, float]:
    """Return opens at the hours chosen, at the best ones, and at any: a message a day, within 24 hours."""
    chosen = best = any_hour = 0.0
    for willing, share in zip(crowd, shares, strict=True):
        for day in range(7):
            window = (np.arange(24) + day * 24 + 9) % timing.WEEK_HOURS
            chosen += willing[window][np.argmax(share[window])]
            best += willing[window].max()
            any_hour += willing[window].mean()
    return chosen, best, any_hour


@pytest.mark.parametrize("per_week", [5, 10])
def test_ninety_percent_of_the_oracles_extra_opens_after_eight_weeks(per_week: int) -> None:
    crowd, shares, everybody = learned(per_week)
    chosen, best, any_hour = opens(crowd, shares)
    assert (chosen - any_hour) / (best - any_hour) >= 0.9
    same_for_all, _, _ = opens(crowd, [everybody] * len(crowd))
    assert chosen > 1.5 * same_for_all


def test_little_known_users_lean_on_everybody_and_still_gain() -> None:
    crowd, shares, everybody = learned(1)
    assert opens(crowd, shares)[0] > opens(crowd, [everybody] * len(crowd))[0]


def test_a_higher_share_means_a_more_willing_hour() -> None:
    crowd, shares, _ = learned(10)
    said = np.concatenate(shares) * timing.WEEK_HOURS
    true = np.concatenate([willing / willing.mean() for willing in crowd])
    edges = np.quantile(said, np.linspace(0, 1, 9))
    means = [true[(said >= low) & (said <= high)].mean() for low, high in pairwise(edges)]
    assert all(later > earlier - 0.05 for earlier, later in pairwise(means))
    assert means[-1] > 5 * means[0]
    assert 0.8 < np.polyfit(said, true, 1)[0] < 1.6
