"""The transport ``/connection/websocket``: a socket around a protocol session.

aiohttp routes the request and its middleware looks at it; then a small
protocol of our own takes the socket over (``takeover``, ``sockets``). Where
that is not possible, over TLS above all, aiohttp's own WebSocket serves.

The tenant comes from the publishable key, never from the client's commands.
Nothing is compressed: per-connection zlib costs more memory than all the rest
of a connection. Above the connection limit clients are told when to come
back.
"""

import asyncio
import binascii
import hashlib
import random
import re
from collections.abc import Awaitable, Callable
from typing import NamedTuple

import structlog
from aiohttp import WSMsgType, web

from chatpush.domain import TenantId
from chatpush.realtime.hub import Hub
from chatpush.realtime.listening import Wire
from chatpush.realtime.protocol.codes import INAPPROPRIATE_PROTOCOL
from chatpush.settings import Client
from chatpush.web.http.origins import check_origin
from chatpush.web.transports import framing, takeover
from chatpush.web.transports.sockets import Socket, Talk, Ward
from chatpush.web.transports.wire import HIGH_WATER_BYTES, SocketWire

log = structlog.get_logger(__name__)

TenantOf = Callable[[web.Request], Awaitable[TenantId]]
# Opens what goes on over a new socket; the flag says whether the client speaks Protobuf.
Opening = Callable[[TenantId, Wire, bool], Talk]
TakeOver = Callable[[asyncio.Protocol], tuple[asyncio.Transport, bytes]]
PATH = "/connection/websocket"
PROTOBUF = "centrifuge-protobuf"
VERSIONS = frozenset({"13", "8", "7"})
MAGIC = b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11"
# Sixteen bytes in Base64.
KEY = re.compile(rb"[A-Za-z0-9+/]{22}==")


def retry_after() -> dict[str, str]:
    """Return a Retry-After that spreads the returning crowd."""
    return {"Retry-After": str(random.randint(1, 10))}


def add_routes(
    app: web.Application, hub: Hub, settings: Client, tenant_of: TenantOf, *, own: bool = True
) -> "Sockets":
    """Serve WebSockets, and return what serves them; ``tenant_of(request)`` reads the publishable key.

    ``own`` False leaves them all to aiohttp. On the app's shutdown the hub is
    drained: every client is told 3001.
    """
    sockets = Sockets(hub, settings, tenant_of, own)
    app.router.add_get(PATH, sockets.handle)
    app.on_shutdown.append(sockets.shut_down)
    return sockets


class Handshake(NamedTuple):
    """The answer that opens a WebSocket, and whether the client speaks Protobuf."""

    answer: bytes
    protobuf: bool


class Consent(NamedTuple):
    """What the answers to requests that differ by their keys alone have in common."""

    before: bytes
    after: bytes
    protobuf: bool

    def answer_to(self, key: bytes) -> Handshake | None:
        """Return what opens the WebSocket (RFC 6455 §4.2.2); None if that is no key."""
        if KEY.fullmatch(key) is None:
            return None
        proof = hashlib.sha1(key + MAGIC, usedforsecurity=False).digest()
        answer = b"".join((self.before, binascii.b2a_base64(proof, newline=False), self.after))
        return Handshake(answer, self.protobuf)


class Sockets:
    """All WebSockets of an application."""

    def __init__(self, hub: Hub, settings: Client, tenant_of: TenantOf, own: bool) -> None:
        self._hub = hub
        self._settings = settings
        self._tenant_of = tenant_of
        self._own = own
        self._closing: set[asyncio.Task[None]] = set()
        self._ward: Ward | None = None

    async def handle(self, request: web.Request) -> web.StreamResponse:
        """Accept one socket; serve it until it ends, unless it is taken over."""
        return await self.accept(request, self._speak, (PROTOBUF,))

    async def accept(
        self, request: web.Request, opening: Opening, protocols: tuple[str, ...] = (), first: str = ""
    ) -> web.StreamResponse:
        """Accept a socket on which something is said; ``first`` is as good as the client's first message."""
        check_origin(request, self._settings.allowed_origins)
        tenant = await self._tenant_of(request)
        if self._hub.full():
            return web.Response(
                status=503, headers=retry_after(), text="too many connections; come back soon"
            )
        headers = request.headers
        handshake = accepted(
            headers.get("Upgrade", ""), headers.get("Connection", ""), headers.get("Sec-WebSocket-Version", ""),
            headers.get("Sec-WebSocket-Key", ""), headers.get("Sec-WebSocket-Protocol", "") if protocols else "",
        )  # fmt: skip
        if handshake is None:
            return web.Response(
                status=400, text="this address speaks WebSocket only", headers={"Sec-WebSocket-Version": "13"}
            )
        if self._own and takeover.possible(request):
            self.begin(tenant, handshake, lambda socket: takeover.take_over(request, socket), opening, first)
            return takeover.Taken()
        return await self._leave_to_aiohttp(request, tenant, opening, protocols, first)

    def begin(
        self,
        tenant: TenantId,
        handshake: "Handshake",
        take_over: TakeOver,
        opening: Opening | None = None,
        first: str = "",
    ) -> None:
        """Open a session on a socket that ``take_over`` gives to a protocol of ours."""
        if self._ward is None:
            self._ward = Ward(self._settings.slow_buffer_bytes, self._settings.max_message_bytes)
        protobuf = handshake.protobuf
        socket = Socket(self._ward, framing.BINARY if protobuf else framing.TEXT)
        transport, early = take_over(socket)
        session = (opening or self._speak)(tenant, socket, protobuf)
        socket.begin(transport, session, handshake.answer, early)
        if first:
            socket.hand_over((framing.TEXT, first.encode()))

    def _speak(self, tenant: TenantId, wire: Wire, protobuf: bool) -> Talk:
        return self._hub.open(tenant, wire, "websocket", protobuf=protobuf)

    async def shut_down(self, _app: web.Application) -> None:
        """Tell every client to come back elsewhere, and wait for the goodbyes."""
        await self._hub.drain()
        await self._hub.polling.all_answered()
        if self._closing:
            await asyncio.wait(self._closing)
        if self._ward is not None:
            await self._ward.all_gone()

    async def _leave_to_aiohttp(
        self, request: web.Request, tenant: TenantId, opening: Opening, protocols: tuple[str, ...], first: str
    ) -> web.StreamResponse:
        socket = web.WebSocketResponse(
            protocols=protocols,
            compress=False,
            max_msg_size=self._settings.max_message_bytes,
            timeout=1.0,
            autoping=True,
        )
        await socket.prepare(request)
        if request.transport is not None:
            request.transport.set_write_buffer_limits(high=HIGH_WATER_BYTES)
        wire = SocketWire(request, socket, self._settings.slow_buffer_bytes, self._closing)
        protobuf = socket.ws_protocol == PROTOBUF
        session = opening(tenant, wire, protobuf)
        try:
            if first:
                await session.receive(first)
            if not session.connection.closed:
                await self._serve(socket, session, WSMsgType.BINARY if protobuf else WSMsgType.TEXT)
        finally:
            session.ended()
            await wire.finished()
        return socket

    async def _serve(self, socket: web.WebSocketResponse, session: Talk, spoken: WSMsgType) -> None:
        """Hand the session its frames. aiohttp answers broken framing, bad UTF-8 and giants by itself."""
        async for message in socket:
            if message.type is spoken:
                await session.receive(message.data)
            elif message.type in (WSMsgType.TEXT, WSMsgType.BINARY):
                session.connection.close(INAPPROPRIATE_PROTOCOL)
            if session.connection.closed:
                break


def accepted(upgrade: str, connection: str, version: str, key: str, offered: str) -> Handshake | None:
    """Return what opens a WebSocket, by the headers of its request; None if it is no request for one."""
    consent = consent_to(upgrade, connection, version, offered)
    return None if consent is None else consent.answer_to(key.encode(errors="replace"))


def consent_to(upgrade: str, connection: str, version: str, offered: str) -> Consent | None:
    """Return how such a request is answered, whatever its key; None if it is no request for a WebSocket.

    ``offered`` are subprotocols; JSON needs none.
    """
    if upgrade.lower().strip() != "websocket" or "upgrade" not in connection.lower():
        return None
    if version not in VERSIONS:
        return None
    protobuf = bool(offered) and PROTOBUF in [name.strip() for name in offered.split(",")]
    chosen = f"Sec-WebSocket-Protocol: {PROTOBUF}\r\n".encode() if protobuf else b""
    return Consent(
        b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
        b"Sec-WebSocket-Accept: ",
        b"\r\n" + chosen + b"\r\n",
        protobuf,
    )
