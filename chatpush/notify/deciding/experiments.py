"""Try templates against each other, and against sending nothing (holdout); say whether it made a difference.

Who gets which follows from a hash of the experiment and the user, so it is the
same on every node, after every restart, and for every message of a campaign.
"""

import hashlib
import math
from collections.abc import Sequence
from dataclasses import dataclass

from chatpush.domain import TenantId
from chatpush.errors import InvalidInput
from chatpush.store.database import Database

HOLDOUT = "holdout"
MOST_VARIANTS = 10


@dataclass(frozen=True, slots=True)
class Variant:
    """One of the templates tried, and how big its share is beside the others'."""

    name: str
    template: str
    weight: float = 1.0


@dataclass(frozen=True, slots=True)
class Arm:
    """How one variant did. ``p_value`` is against the first, corrected for how many were tried."""

    name: str
    users: int
    sent: int
    seen: int
    clicked: int
    click_rate: float
    p_value: float | None


def check_variants(variants: Sequence[Variant], holdout: float) -> None:
    """Check an experiment.

    Raises:
        InvalidInput: names repeat, shares are no shares, there are too many.
    """
    if not 0 <= holdout < 1:
        raise InvalidInput("holdout is a share from 0 up to, but not, 1", param="holdout")
    names = [one.name for one in variants]
    if len(names) > MOST_VARIANTS:
        raise InvalidInput(f"at most {MOST_VARIANTS} variants", param="variants")
    if len(set(names)) < len(names) or HOLDOUT in names or not all(names):
        raise InvalidInput("variants have names of their own, and none is called holdout", param="variants")
    if any(not one.weight > 0 or not math.isfinite(one.weight) for one in variants):
        raise InvalidInput("a variant's weight is above 0", param="variants")


def assign(variants: Sequence[Variant], holdout: float, experiment: str, user: str) -> str:
    """Return the name of the user's variant, ``holdout``, or nothing if there is no experiment."""
    if not variants and not holdout:
        return ""
    if holdout and _share(f"holdout\x00{experiment}\x00{user}") < holdout:
        return HOLDOUT
    if not variants:
        return ""
    place = _share(f"variant\x00{experiment}\x00{user}") * sum(one.weight for one in variants)
    for one in variants:
        place -= one.weight
        if place < 0:
            return one.name
    return variants[-1].name


def p_value(first: tuple[int, int], other: tuple[int, int]) -> float | None:
    """Return the two-sided p of two (clicked, sent) being the same; None while nothing can be said."""
    (hits, tries), (other_hits, other_tries) = first, other
    if not tries or not other_tries:
        return None
    pooled = (hits + other_hits) / (tries + other_tries)
    spread = math.sqrt(pooled * (1 - pooled) * (1 / tries + 1 / other_tries))
    if spread == 0:
        return 1.0
    return math.erfc(abs(hits / tries - other_hits / other_tries) / spread / math.sqrt(2))


def interval(first: tuple[int, int], other: tuple[int, int]) -> tuple[float, float] | None:
    """Return the bounds of (rate of other - rate of first) with a probability of 95 % (Agresti–Caffo).

    Agresti and Caffo, "Simple and effective confidence intervals for proportions", 2000: one success
    and one failure more on each side keep it honest for small numbers.
    """
    if not first[1] or not other[1]:
        return None
    rates, spread = [], 0.0
    for hits, tries in (first, other):
        rate = (hits + 1) / (tries + 2)
        rates.append(rate)
        spread += rate * (1 - rate) / (tries + 2)
    middle, reach = rates[1] - rates[0], 1.959964 * math.sqrt(spread)
    return middle - reach, middle + reach


class Experiments:
    """The results of every tenant's experiments."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def arms(self, tenant: TenantId, *, message: str = "", campaign: str = "") -> list[Arm]:
        """Return how each variant of a message or of a campaign did, by name; the first is the control."""
        column, value = ("message", message) if message else ("campaign", campaign)
        rows = await self._database.read(
            "SELECT variant, COUNT(*) AS users, COUNT(sent_at) AS sent, COUNT(seen_at) AS seen,"
            f" COUNT(clicked_at) AS clicked FROM delivery WHERE tenant = :t AND {column} = :v AND variant <> ''"
            " GROUP BY variant ORDER BY variant",
            t=tenant, v=value,
        )  # fmt: skip
        tried = [row for row in rows if row["variant"] != HOLDOUT]
        arms = []
        for row in rows:
            p = None
            if tried and row["variant"] not in (HOLDOUT, tried[0]["variant"]):
                p = p_value((tried[0]["clicked"], tried[0]["sent"]), (row["clicked"], row["sent"]))
            rate = row["clicked"] / row["sent"] if row["sent"] else 0.0
            corrected = min(1.0, p * (len(tried) - 1)) if p is not None else None
            counts = (row["users"], row["sent"], row["seen"], row["clicked"])
            arms.append(Arm(row["variant"], *counts, click_rate=rate, p_value=corrected))
        return arms


def _share(text: str) -> float:
    """Return a number from 0 up to 1 that follows from a text."""
    return int.from_bytes(hashlib.sha256(text.encode()).digest()[:8], "big") / 2**64
