"""Tell how likely a user is to react, to stay away, and to gain from being written to: rules of small numbers.

Every figure is drawn towards everybody's while little is known, so a new user
is neither chased nor written off.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

import numpy as np

HALF_LIFE_DAYS = 45.0
TOWARDS_ALL = 8.0
"""Everybody's rate weighs as much as this many messages of one's own."""
TOWARDS_USUAL = 2.0
LEAST_GROUP = 200
"""Fewer users in either arm say nothing about uplift."""


@dataclass(frozen=True, slots=True)
class Habit:
    """When a user is expected to buy next, and how likely they are gone."""

    every: timedelta
    next_at: datetime
    churn: float


def engagement(sent: Sequence[tuple[datetime, bool]], now: datetime, everybody: float) -> float:
    """Return the probability that the next message gets a reaction; ``sent``: when, and whether it did."""
    weights: list[float] = [2.0 ** (-max((now - at) / timedelta(days=HALF_LIFE_DAYS), 0.0)) for at, _ in sent]
    reacted = sum(weight for weight, (_, did) in zip(weights, sent, strict=True) if did)
    return float((reacted + TOWARDS_ALL * everybody) / (sum(weights) + TOWARDS_ALL))


def habit(bought: Sequence[datetime], now: datetime, usual: timedelta) -> Habit | None:
    """Return when the next purchase is due and the risk of churn, None for who never bought.

    Pauses are taken as exponential with the user's own mean, drawn towards the
    shop's; the risk is the chance that a pause this long is not one of them.
    """
    days = sorted({moment.date(): moment for moment in bought}.values())
    if not days:
        return None
    own = (days[-1] - days[0]) if len(days) > 1 else timedelta()
    every = (own + usual * TOWARDS_USUAL) / (len(days) - 1 + TOWARDS_USUAL)
    every = max(every, timedelta(days=1))
    quiet = max((now - days[-1]) / every, 0.0)
    return Habit(every, days[-1] + every, float(1.0 - np.exp(-max(quiet - 1.0, 0.0))))


def uplift(written: tuple[int, int], held_out: tuple[int, int]) -> tuple[float, float, float]:
    """Return by how much writing raises the rate, with its 95 % interval; arms are (users, reacted)."""
    rates, spread = [], 0.0
    for users, reacted in (written, held_out):
        rate = (reacted + 1.0) / (users + 2.0)
        rates.append(rate)
        spread += rate * (1.0 - rate) / max(users, 1)
    gain, margin = rates[0] - rates[1], 1.96 * spread**0.5
    return gain, gain - margin, gain + margin


def leave_alone(written: tuple[int, int], held_out: tuple[int, int]) -> bool:
    """Return whether a group is surely no better off for being written to."""
    if min(written[0], held_out[0]) < LEAST_GROUP:
        return False
    _, _, high = uplift(written, held_out)
    return high <= 0.0
