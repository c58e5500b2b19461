"""One-way transports: connect once, then only listen. ``uni_sse``, ``uni_http_stream``, ``uni_websocket``.

The connect request is the JSON body of a ``POST``, the query's ``cf_connect``,
or the first message of ``uni_websocket``; a token may stand in it or in
``Authorization: Bearer``. The server subscribes what the token says. Every
message is one push (``connect`` first, ``disconnect`` last), ``{}`` is a sign
of life.
"""

from aiohttp import web

from chatpush.domain import TenantId
from chatpush.errors import InvalidInput
from chatpush.realtime.hub import Hub
from chatpush.realtime.listening import Wire
from chatpush.realtime.protocol import codec, frames
from chatpush.realtime.protocol.codec import BadFrame, Frame
from chatpush.realtime.protocol.codes import BAD_FRAME
from chatpush.realtime.session import Session
from chatpush.settings import Client
from chatpush.web.http.origins import check_origin
from chatpush.web.transports.sockets import Talk
from chatpush.web.transports.stream_wire import StreamWire
from chatpush.web.transports.streams import begin, read_body, sender, stream
from chatpush.web.transports.websocket import Sockets, TenantOf, retry_after

UNI_SSE = "/connection/uni_sse"
UNI_HTTP_STREAM = "/connection/uni_http_stream"
UNI_WEBSOCKET = "/connection/uni_websocket"


def add_routes(
    app: web.Application, hub: Hub, settings: Client, tenant_of: TenantOf, sockets: Sockets
) -> None:
    """Serve the one-way transports; ``tenant_of(request)`` reads the publishable key, ``sockets`` serves WebSockets."""
    transports = OneWay(hub, settings, tenant_of, sockets)
    for method in ("GET", "POST"):
        app.router.add_route(method, UNI_SSE, transports.sse)
        app.router.add_route(method, UNI_HTTP_STREAM, transports.http_stream)
    app.router.add_get(UNI_WEBSOCKET, transports.websocket)


class OneWay:
    """Opens sessions that never get a command."""

    def __init__(self, hub: Hub, settings: Client, tenant_of: TenantOf, sockets: Sockets) -> None:
        self._hub = hub
        self._sockets = sockets
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
        token = _bearer(request)

        def opening(tenant: TenantId, wire: Wire, _protobuf: bool) -> Talk:
            return Introduction(self._hub.open_one_way(tenant, wire, "uni_websocket"), token)

        return await self._sockets.accept(request, opening, first=request.query.get("cf_connect", ""))

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
            asked = codec.decode_connect(body)
        except BadFrame as error:
            raise InvalidInput(f"this is no connect request: {error}") from error
        asked.token = asked.token or _bearer(request)
        return asked


class Introduction:
    """What is left of a session whose client says who it is, once; what it says after that is not heard."""

    __slots__ = ("_heard", "_session", "_token", "connection")

    def __init__(self, session: Session, token: str) -> None:
        self._session = session
        # From the request's head, if the first message brings none.
        self._token = token
        self._heard = False
        self.connection = session.connection

    async def receive(self, frame: bytes | str) -> None:
        """Connect by the first message."""
        if self._heard:
            return
        self._heard = True
        try:
            asked = codec.decode_connect(frame)
        except BadFrame:
            self.connection.close(BAD_FRAME)
            return
        asked.token = asked.token or self._token
        await self._session.introduce(asked)

    def ended(self) -> None:
        """The socket is gone."""
        self._session.ended()


def _bearer(request: web.Request) -> str:
    authorization = request.headers.get("Authorization", "")
    return authorization.removeprefix("Bearer ").strip() if authorization.startswith("Bearer ") else ""


def _full() -> web.Response:
    return web.Response(status=503, headers=retry_after(), text="too many connections; come back soon")
