"""Keep what could not be sent, to be looked at, sent again or given up.

A dead letter is one channel of one delivery: the provider refused it, or it
was tried too often. Sending it again starts that channel anew; policy and ttl
are asked again, so what is too late by now stays unsent.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from chatpush.clock import Clock
from chatpush.domain import DeliveryId, MessageId, TenantId, UserId, from_ms, new_id, to_ms
from chatpush.errors import InvalidInput, NotFound
from chatpush.notify.listing import Listed, Window
from chatpush.notify.messages.drafts import LIVE
from chatpush.notify.messages.happenings import Happenings
from chatpush.notify.reading.trace import entry, entry_of
from chatpush.store.database import Database, Row, Transaction
from chatpush.store.parameters import among

AT_ONCE = 500
LONGEST_REASON = 500
TRIED = "attempt"
Done = Callable[[Transaction, Sequence[Row]], None]


@dataclass(frozen=True, slots=True)
class Which:
    """Which dead letters are meant; what is not named is not asked for."""

    ids: tuple[str, ...] = ()
    message: str = ""
    channel: str = ""
    user: str = ""

    def __bool__(self) -> bool:
        """Whether anything is named."""
        return bool(self.ids or self.message or self.channel or self.user)


@dataclass(frozen=True, slots=True)
class DeadLetter:
    """What failed, for whom, where and why; ``reason`` ends with what the provider said last."""

    id: str
    delivery: DeliveryId
    message: MessageId
    user: UserId
    channel: str
    reason: str
    attempts: int
    at: datetime
    redriven_at: datetime | None


@dataclass(frozen=True, slots=True)
class Try:
    """One attempt to send: the verdict and what was answered."""

    at: datetime
    verdict: str
    said: str


def letter(tenant: TenantId, delivery: Row, channel: str, reason: str, attempts: int, at: datetime) -> Row:
    """Return a dead letter as a row."""
    return {
        "tenant": tenant, "id": new_id("dead"), "delivery": delivery["id"], "message": delivery["message"],
        "channel": channel, "stage": delivery["stage"], "reason": reason[:LONGEST_REASON], "attempts": attempts,
        "at": to_ms(at), "redriven_at": None,
    }  # fmt: skip


def answered(
    tenant: TenantId, delivery: str, channel: str, said: str, attempt: int, at: datetime, *,
    final: bool = False,
) -> Row:  # fmt: skip
    """Return what a provider answered to an attempt, as a step of the trace."""
    verdict = "failed" if final else "unavailable"
    return entry(tenant, delivery, TRIED, verdict, at, channel=channel, attempt=attempt, said=said)


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
        self, tenant: TenantId, window: Window, which: Which | None = None, *, redriven: bool = False
    ) -> Listed[DeadLetter]:
        """Return a page of dead letters, newest first; those sent again only if asked for."""
        clause, params = window.clause("l.id")
        only, wanted = _filters(which or Which(), redriven=redriven)
        rows = await self._database.read(
            "SELECT l.*, d.user_id FROM dead_letter AS l JOIN delivery AS d"
            f" ON d.tenant = l.tenant AND d.id = l.delivery WHERE l.tenant = :t{only}{clause}",
            t=tenant, **wanted, **params,
        )  # fmt: skip
        return window.page(rows, _of_row)

    async def count(self, tenant: TenantId, most: int) -> int:
        """Return how many wait to be looked at, not counting further than ``most``."""
        rows = await self._database.read(
            "SELECT COUNT(*) AS n FROM (SELECT 1 FROM dead_letter WHERE tenant = :t AND redriven_at IS NULL"
            " LIMIT :most) AS waiting",
            t=tenant, most=most,
        )  # fmt: skip
        return int(rows[0]["n"])

    async def channels(self, tenant: TenantId) -> Sequence[str]:
        """Return the channels that have any, by name."""
        rows = await self._database.read(
            "SELECT DISTINCT channel FROM dead_letter WHERE tenant = :t AND redriven_at IS NULL ORDER BY channel",
            t=tenant,
        )
        return [row["channel"] for row in rows]

    async def get(self, tenant: TenantId, letter_id: str) -> DeadLetter:
        """Return one, also if it was sent again.

        Raises:
            NotFound: there is none of this id.
        """
        page = await self.list(tenant, Window(1), Which(ids=(letter_id,)), redriven=True)
        if not page.data:
            raise NotFound(
                f"there is no dead letter {letter_id[:64]!r}; it was given up, or never was", param="id"
            )
        return page.data[0]

    async def tries(self, tenant: TenantId, one: DeadLetter) -> Sequence[Try]:
        """Return the attempts of its channel, oldest first, with what was answered to each."""
        rows = await self._database.read(
            "SELECT * FROM trace_entry WHERE tenant = :t AND delivery = :d AND step IN (:tried, :own, 'redrive')"
            " ORDER BY id",
            t=tenant, d=one.delivery, tried=TRIED, own=one.channel,
        )  # fmt: skip
        steps = [entry_of(row) for row in rows]
        return [
            Try(step.at, step.verdict, str(step.detail.get("said") or step.detail.get("reason") or ""))
            for step in steps
            if _is_of(step.step, step.detail, one.channel)
        ]

    async def redrive(self, tenant: TenantId, letter_id: str) -> None:
        """Send one again.

        Raises:
            NotFound: there is none of this id, or it was sent again already.
        """
        if not await self.redrive_many(tenant, Which(ids=(letter_id,))):
            raise _none(letter_id)

    async def redrive_many(self, tenant: TenantId, which: Which) -> int:
        """Send all of these again that were not; return how many.

        Raises:
            InvalidInput: nothing is named, or more than ``AT_ONCE`` ids.
        """
        now = self._clock.now()

        def again(tx: Transaction, rows: Sequence[Row]) -> None:
            ids, params = among(row["id"] for row in rows)
            tx.execute(
                f"UPDATE dead_letter SET redriven_at = :now WHERE tenant = :t AND id IN {ids}",
                now=to_ms(now), t=tenant, **params,
            )  # fmt: skip
            for row in rows:
                _again(tx, tenant, row, to_ms(now))
            self._note_in(tx, tenant, rows, "redriven", "queued", now)

        count = await self._each(tenant, which, now, again)
        if count:
            self._ring_outbox()
        return count

    async def drop(self, tenant: TenantId, letter_id: str) -> None:
        """Give one up.

        Raises:
            NotFound: there is none of this id, or it was sent again already.
        """
        if not await self.drop_many(tenant, Which(ids=(letter_id,))):
            raise _none(letter_id)

    async def drop_many(self, tenant: TenantId, which: Which) -> int:
        """Give all of these up that were not sent again; return how many.

        What is given up is gone from the list; the delivery's trace says that it was.

        Raises:
            InvalidInput: nothing is named, or more than ``AT_ONCE`` ids.
        """
        now = self._clock.now()

        def forget(tx: Transaction, rows: Sequence[Row]) -> None:
            ids, params = among(row["id"] for row in rows)
            tx.execute(f"DELETE FROM dead_letter WHERE tenant = :t AND id IN {ids}", t=tenant, **params)
            self._note_in(tx, tenant, rows, "given_up", "dropped", now)

        return await self._each(tenant, which, now, forget)

    async def _each(self, tenant: TenantId, which: Which, now: datetime, do: Done) -> int:
        """Do something to all that are meant, page by page, but to none that came since.

        Sent again, a letter may come back at once; that one is for the next time.
        """
        if not which:
            raise InvalidInput("name dead letters by ids, a message, a channel or a user", param="ids")
        if len(which.ids) > AT_ONCE:
            raise InvalidInput(f"at most {AT_ONCE} ids at once", param="ids")
        only, params = _filters(which, redriven=False)

        def write(tx: Transaction) -> int:
            rows = tx.query(
                "SELECT l.id, l.delivery, l.message, l.channel, l.stage FROM dead_letter AS l"
                " JOIN delivery AS d ON d.tenant = l.tenant AND d.id = l.delivery"
                f" WHERE l.tenant = :t AND l.at <= :until{only} ORDER BY l.id LIMIT :n",
                t=tenant, until=to_ms(now), n=AT_ONCE, **params,
            )  # fmt: skip
            if rows:
                do(tx, rows)
            return len(rows)

        total = 0
        while count := await self._database.write(write):
            total += count
        return total

    def _note_in(
        self, tx: Transaction, tenant: TenantId, rows: Sequence[Row], step: str, verdict: str, now: datetime
    ) -> None:
        noted = [(row["message"], row["delivery"], {"channel": row["channel"]}) for row in rows]
        self._happenings.step_in(tx, tenant, f"delivery.{step}", noted)
        traces = [
            entry(tenant, row["delivery"], "redrive", verdict, now, channel=row["channel"]) for row in rows
        ]
        tx.insert_many("trace_entry", traces)


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


def _is_of(step: str, detail: Mapping[str, Any], channel: str) -> bool:
    """Whether a step of the trace is an attempt of a channel; those of inbox and pages name none."""
    if "channel" in detail:
        return bool(detail["channel"] == channel)
    return step == (TRIED if channel == LIVE else channel)


def _filters(which: Which, *, redriven: bool) -> tuple[str, dict[str, Any]]:
    named = (("l.message", which.message), ("l.channel", which.channel), ("d.user_id", which.user))
    wanted: dict[str, Any] = {column[2:]: value for column, value in named if value}
    only = "".join(f" AND {column} = :{column[2:]}" for column, value in named if value)
    if which.ids:
        ids, params = among(which.ids)
        only, wanted = f"{only} AND l.id IN {ids}", wanted | params
    return only + ("" if redriven else " AND l.redriven_at IS NULL"), wanted


def _none(letter_id: str) -> NotFound:
    return NotFound(
        f"no dead letter {letter_id[:64]!r} that waits; it was sent again, given up, or never was", param="id"
    )


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
