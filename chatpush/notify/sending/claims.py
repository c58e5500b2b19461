"""Take due deliveries from the queue and put them back, each by one worker at a time.

A claim moves ``due_at`` ahead by the lease: should the worker die, the
delivery simply comes due again. All changes are made for many deliveries in
one statement, and only to those that are still pending, so that a cancel in
between wins.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from chatpush.domain import Category, DeliveryState, TenantId, from_ms, to_ms
from chatpush.notify.deciding.policy import Past
from chatpush.notify.messages.drafts import LIVE
from chatpush.notify.messages.happenings import Happenings
from chatpush.notify.reading.trace import entry
from chatpush.notify.sending.dead_letters import TRIED, letter
from chatpush.store.database import Database, Row, Transaction
from chatpush.store.parameters import among

RANKS = (0, 1, 2, 3)
LEASE = timedelta(seconds=60)
TOLD = (
    DeliveryState.FAILED, DeliveryState.SUPPRESSED, DeliveryState.EXPIRED, DeliveryState.CANCELLED
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Claim:
    """A claimed delivery with what its decision needs, as rows.

    ``user`` is None when the user was erased. ``past`` is what the user got
    within the longest cap's window, but for transactional messages.
    """

    delivery: Row
    user: Row | None
    message: Row
    past: tuple[Past, ...]


@dataclass(frozen=True, slots=True)
class Outcome:
    """What becomes of deliveries that are not sent now; ``until`` keeps them pending.

    A failure becomes a dead letter, unless it is ``buried`` already. ``by`` is the
    plugin that decided.
    """

    state: DeliveryState
    reason: str
    until: datetime | None = None
    attempted: bool = False
    buried: bool = False
    by: str = ""


class Claims:
    """The queue of pending deliveries, as one worker sees it."""

    def __init__(self, database: Database, worker: str, happenings: Happenings) -> None:
        self._database = database
        self._worker = worker
        self._happenings = happenings

    async def release_all(self) -> None:
        """Make everything claimed due at once; only for the sole worker, before it begins."""
        await self._database.write(
            lambda tx: tx.execute(
                "UPDATE delivery SET claimed_by = '', due_at = 0 WHERE pending = 1 AND claimed_by <> ''"
            )
        )

    async def claim(self, now: datetime, limit: int, cap_window: timedelta) -> list[Claim]:
        """Claim due deliveries: by priority, then the longest due."""
        return await self._database.write(lambda tx: self._claim_in(tx, now, limit, cap_window))

    async def facts(self, tenant: TenantId, deliveries: Iterable[str], since: datetime) -> list[Claim]:
        """Return pending deliveries that were written as claimed, with what their decision needs."""
        ids, params = among(deliveries)

        def look(tx: Transaction) -> list[Claim]:
            rows = tx.query(
                f"SELECT * FROM delivery WHERE tenant = :t AND pending = 1 AND id IN {ids} ORDER BY id",
                t=tenant, **params,
            )  # fmt: skip
            return _with_facts(tx, tenant, rows, since)

        return await self._database.write(look)

    async def release(self, tenant: TenantId, deliveries: Iterable[str]) -> None:
        """Put claimed deliveries back, due at once."""
        ids, params = among(deliveries)
        await self._database.write(
            lambda tx: tx.execute(
                "UPDATE delivery SET claimed_by = '', due_at = 0"
                f" WHERE tenant = :t AND pending = 1 AND settled_at IS NULL AND id IN {ids}",
                t=tenant, **params,
            )
        )  # fmt: skip

    async def is_due(self, now: datetime) -> bool:
        """Return whether anything on disk is due; cheaper than to claim nothing."""
        found = " UNION ALL ".join(
            "SELECT * FROM (SELECT 1 FROM delivery WHERE pending = 1"
            f" AND priority_rank = {rank} AND due_at <= :now LIMIT 1) AS rank_{rank}"
            for rank in RANKS
        )
        return bool(await self._database.read(found, now=to_ms(now)))

    async def past(
        self, tenant: TenantId, users: Iterable[str], since: datetime
    ) -> dict[str, tuple[Past, ...]]:
        """Return what users got since then, but for transactional messages."""
        sql, params = _past_of(tenant, users, since)
        return _past(await self._database.read(sql, **params))

    async def next_due(self) -> datetime | None:
        """Return when the next pending delivery is due, or None."""
        first = [
            f"(SELECT MIN(due_at) FROM delivery WHERE pending = 1 AND priority_rank = {rank}) AS due_{rank}"
            for rank in RANKS
        ]
        row = (await self._database.read(f"SELECT {', '.join(first)}"))[0]
        due = [at for at in row.values() if at is not None]
        return from_ms(min(due)) if due else None

    async def conclude(
        self, tenant: TenantId, concluded: Iterable[tuple[Row, Outcome, str]], now: datetime
    ) -> None:
        """Write what became of deliveries; each comes with the step that decided."""
        all_of_them = list(concluded)
        if not all_of_them:
            return
        by_outcome: dict[Outcome, list[str]] = {}
        for row, outcome, _ in all_of_them:
            by_outcome.setdefault(outcome, []).append(row["id"])
        traces = [
            entry(
                tenant, row["id"], step, outcome.state.value, now, reason=outcome.reason,
                **({"until": outcome.until.isoformat()} if outcome.until else {}),
                **({"by": outcome.by} if outcome.by else {}),
            )
            for row, outcome, step in all_of_them
        ]  # fmt: skip

        letters = [
            letter(tenant, row, LIVE if step == TRIED else step, outcome.reason, row["attempts"] + 1, now)
            for row, outcome, step in all_of_them
            if outcome.state is DeliveryState.FAILED and not outcome.buried
        ]

        told = [one for one in all_of_them if one[1].state in TOLD and one[1].until is None]

        def write(tx: Transaction) -> None:
            tx.insert_many("dead_letter", letters)
            for row, outcome, step in told:
                noted = (row["message"], row["id"], {"reason": outcome.reason, "step": step})
                self._happenings.note_in(tx, tenant, f"delivery.{outcome.state.value}", [noted])
            for row, outcome, step in all_of_them:
                if outcome.until is not None:
                    waiting = {"reason": outcome.reason, "step": step, "until": outcome.until.isoformat()}
                    kind = "delivery.retrying" if outcome.attempted else "delivery.deferred"
                    self._happenings.step_in(tx, tenant, kind, [(row["message"], row["id"], waiting)])
            for outcome, ids in by_outcome.items():
                _conclude_in(tx, tenant, outcome, ids)
            tx.insert_many("trace_entry", traces)

        await self._database.write(write)
        self._happenings.ring(tenant, *{f"delivery.{outcome.state.value}" for _, outcome, _ in told})

    def _claim_in(self, tx: Transaction, now: datetime, limit: int, cap_window: timedelta) -> list[Claim]:
        rows: list[Row] = []
        for rank in RANKS:
            if len(rows) < limit:
                rows += tx.query(
                    "SELECT * FROM delivery WHERE pending = 1 AND priority_rank = :rank AND due_at <= :now"
                    f" ORDER BY due_at LIMIT :n {tx.lock}",
                    rank=rank, now=to_ms(now), n=limit - len(rows),
                )  # fmt: skip
        by_tenant: dict[TenantId, list[Row]] = {}
        for row in rows:
            by_tenant.setdefault(TenantId(row["tenant"]), []).append(row)
        claims: list[Claim] = []
        for tenant, own in by_tenant.items():
            ids, params = among(row["id"] for row in own)
            tx.execute(
                f"UPDATE delivery SET due_at = :until, claimed_by = :w WHERE tenant = :t AND id IN {ids}",
                until=to_ms(now + LEASE), w=self._worker, t=tenant, **params,
            )  # fmt: skip
            claims += _with_facts(tx, tenant, own, now - cap_window)
        return claims


def _with_facts(tx: Transaction, tenant: TenantId, rows: list[Row], since: datetime) -> list[Claim]:
    names, who = among({row["user_id"] for row in rows})
    users = {
        row["id"]: row
        for row in tx.query(f"SELECT * FROM app_user WHERE tenant = :t AND id IN {names}", t=tenant, **who)
    }
    ids, which = among({row["message"] for row in rows})
    messages = {
        row["id"]: row
        for row in tx.query(f"SELECT * FROM message WHERE tenant = :t AND id IN {ids}", t=tenant, **which)
    }
    past: dict[str, tuple[Past, ...]] = {}
    capped = {row["user_id"] for row in rows if row["category"] != Category.TRANSACTIONAL}
    if capped:
        sql, params = _past_of(tenant, capped, since)
        past = _past(tx.query(sql, **params))
    return [
        Claim(row, users.get(row["user_id"]), messages[row["message"]], past.get(row["user_id"], ()))
        for row in rows
    ]


def _past_of(tenant: TenantId, users: Iterable[str], since: datetime) -> tuple[str, dict[str, Any]]:
    """Return the statement and the parameters that find what users got."""
    names, who = among(dict.fromkeys(users))
    sql = (
        f"SELECT user_id, settled_at, category, topic FROM delivery WHERE tenant = :t AND user_id IN {names}"
        " AND category <> 'transactional' AND settled_at > :since"
    )
    return sql, {"t": tenant, "since": to_ms(since), **who}


def _past(rows: list[Row]) -> dict[str, tuple[Past, ...]]:
    found: dict[str, tuple[Past, ...]] = {}
    for row in rows:
        got = Past(from_ms(row["settled_at"]), Category(row["category"]), row["topic"])
        found[row["user_id"]] = (*found.get(row["user_id"], ()), got)
    return found


def _conclude_in(tx: Transaction, tenant: TenantId, outcome: Outcome, ids: list[str]) -> None:
    names, params = among(ids)
    changes: dict[str, Any] = {
        "state": outcome.state.value,
        "reason": outcome.reason,
        "pending": int(outcome.until is not None),
        "claimed_by": "",
    }
    if outcome.until is not None:
        changes["due_at"] = to_ms(outcome.until)
    assignments = ", ".join(f"{name} = :{name}" for name in changes)
    attempts = ", attempts = attempts + 1" if outcome.attempted else ""
    tx.execute(
        f"UPDATE delivery SET {assignments}{attempts} WHERE tenant = :t AND pending = 1 AND id IN {names}",
        t=tenant, **changes, **params,
    )  # fmt: skip
