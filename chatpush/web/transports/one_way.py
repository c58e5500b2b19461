"""One-way transports: connect once, then only listen. ``uni_sse``, ``uni_http_stream``, ``uni_websocket``.

The connect request is the JSON body of a ``POST``, the query's ``cf_connect``,
or the first message of ``uni_websocket``; a token may stand in it or in
``Authorization: Bearer``. The server subscribes what the token says. Every
message is one push (``connect`` first, ``disconnect`` last), ``{}`` is a sign
of life.
"""

import asyncio

from aiohttp import WSMsgType, web

from chatpush.domain import TenantId
from chatpush.errors import InvalidInput
from chatpush.realtime.hub import Hub
from chatpush.realtime.protocol import codec, frames
from chatpush.realtime.protocol.codec import BadFrame, Frame
from chatpush.realtime.protocol.codes import BAD_FRAME, CONNECTION_CLOSED, STALE
from chatpush.settings import Client
from chatpush.web.http.origins import check_origin
from chatpush.web.transports.stream_wire import StreamWire
from chatpush.web.transports.streams import begin, read_body, sender, stream
from chatpush.web.transports.websocket import TenantOf, retry_after

UNI_SSE = "/connection/uni_sse"
UNI_HTTP_STREAM = "/connection/uni_http_stream"
UNI_WEBSOCKET = "/connection/uni_websocket"


def add_routes(app: web.Application, hub: Hub, settings: Client, tenant_of: TenantOf) -> None:
    """Serve the one-way transports; ``tenant_of(request)`` reads the publishable key."""
    transports = OneWay(hub, settings, tenant_of)
    for method in ("GET", "POST"):
        app.router.add_route(method, UNI_SSE, transports.sse)
        app.router.add_route(method, UNI_HTTP_STREAM, transports.http_stream)
    app.router.add_get(UNI_WEBSOCKET, transports.websocket)


class OneWay:
    """Opens sessions that never get a command."""

    def __init__(self, hub: Hub, settings: Client, tenant_of: TenantOf) -> None:
        self._hub = hub
        self._settings = settings
        self._tenant_of = tenant_of

    async def sse(self, request: web.Request) -> web.StreamResponse:
        """Serve events."""
        return await self._stream(request, "text/event-stream", "uni_sse")

    async def http_stream(self, request: web.Request) -> web.StreamResponse:
        """Serve lines."""
        return await self._stream(request, "application/json", "uni_http_stream")

    async def websocket(self, request: web.Request) -> web.StreamResponse:
        """Serve a WebSocket whose client only says who it is."""
        tenant = await self._enter(request)
        if self._hub.full():
            return _full()
        socket = web.WebSocketResponse(
            compress=False, max_msg_size=self._settings.max_message_bytes, timeout=1.0
        )
        if not socket.can_prepare(request).ok:
            return web.Response(status=400, text="this address speaks WebSocket only")
        await socket.prepare(request)
        wire = StreamWire(request, self._settings.slow_buffer_bytes)
        session = self._hub.open_one_way(tenant, wire, "uni_websocket")

        async def send(batch: list[bytes]) -> None:
            for payload in batch:
                await socket.send_frame(payload, WSMsgType.TEXT)

        async def start() -> None:
            first: bytes | str = request.query.get("cf_connect", "")
            if not first:
                message = await socket.receive(timeout=self._settings.connect_timeout_seconds)
                if message.type is not WSMsgType.TEXT:
                    session.connection.close(BAD_FRAME)
                    return
                first = message.data
            try:
                asked = codec.decode_connect(first)
            except BadFrame:
                session.connection.close(BAD_FRAME)
                return
            await session.introduce(_with_token(request, asked))
            listening.append(asyncio.ensure_future(_until_gone(socket, wire)))

        listening: list[asyncio.Future[None]] = []
        try:
            await stream(session, wire, send, start)
        except TimeoutError:
            wire.close(STALE)
        finally:
            for task in listening:
                task.cancel()
            await asyncio.gather(*listening, return_exceptions=True)
        reason = wire.closed_by or CONNECTION_CLOSED
        await socket.close(code=reason.code, message=reason.reason.encode()[:123])
        return socket

    async def _stream(self, request: web.Request, kind: str, transport: str) -> web.StreamResponse:
        tenant = await self._enter(request)
        asked = await self._asked(request)
        if self._hub.full():
            return _full()
        wire = StreamWire(request, self._settings.slow_buffer_bytes, Frame.alone)
        response = await begin(request, kind, self._settings)
        session = self._hub.open_one_way(tenant, wire, transport)
        await stream(session, wire, sender(response, kind), lambda: session.introduce(asked))
        return response

    async def _enter(self, request: web.Request) -> TenantId:
        check_origin(request, self._settings.allowed_origins)
        return await self._tenant_of(request)

    async def _asked(self, request: web.Request) -> frames.ConnectRequest:
        body: bytes | str = request.query.get("cf_connect", "")
        if request.method == "POST":
            body = await read_body(request, self._settings.max_message_bytes)
        try:
            return _with_token(request, codec.decode_connect(body))
        except BadFrame as error:
            raise InvalidInput(f"this is no connect request: {error}") from error


async def _until_gone(socket: web.WebSocketResponse, wire: StreamWire) -> None:
    """Answer pings, ignore what is said, and notice when the client goes."""
    async for _ in socket:
        continue
    wire.close(CONNECTION_CLOSED)


def _with_token(request: web.Request, asked: frames.ConnectRequest) -> frames.ConnectRequest:
    authorization = request.headers.get("Authorization", "")
    if not asked.token and authorization.startswith("Bearer "):
        asked.token = authorization.removeprefix("Bearer ").strip()
    return asked


def _full() -> web.Response:
    return web.Response(status=503, headers=retry_after(), text="too many connections; come back soon")
