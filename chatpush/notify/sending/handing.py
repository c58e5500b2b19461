"""Hand deliveries over to the outbox in memory, so that it need not look for what was written a moment ago.

A delivery that is handed over is written as claimed: should the process die,
its lease ends or the next start takes it back, and the queue on disk is the
truth as ever. What has no room here is written as waiting and found there.
"""

import asyncio
from collections import deque
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from chatpush.domain import TenantId, User, UserId, to_ms
from chatpush.notify.messages.drafts import Accepted
from chatpush.store.database import Row

MOST_WAITING = 2000
LEASE = timedelta(seconds=60)
RANKS = 4
ROOM_SECONDS = 5.0
NEW: Mapping[str, None] = dict.fromkeys(
    ("settled_at", "published_at", "sent_at", "delivered_at", "seen_at", "clicked_at", "dismissed_at")
)
"""What nothing has happened to yet."""


@dataclass(frozen=True, slots=True)
class Handed:
    """Deliveries of one message that are due now, with what is known of them already.

    ``own`` is users' own data; ``people`` those whose record was read for this message.
    """

    tenant: TenantId
    accepted: Accepted
    rows: Sequence[Row]
    own: Mapping[UserId, Mapping[str, Any]] = field(default_factory=dict)
    people: Mapping[UserId, User] = field(default_factory=dict)


class Handing:
    """What waits in memory, the most urgent first. Closed until the outbox runs."""

    def __init__(self, worker: str) -> None:
        self._worker = worker
        self._open = False
        self._waiting: list[deque[Handed]] = [deque() for _ in range(RANKS)]
        self._count = 0
        self._room = asyncio.Event()

    def open(self) -> None:
        """Take deliveries from now on."""
        self._open = True

    def close(self) -> list[Handed]:
        """Take no more; return what nobody processed."""
        self._open, self._count = False, 0
        left = [handed for waiting in self._waiting for handed in waiting]
        self._waiting = [deque() for _ in range(RANKS)]
        self._room.set()
        return left

    def claim(self, accepted: Accepted, rows: Sequence[Row], now: datetime) -> list[Row]:
        """Mark those of new deliveries as claimed that can be handed over once they are written; return them."""
        if not self._open or accepted.digest is not None:
            return []
        moment, until = to_ms(now), to_ms(now + LEASE)
        due = [row for row in rows if row["pending"] and row["due_at"] <= moment]
        if not due or self._count + len(due) > MOST_WAITING:
            return []
        self._count += len(due)
        for row in due:
            row["claimed_by"], row["due_at"] = self._worker, until
        return [{**NEW, **row} for row in due]

    def hand(self, handed: Handed) -> None:
        """Hand over what was claimed and is written now."""
        if self._open:
            self._waiting[handed.rows[0]["priority_rank"]].append(handed)

    def forget(self, count: int) -> None:
        """Give back the room of what was claimed and not written."""
        self._count = max(0, self._count - count)
        self._room.set()

    def take(self) -> Handed | None:
        """Return the most urgent, or None."""
        for waiting in self._waiting:
            if waiting:
                handed = waiting.popleft()
                self.forget(len(handed.rows))
                return handed
        return None

    async def room(self, count: int) -> None:
        """Wait until so many more can be handed over; not for ever, because the queue on disk has room always."""
        try:
            async with asyncio.timeout(ROOM_SECONDS):
                while self._open and self._count + count > MOST_WAITING:
                    self._room.clear()
                    await self._room.wait()
        except TimeoutError:
            return
