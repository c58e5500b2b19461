"""A transport's socket, to write to around the transport; it stays the transport's.

``send`` is the system call for sockets: the kernel does less for it than for
``os.write`` on the same descriptor, and a fan-out is mostly these calls
(``docs/performance.md``).
"""

import asyncio
import socket


class Borrowed(socket.SocketType):
    """Sends on a socket that it does not own: it never closes it, not even when it is forgotten."""

    __slots__ = ()

    def __init__(self, transport: asyncio.BaseTransport) -> None:
        # Family and kind do not matter to send; with both given, nothing is asked about the descriptor.
        descriptor = transport.get_extra_info("socket").fileno()
        super().__init__(int(socket.AF_INET), int(socket.SOCK_STREAM), 0, descriptor)

    def __del__(self) -> None:
        self.detach()
