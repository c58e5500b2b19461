"""Let console people in: accounts, roles, passwords, and patience with guessers.

Passwords are kept as argon2id (the library's RFC 9106 parameters), hashed in
threads, two at a time, so that a flood of sign-ins costs neither the loop nor
all memory. An unknown account takes as long as a wrong password and gets the
same answer; attempts are counted by account and by address before the password
is looked at. The last administrator can't be taken away.
"""

import asyncio
import secrets
from dataclasses import dataclass
from datetime import datetime

import argon2

from chatpush.account.attempts import Attempts
from chatpush.account.audit import Audit
from chatpush.account.sessions import NewSession, Sessions
from chatpush.clock import Clock
from chatpush.domain import Identity, IdentityKind, Role, TenantId, from_ms, new_id, to_ms
from chatpush.errors import Conflict, InvalidInput, NotFound, Unauthenticated
from chatpush.store.database import Database, Row, Transaction
from chatpush.store.vault import Vault

SHORTEST_PASSWORD = 10
LONGEST_PASSWORD = 200
LONGEST_NAME = 100
LONGEST_EMAIL = 254
ATTEMPTS_PER_ACCOUNT = 10
ATTEMPTS_PER_ADDRESS = 30
HASHES_AT_ONCE = 2


@dataclass(frozen=True, slots=True)
class Person:
    """Someone who may use the console."""

    id: str
    email: str
    name: str
    role: Role
    created_at: datetime


class People:
    """The console people of every tenant."""

    def __init__(
        self,
        database: Database,
        vault: Vault,
        clock: Clock,
        audit: Audit,
        sessions: Sessions,
        attempts: Attempts,
    ) -> None:
        self._database = database
        self._vault = vault
        self._clock = clock
        self._audit = audit
        self._sessions = sessions
        self._attempts = attempts
        self._hasher = argon2.PasswordHasher()
        self._hashing = asyncio.Semaphore(HASHES_AT_ONCE)
        self._nobodys_hash = ""  # no password opens it; made at the first unknown account

    async def add(
        self, tenant: TenantId, email: str, name: str, password: str, role: Role, by: Identity | None = None
    ) -> Person:
        """Add a person.

        Raises:
            InvalidInput: the address, name or password can't be used.
            Conflict: there is one with this address.
        """
        address = _email(email)
        if not name.strip() or len(name) > LONGEST_NAME:
            raise InvalidInput(f"a name has 1 to {LONGEST_NAME} characters", param="name")
        hashed = await self._hash(password)
        await self._vault.ready(tenant)
        person, now = new_id("psn"), to_ms(self._clock.now())
        seal = self._vault.seal_text
        row = {
            "tenant": tenant,
            "id": person,
            "email_blind": self._vault.blind(tenant, "email", address),
            "email_sealed": seal(tenant, "", "person", "email_sealed", person, address),
            "name_sealed": seal(tenant, "", "person", "name_sealed", person, name.strip()),
            "role": role.value,
            "password": hashed,
            "created_at": now,
        }

        def insert(tx: Transaction) -> None:
            if not tx.insert("person", row, "(tenant, email_blind) DO NOTHING"):
                raise Conflict("there is a person with this email address already", param="email")
            self._audit.record_in(tx, tenant, by, "person.add", person)

        await self._database.write(insert)
        return Person(person, address, name.strip(), role, from_ms(now))

    async def list(self, tenant: TenantId) -> list[Person]:
        """Return the tenant's people, oldest first."""
        await self._vault.ready(tenant)
        rows = await self._database.read("SELECT * FROM person WHERE tenant = :t ORDER BY id", t=tenant)
        return [self._person(tenant, row) for row in rows]

    async def remove(self, tenant: TenantId, person: str, by: Identity | None = None) -> None:
        """Remove a person and end their sessions.

        Raises:
            NotFound: there is no such person.
            Conflict: it is the last administrator.
        """

        def delete(tx: Transaction) -> None:
            _keep_an_admin(tx, tenant, person)
            tx.execute("DELETE FROM person WHERE tenant = :t AND id = :p", t=tenant, p=person)
            self._sessions.end_all_in(tx, tenant, person)
            self._audit.record_in(tx, tenant, by, "person.remove", person)

        await self._database.write(delete)
        self._sessions.forget()

    async def change_role(
        self, tenant: TenantId, person: str, role: Role, by: Identity | None = None
    ) -> None:
        """Give a person another role; open sessions have it at once.

        Raises:
            NotFound: there is no such person.
            Conflict: it is the last administrator.
        """

        def change(tx: Transaction) -> None:
            if role is not Role.ADMIN:
                _keep_an_admin(tx, tenant, person)
            _update(tx, tenant, person, "role", role.value)
            self._audit.record_in(tx, tenant, by, f"person.role.{role.value}", person)

        await self._database.write(change)
        self._sessions.forget()

    async def change_password(
        self, tenant: TenantId, person: str, password: str, by: Identity | None = None
    ) -> None:
        """Replace a password and end all sessions of that person.

        Raises:
            InvalidInput: the password is too short or too long.
            NotFound: there is no such person.
        """
        hashed = await self._hash(password)

        def change(tx: Transaction) -> None:
            _update(tx, tenant, person, "password", hashed)
            self._sessions.end_all_in(tx, tenant, person)
            self._audit.record_in(tx, tenant, by, "person.password", person)

        await self._database.write(change)
        self._sessions.forget()

    async def change_own_password(self, tenant: TenantId, person: str, current: str, password: str) -> None:
        """Replace one's own password, knowing the present one; all sessions end.

        Raises:
            Unauthenticated: the present password is another.
            TooMany: too many attempts.
            InvalidInput: the new password is too short or too long.
        """
        await self._attempts.count(tenant, {f"own:{person}": ATTEMPTS_PER_ACCOUNT})
        rows = await self._database.read(
            "SELECT password FROM person WHERE tenant = :t AND id = :p", t=tenant, p=person
        )
        if not rows or not await self._matches(rows[0]["password"], current):
            raise Unauthenticated("the present password is wrong")
        await self.change_password(tenant, person, password, Identity(tenant, IdentityKind.PERSON, person))

    async def sign_in(self, tenant: TenantId, email: str, password: str, address: str) -> NewSession:
        """Open a session for who knows the password; ``address`` is where they come from.

        Raises:
            Unauthenticated: the account or the password is wrong; it doesn't say which.
            TooMany: too many attempts on this account or from this address.
        """
        await self._vault.ready(tenant)
        blind = self._vault.blind(tenant, "email", email.strip().casefold())
        account, origin = f"account:{blind}", f"address:{self._vault.blind(tenant, 'address', address)}"
        await self._attempts.count(tenant, {account: ATTEMPTS_PER_ACCOUNT, origin: ATTEMPTS_PER_ADDRESS})
        rows = await self._database.read(
            "SELECT * FROM person WHERE tenant = :t AND email_blind = :blind", t=tenant, blind=blind
        )
        known = rows[0]["password"] if rows else await self._nobodys()
        if not await self._matches(known, password) or not rows:
            raise Unauthenticated("email or password is wrong")
        person = self._person(tenant, rows[0])
        identity = Identity(tenant, IdentityKind.PERSON, person.id, role=person.role, name=person.name)

        def let_in(tx: Transaction) -> NewSession:
            # The address is not forgiven: it could sign in to its own account between two guesses.
            self._attempts.forgive_in(tx, tenant, account)
            self._audit.record_in(tx, tenant, identity, "person.sign_in", person.id)
            return self._sessions.open_in(tx, identity)

        return await self._database.write(let_in)

    def _person(self, tenant: TenantId, row: Row) -> Person:
        person = row["id"]
        return Person(
            person,
            self._vault.open_text(tenant, "", "person", "email_sealed", person, row["email_sealed"]),
            self._vault.open_text(tenant, "", "person", "name_sealed", person, row["name_sealed"]),
            Role(row["role"]),
            from_ms(row["created_at"]),
        )

    async def _hash(self, password: str) -> str:
        if not SHORTEST_PASSWORD <= len(password) <= LONGEST_PASSWORD:
            raise InvalidInput(
                f"a password has {SHORTEST_PASSWORD} to {LONGEST_PASSWORD} characters", param="password"
            )
        async with self._hashing:
            return await asyncio.to_thread(self._hasher.hash, password)

    async def _matches(self, hashed: str, password: str) -> bool:
        guess = password if len(password) <= LONGEST_PASSWORD else ""
        async with self._hashing:
            return await asyncio.to_thread(_verify, self._hasher, hashed, guess)

    async def _nobodys(self) -> str:
        if not self._nobodys_hash:
            self._nobodys_hash = await self._hash(secrets.token_urlsafe())
        return self._nobodys_hash


def _verify(hasher: argon2.PasswordHasher, hashed: str, password: str) -> bool:
    try:
        return hasher.verify(hashed, password)
    except (argon2.exceptions.VerificationError, argon2.exceptions.InvalidHashError):
        return False


def _email(email: str) -> str:
    address = email.strip().casefold()
    local, _, domain = address.rpartition("@")
    if not local or not domain or len(address) > LONGEST_EMAIL or not address.isprintable() or " " in address:
        raise InvalidInput("this is not an email address", param="email")
    return address


def _update(tx: Transaction, tenant: TenantId, person: str, column: str, value: str) -> None:
    if not tx.execute(
        f"UPDATE person SET {column} = :value WHERE tenant = :t AND id = :p", value=value, t=tenant, p=person
    ):
        raise NotFound(f"no person {person}")


def _keep_an_admin(tx: Transaction, tenant: TenantId, person: str) -> None:
    """Refuse to take away the last administrator.

    Raises:
        NotFound: there is no such person.
        Conflict: nobody else could let people in.
    """
    # Where writers run side by side, the lock keeps two of them from removing one administrator each.
    lock = " FOR UPDATE" if tx.lock else ""
    admins = tx.query(
        f"SELECT id FROM person WHERE tenant = :t AND role = :admin ORDER BY id{lock}",
        t=tenant, admin=Role.ADMIN.value,
    )  # fmt: skip
    if not tx.query("SELECT id FROM person WHERE tenant = :t AND id = :p", t=tenant, p=person):
        raise NotFound(f"no person {person}")
    if [row["id"] for row in admins] == [person]:
        raise Conflict("this is the last administrator; make somebody else one first")
