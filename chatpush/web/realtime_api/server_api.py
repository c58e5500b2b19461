"""The realtime server API, ``POST /api/<method>``: what backends of this protocol family send.

A success is ``{"result": …}``, a failure ``{"error": {"code", "message"}}``
with HTTP 200; a body that can't be read is 400, a bad key 401.
"""

import asyncio
import hmac
from collections.abc import Awaitable, Callable
from typing import Any

import msgspec
import structlog
from aiohttp import web

from chatpush.domain import Identity, IdentityKind, TenantId
from chatpush.errors import ChatpushError, Forbidden, Unauthenticated
from chatpush.log.contract import Cursor
from chatpush.realtime.hub import Hub
from chatpush.realtime.protocol import codec
from chatpush.realtime.protocol.codes import (
    BAD_REQUEST,
    INTERNAL,
    METHOD_NOT_FOUND,
    ErrorCode,
    Refused,
    code_of,
)
from chatpush.web.realtime_api import server_publishing
from chatpush.web.realtime_api.server_methods import METHODS, READING

log = structlog.get_logger(__name__)

IdentifyKey = Callable[[str], Awaitable[Identity]]
LARGEST_BATCH = 1000


def add_routes(
    app: web.Application,
    hub: Hub,
    http_api_key: str,
    identify_key: IdentifyKey,
    tenant: TenantId,
    version: str,
) -> "ServerApi":
    """Serve ``/api``: by ``http_api_key`` for ``tenant``, or by ``identify_key(sk_…)`` for the key's own.

    ``identify_key`` raises ``Unauthenticated`` for keys it does not know.
    """
    api = ServerApi(hub, http_api_key, identify_key, tenant, version)
    app.router.add_post("/api", api.lines)
    app.router.add_post("/api/batch", api.batch)
    app.router.add_post("/api/{method}", api.one)
    return api


class ServerApi:
    """Checks the key, finds the method, wraps the answer."""

    def __init__(
        self, hub: Hub, http_api_key: str, identify_key: IdentifyKey, tenant: TenantId, version: str
    ) -> None:
        self._caller = server_publishing.Caller(hub, version)
        self._key = http_api_key.encode()
        self._owner = Identity(tenant, IdentityKind.KEY, "http_api", frozenset({"*"}))
        self._identify_key = identify_key

    async def one(self, request: web.Request) -> web.Response:
        """Answer one method."""
        identity = await self._identity(request)
        if identity is None:
            return _status(401, "a valid X-API-Key is needed")
        method = request.match_info["method"]
        if method not in METHODS:
            return _status(404, f"no such method: {method}")
        body = await request.read()
        reply = await self._run(identity, method, body or b"{}")
        return _status(400, reply) if isinstance(reply, str) else _json(reply)

    async def batch(self, request: web.Request) -> web.Response:
        """Answer many commands, each ``{"<method>": {…}}``, in order or side by side."""
        identity = await self._identity(request)
        if identity is None:
            return _status(401, "a valid X-API-Key is needed")
        body = await request.read()
        reply = await self._publishes(identity, body)
        if reply is not None:
            return web.Response(body=reply, content_type="application/json")
        try:
            batch = _batch.decode(body)
        except (msgspec.MsgspecError, RecursionError, UnicodeError) as error:
            return _status(400, str(error))
        if len(batch.commands) > LARGEST_BATCH:
            return _status(400, f"at most {LARGEST_BATCH} commands a batch")
        jobs = [self._command(identity, command) for command in batch.commands]
        replies = await asyncio.gather(*jobs) if batch.parallel else [await job for job in jobs]
        return _json({"replies": replies})

    async def lines(self, request: web.Request) -> web.Response:
        """Answer the older form: one ``{"method", "params"}`` per line."""
        identity = await self._identity(request)
        if identity is None:
            return _status(401, "a valid X-API-Key is needed")
        try:
            commands = msgspec.json.Decoder(Line).decode_lines(await request.read())
        except (msgspec.MsgspecError, RecursionError, UnicodeError) as error:
            return _status(400, str(error))
        if not commands:
            return _status(400, "an empty body")
        replies = [await self._command(identity, {one.method: one.params}) for one in commands]
        return web.Response(body=b"\n".join(map(codec.encode, replies)), content_type="application/json")

    async def _command(self, identity: Identity, command: dict[str, msgspec.Raw]) -> dict[str, Any]:
        """Return one reply of a batch: the method's result under its own name, or an error."""
        if len(command) != 1:
            return _error(BAD_REQUEST)
        method, params = next(iter(command.items()))
        if method not in METHODS:
            return _error(METHOD_NOT_FOUND)
        reply = await self._run(identity, method, bytes(params) or b"{}")
        if isinstance(reply, str):
            return _error(ErrorCode(BAD_REQUEST.code, reply))
        return {method: reply["result"]} if "result" in reply else reply

    async def _run(self, identity: Identity, method: str, body: bytes) -> dict[str, Any] | str:
        """Return the reply, or what is wrong with a body that can't be read."""
        request_type, function = METHODS[method]
        scope = "realtime:read" if method in READING else "realtime:publish"
        try:
            if not identity.has_scope(scope):
                raise Forbidden(f"this key lacks the scope {scope}")  # noqa: TRY301
            params = msgspec.json.decode(body, type=request_type)
        except Forbidden as error:
            return _error(code_of(error))
        except (msgspec.MsgspecError, RecursionError, UnicodeError) as error:
            return str(error)
        try:
            return {"result": await function(self._caller, identity.tenant, params)}
        except Refused as error:
            return _error(error.code)
        except ChatpushError as error:
            return _error(code_of(error))
        except Exception:
            log.exception("a server API method failed", method=method)
            return _error(INTERNAL)

    def publish_at_once(self, key: bytes, body: bytes) -> bytes | Awaitable[bytes] | None:
        """Return the reply to a publish by the owner's key, or what brings it.

        None has done nothing: ``answer`` is to look closer.
        """
        if not self._key or not hmac.compare_digest(key, self._key):
            return None
        try:
            request = _publish.decode(body)
        except (msgspec.MsgspecError, RecursionError, UnicodeError):
            return None
        found = server_publishing.publish_at_once(self._caller, self._owner.tenant, request)
        if found is None:
            return None
        if isinstance(found, Cursor | ErrorCode):
            return codec.encode(server_publishing.reply(found, "result"))
        return self._replied(found)

    async def _replied(self, publishing: Awaitable[server_publishing.Outcome]) -> bytes:
        return codec.encode(server_publishing.reply(await publishing, "result"))

    async def _publishes(self, identity: Identity, body: bytes) -> bytes | None:
        """Return the replies to a batch of nothing but publishes; None if it is another one, or not allowed."""
        try:
            batch = _publishes.decode(body)
        except (msgspec.MsgspecError, RecursionError, UnicodeError):
            return None
        if len(batch.commands) > LARGEST_BATCH or not identity.has_scope("realtime:publish"):
            return None
        replies = await server_publishing.publish_all(self._caller, identity.tenant, batch)
        return codec.encode({"replies": replies})

    async def answer(self, key: str, method: str, body: bytes) -> bytes | None:
        """Return the reply to a call that did not come through aiohttp.

        None leaves it to ``one`` or ``batch``, which say what is wrong with it.
        """
        try:
            identity = await self._identity_of(key)
        except ChatpushError:
            return None
        if identity is None:
            return None
        if method == "batch":
            return await self._publishes(identity, body)
        reply = await self._run(identity, method, body or b"{}")
        return None if isinstance(reply, str) else codec.encode(reply)

    async def _identity(self, request: web.Request) -> Identity | None:
        key = request.headers.get("X-API-Key", "")
        authorization = request.headers.get("Authorization", "")
        for scheme in ("apikey ", "Bearer "):
            if not key and authorization.startswith(scheme):
                key = authorization.removeprefix(scheme).strip()
        return await self._identity_of(key) if key else None

    async def _identity_of(self, key: str) -> Identity | None:
        if self._key and hmac.compare_digest(key.encode(), self._key):
            return self._owner
        try:
            return await self._identify_key(key)
        except Unauthenticated:
            return None


class Batch(msgspec.Struct):
    """Many commands."""

    commands: list[dict[str, msgspec.Raw]]
    parallel: bool = False


class Line(msgspec.Struct):
    """One command in the older form."""

    method: str
    params: msgspec.Raw = msgspec.Raw(b"{}")


_batch = msgspec.json.Decoder(Batch)
_publish = msgspec.json.Decoder(server_publishing.PublishRequest)
_publishes = msgspec.json.Decoder(server_publishing.Publishes)


def _error(code: ErrorCode) -> dict[str, Any]:
    return {"error": {"code": code.code, "message": code.message}}


def _json(value: Any) -> web.Response:
    return web.Response(body=codec.encode(value), content_type="application/json")


def _status(status: int, problem: str) -> web.Response:
    return web.json_response({"error": {"code": status, "message": problem}}, status=status)
