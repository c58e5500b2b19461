"""Thousands of raw WebSocket clients of the client protocol in one process.

Frames are counted, not decoded: the generator must cost less than the server.
Only the publication's ``"t":<nanoseconds>`` is read, for latencies.
"""

import asyncio
import json
import re
import time
from collections.abc import Callable

UPGRADE = (
    "GET {path} HTTP/1.1\r\nHost: 127.0.0.1\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
    "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\r\n"
)
STAMP = re.compile(rb'"t":(\d+)')
PUBLICATION = b'"pub"'


def masked(text: str) -> bytes:
    """Return a client's text frame, masked with zeros (which leaves it readable)."""
    payload = text.encode()
    size = len(payload)
    head = bytes([0x81, 0x80 | size]) if size < 126 else bytes([0x81, 0xFE]) + size.to_bytes(2, "big")
    return head + b"\0\0\0\0" + payload


class Subscriber(asyncio.Protocol):
    """One connection, subscribed to one channel; reports every publication."""

    def __init__(self, path: str, channel: str, heard: Callable[[int, bytes], None]) -> None:
        self._path = path
        self._channel = channel
        self._heard = heard
        self._ready = False
        self.subscribed: asyncio.Future[None] = asyncio.get_running_loop().create_future()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Ask for the upgrade, connect and subscribe in one go."""
        assert isinstance(transport, asyncio.Transport)
        self.transport = transport
        transport.write(UPGRADE.format(path=self._path).encode())

    def data_received(self, data: bytes) -> None:
        """Count publications; notice the subscribe reply."""
        if not self._ready:
            self._ready = True
            commands = [{"id": 1, "connect": {}}, {"id": 2, "subscribe": {"channel": self._channel}}]
            self.transport.write(masked("\n".join(json.dumps(command) for command in commands)))
        if not self.subscribed.done():
            if b'"id":2' in data:
                self.subscribed.set_result(None)
            return
        count = data.count(PUBLICATION)
        if count:
            self._heard(count, data)
        elif b"{}" in data[-3:]:
            self.transport.write(masked("{}"))

    def connection_lost(self, exc: Exception | None) -> None:
        """A connection that ends before it is subscribed fails the run."""
        if not self.subscribed.done():
            self.subscribed.set_exception(exc or ConnectionError("closed before it was subscribed"))


class Crowd:
    """N subscribers of one channel and what they heard."""

    def __init__(self) -> None:
        self.delivered = 0
        self.latencies: list[float] = []
        self.moved = asyncio.Event()
        self._subscribers: list[Subscriber] = []

    async def gather(self, port: int, path: str, channel: str, count: int, at_once: int = 100) -> None:
        """Connect and subscribe everybody."""
        loop = asyncio.get_running_loop()
        for start in range(0, count, at_once):
            fresh = []
            for _ in range(min(at_once, count - start)):
                _, subscriber = await loop.create_connection(
                    lambda: Subscriber(path, channel, self._heard), "127.0.0.1", port
                )
                fresh.append(subscriber)
            await asyncio.gather(*(subscriber.subscribed for subscriber in fresh))
            self._subscribers += fresh

    def leave(self) -> None:
        """Close every connection."""
        for subscriber in self._subscribers:
            subscriber.transport.close()

    def _heard(self, count: int, data: bytes) -> None:
        self.delivered += count
        now = time.perf_counter_ns()
        self.latencies += [(now - int(stamp)) / 1e6 for stamp in STAMP.findall(data)]
        self.moved.set()
