"""Seal what must not be read at rest, so that moving or stealing a row gains nothing.

Envelope encryption (the pattern of the AWS Encryption SDK): a master key from a
file or the environment wraps one random key per tenant, which wraps one random
key per user; those seal the data. AES-256-GCM with random 96-bit nonces
(NIST SP 800-38D: at most 2^32 per key). The associated data names tenant,
owner, table, column, row and key id, so a sealed value opens only where it was
written. Keys are random, never derived, so that throwing one away erases what
it sealed.

A sealed value is ``version (1) | key id (8) | nonce (12) | ciphertext + tag``.
"""

import hashlib
import hmac
import json
import os
import secrets
from collections import OrderedDict
from functools import lru_cache
from pathlib import Path
from typing import Any

import msgspec
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from chatpush.chance import random_bytes
from chatpush.domain import Json, TenantId
from chatpush.errors import InvalidSettings, VaultError
from chatpush.store.database import Database, Transaction
from chatpush.store.parameters import among

VERSION = b"\x01"
KEY_BYTES = 32
REMEDY = "put back the file that this data was sealed with; `chatpush init` writes one for new data only"
CACHED_OWNERS = 100_000
OWNERS_AT_ONCE = 500
ENCODE = msgspec.json.Encoder().encode
KEY_ID_BYTES = 8
NONCE_BYTES = 12
FRESH_BYTES = KEY_ID_BYTES + NONCE_BYTES + KEY_BYTES
"""What a new key takes: its id, the nonce that wraps it, itself."""
KEY_ID_LENGTH = KEY_ID_BYTES.to_bytes(4, "big")
CREATE_MODE = 0o600


def create_master_key(path: Path) -> None:
    """Write a new master key that only this account can read.

    Raises:
        FileExistsError: there is one already; it is never replaced.
    """
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, CREATE_MODE)
    with os.fdopen(descriptor, "w", encoding="ascii") as file:
        file.write(secrets.token_hex(KEY_BYTES) + "\n")


def read_master_key(path: Path) -> bytes:
    """Return the 32 bytes of a master key file.

    Raises:
        InvalidSettings: it is missing, malformed, or readable by others.
    """
    try:
        mode = path.stat().st_mode & 0o777
        text = path.read_text(encoding="ascii").strip()
        key = bytes.fromhex(text)
    except (OSError, ValueError) as error:
        raise InvalidSettings(f"master key {path}: {_reason(error)}; {REMEDY}") from error
    if mode & 0o077:
        raise InvalidSettings(f"master key {path} can be read by others (mode {mode:o}); chmod 600 it")
    if len(key) != KEY_BYTES:
        raise InvalidSettings(f"master key {path}: {len(key)} bytes instead of {KEY_BYTES}; {REMEDY}")
    return key


def _reason(error: OSError | ValueError) -> str:
    return error.strerror or str(error) if isinstance(error, OSError) else "not a hexadecimal number"


def derived_key(secret: bytes, purpose: str) -> bytes:
    """Return 32 bytes for one purpose from a secret that is a key already (HKDF-Expand, RFC 5869 §2.3).

    For signing what comes back soon; data is sealed by random keys alone.
    """
    return hmac.new(secret, purpose.encode() + b"\x01", hashlib.sha256).digest()


class _Key:
    """An unwrapped key with its id."""

    __slots__ = ("cipher", "id", "secret")

    def __init__(self, key_id: bytes, secret: bytes) -> None:
        self.id = key_id
        self.secret = secret
        self.cipher = AESGCM(secret)


class Vault:
    """Seals and opens values with keys it keeps wrapped in table ``vault_key``.

    Call ``ready`` (once per request is fine; it remembers up to
    ``CACHED_OWNERS`` keys) before the synchronous methods.
    """

    def __init__(self, database: Database, master_key: bytes) -> None:
        self._database = database
        self._master = AESGCM(master_key)
        self._keys: OrderedDict[tuple[TenantId, str], _Key] = OrderedDict()

    async def ready(self, tenant: TenantId, *owners: str) -> None:
        """Load the keys of the tenant and these owners, making missing ones."""
        await self._ready_one(tenant, "")
        for owner in owners:
            await self._ready_one(tenant, owner)

    def has(self, tenant: TenantId, *owners: str) -> bool:
        """Return whether the keys of the tenant and these owners are loaded, so that ``ready`` would do nothing."""
        keys = self._keys
        return (tenant, "") in keys and all((tenant, owner) in keys for owner in owners)

    async def ready_many(self, tenant: TenantId, owners: list[str]) -> None:
        """Load many owners' keys with two statements instead of two each."""
        await self._ready_one(tenant, "")
        missing = [owner for owner in dict.fromkeys(owners) if (tenant, owner) not in self._keys]
        for start in range(0, len(missing), OWNERS_AT_ONCE):
            await self._ready_page(tenant, missing[start : start + OWNERS_AT_ONCE])

    async def _ready_page(self, tenant: TenantId, owners: list[str]) -> None:
        """Read the keys there are, and make the others; who was faster wins."""
        sql, params = _keys_of(tenant, owners)
        for row in await self._database.read(sql, **params):
            self._remember(tenant, row["owner"], self._unwrap(tenant, row["owner"], row))
        without = [owner for owner in owners if (tenant, owner) not in self._keys]
        if not without:
            return
        chance = secrets.token_bytes(FRESH_BYTES * len(without))
        fresh = {
            owner: self._wrap(tenant, owner, chance[FRESH_BYTES * place : FRESH_BYTES * (place + 1)])
            for place, owner in enumerate(without)
        }
        asked, names = _keys_of(tenant, list(fresh))

        def create(tx: Transaction) -> list[dict[str, Any]]:
            made = tx.insert_many(
                "vault_key", [row for _, row in fresh.values()], "(tenant, owner) DO NOTHING"
            )
            return tx.query(asked, **names) if made < len(fresh) else []

        others = {row["owner"]: row for row in await self._database.write(create)}
        for owner, (key, _) in fresh.items():
            other = others.get(owner)
            is_ours = other is None or bytes(other["key_id"]) == key.id
            self._remember(tenant, owner, key if is_ours else self._unwrap(tenant, owner, other or {}))

    async def forget(self, tenant: TenantId, owner: str) -> None:
        """Destroy an owner's key: what it sealed can never be opened again."""
        self._keys.pop((tenant, owner), None)
        await self._database.write(
            lambda tx: tx.execute("DELETE FROM vault_key WHERE tenant = :t AND owner = :o", t=tenant, o=owner)
        )

    def seal(self, tenant: TenantId, owner: str, table: str, column: str, row: str, plain: bytes) -> bytes:
        """Return the sealed value, bound to this very place."""
        key = self._key(tenant, owner)
        nonce = random_bytes(12)
        place = _place(tenant, owner, table, column, row, key.id)
        return VERSION + key.id + nonce + key.cipher.encrypt(nonce, plain, place)

    def open(self, tenant: TenantId, owner: str, table: str, column: str, row: str, sealed: bytes) -> bytes:
        """Return what was sealed at this place.

        Raises:
            VaultError: the value belongs elsewhere, was changed, or its owner was erased.
        """
        sealed = bytes(sealed)
        key = self._key(tenant, owner)
        if sealed[:1] != VERSION or sealed[1:9] != key.id:
            raise VaultError(f"{table}.{column} of {row} was sealed with a key that is gone")
        try:
            place = _place(tenant, owner, table, column, row, key.id)
            return key.cipher.decrypt(sealed[9:21], sealed[21:], place)
        except (InvalidTag, ValueError) as error:  # cut off in the middle of what comes before the text, too
            raise VaultError(f"{table}.{column} of {row} does not open here; was the row moved?") from error

    def seal_text(self, tenant: TenantId, owner: str, table: str, column: str, row: str, text: str) -> bytes:
        """Seal a string."""
        return self.seal(tenant, owner, table, column, row, text.encode())

    def open_text(
        self, tenant: TenantId, owner: str, table: str, column: str, row: str, sealed: bytes
    ) -> str:
        """Open a sealed string."""
        return self.open(tenant, owner, table, column, row, sealed).decode()

    def seal_json(
        self, tenant: TenantId, owner: str, table: str, column: str, row: str, value: Json
    ) -> bytes:
        """Seal a JSON value."""
        return self.seal(tenant, owner, table, column, row, ENCODE(value))

    def open_json(
        self, tenant: TenantId, owner: str, table: str, column: str, row: str, sealed: bytes
    ) -> Any:
        """Open a sealed JSON value."""
        return json.loads(self.open(tenant, owner, table, column, row, sealed))

    def blind(self, tenant: TenantId, field: str, value: str) -> str:
        """Return a keyed fingerprint for equality search on a sealed field."""
        key = self._key(tenant, "").secret
        return hmac.new(key, f"blind\x00{field}\x00{value}".encode(), hashlib.sha256).hexdigest()[:32]

    def _key(self, tenant: TenantId, owner: str) -> _Key:
        key = self._keys.get((tenant, owner))
        if key is None:
            raise VaultError(f"no key is loaded for {owner or 'the tenant'}; was the owner erased?")
        return key

    async def _ready_one(self, tenant: TenantId, owner: str) -> None:
        if (tenant, owner) in self._keys:
            self._keys.move_to_end((tenant, owner))
            return
        _, row = self._wrap(tenant, owner, secrets.token_bytes(FRESH_BYTES))

        def create(tx: Transaction) -> dict[str, Any]:
            tx.insert("vault_key", row, "(tenant, owner) DO NOTHING")
            found = tx.query(
                "SELECT key_id, wrapped FROM vault_key WHERE tenant = :t AND owner = :o", t=tenant, o=owner
            )
            return found[0]

        stored = await self._database.write(create)
        self._remember(tenant, owner, self._unwrap(tenant, owner, stored))

    def _remember(self, tenant: TenantId, owner: str, key: _Key) -> None:
        self._keys[tenant, owner] = key
        while len(self._keys) > CACHED_OWNERS:
            self._keys.popitem(last=False)

    def _wrapper(self, tenant: TenantId, owner: str) -> AESGCM:
        """The tenant's key wraps its users' keys; the master key wraps the tenant's."""
        return self._key(tenant, "").cipher if owner else self._master

    def _wrap(self, tenant: TenantId, owner: str, chance: bytes) -> tuple[_Key, dict[str, Any]]:
        """Return a new key and its row, made of ``FRESH_BYTES`` that nobody else gets."""
        key_id, nonce, secret = chance[:8], chance[8:20], chance[20:]
        key = _Key(key_id, secret)
        place = _place(tenant, owner, "vault_key", "wrapped", owner, key.id)
        wrapped = nonce + self._wrapper(tenant, owner).encrypt(nonce, key.secret, place)
        return key, {"tenant": tenant, "owner": owner, "key_id": key.id, "wrapped": wrapped}

    def _unwrap(self, tenant: TenantId, owner: str, row: dict[str, Any]) -> _Key:
        key_id, wrapped = bytes(row["key_id"]), bytes(row["wrapped"])
        try:
            place = _place(tenant, owner, "vault_key", "wrapped", owner, key_id)
            return _Key(key_id, self._wrapper(tenant, owner).decrypt(wrapped[:12], wrapped[12:], place))
        except InvalidTag as error:
            raise VaultError("the master key does not open this database; is it the right file?") from error


def _keys_of(tenant: TenantId, owners: list[str]) -> tuple[str, dict[str, Any]]:
    """Return the statement and the parameters that find these owners' keys."""
    names, params = among(owners)
    sql = f"SELECT owner, key_id, wrapped FROM vault_key WHERE tenant = :t AND owner IN {names}"
    return sql, {"t": tenant, **params}


def _place(tenant: str, owner: str, table: str, column: str, row: str, key_id: bytes) -> bytes:
    """Associated data: length-prefixed parts, so that no two places look alike."""
    who, which = owner.encode(), row.encode()
    return b"".join(
        (
            _part(tenant), len(who).to_bytes(4, "big"), who, _part(table), _part(column),
            len(which).to_bytes(4, "big"), which, KEY_ID_LENGTH, key_id,
        )
    )  # fmt: skip


@lru_cache(maxsize=4096)
def _part(text: str) -> bytes:
    """Return one of the few tenants, tables and columns with its length before it."""
    encoded = text.encode()
    return len(encoded).to_bytes(4, "big") + encoded
