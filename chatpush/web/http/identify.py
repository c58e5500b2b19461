"""Decide who is asking, from the connection's credentials alone.

In this order: a secret key (``Authorization: Bearer sk_…`` or ``X-API-Key``), a
user token (``Authorization: Bearer <jwt>``), a console session (cookie). A
publishable key (``X-Chatpush-Key`` or ``?key=``) picks the tenant and gives no
power. Credentials that are there but wrong are an error, never a quiet step
down to anonymous.
"""

import hmac

from aiohttp import web

from chatpush.account.keys import Keys
from chatpush.account.sessions import Sessions
from chatpush.domain import DEFAULT_TENANT, Identity, IdentityKind, TenantId
from chatpush.errors import Forbidden, Unauthenticated
from chatpush.realtime.identity.tokens import Tokens

SESSION_COOKIE = "chatpush_session"
CSRF_HEADER = "X-CSRF-Token"
SAFE_METHODS = frozenset({"GET", "HEAD", "OPTIONS"})
SELF_CHECKED = ("/connection/", "/emulation", "/api", "/console")


class Identifier:
    """Turns a request's credentials into an ``Identity``."""

    def __init__(self, keys: Keys, sessions: Sessions, tokens: Tokens) -> None:
        self._keys = keys
        self._sessions = sessions
        self._tokens = tokens

    async def __call__(self, request: web.Request) -> Identity:
        """Return who is asking.

        Raises:
            Unauthenticated: a key or token is wrong, revoked or expired.
            Forbidden: a console session sent a change without its CSRF token.
        """
        tenant = await self.tenant_of(request)
        if request.path.startswith(SELF_CHECKED):
            return Identity(tenant, IdentityKind.ANONYMOUS)
        bearer = _bearer(request) or request.headers.get("X-API-Key", "")
        if bearer.startswith(("sk_", "pk_")):
            return await self._key(bearer)
        if bearer:
            claims = await self._tokens.verify_connection(tenant, bearer)
            if not claims.user:
                raise Unauthenticated("this token names no user; put the user's id in its sub claim")
            return Identity(tenant, IdentityKind.USER, claims.user)
        if SESSION_COOKIE in request.cookies:
            return await self._person(request)
        return Identity(tenant, IdentityKind.ANONYMOUS)

    async def tenant_of(self, request: web.Request) -> TenantId:
        """Return the tenant a publishable key names; the default one without a key.

        Raises:
            Unauthenticated: the key is unknown or revoked.
        """
        return (await self.bearer_of(request)).tenant

    async def bearer_of(self, request: web.Request) -> Identity:
        """Return whom a request's publishable key stands for, as ``bearer_of_key`` does."""
        return await self.bearer_of_key(request.headers.get("X-Chatpush-Key") or request.query.get("key", ""))

    async def bearer_of_key(self, key: str) -> Identity:
        """Return whom a publishable key stands for: its tenant, and as ``subject`` its id; the default one without.

        Raises:
            Unauthenticated: the key is unknown or revoked.
        """
        return await self._key(key) if key else Identity(DEFAULT_TENANT, IdentityKind.ANONYMOUS)

    async def _key(self, plaintext: str) -> Identity:
        identity = await self._keys.find(plaintext)
        if identity is None:
            raise Unauthenticated("this key is unknown or revoked")
        return identity

    async def _person(self, request: web.Request) -> Identity:
        session = await self._sessions.find(request.cookies[SESSION_COOKIE])
        if session is None:
            raise Unauthenticated("the console session is over; sign in again")
        if request.method not in SAFE_METHODS:
            given = request.headers.get(CSRF_HEADER, "")
            if not hmac.compare_digest(given.encode(), session.csrf.encode()):
                raise Forbidden(f"a change needs the session's {CSRF_HEADER}")
        return session.identity


def _bearer(request: web.Request) -> str:
    scheme, _, credentials = request.headers.get("Authorization", "").partition(" ")
    return credentials.strip() if scheme.lower() == "bearer" else ""
