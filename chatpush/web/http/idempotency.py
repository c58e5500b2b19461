"""Do a POST once, however often it is sent (Stripe's Idempotency-Key).

The first request with a key runs; its status and body are kept for 24 hours and
repeated, a failure of ours (500) too, because nobody knows how far it came. A
second one meanwhile is told to wait (409), the same key with another body is
refused (422). What is refused with a reason does not use up the key.

What was done is answered even if its answer can't be kept, as on a full disk:
this node remembers what it owes the table and pays when it can.
"""

import hashlib
from dataclasses import dataclass
from datetime import timedelta

from aiohttp import web

from chatpush.clock import Clock
from chatpush.domain import Identity, to_ms
from chatpush.errors import InProgress, KeyReused, KeyTooLong, Unavailable
from chatpush.store.database import Database, Row, Transaction

HEADER = "Idempotency-Key"
LONGEST_KEY = 255
KEPT = timedelta(hours=24)
LOCKED = timedelta(minutes=5)
MOST_OWED = 10_000
Place = tuple[str, str, str]
"""Tenant, caller, key."""


@dataclass(frozen=True, slots=True)
class Owed:
    """What could not be written: a key's answer, or (status 0) that the key is free."""

    status: int = 0
    body: str = ""


class Replies:
    """Remembers the answers of keyed requests in table ``idempotent_reply``."""

    def __init__(self, database: Database, clock: Clock) -> None:
        self._database = database
        self._clock = clock
        self._owed: dict[Place, Owed] = {}

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
        place = (identity.tenant, identity.subject, key)
        owed = self._owed.get(place)
        if freed := owed is not None and not owed.status:
            del self._owed[place]
        try:
            first = await self._database.write(lambda tx: self._take(tx, place, fingerprint, owed))
        except Unavailable:
            if freed:
                self._owe(place, Owed())
            raise
        if first is None:
            self._owed.pop(place, None)  # of an earlier request with this key, forgotten by now
            return None
        if owed is not None and first["status"] is None:
            first |= {"status": owed.status, "body": owed.body}
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
        await self._pay((identity.tenant, identity.subject, key), Owed(response.status, response.text or ""))

    async def release(self, identity: Identity, key: str) -> None:
        """Let the key go: nothing was done under it."""
        await self._pay((identity.tenant, identity.subject, key), Owed())

    async def _pay(self, place: Place, owed: Owed) -> bool:
        """Write what becomes of a key, or remember to; return whether it is written."""
        try:
            await self._database.write(lambda tx: _settle_in(tx, place, owed))
        except Unavailable:
            self._owe(place, owed)
            return False
        return True

    def _owe(self, place: Place, owed: Owed) -> None:
        if len(self._owed) >= MOST_OWED:
            del self._owed[next(iter(self._owed))]
        self._owed[place] = owed

    async def sweep(self) -> int:
        """Pay what is owed and forget what is older than it need be; return how many that were."""
        for place, owed in list(self._owed.items()):
            if self._owed.pop(place, None) is not None and not await self._pay(place, owed):
                break
        expired = to_ms(self._clock.now() - KEPT)
        return await self._database.write(
            lambda tx: tx.execute("DELETE FROM idempotent_reply WHERE created_at < :expired", expired=expired)
        )

    def _take(self, tx: Transaction, place: Place, fingerprint: str, owed: Owed | None) -> Row | None:
        now = to_ms(self._clock.now())
        row = dict(zip(("tenant", "caller", "key"), place, strict=True))
        tx.execute(
            "DELETE FROM idempotent_reply WHERE tenant = :tenant AND caller = :caller AND key = :key"
            " AND (created_at < :expired OR (status IS NULL AND created_at < :unlocked))",
            **row, expired=now - KEPT // timedelta(milliseconds=1), unlocked=_unlocked(now, owed),
        )  # fmt: skip
        fresh = {**row, "fingerprint": fingerprint, "created_at": now}
        if tx.insert("idempotent_reply", fresh, "(tenant, caller, key) DO NOTHING"):
            return None
        return tx.query(
            "SELECT fingerprint, status, body FROM idempotent_reply"
            " WHERE tenant = :tenant AND caller = :caller AND key = :key",
            **row,
        )[0]


def _unlocked(now: int, owed: Owed | None) -> int:
    """Return before when a key without an answer must have been taken to be free again."""
    if owed is None:
        return now - LOCKED // timedelta(milliseconds=1)
    return 0 if owed.status else now + 1


def _settle_in(tx: Transaction, place: Place, owed: Owed) -> None:
    tenant, caller, key = place
    which = " WHERE tenant = :tenant AND caller = :caller AND key = :key"
    named = {"tenant": tenant, "caller": caller, "key": key}
    if owed.status:
        tx.execute(
            f"UPDATE idempotent_reply SET status = :status, body = :body{which}",
            status=owed.status, body=owed.body, **named,
        )  # fmt: skip
    else:
        tx.execute(f"DELETE FROM idempotent_reply{which} AND status IS NULL", **named)
