"""Gather messages for the same user under one key, and send them as one.

The first message of a key waits for the window; those that follow within it
join the first instead of being sent. A fixed window ends where it was set, a
sliding one moves with each that joins, up to ten windows; when the digest is
full it goes at once. The template sees ``digest.count`` and ``digest.items``,
the data of each message, oldest first.
"""

from collections.abc import Sequence
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
    window = digest.window * 1000
    changed: list[Row] = []
    for row, item in zip(rows, items, strict=True):
        waiting = tx.query(
            "SELECT id, created_at FROM delivery WHERE tenant = :t AND user_id = :u AND digest_key = :k"
            " AND pending = 1 AND settled_at IS NULL AND claimed_by = '' AND message <> :m"
            " ORDER BY created_at LIMIT 1",
            t=tenant, u=row["user_id"], k=digest.key, m=row["message"],
        )  # fmt: skip
        known = tx.query(
            "SELECT 1 FROM delivery WHERE tenant = :t AND message = :m AND user_id = :u",
            t=tenant, m=row["message"], u=row["user_id"],
        )  # fmt: skip
        if known:
            continue
        if not waiting:
            due = max(row["due_at"], now + window)
            changed.append(
                row | {"digest_key": digest.key, "due_at": due, "state": "scheduled", "reason": "digest"}
            )
            tx.insert("digest_item", item)
            continue
        holder = waiting[0]
        tx.insert("digest_item", item | {"holder": holder["id"]})
        changed.append(row | {"state": "suppressed", "reason": "digested", "pending": 0})
        count = tx.query(
            "SELECT COUNT(*) AS n FROM digest_item WHERE tenant = :t AND holder = :h",
            t=tenant,
            h=holder["id"],
        )[0]["n"]
        due = now if count >= digest.max_items else None
        if due is None and digest.sliding:
            due = min(now + window, holder["created_at"] + LONGEST_SLIDE * window)
        if due is not None:
            tx.execute(
                "UPDATE delivery SET due_at = :due WHERE tenant = :t AND id = :h",
                due=due, t=tenant, h=holder["id"],
            )  # fmt: skip
    return changed


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
