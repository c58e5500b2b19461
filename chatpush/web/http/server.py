"""Build the HTTP application: middleware, operations, CORS, OpenAPI.

Every request gets an id (``X-Request-Id``), an identity, security headers, and
a problem instead of a traceback. Browsers of allowed origins may call
``/v1/me/*``, ``/v1/visitors`` and ``/v1/widget/*``; nothing else answers
cross-origin.
"""

import asyncio
import json
import re
from collections.abc import Awaitable, Callable, Iterable, Mapping

from aiohttp import web
from aiohttp.typedefs import Handler, Middleware
from pydantic import ValidationError

from chatpush.domain import Identity, new_id
from chatpush.errors import ChatpushError
from chatpush.settings import Settings
from chatpush.web.http import characters, openapi, problems
from chatpush.web.http.idempotency import HEADER, Replies
from chatpush.web.http.operations import IDENTITY, SERVICES, Operation, Operations
from chatpush.web.http.rates import LEFT_TO_ASK, limiting

Identify = Callable[[web.Request], Awaitable[Identity]]
# Files, which are larger and have a deadline of their own.
UPLOADS = re.compile(r"/v1/me/conversations/[^/]+/attachments")
LEFT = "the connection was lost before the body had come"  # nobody hears it, and it is no failure of ours
BROWSER_PATHS = re.compile(r"/(v1/(me/|visitors|widget/)|connection/|emulation$)")
OPENAPI: web.AppKey[dict[str, object]] = web.AppKey("openapi", dict)
DECLARED: web.AppKey[list[Operation]] = web.AppKey("declared", list)


def build(
    operations: Iterable[Operations],
    services: Mapping[type, object],
    identify: Identify,
    settings: Settings,
) -> web.Application:
    """Return the application with all declared operations."""
    limits = limiting(settings.server.requests_per_minute)
    arriving = _arriving(settings.server.arrival_seconds)
    app = web.Application(
        middlewares=[_frame(settings), _identity(identify), limits, arriving],
        client_max_size=settings.server.max_body_bytes,
    )
    app[SERVICES] = services
    declared = [operation for noun in operations for operation in noun.all]
    app[DECLARED] = declared
    found = services.get(Replies)
    replies = found if isinstance(found, Replies) else None
    for operation in declared:
        app.router.add_route(operation.method, operation.path, _endpoint(operation, replies))
    app[OPENAPI] = openapi.document(declared)
    app.router.add_get("/openapi.json", _openapi)
    return app


def cors_headers(request: web.Request, allowed: Iterable[str]) -> dict[str, str]:
    """Return the headers that let an allowed origin's page read the answer."""
    origin = request.headers.get("Origin", "")
    if not origin or not BROWSER_PATHS.match(request.path):
        return {}
    origins = list(allowed)
    if origin not in origins and "*" not in origins:
        return {}
    return {
        "Access-Control-Allow-Origin": origin,
        "Access-Control-Allow-Methods": "GET, POST, PUT, DELETE",
        "Access-Control-Allow-Headers": "Authorization, Content-Type, X-Chatpush-Key, Idempotency-Key",
        "Access-Control-Expose-Headers": "X-Request-Id, Retry-After, RateLimit, RateLimit-Policy, Location",
        "Access-Control-Max-Age": "7200",
        "Vary": "Origin",
    }


def _frame(settings: Settings) -> Middleware:
    """Give every answer its id and headers, and every error its problem."""
    allowed = settings.client.allowed_origins

    @web.middleware
    async def frame(request: web.Request, handler: Handler) -> web.StreamResponse:
        request_id = request[problems.REQUEST_ID] = new_id("req")
        cross = cors_headers(request, allowed)
        preflight = request.method == "OPTIONS" and "Access-Control-Request-Method" in request.headers
        response: web.StreamResponse
        try:
            characters.check_head(request)
            response = web.Response(status=204) if preflight and cross else await handler(request)
        except ChatpushError as error:
            response = problems.of_error(error, request_id)
        except ValidationError as error:
            response = problems.of_validation(error, request_id)
        except web.HTTPException as error:
            if error.status < 400:
                raise
            response = problems.of_http(error, request_id)
        except web.RequestPayloadError as error:
            what = str(error).rpartition("\n")[2].strip()
            response = problems.of_unreadable(f"the body can't be read: {what}", request_id)
        except Exception as error:
            response = problems.of_surprise(error, request_id)
        if not response.prepared:
            response.headers.update(cross | request.get(LEFT_TO_ASK, {}))
            problems.mark(response, request_id)
        return response

    return frame


def _arriving(seconds: float) -> Middleware:
    """Wait for the body first, so that no handler waits for a client that sends it byte by byte."""

    @web.middleware
    async def middleware(request: web.Request, handler: Handler) -> web.StreamResponse:
        files = request.content_type.startswith("multipart/") or UPLOADS.fullmatch(request.path)
        if request.can_read_body and not files:
            try:
                async with asyncio.timeout(seconds):
                    await request.read()
            except TimeoutError:
                raise web.HTTPRequestTimeout(
                    text=f"the body must arrive within {seconds:g} seconds"
                ) from None
            except ConnectionResetError:
                raise web.HTTPBadRequest(text=LEFT) from None
        return await handler(request)

    return middleware


def _identity(identify: Identify) -> Middleware:
    @web.middleware
    async def middleware(request: web.Request, handler: Handler) -> web.StreamResponse:
        request[IDENTITY] = await identify(request)
        return await handler(request)

    return middleware


def _endpoint(operation: Operation, replies: Replies | None) -> Handler:
    """Return the operation's handler, wrapped by the idempotency of keyed POSTs."""

    async def keyed(request: web.Request) -> web.StreamResponse:
        key, identity = request.headers.get(HEADER, ""), request[IDENTITY]
        if not key or replies is None:
            return await operation(request)
        operation.door.check(identity)
        first = await replies.begin(identity, key, request)
        if first is None:
            return await _remembered(operation, request, replies, key)
        if operation.location and first.status == operation.status:
            first.headers["Location"] = operation.place(json.loads(first.text or ""))
        return first

    return keyed if operation.idempotent else operation.__call__


async def _remembered(
    operation: Operation, request: web.Request, replies: Replies, key: str
) -> web.StreamResponse:
    """Run the operation and keep its answer; what was refused with a reason frees the key again."""
    try:
        answer = await operation(request)
    except (ChatpushError, ValidationError, web.HTTPException):
        await replies.release(request[IDENTITY], key)
        raise
    except Exception as error:
        answer = problems.of_surprise(error, request[problems.REQUEST_ID])
    if isinstance(answer, web.Response):
        await replies.keep(request[IDENTITY], key, answer)
    return answer


async def _openapi(request: web.Request) -> web.Response:
    return web.json_response(request.app[OPENAPI])
