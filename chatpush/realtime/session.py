"""The client protocol without a socket: frames in, replies and pushes onto a wire.

Commands of one connection run one after the other, in order. A frame that is
not of the protocol closes the connection with the protocol's code; a command
that fails gets an error reply; a surprise is logged and costs the client only
that command.
"""

from collections.abc import Awaitable, Callable
from typing import Any

import msgspec
import structlog

from chatpush.errors import ChatpushError
from chatpush.realtime import commands, connecting, subscribing
from chatpush.realtime.connection import Connection
from chatpush.realtime.node import Node
from chatpush.realtime.protocol import codec, frames
from chatpush.realtime.protocol.codec import BadFrame
from chatpush.realtime.protocol.codes import (
    BAD_FRAME,
    CONNECTION_EXPIRED,
    INTERNAL,
    METHOD_NOT_FOUND,
    NO_PERMISSION,
    SERVER_ERROR,
    TOKEN_EXPIRED,
    TOO_MANY,
    TOO_MANY_REQUESTS,
    Disconnected,
    ErrorCode,
    Refused,
    code_of,
)

log = structlog.get_logger(__name__)

Handler = Callable[[Node, Connection, Any], Awaitable[Any]]
Decode = Callable[[Any], list[frames.Command]]
HANDLERS: dict[str, Handler] = {
    "connect": connecting.connect,
    "refresh": connecting.refresh,
    "subscribe": subscribing.subscribe,
    "unsubscribe": subscribing.unsubscribe,
    "sub_refresh": subscribing.sub_refresh,
    "publish": commands.publish,
    "history": commands.history,
    "presence": commands.presence,
    "presence_stats": commands.presence_stats,
    "rpc": commands.rpc,
    "send": commands.send,
    "ping": commands.ping,
}


class Session:
    """Speaks the protocol for one connection."""

    __slots__ = ("_decode", "_node", "connection")

    def __init__(self, node: Node, connection: Connection, decode: Decode = codec.decode) -> None:
        self._node = node
        self._decode = decode
        self.connection = connection

    async def receive(self, frame: bytes | str) -> None:
        """Handle one frame; the wire gets the answers."""
        try:
            received = self._decode(frame)
        except BadFrame as error:
            log.debug("bad frame", client=self.connection.client, problem=str(error))
            self.connection.close(BAD_FRAME)
            return
        self.connection.way.heard_bytes += len(frame)
        for command in received:
            if self.connection.closed:
                return
            await self._handle(command)
            if self.connection.wire.congested():  # no more answers before these were read
                await self.connection.wire.drained()

    async def introduce(self, request: frames.ConnectRequest) -> None:
        """Connect a client that can only listen; what it hears first is who it is."""
        connection = self.connection
        connection.one_way = True
        try:
            result = await connecting.connect(self._node, connection, request)
        except Disconnected as error:
            connection.close(error.disconnect)
        except Refused as error:
            expired = error.code.code == TOKEN_EXPIRED.code
            connection.close(CONNECTION_EXPIRED if expired else NO_PERMISSION)
        except ChatpushError as error:
            connection.close(SERVER_ERROR if code_of(error).temporary else BAD_FRAME)
        except Exception:
            log.exception("a one-way connect failed", client=connection.client)
            connection.close(SERVER_ERROR)
        else:
            word = frames.Connected(**msgspec.structs.asdict(result))
            connection.push(frames.Push(connect=word), "connect")
            subscribing.settle(self._node, connection)

    def ended(self) -> None:
        """The socket is gone."""
        self.connection.release()

    async def _handle(self, command: frames.Command) -> None:
        connection = self.connection
        fields = msgspec.structs.astuple(command)
        methods = [name for name, value in zip(frames.METHODS, fields[1:], strict=True) if value is not None]
        if command.id == 0 and not methods:
            self._pong()
            return
        if len(methods) > 1 or (command.id == 0 and methods != ["send"]):
            connection.close(BAD_FRAME)
            return
        method = methods[0] if methods else ""
        connection.way.heard[method or "unknown"] += 1
        if not connection.connected and method != "connect":
            connection.close(BAD_FRAME)
            return
        if not method:
            self._refuse(command.id, METHOD_NOT_FOUND)
            return
        if not self._in_time(method):
            if connection.bucket.exhausted:
                connection.close(TOO_MANY)
            elif command.id:
                self._refuse(command.id, TOO_MANY_REQUESTS)
            return
        await self._run(command, method)

    async def _run(self, command: frames.Command, method: str) -> None:
        """Run one command and answer it, whatever happens."""
        connection = self.connection
        try:
            result = await HANDLERS[method](self._node, connection, getattr(command, method))
        except Disconnected as error:
            connection.close(error.disconnect)
        except Refused as error:
            self._refuse(command.id, error.code)
        except ChatpushError as error:
            self._refuse(command.id, code_of(error))
        except Exception:
            log.exception("a command failed", method=method, client=connection.client)
            self._refuse(command.id, INTERNAL)
        else:
            if result is not None:
                connection.reply(frames.Reply(id=command.id, **{method: result}), method)
            if connection.fresh:
                subscribing.settle(self._node, connection)

    def _refuse(self, command_id: int, code: ErrorCode) -> None:
        if command_id:
            error = frames.Error(code.code, code.message, code.temporary)
            self.connection.reply(frames.Reply(id=command_id, error=error), "error")

    def _in_time(self, method: str) -> bool:
        """Subscribes up to the limit of channels are free: clients come back with all of theirs at once."""
        connection = self.connection
        if method in ("connect", "subscribe") and connection.channels_left > 0:
            connection.channels_left -= 1
            return True
        if not connection.bucket.take(self._node.clock.monotonic()):
            return False
        return self._node.rates.take(connection.tenant, connection.user)

    def _pong(self) -> None:
        connection = self.connection
        if not connection.connected:
            connection.close(BAD_FRAME)
            return
        connection.ponged = connection.pinged
        connection.way.heard["pong"] += 1
