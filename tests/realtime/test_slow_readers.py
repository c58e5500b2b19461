"""Whatever a reader does, little waits for it here: on every transport, while it reads nothing at all."""

import asyncio
import json
import socket as sockets
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest

from chatpush.clock import SystemClock
from chatpush.domain import TenantId, UserId
from chatpush.web.transports.stream_wire import StreamWire
from tests.realtime.node import RealtimeNode, realtime_node, serving
from tests.waiting import until

TENANT, EMMA = TenantId("default"), UserId("emma")
UPGRADE = (
    "Upgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 13\r\n"
    "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n"
)
PUBLICATIONS, BYTES = 100, 200_000
MOST_WAITING = 1_000_000


def request(transport: str, host: str, token: str) -> bytes:
    """Return what opens a connection of this kind for the token's user, with its first command."""
    first = json.dumps(
        {"token": token} if transport.startswith("uni_") else {"id": 1, "connect": {"token": token}}
    )
    head = UPGRADE if transport.endswith("websocket") else ""
    if transport == "http_stream":
        return (
            f"POST /connection/http_stream HTTP/1.1\r\nHost: {host}\r\nContent-Type: application/json\r\n"
            f"Content-Length: {len(first)}\r\n\r\n{first}"
        ).encode()
    query = "" if transport == "websocket" else f"?cf_connect={quote(first)}"
    asked = f"GET /connection/{transport}{query} HTTP/1.1\r\nHost: {host}\r\n{head}\r\n".encode()
    # One masked frame of text; the mask is zero, so it reads as it is.
    said = b"\x81\xfe" + len(first).to_bytes(2, "big") + bytes(4) + first.encode()
    return asked + said if transport == "websocket" else asked


def waiting(node: RealtimeNode) -> int:
    """Return how many bytes wait here for anybody."""
    total = 0
    for connection in node.hub._registry.open:
        wire: Any = getattr(connection.wire, "_inner", connection.wire)
        if isinstance(wire, StreamWire):
            total += wire._unsent
            wire = wire._request
            transport = wire.transport
        else:
            transport = wire._transport
        total += transport.get_write_buffer_size() if transport is not None else 0
    return total


@pytest.mark.parametrize(
    "transport", ["websocket", "http_stream", "sse", "uni_sse", "uni_http_stream", "uni_websocket"]
)
async def test_little_waits_for_a_reader_that_reads_nothing(tmp_path: Path, transport: str) -> None:
    async with realtime_node(tmp_path, SystemClock()) as node, serving(node) as address:
        host, port = address.split(":")
        narrow = sockets.create_connection((host, int(port)))
        narrow.setsockopt(sockets.SOL_SOCKET, sockets.SO_RCVBUF, 65_536)
        _, writer = await asyncio.open_connection(sock=narrow, limit=1024)
        writer.write(request(transport, address, await node.token("emma")))
        await until(lambda: node.hub.is_online(TENANT, EMMA))
        most = 0
        for number in range(PUBLICATIONS):
            await node.hub.publish(TENANT, "user:emma", [number, "x" * BYTES])
            most = max(most, waiting(node))
        assert 0 < most < MOST_WAITING, "of twenty megabytes"
        writer.transport.abort()
        await until(lambda: node.hub.counts().connections == 0)
