"""Check and issue the JWTs of connections and subscriptions.

The tenant's secret and public keys come from outside; each key has its
algorithms and the token has no say in that (RFC 8725): ``none``, other
algorithms and public keys used as secrets are refused. Times are compared with our clock, so a token says the
same to every part of chatpush.
"""

import base64
import json
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any, NamedTuple

import jwt

from chatpush.clock import Clock
from chatpush.domain import DEFAULT_TENANT, Json, TenantId, UserId
from chatpush.errors import TokenExpired, Unauthenticated
from chatpush.realtime.identity.blocks import Blocks
from chatpush.realtime.identity.plain_tokens import claims_of, plain
from chatpush.realtime.identity.public_keys import PublicKeys
from chatpush.realtime.terms import NO_TERMS, Terms, override_of
from chatpush.settings import ClientToken

# A secret signs with a longer hash only if it is as long (RFC 7518 §3.2).
SECRET_BYTES = {"HS256": 0, "HS384": 48, "HS512": 64}
MOST_KEYS_TRIED = 8
LONGEST_TOKEN = 8192
SecretOf = Callable[[TenantId], Awaitable[str]]


class Proof(NamedTuple):
    """What a token can be revoked by: its ``jti``, and its ``iat`` (seconds since 1970, 0 if it has none)."""

    uid: str = ""
    issued_at: float = 0.0


NO_PROOF = Proof()
MOST_LABELS = 32
LONGEST_LABEL = 128


@dataclass(frozen=True, slots=True)
class ConnectionClaims:
    """What a connection token says."""

    user: UserId
    expires_at: datetime | None = None
    info: Json = None
    name: str = ""
    channels: tuple[str, ...] = ()
    subs: dict[str, Terms] = field(default_factory=dict)
    meta: Json = None
    # What the server API may choose connections by.
    labels: Mapping[str, str] = field(default_factory=dict)
    proof: Proof = NO_PROOF


@dataclass(frozen=True, slots=True)
class SubscriptionClaims:
    """What a subscription token says."""

    user: UserId
    channel: str
    expires_at: datetime | None = None
    terms: Terms = NO_TERMS
    proof: Proof = NO_PROOF


class Tokens:
    """JWTs of all tenants; ``secret_of(tenant)`` knows their secrets."""

    def __init__(
        self,
        settings: ClientToken,
        secret_of: SecretOf,
        clock: Clock,
        blocks: Blocks | None = None,
        keys: PublicKeys | None = None,
    ) -> None:
        self._keys = keys
        self.blocks = blocks or Blocks(None, clock)
        self._settings = settings
        self._secret_of = secret_of
        self._clock = clock

    async def verify_connection(self, tenant: TenantId, token: str) -> ConnectionClaims:
        """Return a connection token's claims.

        Raises:
            TokenExpired: it was good once.
            Unauthenticated: it never was.
        """
        claims = await self._claims(tenant, token)
        channels = _typed(claims, "channels", list, [])
        subs = _typed(claims, "subs", dict, {})
        if not all(isinstance(channel, str) for channel in channels):
            raise Unauthenticated("the token's channels are not names")
        return ConnectionClaims(
            user=UserId(_typed(claims, "sub", str, "")),
            expires_at=self._expiry(claims),
            info=_json(claims, "info"),
            name=_typed(claims, "name", str, ""),
            channels=tuple(channels),
            subs={channel: _terms(options, None) for channel, options in subs.items()},
            meta=claims.get("meta"),
            labels=_labels(claims),
            proof=_proof(claims),
        )

    async def verify_subscription(self, tenant: TenantId, token: str) -> SubscriptionClaims:
        """Return a subscription token's claims.

        Raises:
            TokenExpired: it was good once.
            Unauthenticated: it never was, or it is no subscription token.
        """
        claims = await self._claims(tenant, token)
        channel = _typed(claims, "channel", str, "")
        if not channel:
            raise Unauthenticated("this is not a subscription token: it names no channel")
        user = UserId(_typed(claims, "sub", str, ""))
        expires_at = self._expiry(claims)
        return SubscriptionClaims(user, channel, expires_at, _terms(claims, expires_at), _proof(claims))

    async def issue_connection(
        self,
        tenant: TenantId,
        user: UserId,
        ttl: timedelta | None,
        *,
        info: Json = None,
        channels: tuple[str, ...] = (),
        name: str = "",
    ) -> str:
        """Return a connection token; without ``ttl`` it does not expire."""
        claims: dict[str, Any] = {"sub": user}
        claims |= {"info": info} if info is not None else {}
        claims |= {"channels": list(channels)} if channels else {}
        claims |= {"name": name} if name else {}
        return await self._issue(tenant, claims, ttl)

    async def issue_subscription(
        self, tenant: TenantId, user: UserId, channel: str, ttl: timedelta | None, *, info: Json = None
    ) -> str:
        """Return a token that lets this user subscribe to this channel."""
        claims: dict[str, Any] = {"sub": user, "channel": channel}
        claims |= {"info": info} if info is not None else {}
        return await self._issue(tenant, claims, ttl)

    async def _issue(self, tenant: TenantId, claims: dict[str, Any], ttl: timedelta | None) -> str:
        now = int(self._clock.now().timestamp())
        claims["iat"] = now
        if ttl is not None:
            claims["exp"] = now + int(ttl.total_seconds())
        if self._settings.audience:
            claims["aud"] = self._settings.audience
        if self._settings.issuer:
            claims["iss"] = self._settings.issuer
        return jwt.encode(claims, await self._secret(tenant), algorithm="HS256")

    async def _claims(self, tenant: TenantId, token: str) -> dict[str, Any]:
        if len(token) > LONGEST_TOKEN:
            raise Unauthenticated("the token is too long")
        claims = await self._verified(tenant, token)
        now = self._clock.now().timestamp()
        if (expiry := _time(claims, "exp")) is not None and expiry <= now:
            raise TokenExpired("the token has expired; ask the app's backend for a fresh one")
        if (start := _time(claims, "nbf")) is not None and start > now:
            raise Unauthenticated("the token is not valid yet")
        self.blocks.check(tenant, str(claims.get("sub", "")), *_proof(claims))
        return claims

    async def _verified(self, tenant: TenantId, token: str) -> dict[str, Any]:
        """Return the claims of a token that one of our keys has signed."""
        if not self._settings.audience and not self._settings.issuer and plain(token.partition(".")[0]):
            claims = claims_of(token, await self._secret(tenant))
            if claims is not None:
                return claims
        try:
            header = jwt.get_unverified_header(token)
        except (jwt.PyJWTError, ValueError, RecursionError) as error:
            raise Unauthenticated(f"the token is not valid: {error}") from error
        algorithm, named = str(header.get("alg", "")), str(header.get("kid", ""))
        keys: list[Any] = []
        if algorithm in SECRET_BYTES:
            secret = await self._secret(tenant)
            keys = [secret] if len(secret.encode()) >= SECRET_BYTES[algorithm] else []
        elif tenant == DEFAULT_TENANT and self._keys is not None:
            keys = [found.key for found in await self._keys.find(algorithm, named)]
        problem: Exception | str = "no key of ours signs like that"
        for key in keys[:MOST_KEYS_TRIED]:
            try:
                return self._decoded(token, key, algorithm)
            except (jwt.PyJWTError, ValueError, TypeError, RecursionError) as error:
                problem = error
        raise Unauthenticated(f"the token is not valid: {problem}")

    def _decoded(self, token: str, key: Any, algorithm: str) -> dict[str, Any]:
        claims: dict[str, Any] = jwt.decode(
            token,
            key,
            algorithms=[algorithm],  # which this very key is for
            audience=self._settings.audience or None,
            issuer=self._settings.issuer or None,
            options={
                "verify_exp": False,  # ours, by our clock
                "verify_nbf": False,
                "verify_iat": False,
                "verify_sub": False,
                "verify_jti": False,
                "verify_aud": bool(self._settings.audience),
                "verify_iss": bool(self._settings.issuer),
            },
        )
        return claims

    async def _secret(self, tenant: TenantId) -> str:
        secret = await self._secret_of(tenant)
        if not secret:
            raise Unauthenticated("no token secret is configured; set client.token.hmac_secret_key")
        return secret

    def _expiry(self, claims: dict[str, Any]) -> datetime | None:
        """``expire_at`` speaks of the connection, ``exp`` of the token; 0 is never."""
        moment = _time(claims, "expire_at")
        if moment is None:
            moment = _time(claims, "exp")
        return datetime.fromtimestamp(moment, UTC) if moment else None


def _proof(claims: dict[str, Any]) -> Proof:
    issued = claims.get("iat")
    return Proof(str(claims.get("jti", "")), float(issued) if isinstance(issued, int | float) else 0.0)


def _labels(claims: dict[str, Any]) -> Mapping[str, str]:
    found: dict[str, str] = _typed(claims, "labels", dict, {})
    if len(found) > MOST_LABELS or not all(
        isinstance(value, str) and len(name) <= LONGEST_LABEL >= len(value) for name, value in found.items()
    ):
        raise Unauthenticated(
            f"the token's labels are at most {MOST_LABELS} texts by name, of {LONGEST_LABEL} characters"
        )
    return found


def _terms(claims: Any, expires_at: datetime | None) -> Terms:
    """Return what a subscription's claims say about it."""
    if not isinstance(claims, dict):
        return NO_TERMS
    moment = expires_at.timestamp() if expires_at is not None else None
    return Terms(_json(claims, "info"), _json(claims, "data"), moment, override_of(claims.get("override")))


def _json(claims: dict[str, Any], name: str) -> Json:
    """Return a claim that may come as JSON in Base64 under ``b64…`` instead."""
    packed = claims.get(f"b64{name}")
    if packed is None:
        found: Json = claims.get(name)
        return found
    try:
        unpacked: Json = json.loads(base64.b64decode(packed, validate=True))
    except (TypeError, ValueError, RecursionError) as error:
        raise Unauthenticated(f"the token's b64{name} is no JSON in Base64") from error
    return unpacked


def _typed(claims: dict[str, Any], name: str, kind: type, absent: Any) -> Any:
    value = claims.get(name, absent)
    if not isinstance(value, kind):
        raise Unauthenticated(f"the token's {name} is no {kind.__name__}")
    return value


def _time(claims: dict[str, Any], name: str) -> float | None:
    value = claims.get(name)
    if value is None:
        return None
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value < 2**40:
        raise Unauthenticated(f"the token's {name} is no time")
    return float(value)
