"""How fast one connection may ask: a token bucket, and patience with those who don't listen."""

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
