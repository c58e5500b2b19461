"""The transports ``/connection/http_stream`` and ``/connection/sse``: a response without end, commands beside it.

The first commands come with the request itself (the body of ``http_stream``,
``cf_connect`` of ``sse``), all others as ``POST /emulation`` with the session
and node of the connect reply; they find the session on whichever node holds it,
if that has a ``server.node_url``. ``http_stream`` speaks JSON or, by its content
type, Protobuf; ``sse`` JSON.
"""

import asyncio
from collections.abc import Awaitable, Callable

from aiohttp import web

from chatpush.errors import InvalidInput, TooLarge
from chatpush.realtime.hub import Hub
from chatpush.realtime.protocol import codec
from chatpush.realtime.protocol.codec import BadFrame, Frame
from chatpush.realtime.session import Session
from chatpush.settings import Client
from chatpush.web.http.origins import check_origin
from chatpush.web.http.server import cors_headers
from chatpush.web.transports.forwarding import MARK, Forwarding
from chatpush.web.transports.stream_wire import Send, StreamWire
from chatpush.web.transports.websocket import TenantOf, retry_after

HTTP_STREAM = "/connection/http_stream"
SSE = "/connection/sse"
EMULATION = "/emulation"
BINARY_TYPE = "application/octet-stream"
HEADERS = {
    "Cache-Control": "private, no-cache, no-store, must-revalidate, max-age=0",
    "X-Accel-Buffering": "no",  # proxies must not collect a stream
}


def add_routes(app: web.Application, hub: Hub, settings: Client, tenant_of: TenantOf) -> None:
    """Serve the streams; ``tenant_of(request)`` reads the publishable key."""
    streams = Streams(hub, settings, tenant_of)
    app.router.add_post(HTTP_STREAM, streams.http_stream)
    app.router.add_get(SSE, streams.sse)
    app.router.add_post(SSE, streams.sse)
    app.router.add_post(EMULATION, streams.emulate)
    app.on_cleanup.append(streams.close)


class Streams:
    """Opens sessions on streamed responses and hands them commands from other requests."""

    def __init__(self, hub: Hub, settings: Client, tenant_of: TenantOf) -> None:
        self._hub = hub
        self._settings = settings
        self._tenant_of = tenant_of
        self._forwarding = Forwarding()

    async def close(self, app: web.Application) -> None:
        """Let go of the ways to other nodes."""
        await self._forwarding.close(app)

    async def http_stream(self, request: web.Request) -> web.StreamResponse:
        """Serve one stream of lines, or of Protobuf messages."""
        binary = request.content_type == BINARY_TYPE
        kind = BINARY_TYPE if binary else "application/json"
        return await self._serve(request, kind, "http_stream", binary=binary)

    async def sse(self, request: web.Request) -> web.StreamResponse:
        """Serve one stream of events."""
        return await self._serve(request, "text/event-stream", "sse", binary=False)

    async def emulate(self, request: web.Request) -> web.Response:
        """Hand a session the commands of this request."""
        check_origin(request, self._settings.allowed_origins)
        body = await read_body(request, self._settings.max_message_bytes)
        try:
            asked = codec.decode_emulation(body, binary=request.content_type == BINARY_TYPE)
        except BadFrame as error:
            raise InvalidInput(f"this is no emulation request: {error}") from error
        there = self._hub.emulation.elsewhere(asked.node)
        if there and MARK not in request.headers:
            return await self._forwarding.post(there, request, body)
        await self._hub.emulation.command(asked.node, asked.session, bytes(asked.data))
        return web.Response(status=204)

    async def _serve(
        self, request: web.Request, kind: str, transport: str, *, binary: bool
    ) -> web.StreamResponse:
        check_origin(request, self._settings.allowed_origins)
        tenant = await self._tenant_of(request)
        if request.method == "GET":
            first = request.query.get("cf_connect", "").encode()
        else:
            first = await read_body(request, self._settings.max_message_bytes)
        if self._hub.full():
            return web.Response(
                status=503, headers=retry_after(), text="too many connections; come back soon"
            )
        goodbye = Frame.in_protobuf if binary else _as_it_is
        wire = StreamWire(request, self._settings.slow_buffer_bytes, goodbye)
        response = await begin(request, kind, self._settings)
        session = self._hub.open(tenant, wire, transport, protobuf=binary)
        name = self._hub.emulation.add(session)
        try:
            await stream(session, wire, sender(response, kind), lambda: session.receive(first))
        finally:
            self._hub.emulation.remove(name)
        return response


async def begin(request: web.Request, kind: str, settings: Client) -> web.StreamResponse:
    """Return a response whose headers are sent and whose body may take its time."""
    headers = {**HEADERS, **cors_headers(request, settings.allowed_origins), "Content-Type": kind}
    response = web.StreamResponse(headers=headers)
    response.enable_chunked_encoding()
    await response.prepare(request)
    return response


async def stream(
    session: Session, wire: StreamWire, send: Send, start: Callable[[], Awaitable[None]]
) -> None:
    """Run a session from its first words until one side has gone."""
    carrying = asyncio.ensure_future(wire.carry(send))
    try:
        await start()
        await carrying
    finally:
        session.ended()
        carrying.cancel()
        await asyncio.gather(carrying, return_exceptions=True)


def sender(response: web.StreamResponse, kind: str) -> Send:
    """Return what writes payloads in the response's form."""
    before, after = {
        "text/event-stream": (b"data: ", b"\n\n"),
        "application/json": (b"", b"\n"),
    }.get(kind, (b"", b""))

    async def send(batch: list[bytes]) -> None:
        await response.write(b"".join(before + payload + after for payload in batch))

    return send


async def read_body(request: web.Request, limit: int) -> bytes:
    """Return a request's body.

    Raises:
        TooLarge: it is more than a frame may hold.
    """
    body = await request.read()
    if len(body) > limit:
        raise TooLarge(f"at most {limit} bytes a request")
    return body


def _as_it_is(frame: Frame) -> Frame:
    return frame
