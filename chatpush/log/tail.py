"""The newest publications of one channel in memory: a contiguous end of its log.

Holds everything after ``start`` up to ``top``; what is older is on disk or
gone. Knows nothing of clocks, threads or files.
"""

from collections import deque
from collections.abc import Iterable
from itertools import islice

from chatpush.log.contract import Publication

TAIL_BYTES = 1_048_576


class Tail:
    """A bounded window over the newest publications."""

    __slots__ = ("_bytes", "entries", "epoch", "keys", "start", "top", "version", "version_epoch")

    def __init__(self, epoch: str, top: int) -> None:
        self.epoch = epoch
        self.top = top
        self.start = top
        # Many channels are quiet: what is empty takes no room.
        self.entries: deque[Publication] | tuple[()] = ()
        self.version = 0
        self.version_epoch = ""
        # idempotency key -> (offset, forgotten at); only memory channels use it
        self.keys: dict[str, tuple[int, int]] | None = None
        self._bytes = 0

    def add(self, publication: Publication, size: int) -> None:
        """Take the next publication; one already covered is ignored, a jump starts anew."""
        offset = publication.offset
        if offset <= self.top:
            return
        if offset != self.top + 1:
            self.clear()
            self.start = offset - 1
        entries = self.entries or deque()
        entries.append(publication)
        self.entries = entries
        self.top = offset
        self._bytes += len(publication.data)
        while len(entries) > size or (self._bytes > TAIL_BYTES and len(entries) > 1):
            self._drop_oldest()

    def known(self, key: str, now_ms: int) -> int:
        """Return the offset of what was appended under an idempotency key, 0 if that is not known."""
        offset, until_ms = self.keys.get(key, (0, 0)) if self.keys else (0, 0)
        return offset if until_ms > now_ms else 0

    def remember(self, key: str, offset: int, until_ms: int) -> None:
        """Know an idempotency key until then."""
        if self.keys is None:
            self.keys = {}
        self.keys[key] = (offset, until_ms)

    def forget_keys(self, now_ms: int) -> None:
        """Drop idempotency keys whose time is over."""
        if self.keys:
            self.keys = {name: kept for name, kept in self.keys.items() if kept[1] > now_ms} or None

    def expire(self, born_before_ms: int) -> None:
        """Drop what is older than its time to live."""
        while self.entries and self.entries[0].time_ms <= born_before_ms:
            self._drop_oldest()

    def clear(self) -> None:
        """Forget the entries but not the position."""
        self.entries = ()
        self.start = self.top
        self._bytes = 0

    def covers(self, offset: int) -> bool:
        """Return whether everything after the offset is here."""
        return self.start <= offset <= self.top

    def after(self, offset: int, limit: int) -> tuple[Publication, ...]:
        """Return what follows an offset it covers, or the oldest it has."""
        skipped = max(0, offset - self.start)
        if len(self.entries) - skipped > skipped:
            return tuple(islice(self.entries, skipped, skipped + limit))
        missing = len(self.entries) - skipped
        newest = list(islice(reversed(self.entries), max(0, missing)))
        newest.reverse()
        return tuple(newest[:limit])

    def before(self, offset: int, limit: int) -> tuple[Publication, ...]:
        """Return what precedes an offset, newest first."""
        return tuple(islice(_older_than(offset, reversed(self.entries)), limit))

    def _drop_oldest(self) -> None:
        assert self.entries
        oldest = self.entries.popleft()
        self.start = oldest.offset
        self._bytes -= len(oldest.data)


def _older_than(offset: int, newest_first: Iterable[Publication]) -> Iterable[Publication]:
    return (publication for publication in newest_first if publication.offset < offset)
