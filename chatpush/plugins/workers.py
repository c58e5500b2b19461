"""Run a plugin's plain functions where they can block nobody but the plugin.

Each plugin has a few daemon threads of its own, made when needed and used
again. A call that runs over its time is given up: its thread is left to itself,
another takes its place, and comes back into service when the call returns after
all. A plugin that leaves ``MOST_STUCK`` threads hanging gets no more. Threads
of the loop's shared executor are never used: a hanging plugin would take them
from everybody, and hold up the end of the process.
"""

import asyncio
import queue
import threading
from collections.abc import Callable
from typing import Any

AT_ONCE = 4
MOST_STUCK = 4
Work = Callable[[], Any]
Outcome = tuple[Any, BaseException | None]


class Stuck(Exception):
    """Too many earlier calls of this plugin never came back."""


class _Thread:
    """A daemon thread that works off what it is given."""

    def __init__(self, name: str) -> None:
        self.given_up = False
        self._inbox: queue.SimpleQueue[tuple[Work, Callable[[Outcome], None]] | None] = queue.SimpleQueue()
        threading.Thread(target=self._run, name=name, daemon=True).start()

    def give(self, work: Work, done: Callable[[Outcome], None]) -> None:
        """Hand over work and whom to tell its outcome."""
        self._inbox.put((work, done))

    def end(self) -> None:
        """Let the thread end once it has worked off what it was given."""
        self._inbox.put(None)

    def _run(self) -> None:
        while (given := self._inbox.get()) is not None:
            work, done = given
            try:
                outcome: Outcome = work(), None
            except BaseException as error:
                outcome = None, error
            done(outcome)


class Workers:
    """The threads of one plugin."""

    def __init__(self, name: str) -> None:
        self._name = name
        self._idle: list[_Thread] = []
        self._stuck = 0
        self._closed = False
        self._slots = asyncio.Semaphore(AT_ONCE)

    @property
    def stuck(self) -> int:
        """How many calls were given up and have not come back."""
        return self._stuck

    async def run(self, work: Work, seconds: float) -> Any:
        """Return what the work returns; the time counts from when a thread is free for it.

        Raises:
            Stuck: too many threads of this plugin hang already.
            TimeoutError: it took longer.
        """
        async with self._slots:
            if self._stuck >= MOST_STUCK:
                raise Stuck(f"{self._stuck} earlier calls still hang")
            value, error = await self._run(work, seconds)
        if error is not None:
            raise Raised(error)
        return value

    async def _run(self, work: Work, seconds: float) -> Outcome:
        loop = asyncio.get_running_loop()
        thread = self._idle.pop() if self._idle else _Thread(f"chatpush-plugin-{self._name}")
        future: asyncio.Future[Outcome] = loop.create_future()

        def finish(outcome: Outcome) -> None:
            if thread.given_up:
                thread.given_up = False
                self._stuck -= 1
            if self._closed:
                thread.end()
            else:
                self._idle.append(thread)
            if not future.done():
                future.set_result(outcome)

        def done(outcome: Outcome) -> None:
            try:
                loop.call_soon_threadsafe(finish, outcome)
            except RuntimeError:
                thread.end()  # the loop is closed, and nobody waits any more

        thread.give(work, done)
        try:
            async with asyncio.timeout(seconds):
                return await future
        except BaseException:
            thread.given_up = True
            self._stuck += 1
            raise

    def close(self) -> None:
        """Let idle threads end, others as they come back; daemons that hang end with the process."""
        self._closed = True
        while self._idle:
            self._idle.pop().end()


class Raised(Exception):
    """The work raised; the cause is what it was."""

    def __init__(self, error: BaseException) -> None:
        super().__init__(f"{type(error).__name__}: {error}")
        self.__cause__ = error
