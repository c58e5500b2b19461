"""Take an accepted request's socket away from aiohttp, so that no request, task or parser stays behind.

This is the one module that leans on aiohttp's inner parts. ``possible`` says
whether it may: not over TLS, not when an aiohttp comes whose parts have other
names (``tests/web/test_takeover.py`` tells which). Whoever gets no for an
answer uses aiohttp's own classes instead.
"""

import asyncio

from aiohttp import web
from aiohttp.abc import AbstractStreamWriter
from aiohttp.web_protocol import RequestHandler

INNER_PARTS = ("_message_tail", "_task_handler", "_current_request", "_manager", "_payload_parser", "_waiter")
MISSING = tuple(name for name in INNER_PARTS if name not in RequestHandler.__slots__)


class Taken(web.Response):
    """The answer of a handler whose socket is somebody else's now; aiohttp must not touch it again."""

    async def prepare(self, _request: web.BaseRequest) -> AbstractStreamWriter | None:
        """Send nothing."""
        return None

    async def write_eof(self, _data: bytes = b"") -> None:
        """Send nothing."""


def possible(request: web.Request) -> bool:
    """Return whether this request's socket can be taken over."""
    transport = request.transport
    return (
        not MISSING
        and transport is not None
        and not transport.is_closing()
        and transport.get_extra_info("sslcontext") is None
        and transport.get_extra_info("socket") is not None
        and not request.can_read_body
    )


def take_over(request: web.Request, protocol: asyncio.Protocol) -> tuple[asyncio.Transport, bytes]:
    """Give the socket to a protocol; return its transport and what the client has sent already.

    The transport calls ``pause_writing`` as soon as anything is unsent. Return
    ``Taken()`` from the handler afterwards.
    """
    http, transport = request.protocol, request.transport
    if transport is None:
        raise ConnectionResetError("the client is gone")
    early = bytes(http._message_tail)
    http._message_tail = b""
    transport.set_write_buffer_limits(high=0)
    transport.set_protocol(protocol)
    if not transport.is_reading():
        transport.resume_reading()
    # aiohttp shall think that the connection is lost, and not close the socket for it.
    http.transport = None
    http.connection_lost(None)
    return transport, early
