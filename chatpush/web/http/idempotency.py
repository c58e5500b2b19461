"""Do a POST once, however often it is sent (Stripe's Idempotency-Key).

The first request with a key runs; its status and body are kept for 24 hours and
repeated, a failure of ours (500) too, because nobody knows how far it came. A
second one meanwhile is told to wait (409), the same key with another body is
refused (422). What is refused with a reason does not use up the key.
"""

import hashlib
from datetime import timedelta

from aiohttp import web

from chatpush.clock import Clock
from chatpush.domain import Identity, to_ms
from chatpush.errors import InProgress, KeyReused, KeyTooLong
from chatpush.store.database import Database, Row, Transaction

HEADER = "Idempotency-Key"
LONGEST_KEY = 255
KEPT = timedelta(hours=24)
LOCKED = timedelta(minutes=5)


class Replies:
    """Remembers the answers of keyed requests in table ``idempotent_reply``."""

    def __init__(self, database: Database, clock: Clock) -> None:
        self._database = database
        self._clock = clock

    async def begin(self, identity: Identity, key: str, request: web.Request) -> web.Response | None:
        """Take the key for this request, or return the answer of the first one.

        Raises:
            KeyTooLong: the key has more than 255 characters.
            InProgress: the first request is still running.
            KeyReused: the key came with another body.
        """
        if len(key) > LONGEST_KEY:
            raise KeyTooLong(f"at most {LONGEST_KEY} characters", param=HEADER)
        fingerprint = hashlib.sha256(
            f"{request.method} {request.path}\n".encode() + await request.read()
        ).hexdigest()
        first = await self._database.write(lambda tx: self._take(tx, identity, key, fingerprint))
        if first is None:
            return None
        if first["fingerprint"] != fingerprint:
            raise KeyReused(f"{HEADER} {key!r} was used with another request", param=HEADER)
        if first["status"] is None:
            raise InProgress(f"the first request with {HEADER} {key!r} is still running")
        return web.Response(
            text=first["body"],
            status=first["status"],
            content_type="application/json" if first["status"] < 400 else "application/problem+json",
            headers={"Idempotent-Replayed": "true"},
        )

    async def keep(self, identity: Identity, key: str, response: web.Response) -> None:
        """Keep the answer for whoever sends the key again."""
        await self._database.write(
            lambda tx: tx.execute(
                "UPDATE idempotent_reply SET status = :status, body = :body"
                " WHERE tenant = :tenant AND caller = :caller AND key = :key",
                status=response.status, body=response.text or "", tenant=identity.tenant,
                caller=identity.subject, key=key,
            )
        )  # fmt: skip

    async def release(self, identity: Identity, key: str) -> None:
        """Let the key go: nothing was done under it."""
        await self._database.write(
            lambda tx: tx.execute(
                "DELETE FROM idempotent_reply WHERE tenant = :tenant AND caller = :caller AND key = :key",
                tenant=identity.tenant, caller=identity.subject, key=key,
            )
        )  # fmt: skip

    async def sweep(self) -> int:
        """Forget what is older than it need be; return how many that were."""
        expired = to_ms(self._clock.now() - KEPT)
        return await self._database.write(
            lambda tx: tx.execute("DELETE FROM idempotent_reply WHERE created_at < :expired", expired=expired)
        )

    def _take(self, tx: Transaction, identity: Identity, key: str, fingerprint: str) -> Row | None:
        now = to_ms(self._clock.now())
        row = {"tenant": identity.tenant, "caller": identity.subject, "key": key}
        tx.execute(
            "DELETE FROM idempotent_reply WHERE tenant = :tenant AND caller = :caller AND key = :key"
            " AND (created_at < :expired OR (status IS NULL AND created_at < :unlocked))",
            **row, expired=now - KEPT // timedelta(milliseconds=1), unlocked=now - LOCKED // timedelta(milliseconds=1),
        )  # fmt: skip
        fresh = {**row, "fingerprint": fingerprint, "created_at": now}
        if tx.insert("idempotent_reply", fresh, "(tenant, caller, key) DO NOTHING"):
            return None
        return tx.query(
            "SELECT fingerprint, status, body FROM idempotent_reply"
            " WHERE tenant = :tenant AND caller = :caller AND key = :key",
            **row,
        )[0]
