"""Public keys that may have signed a token: from the settings, and from a JWKS endpoint.

A key decides which algorithms it may be used with, never the token (RFC
8725). The endpoint's keys are kept for a while; a token that names a key we do
not know makes us ask again, though not often, so that rotated keys work within
seconds and made-up ones cost nothing. While the endpoint is down the keys we
have go on to hold.
"""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any

import jwt
import msgspec
import structlog

from chatpush.clock import Clock
from chatpush.errors import InvalidSettings, Unavailable
from chatpush.settings import ClientToken

log = structlog.get_logger(__name__)

Fetch = Callable[[str], Awaitable[bytes]]
RSA = ("RS256", "RS384", "RS512", "PS256", "PS384", "PS512")
BY_CURVE = {"secp256r1": ("ES256",), "secp384r1": ("ES384",), "secp521r1": ("ES512",)}
EDDSA = ("EdDSA",)
SMALLEST_RSA_BITS = 2048
MOST_KEYS = 64
ASK_AGAIN_SECONDS = 10.0


@dataclass(frozen=True, slots=True)
class PublicKey:
    """A key and what it may verify."""

    id: str
    key: Any
    algorithms: tuple[str, ...]


class _KeySet(msgspec.Struct):
    keys: list[dict[str, Any]]


class PublicKeys:
    """The keys of the default tenant.

    Raises:
        InvalidSettings: a configured key can't be used.
    """

    def __init__(self, settings: ClientToken, fetch: Fetch, clock: Clock) -> None:
        self._endpoint = settings.jwks_public_endpoint
        self._cache_seconds = settings.jwks_cache_seconds
        self._fetch = fetch
        self._clock = clock
        self._configured = [
            _of_pem(name, pem, readers)
            for name, pem, readers in (
                ("rsa_public_key", settings.rsa_public_key, ("RS256",)),
                ("ecdsa_public_key", settings.ecdsa_public_key, ("ES256", "ES384", "ES512")),
                ("eddsa_public_key", settings.eddsa_public_key, EDDSA),
            )
            if pem
        ]
        self._fetched: list[PublicKey] = []
        self._fresh_until = self._ask_again_at = float("-inf")
        self._asking = asyncio.Lock()

    async def find(self, algorithm: str, key_id: str) -> list[PublicKey]:
        """Return the keys that may verify a token with this header; it may name no key.

        Raises:
            Unavailable: the endpoint does not answer and never has.
        """
        found = [key for key in self._configured if algorithm in key.algorithms]
        if not self._endpoint:
            return found
        if self._clock.monotonic() >= self._fresh_until or not self._known(algorithm, key_id):
            await self._refresh()
        return found + self._known(algorithm, key_id)

    def _known(self, algorithm: str, key_id: str) -> list[PublicKey]:
        return [
            key for key in self._fetched if algorithm in key.algorithms and (not key_id or key.id == key_id)
        ]

    async def _refresh(self) -> None:
        """Ask the endpoint, one at a time and not more often than allowed."""
        async with self._asking:
            now = self._clock.monotonic()
            if now < self._ask_again_at:
                return
            self._ask_again_at = now + ASK_AGAIN_SECONDS
            try:
                self._fetched = _of_set(await self._fetch(self._endpoint))
                self._fresh_until = now + self._cache_seconds
            except (Unavailable, msgspec.MsgspecError) as error:
                log.warning("the JWKS endpoint gave no keys", url=self._endpoint, error=str(error))
                if not self._fetched:
                    raise Unavailable(f"the keys of {self._endpoint} can't be read now") from error


def _of_pem(name: str, pem: str, readers: tuple[str, ...]) -> PublicKey:
    """Return a configured key, by the first algorithm that reads it."""
    problem: Exception | None = None
    for reader in readers:
        try:
            key = jwt.get_algorithm_by_name(reader).prepare_key(pem.encode())
            return PublicKey("", key, _algorithms(key))
        except (jwt.PyJWTError, ValueError, TypeError) as error:
            problem = error
    raise InvalidSettings(f"client.token.{name}: this is no public key in PEM ({problem})")


def _of_set(body: bytes) -> list[PublicKey]:
    """Return the usable keys of a JWKS; a key we can't use is left out.

    Raises:
        ValidationError: it is no JWKS.
    """
    found = []
    for entry in msgspec.json.decode(body, type=_KeySet).keys[:MOST_KEYS]:
        try:
            found.append(_of_jwk(entry))
        except (jwt.PyJWTError, ValueError, TypeError, AttributeError, KeyError) as error:
            log.warning("a key of the JWKS endpoint is left out", error=str(error))
    return found


def _of_jwk(entry: dict[str, Any]) -> PublicKey:
    if entry.get("kty") not in ("RSA", "EC", "OKP") or entry.get("use", "sig") != "sig" or "d" in entry:
        raise ValueError("it is not a public key for signatures")
    key = jwt.PyJWK(entry).key
    algorithms = _algorithms(key)
    if entry.get("alg"):
        algorithms = tuple(name for name in algorithms if name == entry["alg"])
    return PublicKey(str(entry.get("kid", "")), key, algorithms)


def _algorithms(key: Any) -> tuple[str, ...]:
    """Return what a key may verify, by its kind.

    Raises:
        ValueError: nothing: it is a private key, too small, or of another kind.
    """
    if hasattr(key, "private_bytes") or not hasattr(key, "public_bytes"):
        raise ValueError("only public keys belong here")
    if curve := getattr(key, "curve", None):
        if curve.name not in BY_CURVE:
            raise ValueError(f"the curve {curve.name} is not supported")
        return BY_CURVE[curve.name]
    if hasattr(key, "key_size"):
        if key.key_size < SMALLEST_RSA_BITS:
            raise ValueError(f"RSA keys have at least {SMALLEST_RSA_BITS} bits")
        return RSA
    return EDDSA
