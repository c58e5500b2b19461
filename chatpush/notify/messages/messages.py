"""Accept messages durably, tell what became of them, cancel them.

``accept`` returns an id once the message is on disk; everything after that
happens in the background and survives a kill. The draft, with its data, is
sealed with the recipient's own key if there is one recipient, else with the
tenant's, and forgets the recipients when all have their deliveries.
"""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from types import MappingProxyType
from typing import Any

from chatpush.clock import Clock
from chatpush.domain import DeliveryId, MessageId, TenantId, User, UserId, new_id, to_ms
from chatpush.errors import NotFound
from chatpush.notify.audience.audience import Audience
from chatpush.notify.deciding.digests import gathered_any, leave_in
from chatpush.notify.listing import Listed, Window
from chatpush.notify.messages import drafts
from chatpush.notify.messages.accepted import AcceptedMessages, seal
from chatpush.notify.messages.broadcasts import Broadcasts
from chatpush.notify.messages.checking import Checking
from chatpush.notify.messages.drafts import Accepted, MessageDraft
from chatpush.notify.messages.fanout import FanOut, cancelled_in, existing_in, own_data, without_item
from chatpush.notify.messages.happenings import Happenings
from chatpush.notify.messages.repeating import fingerprint, first_in
from chatpush.notify.reporting.reporting import (
    ENGAGEMENT,
    DeliveryReport,
    Message,
    message_of,
    report_of,
    sums,
)
from chatpush.notify.sending.handing import Handed, Handing
from chatpush.notify.templates.templates import Templates
from chatpush.store.database import Database, Row, Transaction
from chatpush.store.parameters import among
from chatpush.store.vault import Vault

CANCEL_PAGE = 5000
CANCEL_MESSAGES = 50


Allow = Callable[[TenantId, int], Awaitable[object]]
"""Asked before a message is taken on, with how many users it names."""
Along = Callable[[Transaction], None]
"""What a caller writes in the transaction that takes its message on; raising takes nothing on."""


class Messages:
    """The messages of every tenant."""

    def __init__(
        self, database: Database, vault: Vault, audience: Audience, templates: Templates, fanout: FanOut,
        clock: Clock, ring_outbox: Callable[[], None], *, known_channels: frozenset[str] = frozenset(),
        silent_channels: frozenset[str] = frozenset(),
        max_recipients: int = 1000, allow: Allow | None = None, broadcasts: Broadcasts | None = None,
        happenings: Happenings | None = None, handing: Handing | None = None, judge: drafts.Judge | None = None,
    ) -> None:  # fmt: skip
        self._handing = handing or Handing("")
        self._broadcasts = broadcasts
        self._happenings = happenings or Happenings(clock)
        self._allow = allow
        self._database = database
        self._vault = vault
        self._accepted = AcceptedMessages(vault)
        self._audience = audience
        self._templates = templates
        self._fanout = fanout
        self._clock = clock
        self._ring_outbox = ring_outbox
        self._checking = Checking(
            audience, templates, clock, known_channels=known_channels, silent_channels=silent_channels,
            max_recipients=max_recipients, judge=judge,
        )  # fmt: skip

    async def check(self, tenant: TenantId, draft: MessageDraft) -> Accepted:
        """Return what a message would be accepted as; nothing is written.

        Raises:
            InvalidInput: a part of the draft can't be used; ``param`` names it.
        """
        return await self._checking.accepted(tenant, draft)

    async def accept(
        self, tenant: TenantId, draft: MessageDraft, idempotency_key: str = "", along: Along | None = None,
        people: Mapping[UserId, User] = MappingProxyType({}),
    ) -> MessageId:  # fmt: skip
        """Take a message on; it is durable when this returns.

        The same ``idempotency_key`` again returns the first message's id. ``along``
        is for messages to named users; it happens with the message or not at all.
        ``people`` are recipients whose record the caller has just read.

        Raises:
            InvalidInput: a part of the draft can't be used; ``param`` names it.
            KeyReused: the key came with another draft.
            QuotaExceeded: the tenant's plan has no more messages, and is enforced.
        """
        accepted = await self._checking.accepted(tenant, draft)
        named = [one.user for one in accepted.to if one.user is not None]
        if self._allow is not None:
            await self._allow(tenant, len(named) or 1)
        if self._broadcasts is not None and await self._broadcasts.suits(tenant, accepted):
            return await self._broadcast(tenant, draft, accepted, idempotency_key, self._broadcasts)
        inline = len(named) == len(accepted.to) <= self._fanout.page_size
        owner = named[0] if len(accepted.to) == len(named) == 1 else ""
        message = MessageId(new_id("msg"))
        await self._vault.ready(tenant, *([owner] if owner else []))
        users = sorted(set(named)) if inline else []
        rows = await self._fanout.rows(tenant, message, accepted, users)
        kept = replace(accepted, to=()) if inline else accepted
        row = self._row(tenant, message, draft, kept, idempotency_key, owner=owner)
        row["fanned_at"] = row["accepted_at"] if inline else None
        claimed = self._handing.claim(accepted, rows, self._clock.now())

        def write(tx: Transaction) -> MessageId:
            if along is not None:
                along(tx)
            if idempotency_key and (first := first_in(tx, row)):
                return first
            tx.insert("message", row)
            self._happenings.note_message_in(tx, tenant, "message.accepted", row)
            self._fanout.insert_in(tx, tenant, accepted, rows, known=people)
            return message

        stored = ""
        try:
            stored = await self._database.write(write)
        finally:
            if stored != message:
                self._handing.forget(len(claimed))
        self._happenings.ring(tenant, "message.accepted")
        self._fanout.ring_told(tenant, accepted)
        if claimed and stored == message:
            self._handing.hand(Handed(tenant, kept, claimed, own_data(accepted), people))
        if inline:
            self._ring_outbox()
        else:
            self._fanout.ring()
        return MessageId(stored)

    async def room(self, count: int) -> None:
        """Wait until the outbox keeps up with so many more; for whoever makes messages by the thousand."""
        await self._handing.room(count)

    async def _broadcast(
        self, tenant: TenantId, draft: MessageDraft, accepted: Accepted, key: str, broadcasts: Broadcasts
    ) -> MessageId:
        """Write one row that its many readers fetch."""
        message = MessageId(new_id("msg"))
        await self._vault.ready(tenant)
        row = self._row(tenant, message, draft, replace(accepted, to=()), key, fan_out="read")
        row["fanned_at"] = row["accepted_at"]

        def write(tx: Transaction) -> MessageId:
            if key and (first := first_in(tx, row)):
                return first
            tx.insert("message", row)
            self._happenings.note_message_in(tx, tenant, "message.accepted", row)
            broadcasts.insert_in(tx, tenant, message, accepted)
            return message

        stored = await self._database.write(write)
        self._happenings.ring(tenant, "message.accepted")
        broadcasts.ring(tenant)
        return stored

    def _row(
        self, tenant: TenantId, message: MessageId, draft: MessageDraft, kept: Accepted, key: str, *,
        owner: str = "", fan_out: str = "write",
    ) -> Row:  # fmt: skip
        return {
            "tenant": tenant, "id": message, "state": "accepted", "template": kept.template,
            "category": kept.category.value, "campaign": kept.campaign or "",
            "cancel_key": draft.cancel_key, "collapse_key": draft.collapse_key,
            "idempotency_key": key or None, "fingerprint": fingerprint(draft) if key else "", "owner": owner,
            "draft_sealed": seal(self._vault, tenant, owner, message, kept), "fan_out": fan_out,
            "fan_cursor": "", "recalling": 0, "recall_cursor": "", "accepted_at": to_ms(self._clock.now()),
        }  # fmt: skip

    async def cancel(
        self, tenant: TenantId, *, message: MessageId | None = None, cancel_key: str = "",
        users: Sequence[UserId] = (),
    ) -> int:  # fmt: skip
        """Stop what has not reached a user yet; return how many deliveries that was.

        ``users`` stops it for them alone; the others still get it.

        Raises:
            NotFound: there is no such message. (An unknown cancel key just cancels nothing.)
        """
        if users:
            return await self._cancel_for(tenant, message, cancel_key, users)
        now = to_ms(self._clock.now())

        def mark(tx: Transaction) -> list[str]:
            # By key also those cancelled before: a kill may have come between them and their deliveries.
            condition, value = (
                ("id = :x", message)
                if message
                else ("cancel_key = :x AND state IN ('accepted', 'cancelled')", cancel_key)
            )
            found = tx.query(
                "UPDATE message SET state = 'cancelled', cancelled_at = COALESCE(cancelled_at, :now),"
                f" fanned_at = COALESCE(fanned_at, :now) WHERE tenant = :t AND {condition}"
                " RETURNING id, template, category, campaign, cancel_key",
                now=now, t=tenant, x=value,
            )  # fmt: skip
            for row in found:
                self._happenings.note_message_in(tx, tenant, "message.cancelled", row)
            return [row["id"] for row in found]

        ids = await self._database.write(mark)
        self._happenings.ring(tenant, "message.cancelled")
        if message and not ids:
            raise NotFound(f"no message {message!r}", param="id")
        return sum(
            [
                await self._cancel_deliveries(tenant, ids[start : start + CANCEL_MESSAGES])
                for start in range(0, len(ids), CANCEL_MESSAGES)
            ]
        )

    async def cancel_one(self, tenant: TenantId, message: MessageId, users: Sequence[UserId]) -> int:
        """Cancel one message, for some users or for all."""
        return await self.cancel(tenant, message=message, users=users)

    async def _cancel_for(
        self, tenant: TenantId, message: MessageId | None, cancel_key: str, users: Sequence[UserId]
    ) -> int:
        """Cancel for some users; who has no delivery yet gets one that is cancelled already."""
        condition, value = ("id = :x", message) if message else ("cancel_key = :x", cancel_key)
        rows = await self._database.read(
            f"SELECT * FROM message WHERE tenant = :t AND {condition}", t=tenant, x=value
        )
        if message and not rows:
            raise NotFound(f"no message {message[:64]!r}", param="id")
        cancelled = {"state": "cancelled", "reason": "cancelled", "pending": 0}
        total = 0
        names, params = among(users)
        for row in rows:
            waiting: list[Row] = []
            if row["fan_out"] == "read" or row["fanned_at"] is None:
                accepted = await self._accepted.of_row(row)
                waiting = await self._fanout.rows(tenant, MessageId(row["id"]), accepted, users)
            never = [without_item(one) | cancelled for one in waiting]

            def cancel(tx: Transaction, message: str = row["id"], never: list[Row] = never) -> int:
                own = f"d.message = :m AND d.user_id IN {names}"
                stopped = leave_in(tx, tenant, own, {"m": message, **params}, "cancelled")
                stopped += tx.query(
                    "UPDATE delivery SET state = 'cancelled', reason = 'cancelled', pending = 0 WHERE tenant = :t"
                    f" AND message = :m AND user_id IN {names} AND pending = 1 AND settled_at IS NULL"
                    " RETURNING id, message, digest_key",
                    t=tenant, m=message, **params,
                )  # fmt: skip
                cancelled_in(tx, tenant, self._happenings, stopped, "cancelled")
                made = tx.insert_many("delivery", never, "(tenant, message, user_id) DO NOTHING")
                if made:
                    self._happenings.cancelled_in(tx, tenant, existing_in(tx, tenant, never), "cancelled")
                return len(stopped) + made

            total += await self._database.write(cancel)
        self._happenings.ring(tenant, "delivery.cancelled")
        return total

    async def get(self, tenant: TenantId, message: MessageId) -> Message:
        """Return what became of a message.

        Raises:
            NotFound: there is none of this id.
        """
        rows = await self._database.read(
            "SELECT * FROM message WHERE tenant = :t AND id = :m", t=tenant, m=message
        )
        if not rows:
            raise NotFound(f"no message {message[:64]!r}", param="id")
        return (await self._with_counts(tenant, rows))[message]

    async def deliveries(
        self, tenant: TenantId, message: MessageId, window: Window, state: str = ""
    ) -> Listed[DeliveryReport]:
        """Return a page of a message's deliveries, newest first; only those in ``state`` if given."""
        clause, params = window.clause("id")
        only = " AND state = :state" if state else ""
        rows = await self._database.read(
            f"SELECT * FROM delivery WHERE tenant = :t AND message = :m{only}{clause}",
            t=tenant, m=message, **({"state": state} if state else {}), **params,
        )  # fmt: skip
        return window.page(rows, report_of)

    async def delivery(self, tenant: TenantId, delivery: DeliveryId) -> DeliveryReport:
        """Return one delivery.

        Raises:
            NotFound: there is none of this id.
        """
        rows = await self._database.read(
            "SELECT * FROM delivery WHERE tenant = :t AND id = :d", t=tenant, d=delivery
        )
        if not rows:
            raise NotFound(f"no delivery {delivery[:64]!r}", param="id")
        return report_of(rows[0])

    async def recent_deliveries(
        self, tenant: TenantId, window: Window, state: str = "", user: str = ""
    ) -> Listed[DeliveryReport]:
        """Return a page of all deliveries, newest first, of a state and a user if given."""
        clause, params = window.clause("id")
        wanted = {name: value for name, value in (("state", state), ("user_id", user)) if value}
        only = "".join(f" AND {name} = :{name}" for name in wanted)
        rows = await self._database.read(
            f"SELECT * FROM delivery WHERE tenant = :t{only}{clause}", t=tenant, **wanted, **params
        )
        return window.page(rows, report_of)

    async def totals(self, tenant: TenantId, since: datetime, campaign: str = "") -> dict[str, int]:
        """Return how many deliveries made since then are in which state, and seen, clicked, dismissed."""
        only = " AND campaign = :c" if campaign else ""
        rows = await self._database.read(
            f"SELECT state, {ENGAGEMENT} FROM delivery"
            f" WHERE tenant = :t AND created_at >= :since{only} GROUP BY state",
            t=tenant, since=to_ms(since), **({"c": campaign} if campaign else {}),
        )  # fmt: skip
        counts, engagement = sums(rows)
        return counts | engagement

    async def _cancel_deliveries(self, tenant: TenantId, messages: Sequence[str]) -> int:
        """Cancel the waiting deliveries of messages, some thousand in a transaction."""
        ids, params = among(messages)

        def cancel(tx: Transaction) -> int:
            stopped = tx.query(
                "UPDATE delivery SET state = CASE WHEN settled_at IS NULL THEN 'cancelled' ELSE state END,"
                " reason = 'cancelled', pending = 0"
                f" WHERE tenant = :t AND id IN (SELECT id FROM delivery WHERE tenant = :t AND message IN {ids}"
                " AND pending = 1 AND (settled_at IS NULL OR stage > 0) LIMIT :n)"
                " RETURNING id, message, digest_key, settled_at",
                t=tenant, n=CANCEL_PAGE, **params,
            )  # fmt: skip
            cancelled_in(tx, tenant, self._happenings, stopped, "cancelled")
            return len(stopped)

        def leave(tx: Transaction) -> int:
            left = leave_in(tx, tenant, f"d.message IN {ids}", params, "cancelled", CANCEL_PAGE)
            cancelled_in(tx, tenant, self._happenings, left, "cancelled")
            return len(left)

        total = 0
        # Those in others' digests first, or they would inherit the place of one that is cancelled with them.
        for step in (leave, cancel) if await gathered_any(self._database, tenant, messages) else (cancel,):
            while True:
                cancelled = await self._database.write(step)
                total += cancelled
                if cancelled < CANCEL_PAGE:
                    break
        self._happenings.ring(tenant, "delivery.cancelled")
        return total

    async def _with_counts(self, tenant: TenantId, rows: list[Row]) -> dict[str, Message]:
        ids, params = among(row["id"] for row in rows)
        counted = await self._database.read(
            f"SELECT message, state, MAX(pending) AS pending, {ENGAGEMENT} FROM delivery"
            f" WHERE tenant = :t AND message IN {ids} GROUP BY message, state",
            t=tenant, **params,
        )  # fmt: skip
        return {
            row["id"]: message_of(row, [one for one in counted if one["message"] == row["id"]])
            for row in rows
        }

    async def list(
        self, tenant: TenantId, window: Window, campaign: str = "", *, template: str = "", category: str = "",
        cancel_key: str = "",
    ) -> Listed[Message]:  # fmt: skip
        """Return a page of messages, newest first, those that fit every filter given."""
        clause, params = window.clause("id")
        given = {"campaign": campaign, "category": category, "cancel_key": cancel_key}
        wanted: dict[str, Any] = {name: value for name, value in given.items() if value}
        only = "".join(f" AND {name} = :{name}" for name in wanted)
        if "@" in template:
            only, wanted["template"] = f"{only} AND template = :template", template
        elif template:
            only += " AND substr(template, 1, :length) = :template"
            wanted |= {"template": f"{template}@", "length": len(template) + 1}
        rows = await self._database.read(
            f"SELECT * FROM message WHERE tenant = :t{only}{clause}", t=tenant, **wanted, **params
        )
        messages = await self._with_counts(tenant, rows)
        return window.page(rows, lambda row: messages[row["id"]])
