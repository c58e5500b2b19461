"""Polls that wait without a task: one small object each, woken and timed together."""

import asyncio
from collections.abc import Callable, Sequence
from typing import Any, Protocol

from chatpush.domain import Cursor, Publication
from chatpush.realtime.feed import LiveChannel
from chatpush.realtime.grants import Grant

# Woken polls wait this long for what comes with the first publication.
BRIEFLY_SECONDS = 0.005
TICK_SECONDS = 1.0


class Held:
    """A poll that waits. ``spoken.poll_over`` is called once, unless its client left."""

    __slots__ = (
        "_waiting",
        "grant",
        "limit",
        "lives",
        "news",
        "passing",
        "places",
        "second",
        "spoken",
        "text",
    )

    def __init__(
        self, waiting: "Waiting", grant: Grant, text: str, lives: Sequence[LiveChannel], places: dict[str, Cursor],
        limit: int, spoken: "Answer",
    ) -> None:  # fmt: skip
        self._waiting = waiting
        self.grant = grant
        # The grant as the client sent it.
        self.text = text
        self.lives = lives
        self.places = places
        self.limit = limit
        self.spoken = spoken
        # Publications that no log keeps, seen while waiting.
        self.passing: list[tuple[str, Publication]] | None = None
        # Whether anything was published since it listens.
        self.news = False
        # The second it is due; 0 before and once it is woken, -1 once its client left.
        self.second = 0

    def wake(self, channel: str, passing: Publication | None) -> None:
        """Something is new on a channel."""
        self.news = True
        if passing is not None:
            self.passing = [*(self.passing or ()), (channel, passing)]
        self._waiting.wake(self, BRIEFLY_SECONDS)

    def release(self) -> None:
        """Answer now, whatever there is."""
        self._waiting.wake(self, 0.0)

    def leave(self) -> None:
        """The client is gone."""
        self._waiting.forget(self)


class Answer(Protocol):
    """Whoever brings the answer of a held poll to its client."""

    def poll_over(self, reply: Any) -> None:
        """Answer with a ``PollReply``."""
        ...


class Waiting:
    """All held polls of a node; ``finish(polls)`` answers those that were woken together."""

    def __init__(self, finish: Callable[[list[Held]], None], left: Callable[[Held], None]) -> None:
        self._finish = finish
        self._left = left
        self._due: dict[int, set[Held]] = {}
        self._woken: list[Held] = []
        self._ticking = False

    def hold(self, held: Held, seconds: float) -> None:
        """Wait for so long."""
        loop = asyncio.get_running_loop()
        held.second = max(1, int(loop.time() + seconds) + 1)
        self._due.setdefault(held.second, set()).add(held)
        if not self._ticking:
            self._ticking = True
            loop.call_later(TICK_SECONDS, self._tick)

    def wake(self, held: Held, seconds: float) -> None:
        """Answer a poll, with all that are woken within so many seconds."""
        if held.second <= 0:
            return
        self._take_out(held)
        held.second = 0
        if not self._woken:
            asyncio.get_running_loop().call_later(seconds, self._answer)
        self._woken.append(held)

    def forget(self, held: Held) -> None:
        """Its client left."""
        if held.second < 0:
            return
        if held.second:
            self._take_out(held)
        held.second = -1
        self._left(held)

    def _take_out(self, held: Held) -> None:
        due = self._due.get(held.second)
        if due is not None:
            due.discard(held)
            if not due:
                del self._due[held.second]

    def _answer(self) -> None:
        woken, self._woken = self._woken, []
        self._finish([held for held in woken if held.second >= 0])

    def _tick(self) -> None:
        loop = asyncio.get_running_loop()
        now = loop.time()
        for second in [second for second in self._due if second <= now]:
            for held in list(self._due[second]):
                held.release()
        self._ticking = bool(self._due)
        if self._ticking:
            loop.call_later(TICK_SECONDS, self._tick)
