"""Serve a few operations on loopback, with an identity of the test's choice."""

from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager

from aiohttp import ClientSession, web
from aiohttp.test_utils import TestClient, TestServer

from chatpush.domain import DEFAULT_TENANT, Identity, IdentityKind, Role, UserId
from chatpush.settings import Settings
from chatpush.web.http import server
from chatpush.web.http.operations import Operations

Client = TestClient[web.Request, web.Application]
KEY = Identity(DEFAULT_TENANT, IdentityKind.KEY, "key_test", frozenset({"*"}))
NOBODY = Identity(DEFAULT_TENANT, IdentityKind.ANONYMOUS)


def user(name: str) -> Identity:
    """Return the identity of a signed-in end user."""
    return Identity(DEFAULT_TENANT, IdentityKind.USER, UserId(name))


def person(role: Role) -> Identity:
    """Return the identity of a console person."""
    return Identity(DEFAULT_TENANT, IdentityKind.PERSON, "per_test", role=role, name="Ada")


@asynccontextmanager
async def serve(
    operations: Operations | list[Operations],
    services: Mapping[type, object],
    identity: Identity = KEY,
    settings: Settings | None = None,
) -> AsyncIterator[Client]:
    """Yield a client; header ``X-As: user:<id>`` asks as that user instead."""

    async def identify(request: web.Request) -> Identity:
        other = request.headers.get("X-As", "")
        return user(other.removeprefix("user:")) if other else identity

    nouns = [operations] if isinstance(operations, Operations) else operations
    app = server.build(nouns, services, identify, settings or Settings())
    async with TestClient(TestServer(app)) as client:
        yield client


__all__ = ["KEY", "NOBODY", "Client", "ClientSession", "person", "serve", "user"]
