"""Put messages before users: the only place that publishes them.

In this order, so that a kill anywhere loses nothing and doubles nothing:

1. one transaction: the sealed content into the inbox, ``settled_at``
2. publish to ``user:<id>``; the delivery's id makes a repetition harmless
3. one transaction: ``sent``, the trace, the meter

A message with the collapse key of one that is on the screen takes its place
there: same id, ``message.updated``, unread again.
"""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Protocol

import structlog

from chatpush.clock import Clock
from chatpush.domain import DeliveryState, Json, TenantId, UserId, iso, to_ms
from chatpush.errors import ChatpushError
from chatpush.notify.messages.drafts import LIVE
from chatpush.notify.reading.inbox import UnreadCount, unread_in
from chatpush.notify.sending.claims import Claims, Outcome
from chatpush.notify.sending.marking import Marks, Ready, Replaced
from chatpush.notify.sending.reaching import Reaching, on_pages, retry_after
from chatpush.store.database import Database, Row, Transaction
from chatpush.store.parameters import among
from chatpush.store.vault import Vault

log = structlog.get_logger(__name__)

LANES = 128
"""So many publications are under way at once: they share commits, and a page of users is no page of tasks."""
ACTIVITY_CHANNEL = "console:activity"


class Publisher(Protocol):
    """Where publications go; the realtime hub is one."""

    async def publish(
        self, tenant: TenantId, channel: str, data: Json, *, idempotency_key: str = "",
        tags: dict[str, str] | None = None,
    ) -> object:  # fmt: skip
        """Publish, durably, once per idempotency key."""
        ...


@dataclass(frozen=True, slots=True)
class Shown:
    """A delivery in the inbox, and what open pages are told."""

    ready: Ready
    payload: dict[str, Any]


@dataclass(frozen=True, slots=True)
class Held:
    """What an inbox shows under a collapse key: by which delivery's id, and whose content it is now."""

    shown_as: str
    latest: str
    message: str


def payload_of(one: Ready, shown_as: str, at: str) -> dict[str, Any]:
    """Return a message as browsers get it, but for ``type`` and ``unread``."""
    content, accepted = one.message.content, one.accepted
    return {
        "delivery": shown_as,
        "message": one.row["message"],
        "category": one.row["category"],
        "template": one.message.template,
        "title": content.title,
        "body": content.body,
        "url": content.url,
        "image": content.image,
        "format": content.format,
        "data": content.data,
        "actions": [dict(action) for action in content.actions],
        "collapse_key": one.row["collapse_key"] or None,
        "silent": accepted.silent,
        "badge": accepted.badge,
        "display_seconds": accepted.display_seconds,
        "tags": list(accepted.tags),
        "at": at,
    }


class Delivery:
    """The last step of a message."""

    def __init__(
        self, database: Database, vault: Vault, publisher: Publisher, reaching: Reaching, claims: Claims,
        marks: Marks, clock: Clock, online: Callable[[TenantId, UserId], bool], *, inbox_size: int = 200,
        max_attempts: int = 5,
    ) -> None:  # fmt: skip
        self._database = database
        self._vault = vault
        self._publisher = publisher
        self._reaching = reaching
        self._claims = claims
        self._marks = marks
        self._clock = clock
        self._online = online
        self._inbox_size = inbox_size
        self._max_attempts = max_attempts

    async def send(self, tenant: TenantId, ready: list[Ready]) -> None:
        """Deliver what may go; the users' keys must be ready in the vault."""
        heard = [one for one in ready if _has_receipt(one)]
        ready = [one for one in ready if not _has_receipt(one)]
        for_pages = [one for one in ready if on_pages(one)]
        for_away = [one for one in ready if self._is_for_away(tenant, one)]
        waiting = frozenset(one.id for one in for_away)
        shown = await self._settle(tenant, for_pages) if for_pages else []
        published = await self._publish_all(tenant, shown)
        steps = [step for one in published if (step := self._reaching.step_after(one))]
        keep = waiting | {step.delivery for step in steps}
        await self._marks.sent(tenant, [(one, [LIVE]) for one in published], keep=keep, steps=steps)
        failed = {one.ready.id for one in shown} - {one.id for one in published}
        if reach := [one for one in for_away if one.id not in failed]:
            await self._reaching.send(tenant, reach)
        busy = {one.id for one in for_pages} | waiting
        finished = [one for one in ready if one.id not in busy]
        await self._marks.sent(tenant, [(one, []) for one in [*heard, *finished]])

    def _is_for_away(self, tenant: TenantId, one: Ready) -> bool:
        if one.accepted.escalate_after is not None:
            return not on_pages(one)
        if one.row["left_channels"]:
            return True
        if not one.away_channels:
            return False
        return not one.shows or not self._online(tenant, UserId(one.row["user_id"]))

    # -- inbox -------------------------------------------------------------

    async def _settle(self, tenant: TenantId, ready: list[Ready]) -> list[Shown]:
        """Write the inbox rows of those that are still wanted."""
        now = self._clock.now()
        return await self._database.write(lambda tx: self._settle_in(tx, tenant, ready, now))

    def _settle_in(self, tx: Transaction, tenant: TenantId, ready: list[Ready], now: datetime) -> list[Shown]:
        ids, params = among(one.row["id"] for one in ready)
        alive = {
            row["id"]
            for row in tx.query(
                "UPDATE delivery SET settled_at = COALESCE(settled_at, :now)"
                f" WHERE tenant = :t AND pending = 1 AND id IN {ids} RETURNING id",
                now=to_ms(now), t=tenant, **params,
            )
        }  # fmt: skip
        wanted = [one for one in ready if one.row["id"] in alive]
        on_screen = _on_screen(tx, tenant, wanted)
        payloads, fresh, updated = [], [], set()
        replaced: list[Replaced] = []
        at, now_ms = iso(now), to_ms(now)
        for one in wanted:
            place = (one.row["user_id"], one.row["collapse_key"])
            held = on_screen.get(place)
            shown_as: str = one.row["shown_as"] or (held.shown_as if held else one.row["id"])
            if one.accepted.silent:
                payloads.append(payload_of(one, one.row["id"], at))
                continue
            payload = payload_of(one, shown_as, at)
            row = self._inbox_row(tenant, one, shown_as, payload, now_ms)
            if shown_as == one.row["id"]:
                fresh.append(row)
            else:
                updated.add(one.row["id"])
                if held and not one.row["shown_as"]:
                    replaced.append(Replaced(held.latest, held.message, one.row["message"]))
                _replace_in(tx, row, first_time=not one.row["shown_as"])
            if one.row["collapse_key"]:
                on_screen[place] = Held(shown_as, one.row["id"], one.row["message"])
            payloads.append(payload)
        tx.insert_many("inbox_item", fresh, "(tenant, user_id, delivery) DO NOTHING")
        self._marks.replaced_in(tx, tenant, replaced)
        counts = unread_in(tx, tenant, {one.row["user_id"] for one in wanted}, now_ms)
        self._trim_in(tx, tenant, counts)
        return [
            Shown(one, _event(one, payload, updated, counts))
            for one, payload in zip(wanted, payloads, strict=True)
        ]

    def _inbox_row(
        self, tenant: TenantId, one: Ready, shown_as: str, payload: dict[str, Any], at: int
    ) -> Row:
        user = one.row["user_id"]
        return {
            "tenant": tenant,
            "user_id": user,
            "delivery": shown_as,
            "latest": one.row["id"],
            "message": one.row["message"],
            "collapse_key": one.row["collapse_key"],
            "content_sealed": self._vault.seal_json(tenant, user, "inbox_item", "content", shown_as, payload),
            "counted": int(one.accepted.badge is not False),
            "category": one.row["category"],
            "tags": f",{','.join(one.accepted.tags)}," if one.accepted.tags else "",
            "at": at,
        }

    def _trim_in(self, tx: Transaction, tenant: TenantId, counts: dict[str, UnreadCount]) -> None:
        """Drop the oldest items of users whose inbox is full."""
        for user, count in counts.items():
            if count.items > self._inbox_size:
                tx.execute(
                    "DELETE FROM inbox_item WHERE tenant = :t AND user_id = :u AND delivery IN (SELECT delivery"
                    " FROM inbox_item WHERE tenant = :t AND user_id = :u ORDER BY delivery LIMIT :n)",
                    t=tenant, u=user, n=count.items - self._inbox_size,
                )  # fmt: skip

    # -- open pages ----------------------------------------------------------

    async def _publish_all(self, tenant: TenantId, shown: list[Shown]) -> list[Ready]:
        """Publish, each user's in order and all users at once; return those that went out."""
        by_user: dict[str, list[Shown]] = {}
        for one in shown:
            by_user.setdefault(one.ready.row["user_id"], []).append(one)
        published: list[Ready] = []
        waiting = iter(by_user.items())

        async def lane() -> None:
            for user, own in waiting:
                published.extend(await self._publish_to(tenant, user, own))

        await asyncio.gather(*(lane() for _ in range(min(LANES, len(by_user)))))
        if published:
            await self._hint(tenant, len(published))
        return published

    async def _publish_to(self, tenant: TenantId, user: str, shown: list[Shown]) -> list[Ready]:
        published: list[Ready] = []
        for index, one in enumerate(shown):
            try:
                await self._publisher.publish(
                    tenant, f"user:{user}", one.payload, idempotency_key=one.ready.row["id"]
                )
            except ChatpushError as error:
                log.warning("publishing failed", delivery=one.ready.row["id"], problem=error.message)
                await self._try_again(tenant, [later.ready for later in shown[index:]], error.code)
                break
            published.append(one.ready)
        return published

    async def _hint(self, tenant: TenantId, count: int) -> None:
        """Tell the console that there is something new to look at."""
        try:
            await self._publisher.publish(tenant, ACTIVITY_CHANNEL, {"type": "delivery", "count": count})
        except ChatpushError as error:
            log.warning("no hint for the console", problem=error.message)

    async def _try_again(self, tenant: TenantId, ready: list[Ready], reason: str) -> None:
        now = self._clock.now()
        concluded = []
        for one in ready:
            attempts = one.row["attempts"] + 1
            if attempts >= self._max_attempts:
                outcome = Outcome(DeliveryState.FAILED, reason, attempted=True)
            else:
                outcome = Outcome(DeliveryState.QUEUED, reason, now + retry_after(attempts), attempted=True)
            concluded.append((one.row, outcome, "attempt"))
        await self._claims.conclude(tenant, concluded, now)


def _has_receipt(one: Ready) -> bool:
    """Whether a chain has reached its user."""
    return one.accepted.escalate_after is not None and one.row["delivered_at"] is not None


def _event(
    one: Ready, payload: dict[str, Any], updated: set[str], counts: dict[str, UnreadCount]
) -> dict[str, Any]:
    kind = "message.updated" if one.row["id"] in updated else "message"
    count = counts.get(one.row["user_id"])
    return {"type": kind, **payload, "unread": count.unread if count else 0}


def _on_screen(tx: Transaction, tenant: TenantId, ready: list[Ready]) -> dict[tuple[str, str], Held]:
    """Return (user, collapse key) → what is shown under that key."""
    keyed = [one.row for one in ready if one.row["collapse_key"]]
    if not keyed:
        return {}
    users, who = among({row["user_id"] for row in keyed}, "u")
    keys, which = among({row["collapse_key"] for row in keyed}, "k")
    rows = tx.query(
        "SELECT user_id, collapse_key, delivery, latest, message FROM inbox_item WHERE tenant = :t"
        " AND collapse_key <> ''"
        f" AND user_id IN {users} AND collapse_key IN {keys} AND dismissed_at IS NULL AND deleted_at IS NULL",
        t=tenant, **who, **which,
    )  # fmt: skip
    return {
        (row["user_id"], row["collapse_key"]): Held(row["delivery"], row["latest"], row["message"])
        for row in rows
    }


def _replace_in(tx: Transaction, row: Row, *, first_time: bool) -> None:
    """Give an item on the screen new content; it is unread again, unless this is a repetition."""
    unread_again = ("seen_at", "read_at", "clicked_at", "archived_at", "snoozed_until")
    fresh = "".join(f", {name} = NULL" for name in unread_again) if first_time else ""
    tx.execute(
        "UPDATE inbox_item SET latest = :latest, message = :message, content_sealed = :content_sealed, at = :at,"
        " counted = :counted, category = :category, tags = :tags"
        f"{fresh} WHERE tenant = :tenant AND user_id = :user_id AND delivery = :delivery",
        **{name: value for name, value in row.items() if name != "collapse_key"},
    )
    tx.execute(
        "UPDATE delivery SET shown_as = :as WHERE tenant = :t AND id = :d",
        **{"as": row["delivery"]}, t=row["tenant"], d=row["latest"],
    )  # fmt: skip
