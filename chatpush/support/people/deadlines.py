"""Run the clocks of service: first response, next response, resolution.

A clock starts and stops in the transaction of the turn or change that starts or
stops it, so no figure can be lost. The first response is due when a
conversation comes before people, the next one whenever the user writes to
them, the resolution until it is closed or given back. Clocks run without a
target, too: then they only count. The sweep warns when ``WARN_SHARE`` of the
time is gone and says when it is over, once each, on ``console:activity`` and to
whoever listens (webhooks).
"""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

import structlog

from chatpush.clock import Clock
from chatpush.domain import ConversationId, ConversationState, Speaker, TenantId, from_ms, iso, to_ms
from chatpush.rounds import Worker
from chatpush.store.database import Database, Row, Transaction
from chatpush.support.conversations.announcing import ACTIVITY
from chatpush.support.conversations.turns import Conversation, Saying
from chatpush.support.ports import Publisher

log = structlog.get_logger(__name__)
FIRST, NEXT, RESOLUTION = "first", "next", "resolution"
KINDS = (FIRST, NEXT, RESOLUTION)
WARN_SHARE = 0.8
SWEEP_SECONDS = 5.0
PER_SWEEP = 500
Tell = Callable[[TenantId, str, Mapping[str, Any]], Awaitable[object]]


@dataclass(frozen=True, slots=True)
class ServiceClock:
    """One running or stopped clock of a conversation."""

    kind: str
    started_at: datetime
    due_at: datetime | None
    warned: bool
    breached: bool
    met_at: datetime | None


class Deadlines(Worker):
    """The clocks of every tenant."""

    def __init__(
        self, database: Database, publisher: Publisher, clock: Clock, tell: Tell | None = None
    ) -> None:
        self._database = database
        self._publisher = publisher
        self._clock = clock
        self._tell = tell
        super().__init__("deadlines", self._look)

    def said(self, tx: Transaction, tenant: TenantId, conversation: ConversationId, saying: Saying) -> None:
        """Start the next response with a user's turn, stop it with an agent's."""
        if saying.by is Speaker.AGENT:
            self._stop(tx, tenant, conversation, (FIRST, NEXT))
        elif saying.by is Speaker.USER:
            rows = tx.query(
                "SELECT state FROM conversation WHERE tenant = :t AND id = :c", t=tenant, c=conversation
            )
            with_people = (ConversationState.WAITING, ConversationState.AGENT)
            if (
                rows
                and rows[0]["state"] in with_people
                and not self._runs(tx, tenant, conversation, (FIRST, NEXT))
            ):
                self._start(tx, tenant, conversation, NEXT)

    def changed(self, tx: Transaction, conversation: Conversation, state: ConversationState) -> None:
        """Start what people owe when they get it, stop it when it ends."""
        tenant, id_ = conversation.tenant, conversation.id
        if state in (ConversationState.CLOSED, ConversationState.ASSISTANT):
            self._stop(tx, tenant, id_, (RESOLUTION,))
            # What was never answered is no response time, unless it was too late already.
            tx.execute(
                "DELETE FROM service_clock WHERE tenant = :t AND conversation = :c AND met_at IS NULL"
                " AND (due_at IS NULL OR due_at >= :n)",
                t=tenant, c=id_, n=to_ms(self._clock.now()),
            )  # fmt: skip
            self._stop(tx, tenant, id_, (FIRST, NEXT))
            return
        if not self._runs(tx, tenant, id_, (RESOLUTION,)):
            self._start(tx, tenant, id_, RESOLUTION)
            self._start(tx, tenant, id_, FIRST)

    async def of(self, conversation: Conversation) -> list[ServiceClock]:
        """Return the clocks of a conversation that still run."""
        found = await self.running(conversation.tenant, [conversation.id])
        return found.get(conversation.id, [])

    async def running(
        self, tenant: TenantId, conversations: Sequence[ConversationId]
    ) -> dict[ConversationId, list[ServiceClock]]:
        """Return the running clocks of many conversations, what is due first on top."""
        names = {f"c{number}": one for number, one in enumerate(conversations)}
        if not names:
            return {}
        rows = await self._database.read(
            "SELECT * FROM service_clock WHERE tenant = :t AND met_at IS NULL"
            f" AND conversation IN ({', '.join(f':{name}' for name in names)})"
            " ORDER BY CASE WHEN due_at IS NULL THEN 1 ELSE 0 END, due_at, started_at",
            t=tenant, **names,
        )  # fmt: skip
        found: dict[ConversationId, list[ServiceClock]] = {}
        for row in rows:
            found.setdefault(ConversationId(row["conversation"]), []).append(_clock(row))
        return found

    async def sweep(self) -> int:
        """Warn of what will be late and tell of what is; return how many were told."""
        now = to_ms(self._clock.now())

        def mark(tx: Transaction) -> list[Row]:
            rows = tx.query(
                "SELECT * FROM service_clock WHERE met_at IS NULL AND due_at IS NOT NULL"
                " AND ((breached = 0 AND due_at <= :n) OR (warned = 0 AND breached = 0 AND warn_at <= :n))"
                " ORDER BY due_at LIMIT :l",
                n=now, l=PER_SWEEP,
            )  # fmt: skip
            for row in rows:
                over = row["due_at"] <= now
                tx.execute(
                    "UPDATE service_clock SET warned = 1, breached = :b WHERE tenant = :t AND conversation = :c"
                    " AND kind = :k AND started_at = :s",
                    b=int(over), t=row["tenant"], c=row["conversation"], k=row["kind"], s=row["started_at"],
                )  # fmt: skip
            return rows

        told = await self._database.write(mark)
        for row in told:
            await self._announce(row, over=row["due_at"] <= now)
        return len(told)

    async def _announce(self, row: Row, *, over: bool) -> None:
        tenant = TenantId(row["tenant"])
        type_ = "conversation.overdue" if over else "conversation.due_soon"
        payload: dict[str, Any] = {
            "conversation": row["conversation"], "clock": row["kind"], "team": row["team"],
            "due_at": iso(from_ms(row["due_at"])),
        }  # fmt: skip
        key = f"{row['conversation']}:{row['kind']}:{row['started_at']}:{int(over)}"
        await self._publisher.publish(
            tenant, ACTIVITY, {"type": "deadline", "over": over, **payload}, idempotency_key=key
        )
        if self._tell is not None:
            await self._tell(tenant, type_, payload)

    async def _look(self) -> float:
        await self.sweep()
        return SWEEP_SECONDS

    def _start(self, tx: Transaction, tenant: TenantId, conversation: ConversationId, kind: str) -> None:
        rows = tx.query(
            "SELECT c.team, c.agent, t.first_seconds, t.next_seconds, t.resolution_seconds FROM conversation c"
            " LEFT JOIN team t ON t.tenant = c.tenant AND t.id = c.team WHERE c.tenant = :t AND c.id = :c",
            t=tenant, c=conversation,
        )  # fmt: skip
        if not rows:
            return
        now = self._clock.now()
        seconds = rows[0][f"{kind}_seconds"] or 0
        due = now + timedelta(seconds=seconds) if seconds else None
        warn = now + timedelta(seconds=seconds * WARN_SHARE) if seconds else None
        row = {
            "tenant": tenant, "conversation": conversation, "kind": kind, "started_at": to_ms(now),
            "team": rows[0]["team"], "agent": rows[0]["agent"], "due_at": to_ms(due) if due else None,
            "warn_at": to_ms(warn) if warn else None,
        }  # fmt: skip
        tx.insert("service_clock", row, "(tenant, conversation, kind, started_at) DO NOTHING")

    def _stop(
        self, tx: Transaction, tenant: TenantId, conversation: ConversationId, kinds: tuple[str, ...]
    ) -> None:
        now = to_ms(self._clock.now())
        for kind in kinds:
            tx.execute(
                "UPDATE service_clock SET met_at = :n, breached = CASE WHEN due_at < :n THEN 1 ELSE breached END,"
                " agent = COALESCE((SELECT agent FROM conversation c WHERE c.tenant = :t AND c.id = :c), '')"
                " WHERE tenant = :t AND conversation = :c AND kind = :k AND met_at IS NULL",
                n=now, t=tenant, c=conversation, k=kind,
            )  # fmt: skip

    def _runs(
        self, tx: Transaction, tenant: TenantId, conversation: ConversationId, kinds: tuple[str, ...]
    ) -> bool:
        rows = tx.query(
            "SELECT kind FROM service_clock WHERE tenant = :t AND conversation = :c AND met_at IS NULL",
            t=tenant, c=conversation,
        )  # fmt: skip
        return any(row["kind"] in kinds for row in rows)


def _clock(row: Row) -> ServiceClock:
    return ServiceClock(
        row["kind"],
        from_ms(row["started_at"]),
        from_ms(row["due_at"]) if row["due_at"] is not None else None,
        bool(row["warned"]),
        bool(row["breached"]),
        from_ms(row["met_at"]) if row["met_at"] is not None else None,
    )
