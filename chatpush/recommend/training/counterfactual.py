"""Estimate from the log what another way of picking would have earned (IPS and SNIPS).

Every shown item was logged with the probability of its place. Weighing each
response by one over it undoes the choice that was made: the sum for the items a
policy would have shown is what that policy would have got.
"""

from dataclasses import dataclass
from datetime import timedelta

import numpy as np
from numpy.typing import NDArray

from chatpush.domain import TenantId
from chatpush.recommend.training.evaluation import Figure, interval
from chatpush.store.database import Database

WITHIN = timedelta(days=7)
"""A response this long after counts for what was shown."""
CLIPPED = 0.02
"""A smaller probability is taken as this: a little bias for much less noise."""
MOST_ROWS = 200_000
Numbers = NDArray[np.float64]


@dataclass(frozen=True)
class Estimate:
    """Responses per shown item: as logged, without exploring, and of the explored alone."""

    shown: int
    logged: Figure
    exploit_ips: Figure
    exploit_snips: float
    explored_snips: float


def estimate(propensity: Numbers, explored: NDArray[np.bool_], responded: Numbers) -> Estimate | None:
    """Return the estimates, None without anything shown."""
    if not propensity.size:
        return None
    weight = 1.0 / np.maximum(propensity, CLIPPED)
    kept, tried = weight * ~explored, weight * explored
    return Estimate(
        int(propensity.size),
        interval(responded),
        interval(kept * responded),
        float((kept * responded).sum() / max(float(kept.sum()), 1e-9)),
        float((tried * responded).sum() / max(float(tried.sum()), 1e-9)),
    )


async def from_log(database: Database, tenant: TenantId) -> Estimate | None:
    """Return the estimates from what was shown and what followed."""
    rows = await database.read(
        """SELECT propensity, explored, CASE WHEN EXISTS (
             SELECT 1 FROM event WHERE event.tenant = exposure.tenant AND event.user_id = exposure.user_id
               AND event.item = exposure.item AND event.type IN ('click', 'cart', 'purchase')
               AND event.at > exposure.at AND event.at <= exposure.at + :within) THEN 1 ELSE 0 END AS responded
           FROM exposure WHERE tenant = :t ORDER BY at DESC LIMIT :n""",
        t=tenant, within=int(WITHIN.total_seconds() * 1000), n=MOST_ROWS,
    )  # fmt: skip
    return estimate(
        np.array([row["propensity"] for row in rows], dtype=np.float64),
        np.array([bool(row["explored"]) for row in rows], dtype=np.bool_),
        np.array([row["responded"] for row in rows], dtype=np.float64),
    )
