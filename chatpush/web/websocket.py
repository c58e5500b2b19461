"""The transport ``/connection/websocket``: aiohttp's socket around a protocol session.

The tenant comes from the publishable key, never from the client's commands.
Nothing is compressed: per-connection zlib costs more memory than all the rest
of a connection. Above the connection limit clients are told when to come
back.
"""

import asyncio
import random
from collections.abc import Awaitable, Callable

import structlog
from aiohttp import WSMsgType, web

from chatpush.domain import TenantId
from chatpush.realtime.codes import INAPPROPRIATE_PROTOCOL
from chatpush.realtime.hub import Hub
from chatpush.realtime.session import Session
from chatpush.settings import Client
from chatpush.web.origins import check_origin
from chatpush.web.wire import HIGH_WATER_BYTES, SocketWire

log = structlog.get_logger(__name__)

TenantOf = Callable[[web.Request], Awaitable[TenantId]]
PATH = "/connection/websocket"
PROTOBUF = "centrifuge-protobuf"


def retry_after() -> dict[str, str]:
    """Return a Retry-After that spreads the returning crowd."""
    return {"Retry-After": str(random.randint(1, 10))}


def add_routes(app: web.Application, hub: Hub, settings: Client, tenant_of: TenantOf) -> None:
    """Serve WebSockets; ``tenant_of(request)`` reads the publishable key.

    On the app's shutdown the hub is drained: every client is told 3001.
    """
    sockets = Sockets(hub, settings, tenant_of)
    app.router.add_get(PATH, sockets.handle)
    app.on_shutdown.append(sockets.shut_down)


class Sockets:
    """All WebSockets of an application."""

    def __init__(self, hub: Hub, settings: Client, tenant_of: TenantOf) -> None:
        self._hub = hub
        self._settings = settings
        self._tenant_of = tenant_of
        self._closing: set[asyncio.Task[None]] = set()

    async def handle(self, request: web.Request) -> web.StreamResponse:
        """Accept one socket and serve it until it ends."""
        check_origin(request, self._settings.allowed_origins)
        tenant = await self._tenant_of(request)
        if self._hub.full():
            return web.Response(
                status=503, headers=retry_after(), text="too many connections; come back soon"
            )
        socket = web.WebSocketResponse(
            protocols=(PROTOBUF,),
            compress=False,
            max_msg_size=self._settings.max_message_bytes,
            timeout=1.0,
            autoping=True,
        )
        if not socket.can_prepare(request).ok:
            return web.Response(status=400, text="this address speaks WebSocket only")
        await socket.prepare(request)
        if request.transport is not None:
            request.transport.set_write_buffer_limits(high=HIGH_WATER_BYTES)
        wire = SocketWire(request, socket, self._settings.slow_buffer_bytes, self._closing)
        protobuf = socket.ws_protocol == PROTOBUF
        session = self._hub.open(tenant, wire, protobuf=protobuf)
        try:
            await self._serve(socket, session, WSMsgType.BINARY if protobuf else WSMsgType.TEXT)
        finally:
            session.ended()
            await wire.finished()
        return socket

    async def shut_down(self, _app: web.Application) -> None:
        """Tell every client to come back elsewhere, and wait for the goodbyes."""
        await self._hub.drain()
        if self._closing:
            await asyncio.wait(self._closing)

    async def _serve(self, socket: web.WebSocketResponse, session: Session, spoken: WSMsgType) -> None:
        """Hand the session its frames. aiohttp answers broken framing, bad UTF-8 and giants by itself."""
        async for message in socket:
            if message.type is spoken:
                await session.receive(message.data)
            elif message.type in (WSMsgType.TEXT, WSMsgType.BINARY):
                session.connection.close(INAPPROPRIATE_PROTOCOL)
            if session.connection.closed:
                break
