"""Tell a tenant's own servers what happens: whom, of what, under which secret.

An event becomes one call for each webhook that wants its type, written before
``emit`` returns. Bodies are sealed. A new secret signs beside the old one for
a day, so a receiver can change over at leisure.
"""

import base64
import json
import secrets
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from chatpush.channels.outgoing import checked_url
from chatpush.channels.webhook_calls import Attempt
from chatpush.clock import Clock
from chatpush.domain import ReceiptKind, TenantId, UserId, from_ms, iso, new_id, to_ms
from chatpush.errors import Conflict, InvalidInput, NotFound
from chatpush.notify.listing import Listed, Window
from chatpush.notify.messages import happenings
from chatpush.notify.reading.receipts import Reception
from chatpush.store.database import Database, Row, Transaction
from chatpush.store.parameters import among
from chatpush.store.vault import Vault

TYPES = (
    *happenings.TYPES, *(f"message.{kind.value}" for kind in ReceiptKind), "conversation.due_soon",
    "conversation.overdue", "webhook.test",
)  # fmt: skip
OLD_SECRET_HOLDS = timedelta(hours=24)
MOST = 50
LARGEST_BODY = 20_000
CALLS_KEPT = timedelta(days=30)


@dataclass(frozen=True, slots=True)
class Webhook:
    """An address that is told; ``problem`` says why it was switched off."""

    id: str
    url: str
    types: tuple[str, ...]
    enabled: bool
    problem: str
    created_at: datetime


@dataclass(frozen=True, slots=True)
class Call:
    """One event on its way to one webhook."""

    id: str
    type: str
    state: str
    due_at: datetime
    created_at: datetime
    attempts: tuple[Attempt, ...]


class Webhooks:
    """The webhooks of every tenant."""

    def __init__(
        self, database: Database, vault: Vault, clock: Clock, ring: Callable[[], None], *,
        allow_private: bool = False,
    ) -> None:  # fmt: skip
        self._database = database
        self._vault = vault
        self._clock = clock
        self.ring = ring
        self._wanted: dict[TenantId, dict[str, frozenset[str]]] = {}
        self._allow_private = allow_private

    async def create(self, tenant: TenantId, url: str, types: Sequence[str]) -> tuple[Webhook, str]:
        """Return a new webhook and its secret; no types: all.

        Raises:
            InvalidInput: the address or a type can't be used.
            Forbidden: the address is inside a private network.
            Conflict: there are too many.
        """
        checked_url(url, allow_private=self._allow_private)
        if unknown := [one for one in types if one not in TYPES]:
            raise InvalidInput(f"no type {unknown[0][:64]!r}; there are {', '.join(TYPES)}", param="types")
        await self._vault.ready(tenant)
        webhook, secret = new_id("whk"), _secret()
        row: Row = {
            "tenant": tenant, "id": webhook, "url": url, "types": json.dumps(sorted(set(types))),
            "secrets_sealed": self._sealed(tenant, webhook, [{"secret": secret, "until": None}]),
            "enabled": 1, "problem": "", "created_at": to_ms(self._clock.now()),
        }  # fmt: skip

        def write(tx: Transaction) -> None:
            if tx.query("SELECT COUNT(*) AS n FROM webhook WHERE tenant = :t", t=tenant)[0]["n"] >= MOST:
                raise Conflict(f"there are {MOST} webhooks already; delete one")
            tx.insert("webhook", row)

        await self._database.write(write)
        await self.learn()
        return _webhook(row), secret

    async def learn(self) -> None:
        """Learn which webhooks there are and what they want; other nodes may have changed it."""
        rows = await self._database.read("SELECT tenant, id, types FROM webhook WHERE enabled = 1")
        wanted: dict[TenantId, dict[str, frozenset[str]]] = {}
        for row in rows:
            types = frozenset(json.loads(row["types"]) or TYPES)
            wanted.setdefault(TenantId(row["tenant"]), {})[row["id"]] = types
        self._wanted = wanted

    def wants(self, tenant: TenantId, kind: str) -> bool:
        """Return whether any webhook of a tenant is to be told of a type."""
        return any(kind in types for types in self._wanted.get(tenant, {}).values())

    async def enable(self, tenant: TenantId, webhook: str, *, enabled: bool) -> None:
        """Switch one on or off.

        Raises:
            NotFound: there is none of this id.
        """
        await self._change("UPDATE webhook SET enabled = :e, problem = ''", tenant, webhook, e=int(enabled))
        await self.learn()

    async def delete(self, tenant: TenantId, webhook: str) -> None:
        """Forget one, and what was to be told to it.

        Raises:
            NotFound: there is none of this id.
        """
        await self._change("DELETE FROM webhook", tenant, webhook)
        await self._database.write(
            lambda tx: tx.execute(
                "DELETE FROM webhook_call WHERE tenant = :t AND webhook = :w", t=tenant, w=webhook
            )
        )

    async def rotate(self, tenant: TenantId, webhook: str) -> str:
        """Return a new secret; the old one signs too for a day.

        Raises:
            NotFound: there is none of this id.
        """
        await self._vault.ready(tenant)
        now, fresh = self._clock.now(), _secret()

        def write(tx: Transaction) -> None:
            rows = tx.query("SELECT * FROM webhook WHERE tenant = :t AND id = :w", t=tenant, w=webhook)
            if not rows:
                raise NotFound(f"no webhook {webhook[:64]!r}", param="id")
            known = self._vault.open_json(
                tenant, "", "webhook", "secrets", webhook, rows[0]["secrets_sealed"]
            )
            until = to_ms(now + OLD_SECRET_HOLDS)
            old = [
                {"secret": one["secret"], "until": one["until"] or until}
                for one in known
                if one["until"] is None or one["until"] > to_ms(now)
            ]
            kept = [{"secret": fresh, "until": None}, *old[:2]]
            tx.execute(
                "UPDATE webhook SET secrets_sealed = :s WHERE tenant = :t AND id = :w",
                s=self._sealed(tenant, webhook, kept), t=tenant, w=webhook,
            )  # fmt: skip

        await self._database.write(write)
        return fresh

    async def emit(self, tenant: TenantId, kind: str, data: Mapping[str, Any], *, only: str = "") -> int:
        """Write an event for every webhook that wants it (or ``only`` this one); return how many.

        Raises:
            InvalidInput: the event is too large.
        """
        calls = await self.calls_of(tenant, [(kind, to_ms(self._clock.now()), data)], only=only)
        if calls:
            await self._database.write(lambda tx: tx.insert_many("webhook_call", calls))
            self.ring()
        return len(calls)

    async def calls_of(
        self, tenant: TenantId, events: Sequence[tuple[str, int, Mapping[str, Any]]], *, only: str = ""
    ) -> list[Row]:
        """Return events (type, time, data) as calls of the webhooks that want them (or ``only`` this one).

        A body that says whose it is (``user``) is sealed with that user's key.

        Raises:
            InvalidInput: an event is too large.
        """
        known = await self._enabled(tenant)
        users = [str(data.get("user") or "") for _, _, data in events]
        await self._vault.ready_many(tenant, [user for user in users if user])
        calls: list[Row] = []
        for (kind, at, data), user in zip(events, users, strict=True):
            wanting = [
                webhook for webhook, types in known.items() if webhook == only or (not only and kind in types)
            ]
            event = {"type": kind, "timestamp": iso(from_ms(at)), "data": dict(data)}
            body = json.dumps(event, ensure_ascii=False)
            if len(body.encode()) > LARGEST_BODY:
                raise InvalidInput(f"an event has at most {LARGEST_BODY} bytes")
            calls += [self._written(tenant, webhook, kind, body, user) for webhook in wanting]
        return calls

    async def _enabled(self, tenant: TenantId) -> dict[str, frozenset[str]]:
        """Return what a tenant's webhooks want, of those that nobody switched off meanwhile."""
        known = self._wanted.get(tenant, {})
        if not known:
            return {}
        rows = await self._database.read("SELECT id FROM webhook WHERE tenant = :t AND enabled = 1", t=tenant)
        enabled = {row["id"] for row in rows}
        return {webhook: types for webhook, types in known.items() if webhook in enabled}

    async def erase(self, tenant: TenantId, user: UserId) -> None:
        """Forget every call about a user, and what was tried."""

        def write(tx: Transaction) -> None:
            whose = {"t": tenant, "u": user}
            tx.execute(
                "DELETE FROM webhook_attempt WHERE tenant = :t AND call IN (SELECT id FROM webhook_call"
                " WHERE tenant = :t AND user_id = :u)",
                **whose,
            )
            tx.execute("DELETE FROM webhook_call WHERE tenant = :t AND user_id = :u", **whose)

        await self._database.write(write)

    async def test(self, tenant: TenantId, webhook: str) -> None:
        """Send a test event.

        Raises:
            NotFound: there is none of this id, or it is switched off.
        """
        if not await self.emit(tenant, "webhook.test", {"webhook": webhook}, only=webhook):
            raise NotFound(f"no webhook {webhook[:64]!r} that is switched on", param="id")

    async def on_reception(self, reception: Reception) -> None:
        """Tell of a receipt; a listener of ``Receipts``."""
        receipt = reception.receipt
        data = {
            "delivery": receipt.delivery, "message": reception.message, "user": reception.user,
            "category": reception.category.value, "campaign": reception.campaign, "at": iso(receipt.at),
        }  # fmt: skip
        await self.emit(reception.tenant, f"message.{receipt.kind.value}", data)

    async def calls(self, tenant: TenantId, webhook: str, window: Window) -> Listed[Call]:
        """Return a page of what was told to a webhook, newest first, with every attempt."""
        clause, params = window.clause("id")
        rows = await self._database.read(
            f"SELECT * FROM webhook_call WHERE tenant = :t AND webhook = :w{clause}",
            t=tenant, w=webhook, **params,
        )  # fmt: skip
        ids, which = among(row["id"] for row in rows)
        tried = await self._database.read(
            f"SELECT * FROM webhook_attempt WHERE tenant = :t AND call IN {ids} ORDER BY call, number",
            t=tenant, **which,
        )  # fmt: skip
        return window.page(rows, lambda row: _call(row, [one for one in tried if one["call"] == row["id"]]))

    async def replay(self, tenant: TenantId, webhook: str, call: str) -> None:
        """Tell it again, under the same id.

        Raises:
            NotFound: there is no such call.
        """
        changed = await self._database.write(
            lambda tx: tx.execute(
                "UPDATE webhook_call SET state = 'pending', due_at = :now"
                " WHERE tenant = :t AND webhook = :w AND id = :id",
                now=to_ms(self._clock.now()), t=tenant, w=webhook, id=call,
            )
        )  # fmt: skip
        if not changed:
            raise NotFound(f"no call {call[:64]!r}", param="id")
        self.ring()

    async def prune(self) -> int:
        """Forget old calls; return how many."""
        before = to_ms(self._clock.now() - CALLS_KEPT)

        def write(tx: Transaction) -> int:
            tx.execute("DELETE FROM webhook_attempt WHERE at < :b", b=before)
            return tx.execute(
                "DELETE FROM webhook_call WHERE state <> 'pending' AND created_at < :b", b=before
            )

        return await self._database.write(write)

    async def _change(self, sql: str, tenant: TenantId, webhook: str, **params: Any) -> None:
        changed = await self._database.write(
            lambda tx: tx.execute(f"{sql} WHERE tenant = :t AND id = :w", t=tenant, w=webhook, **params)
        )
        if not changed:
            raise NotFound(f"no webhook {webhook[:64]!r}", param="id")

    def _sealed(self, tenant: TenantId, webhook: str, known: list[dict[str, Any]]) -> bytes:
        return self._vault.seal_json(tenant, "", "webhook", "secrets", webhook, known)

    def _written(self, tenant: TenantId, webhook: str, kind: str, body: str, user: str) -> Row:
        call, now = new_id("evt"), to_ms(self._clock.now())
        return {
            "tenant": tenant, "id": call, "webhook": webhook, "type": kind, "user_id": user,
            "body_sealed": self._vault.seal_text(tenant, user, "webhook_call", "body", call, body),
            "state": "pending", "attempts": 0, "due_at": now, "created_at": now,
        }  # fmt: skip

    async def list(self, tenant: TenantId) -> list[Webhook]:
        """Return all of a tenant's, newest first."""
        rows = await self._database.read("SELECT * FROM webhook WHERE tenant = :t ORDER BY id DESC", t=tenant)
        return [_webhook(row) for row in rows]


def _secret() -> str:
    return "whsec_" + base64.b64encode(secrets.token_bytes(24)).decode()


def _webhook(row: Row) -> Webhook:
    return Webhook(
        id=row["id"],
        url=row["url"],
        types=tuple(json.loads(row["types"])),
        enabled=bool(row["enabled"]),
        problem=row["problem"],
        created_at=from_ms(row["created_at"]),
    )


def _call(row: Row, tried: list[Row]) -> Call:
    return Call(
        id=row["id"],
        type=row["type"],
        state=row["state"],
        due_at=from_ms(row["due_at"]),
        created_at=from_ms(row["created_at"]),
        attempts=tuple(Attempt(one["status"], one["error"], one["milliseconds"]) for one in tried),
    )
