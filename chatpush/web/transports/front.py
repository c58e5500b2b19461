"""The protocol on the listening socket: a few hot requests are answered here, all others are aiohttp's.

Only a request that is whole, plain and exactly of a known kind is looked at;
a handler that does not want it after all returns None. Everything else, and
all that comes after it on that connection, is handed to aiohttp byte for byte,
so there is one place for routing, limits and errors. A head must be whole in
time before anybody looks at it: who sends it byte by byte holds nothing.
"""

import asyncio
from collections.abc import Callable, Coroutine
from typing import Any, Protocol, cast

import structlog
from aiohttp import web

from chatpush.web.transports.borrowed import Borrowed
from chatpush.web.transports.plain_requests import (
    END,
    LONGEST_REST,
    Hot,
    NotWhole,
    parse,
    response,
)

log = structlog.get_logger(__name__)

KEEP_ALIVE_SECONDS = 75.0
SWEEP_SECONDS = 2.0
UNSENT_LIMIT = 1_048_576
TOO_SLOW = b"HTTP/1.1 408 Request Timeout\r\nConnection: close\r\nContent-Length: 0\r\n\r\n"
FAILED = b'{"code":"internal","title":"something went wrong here; it is in the log"}'


class Gone:
    """The socket is somebody else's now."""


class Regular(Protocol):
    """Whoever waits for an answer and then comes again, mostly with the same request."""

    def again(self, request: bytes) -> bool:
        """Take the request, and answer it later; False if it is another one."""
        ...

    def leave(self) -> None:
        """The client is gone."""
        ...


# The whole response; None to leave the request to aiohttp; or whoever waits for it, or has the socket.
Found = bytes | Regular | Gone | None
Handler = Callable[[Hot, "Front"], Found | Coroutine[Any, Any, Found]]


class Door:
    """What all connections of a listening socket share."""

    def __init__(
        self, server: Callable[[], asyncio.Protocol], handlers: dict[bytes, Handler], head_seconds: float
    ) -> None:
        # Longest time for a request's head to arrive.
        self.head_seconds = head_seconds
        self.loop = asyncio.get_running_loop()
        self.server = server
        self.handlers = handlers
        self.fronts: set[Front] = set()
        self.closing = False
        self._serving: set[asyncio.Task[None]] = set()
        self._sweeping: asyncio.TimerHandle | None = None

    def __call__(self) -> "Front":
        """Return the protocol of a new connection."""
        return Front(self)

    def start(self) -> None:
        """Begin to close connections that say nothing."""
        self._sweeping = self.loop.call_later(SWEEP_SECONDS, self._sweep)

    def serve(self, answering: Coroutine[Any, Any, None]) -> None:
        """Run what can't be answered at once."""
        task = self.loop.create_task(answering)
        self._serving.add(task)
        task.add_done_callback(self._serving.discard)

    def stop(self) -> None:
        """Close who is idle now, and everybody else after the answer."""
        self.closing = True
        if self._sweeping is not None:
            self._sweeping.cancel()
        for front in list(self.fronts):
            front.close_if_idle(float("inf"))

    def _sweep(self) -> None:
        now = self.loop.time()
        for front in list(self.fronts):
            front.close_if_idle(now)
        self.start()


class Front(asyncio.Protocol):
    """One connection, until it is aiohttp's."""

    __slots__ = ("_busy", "_direct", "_door", "_due", "_raw", "_regular", "_rest", "_socket", "_transport")

    def __init__(self, door: Door) -> None:
        self._door = door
        self._transport: asyncio.Transport | None = None
        self._busy = False
        self._raw = self._rest = b""
        self._regular: Regular | None = None
        self._due = 0.0
        # The socket, once something was answered; and while nothing is unsent, to write to it directly.
        self._socket: Borrowed | None = None
        self._direct: Borrowed | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)  # uvloop's is one by its methods alone
        self._due = self._door.loop.time() + self._door.head_seconds
        self._door.fronts.add(self)

    def connection_lost(self, _exc: Exception | None) -> None:
        self._door.fronts.discard(self)
        self._transport = None
        self._direct = None
        self._forget()

    def pause_writing(self) -> None:
        self._direct = None

    def resume_writing(self) -> None:
        if self._transport is not None:
            self._direct = self._socket

    def data_received(self, data: bytes) -> None:
        if self._busy:
            self._rest += data
            if len(self._rest) > LONGEST_REST and self._transport is not None:
                self._transport.pause_reading()
            return
        if self._rest:
            if self._door.loop.time() > self._due:
                self.close_if_idle(self._due)
                return
            data, self._rest = self._rest + data, b""
        elif self._regular is not None and self._regular.again(data):
            self._busy = True
            return
        if data:
            self._take(data)

    def answer(self, data: bytes) -> None:
        """Send the response, and go on with the next request."""
        self._busy = False
        self._raw = b""
        self._due = self._door.loop.time() + KEEP_ALIVE_SECONDS
        if self._direct is not None:
            try:
                sent = self._direct.send(data)
            except BlockingIOError:
                sent = 0
            except OSError:
                self._direct = None
                if self._transport is not None:
                    self._transport.abort()
                return
            if sent < len(data):
                self._send(data[sent:])
        else:
            self._send(data)
        if self._rest or self._door.closing:
            self._go_on()

    def take_over(self, protocol: asyncio.Protocol) -> tuple[asyncio.Transport, bytes]:
        """Give the socket to another protocol; return its transport and what the client has sent already.

        The transport calls ``pause_writing`` as soon as anything is unsent.
        """
        transport, self._transport = self._transport, None
        if transport is None:
            raise ConnectionResetError("the client is gone")
        early, self._rest, self._raw = self._rest, b"", b""
        self._direct = None
        self._door.fronts.discard(self)
        self._forget()
        transport.set_write_buffer_limits(high=0)
        transport.set_protocol(protocol)
        transport.resume_reading()
        return transport, early

    def close_if_idle(self, now: float) -> None:
        """Close a connection whose time is up and that waits for nothing."""
        if not self._busy and self._due <= now and self._transport is not None:
            if self._rest:
                self._transport.write(TOO_SLOW)
            self._transport.close()

    def _send(self, data: bytes) -> None:
        """Send what can't be written directly, or not yet."""
        transport = self._transport
        if transport is None or transport.is_closing():
            return
        if self._socket is None:
            transport.set_write_buffer_limits(high=0)
            self._socket = Borrowed(transport)
        elif transport.get_write_buffer_size() > UNSENT_LIMIT:
            transport.abort()
            return
        self._direct = None
        transport.write(data)
        if not transport.get_write_buffer_size():
            self._direct = self._socket

    def _go_on(self) -> None:
        transport = self._transport
        if transport is None or transport.is_closing():
            return
        if self._door.closing:
            transport.close()
            return
        transport.resume_reading()
        self._door.loop.call_soon(self.data_received, b"")  # what came meanwhile follows the rest

    def _take(self, data: bytes) -> None:
        if END not in data and len(data) < LONGEST_REST:
            self._wait_for_more(data)
            return
        line = data.find(b" HTTP/1.1\r\n", 0, 512)
        handler = self._door.handlers.get(data[:line].partition(b"?")[0]) if line > 0 else None
        try:
            request = parse(data) if handler is not None else None
        except NotWhole:
            self._wait_for_more(data)
            return
        if handler is None or request is None:
            self._hand_over(data)
            return
        self._busy = True
        self._rest = request.rest
        self._raw = request.whole
        try:
            found = handler(request, self)
        except Exception:
            self._failed(request)
            return
        if isinstance(found, Gone):
            return
        if asyncio.iscoroutine(found):
            self._door.serve(self._serve(request, found))
        else:
            self._found(found)

    def _wait_for_more(self, data: bytes) -> None:
        self._rest = data
        self._due = min(self._due, self._door.loop.time() + self._door.head_seconds)

    async def _serve(self, request: Hot, answering: Coroutine[Any, Any, Found]) -> None:
        try:
            found = await answering
        except Exception:
            self._failed(request)
        else:
            self._found(found)

    def _found(self, found: Found) -> None:
        if found is None:
            self._hand_over(self._raw + self._rest)
        elif isinstance(found, bytes):
            self.answer(found)
        elif not isinstance(found, Gone):
            self._forget()
            self._regular = found
            self._raw = b""
            if self._transport is None:
                self._forget()

    def _failed(self, request: Hot) -> None:
        log.exception("a hot request failed", target=request.head.target.decode(errors="replace"))
        self.answer(response(FAILED, status=b"500 Internal Server Error"))

    def _forget(self) -> None:
        regular, self._regular = self._regular, None
        if regular is not None:
            regular.leave()

    def _hand_over(self, data: bytes) -> None:
        """From now on this is aiohttp's connection."""
        transport, self._transport = self._transport, None
        self._door.fronts.discard(self)
        self._raw = self._rest = b""
        self._direct = None
        self._forget()
        if transport is None or transport.is_closing():
            return
        if self._socket is not None:
            transport.set_write_buffer_limits()
        protocol = self._door.server()
        transport.set_protocol(protocol)
        protocol.connection_made(transport)
        transport.resume_reading()
        protocol.data_received(data)


class FrontSite(web.BaseSite):
    """Listens with a ``Front`` for every connection; ``handlers`` by request line, as ``POST /path``."""

    def __init__(
        self,
        runner: web.BaseRunner,
        host: str,
        port: int,
        handlers: dict[bytes, Handler],
        *,
        backlog: int,
        head_seconds: float = 20.0,
    ) -> None:
        super().__init__(runner, backlog=backlog)
        self._head_seconds = head_seconds
        self._host = host
        self._port = port
        self._handlers = handlers
        self._door: Door | None = None

    @property
    def name(self) -> str:
        """Where it listens."""
        return f"http://{self._host}:{self._port}"

    async def start(self) -> None:
        """Listen."""
        await super().start()
        server = self._runner.server
        assert server is not None
        self._door = Door(server, self._handlers, self._head_seconds)
        self._door.start()
        self._server = await self._door.loop.create_server(
            self._door, self._host, self._port, backlog=self._backlog
        )

    async def stop(self) -> None:
        """Listen no more; who waits is answered first."""
        if self._door is not None:
            self._door.stop()
        await super().stop()
