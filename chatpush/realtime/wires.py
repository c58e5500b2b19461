"""Wires around wires: the same session, written in another form."""

from chatpush.realtime.listening import Wire
from chatpush.realtime.protocol.codec import Frame
from chatpush.realtime.protocol.codes import Disconnect


def speaks_protobuf(wire: Wire) -> bool:
    """Return whether what is written here arrives in Protobuf."""
    return bool(getattr(wire, "binary", False))


class ProtobufWire:
    """Writes every frame's Protobuf twin."""

    __slots__ = ("_inner",)
    binary = True

    def __init__(self, inner: Wire) -> None:
        self._inner = inner

    def write(self, frame: Frame) -> None:
        self._inner.write(frame.in_protobuf())

    def congested(self) -> bool:
        return self._inner.congested()

    async def drained(self) -> None:
        await self._inner.drained()

    def close(self, disconnect: Disconnect) -> None:
        self._inner.close(disconnect)


class OneWayWire(ProtobufWire):
    """Writes pushes alone, for clients that never sent a command."""

    __slots__ = ()
    binary = False

    def write(self, frame: Frame) -> None:
        self._inner.write(frame.alone())
