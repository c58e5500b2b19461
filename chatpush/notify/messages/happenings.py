"""Write down what happens to messages and consents, in the transaction that makes it happen, for whoever is to be told.

Only what somebody asked for is written: a tenant without a webhook for a type
pays nothing for it, nor an installation without an exporter of deliveries.
Ids and reasons alone; who tells finds the rest.
"""

import json
from collections.abc import Callable, Iterable, Mapping
from typing import Any

from chatpush.clock import Clock
from chatpush.domain import TenantId, UserId, new_id, to_ms
from chatpush.store.database import Row, Transaction

CONSENT_CHANGED = "user.consent_changed"
TYPES = (
    "message.accepted", "message.cancelled", "message.recalled", "delivery.sent", "delivery.failed",
    "delivery.suppressed", "delivery.expired", "delivery.cancelled", "delivery.replaced", "delivery.recalled",
    CONSENT_CHANGED,
)  # fmt: skip
Noted = tuple[str, str, Mapping[str, Any]]
"""A message, a delivery ('' for the message as a whole) and what there is to say."""


class Happenings:
    """The list of what is to be told."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._wants: Callable[[TenantId, str], bool] = _nobody
        self._ring: Callable[[], None] = _nothing
        self._exported = False

    def told_by(self, wants: Callable[[TenantId, str], bool], ring: Callable[[], None]) -> None:
        """Let somebody tell: ``wants`` says which types of a tenant, ``ring`` that there is something."""
        self._wants, self._ring = wants, ring

    def export(self) -> None:
        """Write every step down for exporters too, from now on."""
        self._exported = True

    @property
    def exported(self) -> bool:
        """Whether steps are written down for exporters."""
        return self._exported

    def note_in(self, tx: Transaction, tenant: TenantId, kind: str, noted: Iterable[Noted]) -> None:
        """Write what happened, for webhooks and exporters, within the transaction that made it happen."""
        if self._exported:
            noted = list(noted)
            self.step_in(tx, tenant, kind, noted)
        if self._wants(tenant, kind):
            self._write_in(tx, "happening", "evt", tenant, kind, noted)

    def step_in(self, tx: Transaction, tenant: TenantId, kind: str, noted: Iterable[Noted]) -> None:
        """Write what happened for exporters alone."""
        if self._exported:
            self._write_in(tx, "delivery_step", "stp", tenant, kind, noted)

    def consents_in(
        self, tx: Transaction, tenant: TenantId, user: UserId, said: Iterable[Mapping[str, Any]], now_ms: int
    ) -> None:
        """Write which of a user's consents changed (the ledger's words, at its moment), for webhooks alone."""
        if self._wants(tenant, CONSENT_CHANGED):
            rows = [_row("evt", tenant, CONSENT_CHANGED, ("", "", one), now_ms) for one in said]
            tx.insert_many("happening", [row | {"user_id": user} for row in rows])

    def cancelled_in(
        self, tx: Transaction, tenant: TenantId, rows: Iterable[Row], reason: str, **more: str
    ) -> None:
        """Write that deliveries (``id``, ``message``) were stopped before they went out."""
        noted = [(row["message"], row["id"], {"reason": reason, **more}) for row in rows]
        self.note_in(tx, tenant, "delivery.cancelled", noted)

    def _write_in(
        self, tx: Transaction, table: str, prefix: str, tenant: TenantId, kind: str, noted: Iterable[Noted]
    ) -> None:
        now = to_ms(self._clock.now())
        tx.insert_many(table, [_row(prefix, tenant, kind, one, now) for one in noted])

    def note_message_in(self, tx: Transaction, tenant: TenantId, kind: str, row: Row) -> None:
        """Write what happened to a message as a whole, by its row."""
        said = {name: row[name] or None for name in ("template", "category", "campaign", "cancel_key")}
        self.note_in(tx, tenant, kind, [(row["id"], "", said)])

    def ring(self, tenant: TenantId, *kinds: str) -> None:
        """Say that a transaction with notes of these types was committed; only then can they be found."""
        if any(self._wants(tenant, kind) for kind in kinds):
            self._ring()


def _row(prefix: str, tenant: TenantId, kind: str, noted: Noted, now_ms: int) -> Row:
    message, delivery, detail = noted
    return {
        "tenant": tenant, "id": new_id(prefix), "type": kind, "message": message, "delivery": delivery,
        "detail": json.dumps(detail, ensure_ascii=False), "at": now_ms,
    }  # fmt: skip


def _nobody(_tenant: TenantId, _kind: str) -> bool:
    return False


def _nothing() -> None:
    """Nobody tells."""
