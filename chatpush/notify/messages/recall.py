"""Take a message back: from the queue, from inboxes and from the screens that show it.

What is on its way is cancelled, what is in an inbox becomes a tombstone
without words, and pages hear ``message.deleted``. The channel is durable, so
a page that was closed hears it when it comes back. Page by page in the order
of users, the place kept with the message: a kill anywhere leaves nobody with
a message that was taken back.
"""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from typing import Protocol

from chatpush.clock import Clock
from chatpush.domain import Json, MessageId, TenantId, UserId, to_ms
from chatpush.errors import NotFound
from chatpush.notify.messages.happenings import Happenings
from chatpush.notify.reading.inbox import unread_in
from chatpush.rounds import Worker
from chatpush.store.database import Database, Row, Transaction
from chatpush.store.parameters import among

MESSAGES_IN_TURN = 8
PAGE = 500
Cancel = Callable[[TenantId, MessageId, Sequence[UserId]], Awaitable[int]]


class Publisher(Protocol):
    """Where pages are told."""

    async def publish(
        self, tenant: TenantId, channel: str, data: Json, *, idempotency_key: str = ""
    ) -> object:
        """Publish, durably, once per idempotency key."""
        ...


class Recalls(Worker):
    """Takes messages back."""

    def __init__(
        self, database: Database, publisher: Publisher, clock: Clock, cancel: Cancel,
        happenings: Happenings | None = None,
    ) -> None:  # fmt: skip
        self._happenings = happenings or Happenings(clock)
        self._database = database
        self._publisher = publisher
        self._clock = clock
        self._cancel = cancel
        super().__init__("notify.recall", self.turn)

    async def delete(self, tenant: TenantId, message: MessageId, users: Sequence[UserId] = ()) -> None:
        """Take a message back, from everybody (in the background) or from some users (now).

        Raises:
            NotFound: there is no such message.
        """
        await self._cancel(tenant, message, users)
        if users:
            for start in range(0, len(users), PAGE):
                await self._page(tenant, message, users=users[start : start + PAGE])
            return

        def mark(tx: Transaction) -> bool:
            found = tx.query(
                "UPDATE message SET state = 'deleted', recalling = 1, recall_cursor = ''"
                " WHERE tenant = :t AND id = :m RETURNING id, template, category, campaign, cancel_key",
                t=tenant, m=message,
            )  # fmt: skip
            for row in found:
                self._happenings.note_message_in(tx, tenant, "message.recalled", row)
            return bool(found)

        if not await self._database.write(mark):
            raise NotFound(f"no message {message[:64]!r}", param="id")
        self._happenings.ring(tenant, "message.recalled")
        self.ring()

    async def turn(self) -> float | None:
        """Take one page of the oldest recalls back; say whether there is more."""
        rows = await self._database.read(
            "SELECT tenant, id, recall_cursor FROM message WHERE recalling = 1 ORDER BY id LIMIT :n",
            n=MESSAGES_IN_TURN,
        )
        for row in rows:
            tenant, message = TenantId(row["tenant"]), MessageId(row["id"])
            last = await self._page(tenant, message, after=row["recall_cursor"])
            await self._database.write(lambda tx, row=row, last=last: _move(tx, row, last))  # type: ignore[misc]
        return 0 if rows else None

    async def _page(
        self, tenant: TenantId, message: MessageId, *, after: str = "", users: Sequence[UserId] = ()
    ) -> str | None:
        """Take it back from the next users; return the last of them, None if there are no more."""
        now = to_ms(self._clock.now())

        def write(tx: Transaction) -> tuple[list[Row], dict[str, int]]:
            taken, recalled = _bury(tx, tenant, message, after, users, now)
            self._happenings.note_in(
                tx, tenant, "delivery.recalled", [(message, row["id"], {}) for row in recalled]
            )
            counts = unread_in(tx, tenant, {row["user_id"] for row in taken}, now)
            return taken, {user: count.unread for user, count in counts.items()}

        taken, unread = await self._database.write(write)
        self._happenings.ring(tenant, "delivery.recalled")
        await asyncio.gather(*(self._tell(tenant, row, unread[row["user_id"]]) for row in taken))
        return taken[-1]["user_id"] if len(taken) >= PAGE else None

    async def _tell(self, tenant: TenantId, row: Row, unread: int) -> None:
        await self._publisher.publish(
            tenant,
            f"user:{row['user_id']}",
            {"type": "message.deleted", "delivery": row["delivery"], "unread": unread},
            idempotency_key=f"deleted:{row['latest']}",
        )


def _bury(
    tx: Transaction, tenant: TenantId, message: MessageId, after: str, users: Sequence[UserId], now: int
) -> tuple[list[Row], list[Row]]:
    """Make tombstones; return them, and the deliveries that were not taken back before."""
    names, params = among(users)
    only = f" AND user_id IN {names}" if users else ""
    rows = tx.query(
        "SELECT user_id, delivery, latest FROM inbox_item WHERE tenant = :t AND message = :m"
        f" AND user_id > :after{only} ORDER BY user_id LIMIT :n",
        t=tenant, m=message, after=after, n=PAGE, **(params if users else {}),
    )  # fmt: skip
    ids, which = among(row["delivery"] for row in rows)
    latest, those = among(row["latest"] for row in rows)
    tx.execute(
        "UPDATE inbox_item SET deleted_at = COALESCE(deleted_at, :now), content_sealed = :nothing"
        f" WHERE tenant = :t AND message = :m AND delivery IN {ids}",
        now=now, nothing=b"", t=tenant, m=message, **which,
    )  # fmt: skip
    recalled = tx.query(
        "UPDATE delivery SET reason = 'recalled', pending = 0"
        f" WHERE tenant = :t AND id IN {latest} AND reason <> 'recalled' RETURNING id",
        t=tenant, **those,
    )  # fmt: skip
    return rows, recalled


def _move(tx: Transaction, row: Row, last: str | None) -> None:
    """Keep the place; the recall is done when nobody is left."""
    tx.execute(
        "UPDATE message SET recall_cursor = :last, recalling = :more WHERE tenant = :t AND id = :m",
        last=row["recall_cursor"] if last is None else last, more=int(last is not None),
        t=row["tenant"], m=row["id"],
    )  # fmt: skip
