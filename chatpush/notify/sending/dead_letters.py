"""Keep what could not be sent, to be looked at and sent again.

A dead letter is one channel of one delivery: the provider refused it, or it
was tried too often. Sending it again starts that channel anew; policy and ttl
are asked again, so what is too late by now stays unsent.
"""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from chatpush.clock import Clock
from chatpush.domain import DeliveryId, MessageId, TenantId, UserId, from_ms, new_id, to_ms
from chatpush.errors import InvalidInput, NotFound
from chatpush.notify.listing import Listed, Window
from chatpush.notify.messages.happenings import Happenings
from chatpush.notify.reading.trace import entry
from chatpush.store.database import Database, Row, Transaction
from chatpush.store.parameters import among

REDRIVEN_AT_ONCE = 500
LONGEST_REASON = 500


@dataclass(frozen=True, slots=True)
class DeadLetter:
    """What failed, for whom, where and why."""

    id: str
    delivery: DeliveryId
    message: MessageId
    user: UserId
    channel: str
    reason: str
    attempts: int
    at: datetime
    redriven_at: datetime | None


def letter(tenant: TenantId, delivery: Row, channel: str, reason: str, attempts: int, at: datetime) -> Row:
    """Return a dead letter as a row."""
    return {
        "tenant": tenant, "id": new_id("dead"), "delivery": delivery["id"], "message": delivery["message"],
        "channel": channel, "stage": delivery["stage"], "reason": reason[:LONGEST_REASON], "attempts": attempts,
        "at": to_ms(at), "redriven_at": None,
    }  # fmt: skip


class DeadLetters:
    """The dead letters of every tenant."""

    def __init__(
        self, database: Database, clock: Clock, ring_outbox: Callable[[], None],
        happenings: Happenings | None = None,
    ) -> None:  # fmt: skip
        self._happenings = happenings or Happenings(clock)
        self._database = database
        self._clock = clock
        self._ring_outbox = ring_outbox

    async def list(
        self,
        tenant: TenantId,
        window: Window,
        *,
        message: str = "",
        channel: str = "",
        redriven: bool = False,
    ) -> Listed[DeadLetter]:
        """Return a page of dead letters, newest first; those sent again only if asked for."""
        clause, params = window.clause("l.id")
        only, wanted = _filters(message, channel, redriven=redriven)
        rows = await self._database.read(
            "SELECT l.*, d.user_id FROM dead_letter AS l JOIN delivery AS d"
            f" ON d.tenant = l.tenant AND d.id = l.delivery WHERE l.tenant = :t{only}{clause}",
            t=tenant, **wanted, **params,
        )  # fmt: skip
        return window.page(rows, _of_row)

    async def redrive(self, tenant: TenantId, letter_id: str) -> None:
        """Send one again.

        Raises:
            NotFound: there is none of this id, or it was sent again already.
        """
        if not await self._redrive(tenant, " AND l.id = :id", {"id": letter_id}):
            raise NotFound(f"no dead letter {letter_id[:64]!r}", param="id")

    async def redrive_many(self, tenant: TenantId, *, message: str = "", channel: str = "") -> int:
        """Send all of a message or of a channel again; return how many.

        Raises:
            InvalidInput: neither is named.
        """
        if not message and not channel:
            raise InvalidInput("name a message or a channel", param="message")
        only, params = _filters(message, channel, redriven=True)
        total = 0
        while count := await self._redrive(tenant, only, params):
            total += count
        return total

    async def _redrive(self, tenant: TenantId, only: str, params: dict[str, Any]) -> int:
        moment = self._clock.now()
        now = to_ms(moment)

        def write(tx: Transaction) -> int:
            rows = tx.query(
                "SELECT l.id, l.delivery, l.message, l.channel, l.stage FROM dead_letter AS l WHERE l.tenant = :t"
                f" AND l.redriven_at IS NULL{only} ORDER BY l.id LIMIT :n",
                t=tenant, n=REDRIVEN_AT_ONCE, **params,
            )  # fmt: skip
            ids, which = among(row["id"] for row in rows)
            tx.execute(
                f"UPDATE dead_letter SET redriven_at = :now WHERE tenant = :t AND id IN {ids}",
                now=now, t=tenant, **which,
            )  # fmt: skip
            for row in rows:
                _again(tx, tenant, row, now)
            noted = [(row["message"], row["delivery"], {"channel": row["channel"]}) for row in rows]
            self._happenings.step_in(tx, tenant, "delivery.redriven", noted)
            traces = [
                entry(tenant, row["delivery"], "redrive", "queued", moment, channel=row["channel"])
                for row in rows
            ]
            tx.insert_many("trace_entry", traces)
            return len(rows)

        count = await self._database.write(write)
        if count:
            self._ring_outbox()
        return count


def _again(tx: Transaction, tenant: TenantId, row: Row, now: int) -> None:
    """Let the delivery come due again for this channel, beside others that are being tried again."""
    tx.execute(
        "UPDATE delivery SET left_channels = CASE WHEN :c IN ('ws', 'template', 'outbox') THEN left_channels"
        " WHEN pending = 1 AND left_channels <> '' THEN left_channels || ',' || :c ELSE :c END,"
        " stage = :stage,"
        " pending = 1, due_at = :now, attempts = 0, reason = 'redriven',"
        " state = CASE WHEN state = 'failed' THEN 'queued' ELSE state END"
        " WHERE tenant = :t AND id = :d",
        c=row["channel"], stage=row["stage"], now=now, t=tenant, d=row["delivery"],
    )  # fmt: skip


def _filters(message: str, channel: str, *, redriven: bool) -> tuple[str, dict[str, Any]]:
    wanted = {name: value for name, value in (("message", message), ("channel", channel)) if value}
    only = "".join(f" AND l.{name} = :{name}" for name in wanted)
    return only + ("" if redriven else " AND l.redriven_at IS NULL"), wanted


def _of_row(row: Row) -> DeadLetter:
    return DeadLetter(
        id=row["id"],
        delivery=DeliveryId(row["delivery"]),
        message=MessageId(row["message"]),
        user=UserId(row["user_id"]),
        channel=row["channel"],
        reason=row["reason"],
        attempts=row["attempts"],
        at=from_ms(row["at"]),
        redriven_at=from_ms(row["redriven_at"]) if row["redriven_at"] is not None else None,
    )
