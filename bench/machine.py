"""Cores and priorities: the server on one core, the generator on another, both before everything else."""

import contextlib
import os
import sys
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


def on_one_core(module: str) -> None:
    """Begin this module anew on one core, with one thread for linear algebra: it is counted when numpy is loaded."""
    if os.environ.get("OPENBLAS_NUM_THREADS") != "1":
        prefer(SERVER_CORE)
        os.execve(
            sys.executable,
            [sys.executable, "-m", module, *sys.argv[1:]],
            os.environ | {"OPENBLAS_NUM_THREADS": "1"},
        )


def load() -> float:
    """Return the load average of the last minute."""
    return os.getloadavg()[0]
