"""Write prebuilt frames to a WebSocket that aiohttp has accepted.

aiohttp does routing, the handshake, reading, control frames and closing; data
frames are encoded once by the hub and written straight to the transport
(servers do not mask and nothing is compressed, so a frame is the same for
everybody). Everything written within one turn of the loop goes out in one
write. A write never waits: past ``HIGH_WATER_BYTES`` unsent the wire says it
is congested and subscriptions catch up later; whoever lets more than
``limit_bytes`` wait all the same is closed as slow.
"""

import asyncio

import structlog
from aiohttp import web

from chatpush.realtime.protocol.codec import Frame
from chatpush.realtime.protocol.codes import SLOW, Disconnect

log = structlog.get_logger(__name__)

HIGH_WATER_BYTES = 65_536
CLOSE_SECONDS = 5.0
PAUSE_SECONDS = 0.05


class SocketWire:
    """The ``Wire`` of one WebSocket. ``closing`` keeps the tasks that say goodbye."""

    __slots__ = (
        "_closed",
        "_closing",
        "_goodbye",
        "_limit",
        "_loop",
        "_pending",
        "_pending_bytes",
        "_request",
        "_socket",
    )

    def __init__(
        self,
        request: web.Request,
        socket: web.WebSocketResponse,
        limit_bytes: int,
        closing: set[asyncio.Task[None]],
    ) -> None:
        self._request = request
        self._socket = socket
        self._limit = limit_bytes
        self._closing = closing
        self._loop = asyncio.get_running_loop()
        self._pending: list[bytes] = []
        self._pending_bytes = 0
        self._closed = False
        self._goodbye: asyncio.Task[None] | None = None

    def write(self, frame: Frame) -> None:
        if self._closed:
            return
        if not self._pending:
            self._loop.call_soon(self._flush)
        self._pending.append(frame.websocket)
        self._pending_bytes += len(frame.websocket)

    def congested(self) -> bool:
        transport = self._request.transport
        if transport is None:
            return True
        return self._pending_bytes + transport.get_write_buffer_size() > HIGH_WATER_BYTES

    async def drained(self) -> None:
        if self._pending:
            await asyncio.sleep(0)  # let the flush go first
        try:
            await self._request.writer.drain()
        except ConnectionError:
            await asyncio.sleep(PAUSE_SECONDS)  # gone; the socket's own task is about to notice

    def close(self, disconnect: Disconnect) -> None:
        if self._closed:
            return
        self._flush()
        self._closed = True
        self._goodbye = self._loop.create_task(self._say_goodbye(disconnect))
        self._closing.add(self._goodbye)
        self._goodbye.add_done_callback(self._closing.discard)

    async def finished(self) -> None:
        """Wait for the goodbye, if there is one; aiohttp must not say another first."""
        if self._goodbye is not None:
            await asyncio.wait([self._goodbye])

    def _flush(self) -> None:
        if not self._pending:
            return
        data = self._pending[0] if len(self._pending) == 1 else b"".join(self._pending)
        self._pending.clear()
        self._pending_bytes = 0
        transport = self._request.transport
        if self._closed or transport is None or transport.is_closing():
            return
        if transport.get_write_buffer_size() > self._limit:
            self.close(SLOW)
            return
        transport.write(data)

    async def _say_goodbye(self, disconnect: Disconnect) -> None:
        """Close with code and reason; a reader that does not even take that is cut off."""
        try:
            async with asyncio.timeout(CLOSE_SECONDS):
                await self._socket.close(code=disconnect.code, message=disconnect.reason.encode()[:123])
        except TimeoutError:
            log.debug("a client did not take its close frame", code=disconnect.code)
        transport = self._request.transport
        if transport is None:
            return
        if transport.get_write_buffer_size():  # closing would wait for a reader that does not read
            transport.abort()
        else:
            transport.close()
