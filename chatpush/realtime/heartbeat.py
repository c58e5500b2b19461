"""One sweep for all connections: pings, missing pongs, slow starters, expiries.

No timer per connection: pings and pongs have the same delay for everyone, so
two queues in order of time do; what has a time of its own stands in a heap.
"""

import asyncio
import heapq
import random
from collections import deque
from collections.abc import Callable
from itertools import count

import structlog

from chatpush.clock import Clock
from chatpush.realtime.connection import Connection
from chatpush.realtime.protocol.codes import NO_PONG, STALE
from chatpush.settings import Client

log = structlog.get_logger(__name__)

TICK_SECONDS = 0.25
# A client refreshes when its time is up; this long the server waits for it.
EXPIRY_GRACE_SECONDS = 25.0
TIDY_FROM = 1024
Expired = Callable[[Connection, str], None]


class Line:
    """Connections in order of time; who is gone leaves when the line has doubled, not when its time comes."""

    def __init__(self) -> None:
        self._waiting: deque[tuple[float, Connection]] = deque()
        self._tidy_at = TIDY_FROM

    def add(self, due: float, connection: Connection) -> None:
        """Stand at the end."""
        self._waiting.append((due, connection))
        if len(self._waiting) > self._tidy_at:
            self._waiting = deque(entry for entry in self._waiting if not entry[1].closed)
            self._tidy_at = max(TIDY_FROM, 2 * len(self._waiting))

    def next(self, now: float) -> Connection | None:
        """Return whose time has come; None if nobody's."""
        if self._waiting and self._waiting[0][0] <= now:
            return self._waiting.popleft()[1]
        return None


class Heartbeat:
    """Watches over connections. ``expired(connection, channel)`` decides on what may be over."""

    def __init__(self, settings: Client, clock: Clock, expired: Expired, sweep: Callable[[], None]) -> None:
        self._settings = settings
        self._clock = clock
        self._expired = expired
        self._sweep_more = sweep
        self._starts = Line()
        self._pings = Line()
        self._pongs: deque[tuple[float, Connection, int]] = deque()
        self._expiries: list[tuple[float, int, Connection, str]] = []
        self._order = count()
        # Closed connections leave the heap when it has doubled, not when their far-off time comes.
        self._tidy_at = TIDY_FROM
        self._task: asyncio.Task[None] | None = None

    def start(self) -> None:
        """Begin to sweep."""
        self._task = asyncio.get_running_loop().create_task(self._run())

    async def stop(self) -> None:
        """Sweep no more."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)
            self._task = None

    def opened(self, connection: Connection) -> None:
        """A socket is open and must soon say who it is."""
        self._starts.add(self._clock.monotonic() + self._settings.connect_timeout_seconds, connection)

    def connected(self, connection: Connection) -> None:
        """Ping it from now on; the first ping comes early by chance, so that crowds spread."""
        interval = self._settings.ping_interval_seconds
        due = self._clock.monotonic() + interval * random.uniform(0.6, 1.0)
        self._pings.add(due, connection)

    def watch_expiry(self, connection: Connection, at: float, channel: str = "") -> None:
        """Ask ``expired`` once the time of a connection or subscription is well over."""
        entry = (at + EXPIRY_GRACE_SECONDS, next(self._order), connection, channel)
        heapq.heappush(self._expiries, entry)
        if len(self._expiries) > self._tidy_at:
            self._expiries = [entry for entry in self._expiries if not entry[2].closed]
            heapq.heapify(self._expiries)
            self._tidy_at = max(TIDY_FROM, 2 * len(self._expiries))

    def sweep(self) -> None:
        """Do what is due now."""
        now = self._clock.monotonic()
        while (connection := self._starts.next(now)) is not None:
            if not connection.closed and not connection.connected:
                connection.close(STALE)
        while self._pongs and self._pongs[0][0] <= now:
            _, connection, number = self._pongs.popleft()
            if not connection.closed and connection.ponged < number:
                connection.close(NO_PONG)
        self._ping(now)
        moment = self._clock.now().timestamp()
        while self._expiries and self._expiries[0][0] <= moment:
            _, _, connection, channel = heapq.heappop(self._expiries)
            if not connection.closed:
                self._expired(connection, channel)
        self._sweep_more()

    def _ping(self, now: float) -> None:
        """The first pings are early by chance, so the queue is in order only nearly; that is enough."""
        interval, timeout = self._settings.ping_interval_seconds, self._settings.pong_timeout_seconds
        while (connection := self._pings.next(now)) is not None:
            if connection.closed:
                continue
            connection.ping()
            self._pongs.append((now + timeout, connection, connection.pinged))
            self._pings.add(now + interval, connection)

    async def _run(self) -> None:
        while True:
            await asyncio.sleep(TICK_SECONDS)
            try:
                self.sweep()
            except Exception:
                log.exception("the heartbeat failed once")
