"""A WebSocket of our own: one small object between a transport and a session, and no task while it is idle.

It is the session's ``DirectWire``. While nothing is unsent, ``direct`` is the
socket and whoever fans out writes to it; as soon as the kernel takes no more,
it is None and what follows waits in the transport's buffer.
Replies written within one turn of the loop go out in one write.
"""

import asyncio
from typing import Protocol

import structlog

from chatpush.realtime.connection import Connection
from chatpush.realtime.protocol.codec import Frame
from chatpush.realtime.protocol.codes import INAPPROPRIATE_PROTOCOL, SLOW, Disconnect
from chatpush.web.transports import framing
from chatpush.web.transports.borrowed import Borrowed

log = structlog.get_logger(__name__)

HIGH_WATER_BYTES = 65_536
CLOSE_SECONDS = 5.0
# Messages that wait while a command runs; more are left in the kernel.
INBOX_LIMIT = 16


class Talk(Protocol):
    """What goes on over a socket: a session, or what is left of one whose client only listens."""

    @property
    def connection(self) -> Connection: ...

    async def receive(self, frame: bytes | str) -> None:
        """Hear one message."""
        ...

    def ended(self) -> None:
        """The socket is gone."""
        ...


class Ward:
    """What all sockets of an application share: the loop, limits, and who has something to send."""

    def __init__(self, limit_bytes: int, message_limit: int) -> None:
        self.loop = asyncio.get_running_loop()
        self.limit_bytes = limit_bytes
        self.message_limit = message_limit
        # Sockets that said goodbye and wait for the client's.
        self.closing: set[Socket] = set()
        self._unsent: list[Socket] = []
        self._empty: asyncio.Event | None = None

    def flush_soon(self, socket: "Socket") -> None:
        """Flush a socket at the end of this turn of the loop."""
        if not self._unsent:
            self.loop.call_soon(self._flush)
        self._unsent.append(socket)

    def gone(self, socket: "Socket") -> None:
        """A closing socket is closed."""
        self.closing.discard(socket)
        if self._empty is not None and not self.closing:
            self._empty.set()

    async def all_gone(self) -> None:
        """Wait for the goodbyes; each takes no longer than ``CLOSE_SECONDS``."""
        if self.closing:
            self._empty = asyncio.Event()
            await self._empty.wait()

    def _flush(self) -> None:
        unsent, self._unsent = self._unsent, []
        for socket in unsent:
            socket.flush()


class Socket(asyncio.Protocol):
    """One client's WebSocket."""

    __slots__ = (
        "_awaited", "_closed", "_inbox", "_pending", "_reader", "_session", "_socket", "_spoken", "_task", "_timer",
        "_transport", "_waiters", "_ward", "direct",
    )  # fmt: skip

    def __init__(self, ward: Ward, spoken: int) -> None:
        self._ward = ward
        # The kind of message its protocol is written in: text, or binary for Protobuf.
        self._spoken = spoken
        self._reader = framing.FrameReader(ward.message_limit)
        self._transport: asyncio.Transport | None = None
        self._session: Talk | None = None
        self._closed = False
        # Whether its connection steps back in as soon as everything written is sent.
        self._awaited = False
        self._socket: Borrowed | None = None
        self.direct: Borrowed | None = None
        # None while there is nothing: most sockets are idle.
        self._pending: list[bytes] | None = None
        self._inbox: list[framing.Message] | None = None
        self._task: asyncio.Task[None] | None = None
        self._waiters: list[asyncio.Future[None]] | None = None
        self._timer: asyncio.TimerHandle | None = None

    def begin(self, transport: asyncio.Transport, session: Talk, handshake: bytes, early: bytes) -> None:
        """Answer the handshake and serve; ``early`` is what came with the request."""
        self._transport = transport
        self._session = session
        self._socket = Borrowed(transport)
        if not transport.get_write_buffer_size():
            self.direct = self._socket
        self._send(handshake)
        if early:
            self.data_received(early)

    # -- the wire ------------------------------------------------------------

    def write(self, frame: Frame) -> None:
        if not self._closed:
            self._add(frame.websocket)

    def congested(self) -> bool:
        if self._transport is None or self._closed:
            return True
        unsent = sum(map(len, self._pending)) if self._pending else 0
        if self.direct is None:
            unsent += self._transport.get_write_buffer_size()
        return unsent > HIGH_WATER_BYTES

    async def drained(self) -> None:
        self.flush()
        if self.direct is not None or self._closed or self._transport is None:
            return
        waiter = self._ward.loop.create_future()
        if self._waiters is None:
            self._waiters = []
        self._waiters.append(waiter)
        await waiter

    def close(self, disconnect: Disconnect) -> None:
        self._say_goodbye(framing.closing(disconnect.code, disconnect.reason))

    def flush(self) -> None:
        """Send what was written."""
        pending, self._pending = self._pending, None
        if pending:
            self._send(pending[0] if len(pending) == 1 else b"".join(pending))
        if self._awaited:
            self._awaited = False
            if self.direct is not None and self._session is not None:
                self._session.connection.step_back()

    def unsent(self) -> bool:
        """Return whether something waits for the end of the turn, and goes first; then its connection steps back in."""
        if self._pending is not None:
            self._awaited = True
        return self._awaited

    def rest(self, data: bytes) -> None:
        """Send what a direct write left over."""
        transport = self._transport
        if transport is None or transport.is_closing():
            return
        if transport.get_write_buffer_size() > self._ward.limit_bytes:
            self._too_slow()
        else:
            transport.write(data)

    def cut(self) -> None:
        """Close at once; the client is gone."""
        if self._session is not None:
            self._session.ended()
        self._closed = True
        self.direct = None
        if self._transport is not None:
            self._transport.abort()

    # -- the transport -------------------------------------------------------

    def pause_writing(self) -> None:
        """The kernel takes no more: what follows is buffered."""
        self.direct = None
        if self._session is not None:
            self._session.connection.step_aside()

    def resume_writing(self) -> None:
        """Everything is sent."""
        self._wake()
        if self._closed:
            return
        self.direct = self._socket
        if self._session is not None:
            self._session.connection.step_back()

    def connection_lost(self, _exc: Exception | None) -> None:
        self.direct = None
        self._closed = True
        self._transport = None
        self._inbox = self._pending = None
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        if self._session is not None:
            self._session.ended()
        self._wake()
        self._ward.gone(self)

    def data_received(self, data: bytes) -> None:
        messages = self._reader.feed(data)
        for message in messages:
            opcode, payload = message
            if opcode == framing.CLOSE:
                self._close_heard(payload)
                return
            if self._closed:
                continue
            if opcode == framing.PING:
                self._add(framing.frame(framing.PONG, payload))
            elif opcode != framing.PONG:
                self.hand_over(message)
        broken = self._reader.broken
        if broken is None:
            return
        if self._closed:
            self.cut()
            return
        if self._session is not None:
            self._session.ended()
        self._say_goodbye(framing.closing(broken.code, broken.reason))

    # -- inside --------------------------------------------------------------

    def hand_over(self, message: framing.Message) -> None:
        """Let the session hear a message, after those before it."""
        if self._inbox is None:
            self._inbox = []
        self._inbox.append(message)
        if self._task is None:
            self._task = self._ward.loop.create_task(self._serve())
        elif len(self._inbox) == INBOX_LIMIT and self._transport is not None:
            self._transport.pause_reading()

    async def _serve(self) -> None:
        """Hand the session the messages that came, in order, until there are no more."""
        session = self._session
        try:
            while session is not None and self._inbox and not self._over():
                messages, self._inbox = self._inbox, None
                if self._transport is not None and not self._closed:
                    self._transport.resume_reading()
                for opcode, payload in messages:
                    if self._over():
                        return
                    if opcode != self._spoken:
                        session.connection.close(INAPPROPRIATE_PROTOCOL)
                        return
                    await session.receive(payload)
        except Exception:
            log.exception("a session failed")
            self.cut()
        finally:
            self._task = None

    def _over(self) -> bool:
        return self._session is None or self._session.connection.closed

    def _add(self, data: bytes) -> None:
        if self._pending is None:
            self._pending = [data]
            self._ward.flush_soon(self)
        else:
            self._pending.append(data)

    def _send(self, data: bytes) -> None:
        if self.direct is not None:
            try:
                sent = self.direct.send(data)
            except BlockingIOError:
                sent = 0
            except OSError:
                self.cut()
                return
            if sent == len(data):
                return
            data = data[sent:]
        self.rest(data)

    def _too_slow(self) -> None:
        if self._session is not None:
            self._session.connection.close(SLOW)
        elif self._transport is not None:
            self._transport.abort()

    def _say_goodbye(self, frame: bytes) -> None:
        """Send a close frame and wait a little for the client's."""
        if self._closed:
            return
        self.flush()
        self._closed = True
        self._inbox = None
        transport = self._transport
        if transport is None or transport.is_closing():
            return
        if self.direct is not None:
            self._send(frame)
        else:
            transport.write(frame)  # whatever waits before it
        self.direct = None
        self._wake()
        transport.resume_reading()
        self._ward.closing.add(self)
        self._timer = self._ward.loop.call_later(CLOSE_SECONDS, self.cut)

    def _close_heard(self, payload: bytes) -> None:
        """The client closes, or answers our close."""
        transport = self._transport
        if not self._closed:
            if self._session is not None:
                self._session.ended()
            self.flush()
            self._closed = True
            if transport is not None and not transport.is_closing():
                self._send(framing.answer_to_close(payload))
            self.direct = None
            self._ward.closing.add(self)
            self._timer = self._ward.loop.call_later(CLOSE_SECONDS, self.cut)
        if transport is not None:
            transport.close()

    def _wake(self) -> None:
        waiters, self._waiters = self._waiters, None
        for waiter in waiters or ():
            if not waiter.done():
                waiter.set_result(None)
