"""Cores and priorities: the server on one core, the generator on another, both before everything else."""

import contextlib
import os
from pathlib import Path

SERVER_CORE, CLIENT_CORE = 0, 1
NICENESS = -10


def prefer(core: int) -> None:
    """Keep this process on one core, where there are more, and ahead of others, where that is allowed."""
    if (os.cpu_count() or 1) > 1:
        os.sched_setaffinity(0, {core})
    with contextlib.suppress(OSError):
        os.setsid()  # a scheduler group of its own
    with contextlib.suppress(OSError):
        os.nice(NICENESS)
        Path("/proc/self/autogroup").write_text(str(NICENESS), encoding="ascii")


def load() -> float:
    """Return the load average of the last minute."""
    return os.getloadavg()[0]
