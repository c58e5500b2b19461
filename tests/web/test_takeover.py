"""Taking a socket away from aiohttp: what we lean on is there, and nothing stays behind."""

import asyncio
import gc
import json
from collections.abc import AsyncIterator
from pathlib import Path

import aiohttp
import pytest
from aiohttp import web
from aiohttp.web_protocol import RequestHandler
from websockets.asyncio.client import connect

from chatpush.clock import SystemClock
from chatpush.domain import DEFAULT_TENANT
from chatpush.web.transports import takeover
from tests.realtime.node import RealtimeNode, realtime_node, serving
from tests.waiting import until


@pytest.fixture
async def node(tmp_path: Path) -> AsyncIterator[RealtimeNode]:
    async with realtime_node(tmp_path, SystemClock()) as node:
        yield node


def test_this_aiohttp_has_the_parts_we_lean_on() -> None:
    assert takeover.MISSING == (), (
        f"aiohttp {aiohttp.__version__} has no {', '.join(takeover.MISSING)} in web_protocol.RequestHandler: "
        "WebSockets fall back to aiohttp's own until chatpush/web/transports/takeover.py is adapted"
    )


async def test_no_request_stays_behind(node: RealtimeNode) -> None:
    gc.collect()
    others = {id(one) for one in gc.get_objects() if isinstance(one, RequestHandler | web.Request)}
    async with serving(node) as address:
        before = len(asyncio.all_tasks())
        sockets = [await connect(f"ws://{address}/connection/websocket", proxy=None) for _ in range(5)]
        for socket in sockets:
            await socket.send('{"id":1,"connect":{}}')
            await socket.recv()
        await until(lambda: len(asyncio.all_tasks()) <= before + 5)  # the clients' own
        gc.collect()
        found = [one for one in gc.get_objects() if isinstance(one, RequestHandler | web.Request)]
        assert [one for one in found if id(one) not in others] == []
        assert node.hub.counts().connections == 5
        for socket in sockets:
            await socket.close()


async def test_what_came_with_the_handshake_is_not_lost(node: RealtimeNode) -> None:
    async with serving(node) as address:
        host, port = address.split(":")
        reader, writer = await asyncio.open_connection(host, int(port))
        command = b'{"id":1,"connect":{}}'
        writer.write(
            b"GET /connection/websocket HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
            b"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\r\n"
            + bytes((0x81, 0x80 | len(command)))
            + b"\0\0\0\0"
            + command
        )
        assert b"s3pPLMBiTxaQ9kYGzzhZRbK+xOo=" in await reader.readuntil(b"\r\n\r\n")
        head = await reader.readexactly(4)
        assert json.loads(await reader.readexactly(int.from_bytes(head[2:], "big")))["id"] == 1
        writer.close()


async def test_aiohttps_own_socket_serves_where_ours_can_not(node: RealtimeNode) -> None:
    async with (
        serving(node, own=False) as address,
        connect(f"ws://{address}/connection/websocket", proxy=None) as socket,
    ):
        await socket.send('{"id":1,"connect":{}}\n{"id":2,"subscribe":{"channel":"news:a"}}')
        while '"id":2' not in str(await socket.recv()):
            pass
        await node.hub.publish(DEFAULT_TENANT, "news:a", "hello")
        assert "hello" in str(await socket.recv())
