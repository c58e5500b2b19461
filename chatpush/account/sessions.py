"""Keep console people signed in: a random cookie, an end, and a token for forms.

The cookie is 256 random bits, kept as SHA-256 (see ``keys``). Whoever holds it
is the person, with the role the person has now. A session that was looked up is
remembered for ``REMEMBER_SECONDS``: that is how long one that was ended can
live on another node; on this one it ends at once.
"""

import secrets
from collections import OrderedDict
from dataclasses import dataclass
from datetime import datetime, timedelta

from chatpush.account.keys import fingerprint
from chatpush.clock import Clock
from chatpush.domain import Identity, IdentityKind, Role, TenantId, from_ms, to_ms
from chatpush.store.database import Database, Transaction
from chatpush.store.vault import Vault

LIFE = timedelta(hours=12)
TOKEN_BYTES = 32
REMEMBER_SECONDS = 5.0
REMEMBERED_SESSIONS = 10_000


@dataclass(frozen=True, slots=True)
class Session:
    """A signed-in person: who, until when, and the token every form must carry."""

    identity: Identity
    csrf: str
    expires_at: datetime


@dataclass(frozen=True, slots=True)
class NewSession:
    """A session with the cookie's value, which is known only now."""

    token: str
    session: Session


class Sessions:
    """The open sessions of every tenant's people."""

    def __init__(self, database: Database, vault: Vault, clock: Clock) -> None:
        self._database = database
        self._vault = vault
        self._clock = clock
        self._remembered: OrderedDict[str, tuple[float, Session]] = OrderedDict()
        self._ends = 0  # tells a look-up that a session may have ended while it was reading

    def open_in(self, tx: Transaction, identity: Identity) -> NewSession:
        """Open a session in the caller's transaction."""
        token, csrf = secrets.token_urlsafe(TOKEN_BYTES), secrets.token_urlsafe(TOKEN_BYTES)
        expires = self._clock.now() + LIFE
        tx.insert(
            "person_session",
            {
                "tenant": identity.tenant,
                "hash": fingerprint(token),
                "person": identity.subject,
                "csrf": csrf,
                "expires_at": to_ms(expires),
            },
        )
        return NewSession(token, Session(identity, csrf, expires))

    async def find(self, token: str) -> Session | None:
        """Return the session of a cookie, or None if it ended or never was."""
        hashed = fingerprint(token)
        until, session = self._remembered.get(hashed, (0.0, None))
        if session is None or until <= self._clock.monotonic():
            ends = self._ends
            session = await self._read(hashed)
            if session is None:
                self._remembered.pop(hashed, None)
            elif ends == self._ends:
                self._remember(hashed, session)
        if session is None or session.expires_at <= self._clock.now():
            return None
        return session

    async def end(self, token: str) -> None:
        """End a session; one that is gone already is fine."""
        hashed = fingerprint(token)
        await self._database.write(
            lambda tx: tx.execute("DELETE FROM person_session WHERE hash = :hash", hash=hashed)
        )
        self.forget()

    def end_all_in(self, tx: Transaction, tenant: TenantId, person: str) -> None:
        """End a person's sessions in the caller's transaction; call ``forget`` once it is committed."""
        tx.execute("DELETE FROM person_session WHERE tenant = :t AND person = :p", t=tenant, p=person)

    def forget(self) -> None:
        """Ask the store again: a session ended or a role changed."""
        self._ends += 1
        self._remembered.clear()

    async def sweep(self) -> int:
        """Delete sessions that are over; return how many."""
        now = to_ms(self._clock.now())
        return await self._database.write(
            lambda tx: tx.execute("DELETE FROM person_session WHERE expires_at <= :now", now=now)
        )

    async def _read(self, hashed: str) -> Session | None:
        rows = await self._database.read(
            "SELECT s.tenant, s.csrf, s.expires_at, p.id, p.role, p.name_sealed FROM person_session s"
            " JOIN person p ON p.tenant = s.tenant AND p.id = s.person WHERE s.hash = :hash",
            hash=hashed,
        )
        if not rows:
            return None
        row = rows[0]
        tenant, person = TenantId(row["tenant"]), row["id"]
        await self._vault.ready(tenant)
        name = self._vault.open_text(tenant, "", "person", "name_sealed", person, row["name_sealed"])
        identity = Identity(tenant, IdentityKind.PERSON, person, role=Role(row["role"]), name=name)
        return Session(identity, row["csrf"], from_ms(row["expires_at"]))

    def _remember(self, hashed: str, session: Session) -> None:
        self._remembered[hashed] = (self._clock.monotonic() + REMEMBER_SECONDS, session)
        self._remembered.move_to_end(hashed)
        while len(self._remembered) > REMEMBERED_SESSIONS:
            self._remembered.popitem(last=False)
