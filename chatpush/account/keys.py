"""Issue API keys, show each once, and know whose key it is a moment later.

A key is 256 random bits, so nobody can guess or enumerate it; a plain SHA-256
of it at rest is enough. (Slow hashes such as argon2 protect what people think
up; here they would only cost 50 ms for each request.) ``pk_`` keys are public:
they pick the tenant and open nothing. ``sk_`` keys open what their scopes say.

A key that was looked up is remembered for ``REMEMBER_SECONDS``: that is how
long a revoked key can live on another node; on this one it dies at once. Who
has given something by a key hears of its end in ``on_revoked``, and whoever
runs ``learn`` every now and then hears of those revoked elsewhere.
"""

import hashlib
import re
import secrets
from collections import OrderedDict
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from types import MappingProxyType

import structlog

from chatpush.account.audit import Audit
from chatpush.clock import Clock
from chatpush.domain import Identity, IdentityKind, TenantId, from_ms, new_id, to_ms
from chatpush.errors import Forbidden, InvalidInput, NotFound, Unavailable
from chatpush.store.database import Database, Row, Transaction

log = structlog.get_logger(__name__)

ALL_SCOPES = "*"
SCOPES: Mapping[str, str] = MappingProxyType(
    {
        "messages:read": "See messages and their deliveries",
        "messages:write": "Send and cancel messages",
        "users:read": "See users, topics and segments",
        "users:write": "Change and delete users, topics and segments",
        "users:export": "Take out everything that is held of a user, messages and conversations included",
        "templates:write": "Change templates",
        "templates:review": "Say that a template is news although it reads like advertising",
        "events:write": "Report what users did",
        "items:write": "Change the catalogue",
        "recommend:read": "Ask for recommendations",
        "campaigns:write": "Change, run and pause campaigns",
        "conversations:read": "See conversations",
        "conversations:write": "Answer in, assign and close conversations",
        "knowledge:write": "Change the knowledge base",
        "realtime:publish": "Publish to channels and disconnect users",
        "realtime:read": "See history, presence and channels",
        "keys:write": "Issue and revoke keys, with no more scopes than the caller's own",
        "usage:read": "See usage and the bill",
        ALL_SCOPES: "Everything",
    }
)
PUBLISHABLE, SECRET = "pk", "sk"
SHAPE = re.compile(r"(?:pk|sk)_[A-Za-z0-9_-]{43}")
KEY_BYTES = 32
HINT_CHARACTERS = 4
LONGEST_NAME = 100
REMEMBER_SECONDS = 5.0
REMEMBERED_KEYS = 10_000
# So far nodes' clocks and their writes may be apart.
LATELY = timedelta(minutes=5)
USED_RESOLUTION_MS = 60_000


@dataclass(frozen=True, slots=True)
class Key:
    """What is known of a key; the key itself was shown once and is gone."""

    id: str
    kind: str
    name: str
    hint: str
    scopes: tuple[str, ...]
    created_at: datetime
    used_at: datetime | None
    revoked_at: datetime | None


@dataclass(frozen=True, slots=True)
class IssuedKey:
    """A new key and, this once, its plain text."""

    key: Key
    plaintext: str


class Keys:
    """All keys of the installation."""

    def __init__(self, database: Database, clock: Clock, audit: Audit) -> None:
        self._database = database
        self._clock = clock
        self._audit = audit
        self._remembered: OrderedDict[str, tuple[float, Identity]] = OrderedDict()
        # Called with a key's id; more than once if it was revoked lately.
        self.on_revoked: list[Callable[[str], None]] = []
        self._revocations = 0  # tells a look-up that a key may have been revoked while it was reading

    async def issue(
        self,
        tenant: TenantId,
        name: str,
        *,
        kind: str = SECRET,
        scopes: Iterable[str] = (),
        by: Identity | None = None,
    ) -> IssuedKey:
        """Make a key. ``by`` is who asks; it can't give what it does not have.

        Raises:
            InvalidInput: the name, kind or a scope can't be used.
            Forbidden: a scope goes beyond those of ``by``.
        """
        granted = _checked(name, kind, scopes)
        _must_hold(by, granted)
        key, plaintext = new_id("key"), f"{kind}_{secrets.token_urlsafe(KEY_BYTES)}"
        row = {
            "tenant": tenant,
            "id": key,
            "kind": kind,
            "name": name.strip(),
            "hash": fingerprint(plaintext),
            "hint": plaintext[-HINT_CHARACTERS:],
            "scopes": " ".join(granted),
            "created_at": to_ms(self._clock.now()),
            "used_at": None,
            "revoked_at": None,
        }

        def insert(tx: Transaction) -> None:
            tx.insert("api_key", row)
            self._audit.record_in(tx, tenant, by, "key.issue", key)

        await self._database.write(insert)
        return IssuedKey(_key(row), plaintext)

    async def lend(self, tenant: TenantId, name: str, plaintext: str) -> bool:
        """Let a publishable key that the house derives by itself stand for a tenant.

        It is one of the tenant's keys like the others; every node derives the
        same, so doing it again changes nothing. False if it was revoked.
        """
        key = f"key_{name}"
        row = {
            "tenant": tenant, "id": key, "kind": PUBLISHABLE, "name": name, "hash": fingerprint(plaintext),
            "hint": plaintext[-HINT_CHARACTERS:], "scopes": "", "created_at": to_ms(self._clock.now()),
            "used_at": None, "revoked_at": None,
        }  # fmt: skip

        def insert(tx: Transaction) -> None:
            if tx.insert("api_key", row, "(tenant, id) DO NOTHING"):
                self._audit.record_in(tx, tenant, None, "key.issue", key)

        if await self.find(plaintext) is None:
            await self._database.write(insert)
        return await self.find(plaintext) is not None

    async def find(self, plaintext: str) -> Identity | None:
        """Return whom a key stands for, or None if we don't know it or revoked it.

        A ``pk_`` key gives an anonymous identity of its tenant, a ``sk_`` key one
        of kind ``key`` with its scopes; ``subject`` is the key's id in both.
        """
        if not SHAPE.fullmatch(plaintext):
            return None
        hashed = fingerprint(plaintext)
        until, identity = self._remembered.get(hashed, (0.0, None))
        if identity is not None and until > self._clock.monotonic():
            return identity
        revocations = self._revocations
        rows = await self._database.read(
            "SELECT tenant, id, kind, name, scopes, used_at FROM api_key"
            " WHERE hash = :hash AND revoked_at IS NULL",
            hash=hashed,
        )
        if not rows:
            self._remembered.pop(hashed, None)
            return None
        identity = _identity(rows[0])
        if revocations == self._revocations:
            self._remember(hashed, identity)
        await self._mark_used(rows[0])
        return identity

    async def list(self, tenant: TenantId) -> list[Key]:
        """Return the tenant's keys, newest first, revoked ones included."""
        rows = await self._database.read("SELECT * FROM api_key WHERE tenant = :t ORDER BY id DESC", t=tenant)
        return [_key(row) for row in rows]

    async def revoke(self, tenant: TenantId, key: str, by: Identity | None = None) -> None:
        """Make a key useless from now on; doing it twice changes nothing.

        Raises:
            NotFound: the tenant has no such key.
        """

        def close(tx: Transaction) -> str:
            rows = tx.query("SELECT hash FROM api_key WHERE tenant = :t AND id = :id", t=tenant, id=key)
            if not rows:
                raise NotFound(f"no key {key}")
            changed = tx.execute(
                "UPDATE api_key SET revoked_at = :now WHERE tenant = :t AND id = :id AND revoked_at IS NULL",
                now=to_ms(self._clock.now()), t=tenant, id=key,
            )  # fmt: skip
            if changed:
                self._audit.record_in(tx, tenant, by, "key.revoke", key)
            return str(rows[0]["hash"])

        self._end(key, await self._database.write(close))

    async def learn(self) -> float:
        """Let keys die here that another node or the command line revoked; return when to look again."""
        lately = to_ms(self._clock.now() - LATELY)
        for row in await self._database.read(
            "SELECT id, hash FROM api_key WHERE revoked_at >= :lately", lately=lately
        ):
            self._end(row["id"], row["hash"])
        return REMEMBER_SECONDS

    def _end(self, key: str, hashed: str) -> None:
        self._revocations += 1
        self._remembered.pop(hashed, None)
        for listener in self.on_revoked:
            listener(key)

    def _remember(self, hashed: str, identity: Identity) -> None:
        self._remembered[hashed] = (self._clock.monotonic() + REMEMBER_SECONDS, identity)
        self._remembered.move_to_end(hashed)
        while len(self._remembered) > REMEMBERED_KEYS:
            self._remembered.popitem(last=False)

    async def _mark_used(self, row: Row) -> None:
        """Note the use, at most once a minute; a full write queue must not refuse the request."""
        now = to_ms(self._clock.now())
        if row["used_at"] is not None and now - row["used_at"] < USED_RESOLUTION_MS:
            return
        note = "UPDATE api_key SET used_at = :now WHERE tenant = :t AND id = :id"
        try:
            await self._database.write(lambda tx: tx.execute(note, now=now, t=row["tenant"], id=row["id"]))
        except Unavailable as error:
            log.warning("last use of a key not noted", key=row["id"], error=str(error))


def fingerprint(plaintext: str) -> str:
    """Return the SHA-256 under which a random secret is kept."""
    return hashlib.sha256(plaintext.encode()).hexdigest()


def _checked(name: str, kind: str, scopes: Iterable[str]) -> tuple[str, ...]:
    if not name.strip() or len(name) > LONGEST_NAME:
        raise InvalidInput(f"a key's name has 1 to {LONGEST_NAME} characters", param="name")
    if kind not in (PUBLISHABLE, SECRET):
        raise InvalidInput(f"a key is {SECRET} (secret) or {PUBLISHABLE} (publishable)", param="kind")
    granted = tuple(sorted(set(scopes)))
    if unknown := [scope for scope in granted if scope not in SCOPES]:
        raise InvalidInput(f"no scope {unknown[0]!r}; there are {', '.join(SCOPES)}", param="scopes")
    if kind == PUBLISHABLE and granted:
        raise InvalidInput("a publishable key is public and can't have scopes", param="scopes")
    if kind == SECRET and not granted:
        raise InvalidInput("a secret key needs at least one scope", param="scopes")
    return granted


def _must_hold(by: Identity | None, granted: tuple[str, ...]) -> None:
    if by is None or by.kind is not IdentityKind.KEY:
        return
    if beyond := [scope for scope in granted if not by.has_scope(scope)]:
        raise Forbidden(f"this key can't give {', '.join(beyond)}: it does not have it", param="scopes")


def _identity(row: Row) -> Identity:
    secret = row["kind"] == SECRET
    return Identity(
        tenant=TenantId(row["tenant"]),
        kind=IdentityKind.KEY if secret else IdentityKind.ANONYMOUS,
        subject=row["id"],
        scopes=frozenset(row["scopes"].split()),
        name=row["name"],
    )


def _key(row: Row) -> Key:
    used, revoked = row["used_at"], row["revoked_at"]
    return Key(
        id=row["id"],
        kind=row["kind"],
        name=row["name"],
        hint=row["hint"],
        scopes=tuple(row["scopes"].split()),
        created_at=from_ms(row["created_at"]),
        used_at=None if used is None else from_ms(used),
        revoked_at=None if revoked is None else from_ms(revoked),
    )
