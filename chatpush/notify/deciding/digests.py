"""Gather messages for the same user under one key, and send them as one.

The first message of a key waits for the window; those that follow within it
join the first instead of being sent. A fixed window ends where it was set, a
sliding one moves with each that joins, up to ten windows; when the digest is
full it goes at once, and its ttl begins when it is due. Whoever leaves it (a
cancel, a newer message of the same collapse key) takes nobody along: the next
waits in its place. The template sees ``digest.count`` and ``digest.items``, the
data of each message, oldest first.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import Any

from chatpush.domain import Content, TenantId
from chatpush.errors import InvalidInput
from chatpush.store.database import Database, Row, Transaction
from chatpush.store.parameters import among
from chatpush.store.vault import Vault

LONGEST_WINDOW = timedelta(days=7)
LONGEST_SLIDE = 10
MOST_ITEMS = 200
SHOWN_LINES = 20


@dataclass(frozen=True, slots=True)
class Digest:
    """How messages are gathered: under which key, for how many seconds, at most how many."""

    key: str
    window: int
    sliding: bool = False
    max_items: int = 20

    def __post_init__(self) -> None:
        if not 1 <= len(self.key) <= 128:
            raise InvalidInput("a digest's key has 1 to 128 characters", param="digest.key")
        if not 1 <= self.window <= LONGEST_WINDOW.total_seconds():
            raise InvalidInput("a digest's window is from 1 second to 7 days", param="digest.window")
        if not 2 <= self.max_items <= MOST_ITEMS:
            raise InvalidInput(f"a digest has 2 to {MOST_ITEMS} items", param="digest.max_items")


def item_row(vault: Vault, tenant: TenantId, user: str, delivery: str, data: dict[str, Any], now: int) -> Row:
    """Return what a message adds to a digest; the user's key must be ready."""
    sealed = vault.seal_json(tenant, user, "digest_item", "data", delivery, data)
    return {"tenant": tenant, "holder": delivery, "delivery": delivery, "data_sealed": sealed, "at": now}


def gather_in(
    tx: Transaction, tenant: TenantId, digest: Digest, rows: Sequence[Row], items: Sequence[Row], now: int
) -> list[Row]:
    """Return the deliveries as they are to be inserted: one waits for each user, the others join it."""
    changed: list[Row] = []
    for row, item in zip(rows, items, strict=True):
        known = tx.query(
            "SELECT 1 FROM delivery WHERE tenant = :t AND message = :m AND user_id = :u",
            t=tenant, m=row["message"], u=row["user_id"],
        )  # fmt: skip
        if known:
            continue
        waiting = tx.query(
            "SELECT id, created_at, due_at, expires_at FROM delivery WHERE tenant = :t AND user_id = :u"
            " AND digest_key = :k AND category = :c AND pending = 1 AND settled_at IS NULL AND claimed_by = ''"
            " ORDER BY created_at LIMIT 1",
            t=tenant, u=row["user_id"], k=digest.key, c=row["category"],
        )  # fmt: skip
        if waiting:
            tx.insert("digest_item", item | {"holder": waiting[0]["id"]})
            _join_in(tx, tenant, digest, waiting[0], row, now)
            changed.append(row | {"state": "suppressed", "reason": "digested", "pending": 0})
            continue
        tx.insert("digest_item", item)
        due = max(row["due_at"], now + digest.window * 1000)
        expires = None if row["expires_at"] is None else due + row["expires_at"] - row["due_at"]
        changed.append(
            row
            | {"digest_key": digest.key, "due_at": due, "expires_at": expires, "state": "scheduled"}
            | {"reason": "digest"}
        )
    return changed


def _join_in(tx: Transaction, tenant: TenantId, digest: Digest, holder: Row, row: Row, now: int) -> None:
    """Move the digest's time, if that follows from one more in it; it lives as long as any of its messages would."""
    window = digest.window * 1000
    count = tx.query(
        "SELECT COUNT(*) AS n FROM digest_item WHERE tenant = :t AND holder = :h", t=tenant, h=holder["id"]
    )[0]["n"]
    due = holder["due_at"]
    if count >= digest.max_items:
        due = now
    elif digest.sliding:
        due = min(now + window, holder["created_at"] + LONGEST_SLIDE * window)
    expires = None
    if holder["expires_at"] is not None and row["expires_at"] is not None:
        moved = holder["expires_at"] + max(0, due - holder["due_at"])
        expires = max(moved, due + row["expires_at"] - row["due_at"])
    tx.execute(
        "UPDATE delivery SET due_at = :due, expires_at = :expires WHERE tenant = :t AND id = :h",
        due=due, expires=expires, t=tenant, h=holder["id"],
    )  # fmt: skip


def leave_in(
    tx: Transaction, tenant: TenantId, only: str, params: Mapping[str, Any], reason: str, limit: int = 5000
) -> list[Row]:
    """Cancel deliveries that wait in another one's digest; return them (``id``, ``message``).

    ``only`` says which, as a condition on ``d``.
    """
    rows = tx.query(
        "SELECT d.id, d.message FROM delivery AS d JOIN digest_item AS i ON i.tenant = d.tenant"
        " AND i.delivery = d.id JOIN delivery AS h ON h.tenant = i.tenant AND h.id = i.holder"
        f" WHERE d.tenant = :t AND d.state = 'suppressed' AND d.reason = 'digested' AND {only}"
        " AND h.pending = 1 AND h.settled_at IS NULL AND h.claimed_by = '' LIMIT :n",
        t=tenant, n=limit, **params,
    )  # fmt: skip
    ids, which = among(row["id"] for row in rows)
    tx.execute(f"DELETE FROM digest_item WHERE tenant = :t AND delivery IN {ids}", t=tenant, **which)
    tx.execute(
        f"UPDATE delivery SET state = 'cancelled', reason = :reason WHERE tenant = :t AND id IN {ids}",
        reason=reason, t=tenant, **which,
    )  # fmt: skip
    return rows


def hand_down_in(tx: Transaction, tenant: TenantId, cancelled: Iterable[str]) -> list[Row]:
    """Let the next message of each digest wait in the place of the cancelled one; return those (``id``, ``message``).

    Deliveries that held no digest, or one with nothing else in it, change nothing.
    """
    ids, params = among(cancelled)
    tx.execute(f"DELETE FROM digest_item WHERE tenant = :t AND delivery IN {ids}", t=tenant, **params)
    heirs = tx.query(
        f"SELECT holder, MIN(delivery) AS heir FROM digest_item WHERE tenant = :t AND holder IN {ids}"
        " GROUP BY holder",
        t=tenant, **params,
    )  # fmt: skip
    waiting: list[Row] = []
    for row in heirs:
        place = {"t": tenant, "holder": row["holder"], "heir": row["heir"]}
        tx.execute("UPDATE digest_item SET holder = :heir WHERE tenant = :t AND holder = :holder", **place)
        (before,) = tx.query(
            "SELECT digest_key, due_at, expires_at FROM delivery WHERE tenant = :t AND id = :holder",
            t=tenant, holder=row["holder"],
        )  # fmt: skip
        waiting += tx.query(
            "UPDATE delivery SET state = 'scheduled', reason = 'digest', pending = 1, digest_key = :digest_key,"
            " due_at = :due_at, expires_at = :expires_at WHERE tenant = :t AND id = :heir"
            " RETURNING id, message",
            t=tenant, heir=row["heir"], **before,
        )  # fmt: skip
    return waiting


async def gathered_any(database: Database, tenant: TenantId, messages: Sequence[str]) -> bool:
    """Return whether a delivery of these messages went into another one's digest."""
    ids, params = among(messages)
    return bool(
        await database.read(
            f"SELECT 1 FROM delivery WHERE tenant = :t AND message IN {ids} AND reason = 'digested' LIMIT 1",
            t=tenant, **params,
        )
    )  # fmt: skip


class Digests:
    """What waiting digests have gathered."""

    def __init__(self, database: Database, vault: Vault) -> None:
        self._database = database
        self._vault = vault

    async def items(self, tenant: TenantId, holders: dict[str, str]) -> dict[str, list[dict[str, Any]]]:
        """Return the items of digests (delivery → user, whose keys are ready), oldest first."""
        if not holders:
            return {}
        ids, params = among(holders)
        rows = await self._database.read(
            f"SELECT * FROM digest_item WHERE tenant = :t AND holder IN {ids} ORDER BY delivery",
            t=tenant, **params,
        )  # fmt: skip
        found: dict[str, list[dict[str, Any]]] = {}
        for row in rows:
            opened = self._vault.open_json(
                tenant, holders[row["holder"]], "digest_item", "data", row["delivery"], row["data_sealed"]
            )
            found.setdefault(row["holder"], []).append(opened)
        return found


def gathered(content: Content, items: Sequence[dict[str, Any]]) -> Content:
    """Return literal content as a digest: the first title, how many more, and a line for each."""
    if len(items) < 2:
        return content
    lines = [str(item.get("title", "")) for item in items[:SHOWN_LINES]]
    more = [f"+{len(items) - SHOWN_LINES}"] if len(items) > SHOWN_LINES else []
    return replace(content, title=f"{content.title} (+{len(items) - 1})", body="\n".join([*lines, *more]))
