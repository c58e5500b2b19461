"""Let one process serve a directory: two would hand out the same offsets, and readers would miss messages.

The lock is the kernel's (POSIX record lock), so that it goes with the process
however that ends; the file stays and means nothing by itself.
"""

import fcntl
import os
from pathlib import Path

from chatpush.errors import InvalidSettings


class Alone:
    """A lock on a file beside the log, held from ``take`` to ``give``."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._held: int | None = None

    def take(self) -> None:
        """Lock the file.

        Raises:
            InvalidSettings: another process has it, or the file can't be written.
        """
        try:
            descriptor = os.open(self._path, os.O_RDWR | os.O_CREAT, 0o600)
        except OSError as error:
            raise InvalidSettings(f"{self._path} can't be written: {error.strerror}") from error
        try:
            fcntl.lockf(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            os.close(descriptor)
            raise InvalidSettings(
                f"another chatpush serves {self._path.parent} already; stop it, or name another data_dir"
            ) from error
        self._held = descriptor

    def give(self) -> None:
        """Unlock the file; one that is not locked is fine."""
        if self._held is not None:
            os.close(self._held)
            self._held = None
