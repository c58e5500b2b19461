"""Turn a message into deliveries, page by page, each user at most once.

A page's deliveries and the place reached are written in one transaction, and a
user has at most one delivery of a message (a unique index), so a process
killed anywhere goes on where it stopped: nobody is lost and nobody gets it
twice. Messages take turns, one page each, so that a big one does not hold up
the small.

A message to a few named users is fanned out in the transaction that accepts
it. A topic, a segment or everyone follows in the background, unless they are
so many that each reads it for themself (see ``broadcasts``).
"""

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

import structlog

from chatpush.clock import Clock
from chatpush.domain import DeliveryState, MessageId, TenantId, UserId, new_id, to_ms
from chatpush.errors import NotFound, VaultError
from chatpush.notify.audience.audience import Audience
from chatpush.notify.audience.users import create_missing
from chatpush.notify.deciding.digests import Digest, gather_in, hand_down_in, item_row, leave_in
from chatpush.notify.deciding.experiments import HOLDOUT, assign
from chatpush.notify.deciding.hours import instant, zone
from chatpush.notify.messages.accepted import AcceptedMessages, seal
from chatpush.notify.messages.drafts import Accepted
from chatpush.notify.messages.happenings import Happenings
from chatpush.notify.sending.handing import Handed, Handing
from chatpush.rounds import Worker
from chatpush.store.database import Database, Row, Transaction
from chatpush.store.parameters import among
from chatpush.store.vault import Vault

log = structlog.get_logger(__name__)

MESSAGES_IN_TURN = 8
ITEM = "digest item"
"""Where a row carries what it adds to a digest until it is inserted."""


class FanOut(Worker):
    """Makes deliveries of messages."""

    def __init__(
        self, database: Database, vault: Vault, audience: Audience, accepted: AcceptedMessages, clock: Clock,
        ring_outbox: Callable[[], None], *, page_size: int = 500, handing: Handing | None = None,
        happenings: Happenings | None = None,
    ) -> None:  # fmt: skip
        self._happenings = happenings or Happenings(clock)
        self._handing = handing or Handing("")
        self._database = database
        self._vault = vault
        self._audience = audience
        self._accepted = accepted
        self._clock = clock
        self._ring_outbox = ring_outbox
        self.page_size = page_size
        super().__init__("notify.fanout", self.turn)

    async def turn(self) -> float | None:
        """Fan out one page of the oldest messages; say whether there is more."""
        rows = await self._database.read(
            "SELECT * FROM message WHERE fanned_at IS NULL ORDER BY id LIMIT :n", n=MESSAGES_IN_TURN
        )
        failures: list[Exception] = []
        for row in rows:
            try:
                await self._page(row)
            except (NotFound, VaultError) as error:
                # The segment is gone, or the one recipient was erased: there is nobody to send to.
                await self._give_up(row, error.message)
            # A message that can't go on must not hold up those behind it.
            except Exception as error:
                failures.append(error)
        if len(rows) > len(failures):
            self._ring_outbox()
        elif failures:
            raise failures[0]
        return 0 if rows else None

    async def rows(
        self, tenant: TenantId, message: MessageId, accepted: Accepted, users: Sequence[UserId], *,
        due: datetime | None = None,
    ) -> list[Row]:  # fmt: skip
        """Return the deliveries of some users, ready to be inserted by ``insert_in``.

        ``due`` is when they were to be sent, if the message does not say.
        """
        now = self._clock.now()
        own = own_data(accepted)
        if own:
            await self._vault.ready_many(tenant, [user for user in users if user in own])
        if due is not None:
            at = dict.fromkeys(users, due)
        else:
            at = await self._due(tenant, accepted, users, now)
            at |= {one.user: one.send_at for one in accepted.to if one.user in at and one.send_at}
        alike = self._alike(tenant, message, accepted, now)
        when = {due: _when(accepted, due, now) for due in set(at.values())}
        made = [
            {**alike, **when[at[user]], **self._own(tenant, message, accepted, user, own.get(user))}
            for user in users
        ]
        if accepted.digest is not None:
            await self._vault.ready_many(tenant, list(users))
            words = (
                {"title": accepted.content.title, "body": accepted.content.body} if accepted.content else {}
            )
            for row in made:
                data = {**words, **accepted.data, **own.get(row["user_id"], {})}
                row[ITEM] = item_row(self._vault, tenant, row["user_id"], row["id"], data, to_ms(now))
        return made

    def insert_in(
        self, tx: Transaction, tenant: TenantId, accepted: Accepted, rows: list[Row],
        known: Collection[UserId] = (),
    ) -> None:  # fmt: skip
        """Insert deliveries; a waiting one of the same collapse key gives way. ``known`` users exist."""
        if not rows:
            return
        new = [row["user_id"] for row in rows if row["user_id"] not in known]
        create_missing(tx, tenant, new, to_ms(self._clock.now()))
        if accepted.collapse_key:
            users, params = among(row["user_id"] for row in rows)
            which = {"k": accepted.collapse_key, "m": rows[0]["message"], **params}
            same = f"d.user_id IN {users} AND d.collapse_key = :k AND d.message <> :m"
            replaced = leave_in(tx, tenant, same, which, "collapsed")
            replaced += tx.query(
                "UPDATE delivery SET state = 'cancelled', reason = 'collapsed', pending = 0"
                f" WHERE tenant = :t AND user_id IN {users} AND collapse_key = :k AND pending = 1"
                " AND settled_at IS NULL AND message <> :m RETURNING id, message, digest_key",
                t=tenant, **which,
            )  # fmt: skip
            cancelled_in(tx, tenant, self._happenings, replaced, "collapsed", by=rows[0]["message"])
        if accepted.digest is not None:
            rows = self._gathered_in(tx, tenant, accepted.digest, rows)
        made = tx.insert_many("delivery", rows, "(tenant, message, user_id) DO NOTHING")
        ended = [row for row in rows if row["state"] == DeliveryState.SUPPRESSED]
        if self._happenings.exported or ended:
            inserted = {row["id"] for row in (rows if made == len(rows) else existing_in(tx, tenant, rows))}
            self._accepted_in(tx, tenant, [row for row in rows if row["id"] in inserted])

    def ring_told(self, tenant: TenantId, accepted: Accepted) -> None:
        """Say that ``insert_in`` was committed, to whoever is told how deliveries end."""
        if accepted.collapse_key:
            self._happenings.ring(tenant, "delivery.cancelled")
        if accepted.holdout or accepted.digest is not None:
            self._happenings.ring(tenant, "delivery.suppressed")

    def _gathered_in(self, tx: Transaction, tenant: TenantId, digest: Digest, rows: list[Row]) -> list[Row]:
        """Return the deliveries as a digest takes them in; who is held out is not in it."""
        going = [row for row in rows if row["pending"]]
        items = [row[ITEM] for row in going]
        now = to_ms(self._clock.now())
        gathered = gather_in(tx, tenant, digest, [without_item(row) for row in going], items, now)
        return gathered + [without_item(row) for row in rows if not row["pending"]]

    def _accepted_in(self, tx: Transaction, tenant: TenantId, rows: list[Row]) -> None:
        """Tell of new deliveries (exporters alone), and of those that end where they begin."""
        told = [(row["message"], row["id"], {"state": row["state"], "reason": row["reason"]}) for row in rows]
        self._happenings.step_in(tx, tenant, "delivery.accepted", told)
        ended = [one for one, row in zip(told, rows, strict=True) if row["state"] == DeliveryState.SUPPRESSED]
        self._happenings.note_in(tx, tenant, "delivery.suppressed", ended)

    async def _page(self, row: Row) -> None:
        tenant, message = TenantId(row["tenant"]), MessageId(row["id"])
        accepted = await self._accepted.of_row(row)
        page = await self._audience.page(tenant, accepted.to, UserId(row["fan_cursor"]), self.page_size)
        rows = await self.rows(tenant, message, accepted, page.users)
        await self._handing.room(len(rows))
        now = to_ms(self._clock.now())
        # At the end the draft forgets its recipients: each delivery has what is its user's.
        kept = accepted if page.cursor is not None else replace(accepted, to=())
        sealed = (
            row["draft_sealed"]
            if kept is accepted
            else seal(self._vault, tenant, row["owner"], message, kept)
        )

        claimed = self._handing.claim(accepted, rows, self._clock.now())

        def write(tx: Transaction) -> bool:
            # Another node may have been faster, and the sender may have cancelled meanwhile.
            cursor = row["fan_cursor"] if page.cursor is None else page.cursor
            moved = tx.execute(
                "UPDATE message SET fan_cursor = :next, fanned_at = :fanned, draft_sealed = :sealed"
                " WHERE tenant = :t AND id = :m AND fan_cursor = :seen AND fanned_at IS NULL",
                next=cursor, fanned=now if page.cursor is None else None, sealed=sealed,
                t=tenant, m=message, seen=row["fan_cursor"],
            )  # fmt: skip
            if moved:
                self.insert_in(tx, tenant, accepted, rows)
            return bool(moved)

        moved = False
        try:
            moved = await self._database.write(write)
        finally:
            if not moved:
                self._handing.forget(len(claimed))
        self.ring_told(tenant, accepted)
        if claimed and moved:
            self._handing.hand(Handed(tenant, replace(accepted, to=()), claimed, own_data(accepted)))

    async def _give_up(self, row: Row, reason: str) -> None:
        log.warning("fan-out ended early", message=row["id"], reason=reason)
        now = to_ms(self._clock.now())
        await self._database.write(
            lambda tx: tx.execute(
                "UPDATE message SET fanned_at = :now WHERE tenant = :t AND id = :m",
                now=now, t=row["tenant"], m=row["id"],
            )
        )  # fmt: skip

    async def _due(
        self, tenant: TenantId, accepted: Accepted, users: Sequence[UserId], now: datetime
    ) -> dict[UserId, datetime]:
        """Return when each user's delivery is due."""
        if accepted.send_local is None:
            return dict.fromkeys(users, accepted.send_at or now)
        names, params = among(users)
        rows = await self._database.read(
            f"SELECT id, timezone FROM app_user WHERE tenant = :t AND id IN {names}", t=tenant, **params
        )
        zones = {row["id"]: row["timezone"] for row in rows}
        at_zone = {name: instant(accepted.send_local, zone(name)) for name in {*zones.values(), "UTC"}}
        return {user: at_zone[zones.get(user, "UTC")] for user in users}

    def _alike(self, tenant: TenantId, message: MessageId, accepted: Accepted, now: datetime) -> Row:
        """Return what all deliveries of a message have in common."""
        return {
            "tenant": tenant,
            "id": "",
            "message": message,
            "user_id": "",
            "category": accepted.category.value,
            "campaign": accepted.campaign or "",
            "collapse_key": accepted.collapse_key,
            "state": "",
            "reason": "",
            "pending": 1,
            "priority_rank": accepted.rank,
            "due_at": 0,
            "expires_at": None,
            "attempts": 0,
            "claimed_by": "",
            "shown_as": "",
            "stage": 0,
            "left_channels": "",
            "topic": accepted.topic,
            "variant": "",
            "digest_key": "",
            "data_sealed": None,
            "created_at": to_ms(now),
        }

    def _own(
        self, tenant: TenantId, message: MessageId, accepted: Accepted, user: UserId,
        own: Mapping[str, Any] | None,
    ) -> Row:  # fmt: skip
        """Return what is this user's: id, variant, and data under their own key."""
        delivery = new_id("dlv")
        row: Row = {"id": delivery, "user_id": user}
        if own:
            row["data_sealed"] = self._vault.seal_json(tenant, user, "delivery", "data", delivery, dict(own))
        if variant := assign(accepted.variants, accepted.holdout, accepted.campaign or message, user):
            row["variant"] = variant
            if variant == HOLDOUT:
                row |= {"state": DeliveryState.SUPPRESSED.value, "reason": HOLDOUT, "pending": 0}
        return row


def existing_in(tx: Transaction, tenant: TenantId, rows: list[Row]) -> list[Row]:
    """Return those that were inserted; the others' users had this message already."""
    ids, params = among(row["id"] for row in rows)
    found = tx.query(f"SELECT id FROM delivery WHERE tenant = :t AND id IN {ids}", t=tenant, **params)
    known = {row["id"] for row in found}
    return [row for row in rows if row["id"] in known]


def _when(accepted: Accepted, due: datetime, now: datetime) -> Row:
    """Return what follows from the moment at which deliveries are due."""
    expires = due + timedelta(seconds=accepted.ttl_seconds) if accepted.ttl_seconds is not None else None
    return {
        "state": (DeliveryState.SCHEDULED if due > now else DeliveryState.QUEUED).value,
        "reason": "send_at" if due > now else "",
        "due_at": to_ms(due),
        "expires_at": to_ms(expires) if expires else None,
    }


def cancelled_in(
    tx: Transaction, tenant: TenantId, happenings: Happenings, rows: Sequence[Row], reason: str, **more: str
) -> None:
    """Go on after deliveries were cancelled: others hear of it, and whom their digests gathered wait on."""
    happenings.cancelled_in(tx, tenant, rows, reason, **more)
    if holders := [row["id"] for row in rows if row.get("digest_key") and row.get("settled_at") is None]:
        waiting = hand_down_in(tx, tenant, holders)
        noted = [(row["message"], row["id"], {"reason": "digest"}) for row in waiting]
        happenings.step_in(tx, tenant, "delivery.deferred", noted)


def own_data(accepted: Accepted) -> dict[UserId, Mapping[str, Any]]:
    """Return the data that named users have of their own."""
    return {one.user: one.data for one in accepted.to if one.user is not None and one.data}


def without_item(row: Row) -> Row:
    """Return a delivery as its table has it."""
    return {name: value for name, value in row.items() if name != ITEM}
