"""How fast one connection, and one user over all of theirs, may ask: token buckets.

Whoever goes on asking after ``PATIENCE`` refusals in a row isn't listening.
"""

from chatpush.clock import Clock
from chatpush.domain import TenantId, UserId

PATIENCE = 100


class Bucket:
    """Refills at ``rate`` per second up to ``burst``."""

    __slots__ = ("_burst", "_level", "_rate", "_refusals", "_then")

    def __init__(self, rate: float, burst: float, now: float) -> None:
        self._rate = rate
        self._burst = burst
        self._level = burst
        self._then = now
        self._refusals = 0

    def take(self, now: float) -> bool:
        """Return whether one more fits now."""
        self._level = min(self._burst, self._level + (now - self._then) * self._rate)
        self._then = now
        if self._level < 1:
            self._refusals += 1
            return False
        self._level -= 1
        self._refusals = 0
        return True

    @property
    def exhausted(self) -> bool:
        """Whether so many were refused in a row that nobody can be listening."""
        return self._refusals > PATIENCE


class UserRates:
    """One bucket for each user who has asked something since their first connection came."""

    def __init__(self, rate: float, clock: Clock) -> None:
        self._rate = rate
        self._clock = clock
        self._buckets: dict[tuple[TenantId, UserId], Bucket] = {}

    def take(self, tenant: TenantId, user: UserId) -> bool:
        """Return whether one more command of this user fits now; nobody in particular has no limit here."""
        if not user:
            return True
        now = self._clock.monotonic()
        bucket = self._buckets.get((tenant, user))
        if bucket is None:
            bucket = self._buckets[tenant, user] = Bucket(self._rate, 2 * self._rate, now)
        return bucket.take(now)

    def forget(self, tenant: TenantId, user: UserId) -> None:
        """Nobody of this user is here any more."""
        self._buckets.pop((tenant, user), None)
