"""Hand out the operating system's random bytes, fetched by the page.

To fetch them a thread lets go of the interpreter's lock, and with a busy writer
thread beside it gets it back only after a switch interval, some milliseconds.
So a page is fetched once for hundreds of ids and nonces. Keys are not made of
these: they come straight from ``secrets``.
"""

import os
import threading

PAGE_BYTES = 4096


class _Pages:
    """The page in use."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._page, self._at = b"", 0
        # Two processes must never hand out the same bytes.
        os.register_at_fork(after_in_child=self.forget)

    def forget(self) -> None:
        """Begin with a page of one's own."""
        self._lock = threading.Lock()
        self._page, self._at = b"", 0

    def take(self, count: int) -> bytes:
        """Return bytes that nobody gets again."""
        with self._lock:
            if self._at + count > len(self._page):
                self._page, self._at = os.urandom(PAGE_BYTES), 0
            taken = self._page[self._at : self._at + count]
            self._at += count
        return taken


_pages = _Pages()
_VARIANTS = dict(zip("0123456789abcdef", "89ab" * 4, strict=True))


def random_bytes(count: int) -> bytes:
    """Return so many random bytes, at most a page; good for ids and nonces."""
    return _pages.take(count)


def random_uuid() -> str:
    """Return a UUID that is random but for its version and variant (RFC 9562 §5.4)."""
    digits = _pages.take(16).hex()
    variant = _VARIANTS[digits[16]]
    return f"{digits[:8]}-{digits[8:12]}-4{digits[13:16]}-{variant}{digits[17:20]}-{digits[20:]}"
