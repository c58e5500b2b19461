"""Users who may not connect, tokens and publishable keys that hold no more.

Every verification asks here, so all of it is in memory: it is read once at the
start, and a change is stored before it holds. What has expired is forgotten
by ``sweep``.
"""

from collections.abc import Callable
from datetime import datetime
from typing import Any

from chatpush.clock import Clock
from chatpush.domain import TenantId, UserId, to_ms
from chatpush.errors import Unauthenticated
from chatpush.store.database import Database, Transaction

# Longer than anything holds that was given by a key.
KEYS_KEPT_MS = 3_600_000
Until = dict[tuple[TenantId, str], int | None]


class Blocks:
    """Blocks and revocations of all tenants; without a database they end with the process."""

    def __init__(self, database: Database | None, clock: Clock) -> None:
        self._database = database
        self._clock = clock
        self._blocked: Until = {}
        self._revoked: Until = {}
        self._invalidated: dict[tuple[TenantId, str], int] = {}
        # Ids of keys, and when they were revoked; where keys are kept it is stored already.
        self._keys: dict[str, int] = {}
        # Grows with everything that takes a permission away: who has checked since need not check again.
        self.changes = 0
        # Called after each change.
        self.on_change: list[Callable[[], None]] = []

    async def start(self) -> None:
        """Read what is stored."""
        if self._database is None:
            return
        for row in await self._database.read("SELECT tenant, user_id, expires_at FROM realtime_block"):
            self._blocked[row["tenant"], row["user_id"]] = row["expires_at"]
        for row in await self._database.read("SELECT tenant, uid, expires_at FROM realtime_revoked_token"):
            self._revoked[row["tenant"], row["uid"]] = row["expires_at"]
        sql = "SELECT tenant, user_id, issued_before_at FROM realtime_invalidated"
        for row in await self._database.read(sql):
            self._invalidated[row["tenant"], row["user_id"]] = row["issued_before_at"]

    async def block_user(self, tenant: TenantId, user: UserId, until: datetime | None = None) -> None:
        """Let a user not connect, for a while or for good; who closes the connections is the hub."""
        at = to_ms(until) if until else None
        row = {"tenant": tenant, "user_id": user, "expires_at": at}
        await self._put(
            "realtime_block", row, "(tenant, user_id) DO UPDATE SET expires_at = excluded.expires_at"
        )
        self._blocked[tenant, user] = at
        self._changed()

    async def unblock_user(self, tenant: TenantId, user: UserId) -> None:
        """Let a user connect again."""
        await self._write(
            lambda tx: tx.execute(
                "DELETE FROM realtime_block WHERE tenant = :tenant AND user_id = :user",
                tenant=tenant,
                user=user,
            )
        )
        self._blocked.pop((tenant, user), None)

    async def revoke_token(self, tenant: TenantId, uid: str, until: datetime | None = None) -> None:
        """Let the token with this ``jti`` hold no more; ``until`` is when it expires by itself."""
        at = to_ms(until) if until else None
        row = {"tenant": tenant, "uid": uid, "expires_at": at}
        await self._put(
            "realtime_revoked_token", row, "(tenant, uid) DO UPDATE SET expires_at = excluded.expires_at"
        )
        self._revoked[tenant, uid] = at
        self._changed()

    async def invalidate_user_tokens(self, tenant: TenantId, user: UserId, issued_before: datetime) -> None:
        """Let all tokens of a user that were issued before a moment hold no more."""
        at = to_ms(issued_before)
        row = {"tenant": tenant, "user_id": user, "issued_before_at": at}
        await self._put(
            "realtime_invalidated",
            row,
            "(tenant, user_id) DO UPDATE SET issued_before_at = excluded.issued_before_at",
        )
        self._invalidated[tenant, user] = at
        self._changed()

    def revoke_key(self, key: str) -> None:
        """Let nothing hold that was given by the publishable key with this id."""
        if key not in self._keys:
            self._keys[key] = to_ms(self._clock.now())
            self._changed()

    def check_key(self, key: str) -> None:
        """Refuse what was given by a key.

        Raises:
            Unauthenticated: the key was revoked.
        """
        if key in self._keys:
            raise Unauthenticated("this key was revoked")

    def check_user(self, tenant: TenantId, user: str) -> None:
        """Refuse a blocked user.

        Raises:
            Unauthenticated: the user is blocked.
        """
        if self._blocked and self._holds(self._blocked, tenant, user):
            raise Unauthenticated("this user is blocked")

    def check(self, tenant: TenantId, user: str, uid: str, issued_at: float) -> None:
        """Refuse a token by its user, its ``jti`` and its ``iat`` (seconds since 1970, 0 if it has none).

        Raises:
            Unauthenticated: the user is blocked, or the token was revoked.
        """
        self.check_user(tenant, user)
        if self._revoked and uid and self._holds(self._revoked, tenant, uid):
            raise Unauthenticated("this token was revoked")
        before = self._invalidated.get((tenant, user))
        if before is not None and issued_at * 1000 < before:
            raise Unauthenticated(
                "this user's older tokens were revoked; ask the app's backend for a new one"
            )

    async def sweep(self) -> None:
        """Forget what has expired."""
        now = to_ms(self._clock.now())
        for known in (self._blocked, self._revoked):
            for key in [key for key, until in known.items() if until is not None and until <= now]:
                del known[key]
        for name in [name for name, at in self._keys.items() if at <= now - KEYS_KEPT_MS]:
            del self._keys[name]

        def forget(tx: Transaction) -> None:
            tx.execute("DELETE FROM realtime_block WHERE expires_at <= :now", now=now)
            tx.execute("DELETE FROM realtime_revoked_token WHERE expires_at <= :now", now=now)

        await self._write(forget)

    def _changed(self) -> None:
        self.changes += 1
        for listener in self.on_change:
            listener()

    def _holds(self, known: Until, tenant: TenantId, name: str) -> bool:
        if (tenant, name) not in known:
            return False
        until = known[tenant, name]
        return until is None or until > to_ms(self._clock.now())

    async def _put(self, table: str, row: dict[str, Any], on_conflict: str) -> None:
        await self._write(lambda tx: tx.insert(table, row, on_conflict))

    async def _write(self, job: Callable[[Transaction], Any]) -> None:
        if self._database is not None:
            await self._database.write(job)
