"""A wire whose frames one task carries to the client, as fast as the client reads.

Writing never waits. Past ``HIGH_WATER_BYTES`` unsent the wire says that it is
congested; whoever lets more than ``limit_bytes`` wait all the same is closed
as slow. What is unsent when the client is gone is dropped.
"""

import asyncio
from collections.abc import Awaitable, Callable

from aiohttp import web

from chatpush.realtime.protocol import codec, frames
from chatpush.realtime.protocol.codec import Frame
from chatpush.realtime.protocol.codes import SLOW, Disconnect

HIGH_WATER_BYTES = 65_536
CLOSE_SECONDS = 5.0
# aiohttp does not tell a handler that its client is gone.
LOOK_SECONDS = 2.0
FIRST_TERMINAL_CODE = 3500
Send = Callable[[list[bytes]], Awaitable[None]]


class StreamWire:
    """The ``Wire`` of one streamed response. ``goodbye(frame)`` shapes the last words."""

    def __init__(self, request: web.Request, limit_bytes: int, goodbye: Callable[[Frame], Frame]) -> None:
        self._request = request
        self._limit = limit_bytes
        self._goodbye = goodbye
        self._pending: list[bytes] = []
        self._unsent = 0
        self._news = asyncio.Event()
        self._room = asyncio.Event()
        self.closed_by: Disconnect | None = None

    def write(self, frame: Frame) -> None:
        if self.closed_by is not None:
            return
        if self._unsent > self._limit:
            self.close(SLOW)
            return
        self._put(frame)

    def congested(self) -> bool:
        return self._unsent > HIGH_WATER_BYTES

    async def drained(self) -> None:
        while self.congested() and self.closed_by is None:
            self._room.clear()
            await self._room.wait()

    def close(self, disconnect: Disconnect) -> None:
        if self.closed_by is not None:
            return
        self.closed_by = disconnect
        again = disconnect.code < FIRST_TERMINAL_CODE or 4000 <= disconnect.code < 4500
        word = frames.Disconnected(disconnect.code, disconnect.reason, again)
        self._put(self._goodbye(codec.push(frames.Push(disconnect=word))))
        self._news.set()
        self._room.set()
        asyncio.get_running_loop().call_later(CLOSE_SECONDS, self._cut_off)

    async def carry(self, send: Send) -> None:
        """Send what is written until the wire is closed or the client is gone."""
        try:
            while (self._pending or self.closed_by is None) and not self._gone():
                if not self._pending:
                    await self._wait()
                    continue
                batch, self._pending = self._pending, []
                await send(batch)
                self._unsent -= sum(map(len, batch))
                self._room.set()
        except ConnectionError:
            pass  # the client is gone; what it missed it recovers
        finally:
            self._unsent = 0
            self._pending.clear()
            self._room.set()

    def _put(self, frame: Frame) -> None:
        self._pending.append(frame.payload)
        self._unsent += len(frame.payload)
        self._news.set()

    async def _wait(self) -> None:
        self._news.clear()
        try:
            async with asyncio.timeout(LOOK_SECONDS):
                await self._news.wait()
        except TimeoutError:
            return

    def _gone(self) -> bool:
        return self._request.transport is None or self._request.transport.is_closing()

    def _cut_off(self) -> None:
        """A reader that does not even take its goodbye is cut off."""
        if self._unsent and self._request.transport is not None:
            self._request.transport.abort()
