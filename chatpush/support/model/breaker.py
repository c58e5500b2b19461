"""Stop asking what keeps failing, and try again after a while with one question."""

from chatpush.clock import Clock
from chatpush.errors import WriterUnavailable

FAILURES = 3
REST_SECONDS = 30.0


class Breaker:
    """Opens after ``FAILURES`` in a row; lets one through after ``REST_SECONDS``."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._failures = 0
        self._open_until = 0.0
        self._trying = False

    @property
    def open(self) -> bool:
        """Whether questions are refused right now."""
        return self._failures >= FAILURES and (self._clock.monotonic() < self._open_until or self._trying)

    def enter(self) -> None:
        """Begin a question.

        Raises:
            WriterUnavailable: it rests.
        """
        if self.open:
            raise WriterUnavailable("the model failed several times in a row; it is left alone for a while")
        self._trying = self._failures >= FAILURES

    def succeeded(self) -> None:
        """Note that the question was answered."""
        self._failures = 0
        self._trying = False

    def failed(self) -> None:
        """Note that it was not."""
        self._failures += 1
        self._trying = False
        if self._failures >= FAILURES:
            self._open_until = self._clock.monotonic() + REST_SECONDS

    def left(self) -> None:
        """Note that the question was given up, which says nothing about the model."""
        self._trying = False
