"""Polls that wait, many together and none with a task or a timer of its own.

All that stand at the same place wait in one ``Stand``, which listens for them
and is answered once. A poll that was answered rests until its client comes
again, mostly with the cursor it was given.
"""

import asyncio
from collections import deque
from collections.abc import Callable, Sequence
from typing import Protocol

from chatpush.log.contract import Publication
from chatpush.realtime.feed import LiveChannel
from chatpush.realtime.polls.answers import Answer, Place
from chatpush.realtime.polls.grants import Grant

TICK_SECONDS = 1.0
# Between two polls their user is still here; whoever rests longer is about to leave.
REST_SECONDS = 1.0


class Spoken(Protocol):
    """Whoever brings a poll's answers to its client."""

    def poll_over(self, answer: Answer) -> None:
        """Answer; the poll waits no more."""
        ...


class Poll:
    """One client's long-poll over one connection."""

    __slots__ = (
        "answer", "checked", "current", "due", "filed", "grant", "patience", "spoken", "stand", "until",
    )  # fmt: skip

    def __init__(self, grant: Grant, spoken: Spoken, until: float) -> None:
        self.grant = grant
        self.spoken = spoken
        # When the grant ends, by the node's monotonic clock.
        self.until = until
        # The number of changes after which the grant was last checked.
        self.checked = -1
        # Whether it is the newest of its client.
        self.current = False
        # Where it waits; None while it rests.
        self.stand: Stand | None = None
        # What it was answered last.
        self.answer: Answer | None = None
        # How long it waits, until when (by the loop's clock), and under which second that is filed.
        self.patience = 0.0
        self.due = 0.0
        self.filed = 0


class Waiter:
    """Brings its answer to a poll that has a task of its own."""

    def __init__(self) -> None:
        self.answer: asyncio.Future[Answer] = asyncio.get_running_loop().create_future()

    def poll_over(self, answer: Answer) -> None:
        if not self.answer.done():
            self.answer.set_result(answer)


class Stand:
    """Where polls wait for the same; ``woken(stand)`` is called once, when there is something new."""

    __slots__ = (
        "_wake", "answer", "at", "heard", "key", "lives", "not_before", "passing", "polls", "woken",
    )  # fmt: skip

    def __init__(
        self, place: Place, lives: Sequence[LiveChannel], not_before: float, wake: Callable[["Stand"], None]
    ) -> None:
        # The place they came to, and what they stand at by now: past what none of them wanted.
        self.key = place.key
        self.at = place
        # What it listens to; nothing any more once it is being answered.
        self.lives = lives
        # It is not answered before this moment of the loop's clock.
        self.not_before = not_before
        self.polls: set[Poll] = set()
        # Publications that no log keeps, seen while waiting.
        self.passing: list[tuple[str, Publication]] = []
        self.woken = False
        # Something new since this was last set to False.
        self.heard = False
        self.answer: Answer | None = None
        self._wake = wake

    def wake(self, channel: str, passing: Publication | None) -> None:
        """Something is new on a channel."""
        if passing is not None:
            if not self.at.wanted(channel, passing):
                return
            self.passing.append((channel, passing))
        self.heard = True
        if not self.woken:
            self.woken = True
            self._wake(self)


class Wheel:
    """Knows which polls are due, by the second; ``over(poll)`` is called for each that waited long enough."""

    def __init__(self, over: Callable[[Poll], None]) -> None:
        self._over = over
        self._filed: dict[int, set[Poll]] = {}
        self._ticking = False

    def file(self, poll: Poll) -> None:
        """Look at a poll when it is due; who is due later by then is filed again."""
        poll.filed = max(1, int(poll.due) + 1)
        self._filed.setdefault(poll.filed, set()).add(poll)
        if not self._ticking:
            self._ticking = True
            asyncio.get_running_loop().call_later(TICK_SECONDS, self._tick)

    def drop(self, poll: Poll) -> None:
        """Forget a poll."""
        filed = self._filed.get(poll.filed)
        poll.filed = 0
        if filed is not None:
            filed.discard(poll)

    def _tick(self) -> None:
        loop = asyncio.get_running_loop()
        now = loop.time()
        for second in [second for second in self._filed if second <= now]:
            for poll in self._filed.pop(second):
                poll.filed = 0
                if poll.stand is None:
                    continue
                if poll.due <= now:
                    self._over(poll)
                else:
                    self.file(poll)
        self._ticking = bool(self._filed)
        if self._ticking:
            loop.call_later(TICK_SECONDS, self._tick)


class Resting:
    """Polls that were answered; ``over(poll)`` is called for each that has not come again for a while."""

    def __init__(self, over: Callable[[Poll], None]) -> None:
        self._over = over
        self._answered: deque[tuple[float, list[Poll]]] = deque()

    def add(self, polls: list[Poll]) -> None:
        """They were answered now."""
        loop = asyncio.get_running_loop()
        if not self._answered:
            loop.call_later(REST_SECONDS, self._let_go)
        self._answered.append((loop.time() + REST_SECONDS, polls))

    def _let_go(self) -> None:
        loop = asyncio.get_running_loop()
        now = loop.time()
        while self._answered and self._answered[0][0] <= now:
            for poll in self._answered.popleft()[1]:
                rested = poll.answer is None or poll.answer.at + REST_SECONDS <= now
                if poll.stand is None and rested:
                    self._over(poll)
        if self._answered:
            loop.call_later(max(0.001, self._answered[0][0] - now), self._let_go)
