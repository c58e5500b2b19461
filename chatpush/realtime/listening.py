"""What a channel asks of whoever listens: a wire to write to, or a poll to wake.

Transports implement these; ``feed.py`` only ever sees them so.
"""

from socket import SocketType
from typing import Protocol

from chatpush.log.contract import Publication
from chatpush.realtime.protocol import codec
from chatpush.realtime.protocol.codes import Disconnect


class Wire(Protocol):
    """The way to one client; never blocks the caller."""

    def write(self, frame: codec.Frame) -> None:
        """Send a frame soon, in order."""
        ...

    def congested(self) -> bool:
        """Return whether so much is unsent that nothing but replies should be added."""
        ...

    async def drained(self) -> None:
        """Wait until the wire takes more, or is closed."""
        ...

    def close(self, disconnect: Disconnect) -> None:
        """Send what was written, say why, and close."""
        ...


class DirectWire(Wire, Protocol):
    """A wire that may be written to around its transport while nothing is unsent."""

    direct: SocketType | None
    """The socket; None while something is unsent."""

    def unsent(self) -> bool:
        """Return whether something waits for the end of the turn, and goes first; then its connection steps back in."""
        ...

    def rest(self, data: bytes) -> None:
        """Send what a direct write left over."""
        ...

    def cut(self) -> None:
        """Close at once; a direct write has failed."""
        ...


class Listener(Protocol):
    """A waiting long-poll."""

    def wake(self, channel: str, passing: Publication | None) -> None:
        """Something is new; ``passing`` is a publication that no log keeps."""
        ...
