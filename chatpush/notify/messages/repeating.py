"""Know a message that was sent before: by its key, and by what it said then."""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import fields, is_dataclass
from datetime import timedelta
from typing import Any

from chatpush.domain import MessageId
from chatpush.errors import KeyReused
from chatpush.notify.messages.drafts import MessageDraft
from chatpush.store.database import Row, Transaction

HTTP_KEYS_KEPT = timedelta(hours=24)
HTTP_KEY = "http:"
"""Keys of HTTP callers begin with it and lapse after a day."""


def fingerprint(draft: MessageDraft) -> str:
    """Return what a draft says, short."""
    return hashlib.sha256(json.dumps(draft, sort_keys=True, default=_plain).encode()).hexdigest()


def _plain(value: Any) -> Any:
    """Return what JSON does not know, one level deep; copying a page of recipients whole takes too long."""
    if is_dataclass(value):
        return {one.name: getattr(value, one.name) for one in fields(value)}
    return dict(value) if isinstance(value, Mapping) else str(value)


def first_in(tx: Transaction, row: Row) -> MessageId | None:
    """Return the message that has this row's key already; keys of HTTP callers lapse after a day.

    Raises:
        KeyReused: it was another draft.
    """
    key = {"t": row["tenant"], "k": row["idempotency_key"]}
    found = tx.query(
        "SELECT id, fingerprint, accepted_at FROM message WHERE tenant = :t AND idempotency_key = :k", **key
    )
    if not found:
        return None
    oldest = row["accepted_at"] - HTTP_KEYS_KEPT // timedelta(milliseconds=1)
    if row["idempotency_key"].startswith(HTTP_KEY) and found[0]["accepted_at"] < oldest:
        tx.execute(
            "UPDATE message SET idempotency_key = NULL WHERE tenant = :t AND idempotency_key = :k", **key
        )
        return None
    if found[0]["fingerprint"] != row["fingerprint"]:
        raise KeyReused("this idempotency key was used with another message", param="Idempotency-Key")
    return MessageId(found[0]["id"])
