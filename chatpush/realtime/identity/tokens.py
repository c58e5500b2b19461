"""Check and issue the JWTs of connections and subscriptions.

The tenant's secret and public keys come from outside; each key has its
algorithms and the token has no say in that (RFC 8725): ``none``, other
algorithms and public keys used as secrets are refused. Times are compared with our clock, so a token says the
same to every part of chatpush.
"""

from collections.abc import Awaitable, Callable
from datetime import timedelta
from typing import Any

import jwt

from chatpush.clock import Clock
from chatpush.domain import DEFAULT_TENANT, Json, TenantId, UserId
from chatpush.errors import TokenExpired, Unauthenticated
from chatpush.realtime.identity.blocks import Blocks
from chatpush.realtime.identity.claims import Claims, ConnectionClaims, SubscriptionClaims, of_values, read
from chatpush.realtime.identity.plain_tokens import payload_of, plain
from chatpush.realtime.identity.public_keys import PublicKeys
from chatpush.settings import ClientToken

# A secret signs with a longer hash only if it is as long (RFC 7518 §3.2).
SECRET_BYTES = {"HS256": 0, "HS384": 48, "HS512": 64}
MOST_KEYS_TRIED = 8
LONGEST_TOKEN = 8192
SecretOf = Callable[[TenantId], Awaitable[str]]


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
        return (await self._claims(tenant, token)).of_connection()

    async def verify_subscription(self, tenant: TenantId, token: str) -> SubscriptionClaims:
        """Return a subscription token's claims.

        Raises:
            TokenExpired: it was good once.
            Unauthenticated: it never was, or it is no subscription token.
        """
        return (await self._claims(tenant, token)).of_subscription()

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

    async def _claims(self, tenant: TenantId, token: str) -> Claims:
        if len(token) > LONGEST_TOKEN:
            raise Unauthenticated("the token is too long")
        claims = await self._verified(tenant, token)
        now = self._clock.milliseconds() / 1000
        if claims.exp is not None and claims.exp <= now:
            raise TokenExpired("the token has expired; ask the app's backend for a fresh one")
        if claims.nbf is not None and claims.nbf > now:
            raise Unauthenticated("the token is not valid yet")
        self.blocks.check(tenant, claims.sub, *claims.proof)
        return claims

    async def _verified(self, tenant: TenantId, token: str) -> Claims:
        """Return the claims of a token that one of our keys has signed."""
        if not self._settings.audience and not self._settings.issuer and token.isascii():
            plain_token = token.encode()
            if plain(plain_token.partition(b".")[0]):
                payload = payload_of(plain_token, await self._secret(tenant))
                if payload is not None:
                    return read(payload)
        try:
            header = jwt.get_unverified_header(token)
        except (jwt.PyJWTError, ValueError, RecursionError) as error:
            raise Unauthenticated(
                f"neither a signed token nor a key, which begins with sk_ or pk_: {error}"
            ) from error
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
                return of_values(self._decoded(token, key, algorithm))
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
