"""chatpush, with a watch on its loop: how long other work had to wait at most.

Usage: as ``python -m chatpush``; ``WATCHED`` names a file that holds the
longest turn so far in milliseconds. SIGUSR1 begins anew.

A turn is measured in CPU time of the loop's own thread, so what the machine
does elsewhere does not count.
"""

import os
import signal
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import uvloop

from chatpush.cli.main import main

PERIOD_SECONDS = 0.005
plain = uvloop.new_event_loop


class Watch:
    """Wakes every few milliseconds and notes how much the thread has worked meanwhile; tells of every longer turn."""

    def __init__(self, loop: Any, tell: Callable[[float], Any] = lambda _milliseconds: None) -> None:
        self._loop = loop
        self._tell = tell
        self._then = 0.0
        self.longest_ms = 0.0

    def begin(self) -> None:
        """Begin, or begin anew."""
        self.longest_ms = 0.0
        self._tell(0.0)
        self._then = time.thread_time()

    def look(self) -> None:
        """Compare, and look again soon."""
        now = time.thread_time()
        worked, self._then = 1000 * (now - self._then - PERIOD_SECONDS), now
        if worked > self.longest_ms:
            self.longest_ms = worked
            self._tell(worked)
        self._loop.call_later(PERIOD_SECONDS, self.look)


def watched() -> Any:
    """Return an event loop that is watched from its first turn."""
    loop = plain()
    file = Path(os.environ["WATCHED"])
    watch = Watch(loop, lambda longest: file.write_text(f"{longest:.1f}", encoding="ascii"))

    def start() -> None:
        loop.add_signal_handler(signal.SIGUSR1, watch.begin)
        watch.begin()
        watch.look()

    loop.call_soon(start)
    return loop


if __name__ == "__main__":
    uvloop.new_event_loop = watched
    main()
