"""The listening socket: hot requests in front, everything else byte for byte to aiohttp."""

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web

from chatpush.clock import SystemClock
from chatpush.domain import DEFAULT_TENANT, Identity, IdentityKind, TenantId, UserId
from chatpush.errors import Unauthenticated
from chatpush.web.http import server
from chatpush.web.realtime_api import server_api
from chatpush.web.transports import poll, streams, websocket
from chatpush.web.transports.front import FrontSite
from chatpush.web.transports.hot import HotRequests
from chatpush.web.transports.plain_requests import parse
from tests.realtime.node import API_KEY, RealtimeNode, realtime_node
from tests.serving import serving
from tests.waiting import until

pytestmark = pytest.mark.usefixtures("no_errors")
ORIGIN = "https://shop.example"


class Line:
    """One keep-alive connection."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader, self.writer = reader, writer
        self.head = ""

    def send(self, path: str, body: Any, **headers: str) -> None:
        text = json.dumps(body).encode()
        lines = "".join(f"{name.replace('_', '-')}: {value}\r\n" for name, value in headers.items())
        self.writer.write(
            f"POST {path} HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n{lines}"
            f"Content-Length: {len(text)}\r\n\r\n".encode()
            + text
        )

    async def answer(self) -> tuple[int, Any]:
        self.head = (await self.reader.readuntil(b"\r\n\r\n")).decode()
        fields = dict(line.lower().split(": ", 1) for line in self.head.split("\r\n")[1:] if line)
        body = await self.reader.readexactly(int(fields["content-length"]))
        return int(self.head.split(" ")[1]), json.loads(body)

    async def ask(self, path: str, body: Any, **headers: str) -> tuple[int, Any]:
        self.send(path, body, **headers)
        return await self.answer()


@asynccontextmanager
async def listening(node: RealtimeNode) -> AsyncIterator[int]:
    """Serve a node as the program does, with the hot requests in front; yields the port."""

    async def tenant_of(_request: web.Request) -> TenantId:
        return DEFAULT_TENANT

    async def bearer_of_key(key: str) -> Identity:
        if key not in ("", "pk_good"):
            raise Unauthenticated("unknown key")
        return Identity(DEFAULT_TENANT, IdentityKind.ANONYMOUS, key)

    async def identify(_request: web.Request) -> Identity:
        return Identity(DEFAULT_TENANT, IdentityKind.ANONYMOUS)

    async def identify_key(_key: str) -> Identity:
        raise Unauthenticated("unknown key")

    client = node.settings.client
    app = server.build([], {}, identify, node.settings)
    sockets = websocket.add_routes(app, node.hub, client, tenant_of)
    poll.add_routes(app, node.hub, client, identify)
    streams.add_routes(app, node.hub, client, tenant_of)
    api = server_api.add_routes(app, node.hub, API_KEY, identify_key, DEFAULT_TENANT, "test")
    runner = web.AppRunner(app, shutdown_timeout=2)
    await runner.setup()
    handlers = HotRequests(node.hub, api, client, sockets, bearer_of_key).handlers()
    await FrontSite(runner, "127.0.0.1", 0, handlers, backlog=100).start()
    try:
        yield int(runner.addresses[0][1])
    finally:
        await runner.cleanup()


@pytest.fixture
async def node(tmp_path: Path) -> AsyncIterator[RealtimeNode]:
    async with realtime_node(tmp_path, SystemClock(), allowed_origins=[ORIGIN]) as node:
        yield node


@pytest.fixture
async def line(node: RealtimeNode) -> AsyncIterator[Line]:
    async with listening(node) as port:
        line = Line(*await asyncio.open_connection("127.0.0.1", port))
        yield line
        line.writer.close()


async def test_publishing_is_answered_in_front(node: RealtimeNode, line: Line) -> None:
    for number in (1, 2):
        status, reply = await line.ask(
            "/api/publish", {"channel": "news:a", "data": number}, X_API_Key=API_KEY
        )
        assert (status, reply["result"]["offset"]) == (200, number)
        assert "aiohttp" not in line.head
        assert "X-Request-Id: req_" in line.head


async def test_what_is_wrong_is_said_by_aiohttp(line: Line) -> None:
    status, _ = await line.ask("/api/publish", {"channel": "news:a", "data": 1}, X_API_Key="wrong")
    assert status == 401
    assert "aiohttp" in line.head
    assert (await line.ask("/api/info", {}, X_API_Key=API_KEY))[0] == 200
    assert (await line.ask("/api/publish", {"channel": "news:a", "data": 1}, X_API_Key=API_KEY))[0] == 200


async def test_requests_in_a_row_are_answered_in_order(line: Line) -> None:
    for number in range(5):
        line.send("/api/publish", {"channel": "news:a", "data": number}, X_API_Key=API_KEY)
    assert [(await line.answer())[1]["result"]["offset"] for _ in range(5)] == [1, 2, 3, 4, 5]


async def test_a_poll_is_held_without_a_task_and_woken(node: RealtimeNode, line: Line) -> None:
    ask: dict[str, Any] = {"token": await node.token("emma"), "channels": [{"channel": "news:a"}]}
    _, first = await line.ask("/connection/poll", ask)
    before = len(asyncio.all_tasks())
    line.send("/connection/poll", {**ask, "cursor": first["cursor"], "grant": first["grant"]}, Origin=ORIGIN)
    await until(lambda: node.hub.counts().connections == 1)
    assert len(asyncio.all_tasks()) <= before
    assert node.hub.is_online(DEFAULT_TENANT, UserId("emma"))
    await node.hub.publish(DEFAULT_TENANT, "news:a", {"n": 1})
    status, reply = await line.answer()
    assert (status, [one["data"] for one in reply["publications"]]) == (200, [{"n": 1}])
    assert f"Access-Control-Allow-Origin: {ORIGIN}" in line.head
    assert node.hub.counts().connections == 0
    status, again = await line.ask(
        "/connection/poll", {**ask, "cursor": first["cursor"], "grant": first["grant"]}
    )
    assert again["publications"] == reply["publications"]


async def test_a_held_poll_ends_in_time_by_a_newer_one_and_by_draining(node: RealtimeNode) -> None:
    async with listening(node) as port:
        lines = [Line(*await asyncio.open_connection("127.0.0.1", port)) for _ in range(2)]
        ask: dict[str, Any] = {"token": await node.token("emma"), "channels": [{"channel": "news:a"}]}
        _, first = await lines[0].ask("/connection/poll", ask)
        ask |= {"cursor": first["cursor"], "grant": first["grant"]}
        assert (await lines[0].ask("/connection/poll", {**ask, "timeout": 0.1}))[1]["publications"] == []
        lines[0].send("/connection/poll", ask)
        await until(lambda: node.hub.counts().connections == 1)
        lines[1].send("/connection/poll", ask)
        assert (await lines[0].answer())[1]["publications"] == []
        await until(lambda: node.hub.counts().connections == 1)
    assert (await lines[1].answer())[0] == 200
    assert await lines[1].reader.read() == b""
    for line in lines:
        line.writer.close()


async def test_a_client_that_leaves_is_forgotten(node: RealtimeNode, line: Line) -> None:
    ask: dict[str, Any] = {"token": await node.token("emma"), "channels": [{"channel": "news:a"}]}
    _, first = await line.ask("/connection/poll", ask)
    line.send("/connection/poll", {**ask, "cursor": first["cursor"], "grant": first["grant"]})
    await until(lambda: node.hub.counts().connections == 1)
    line.writer.close()
    await until(lambda: node.hub.counts().connections == 0)
    assert node.hub.counts().channels == 0


async def test_foreign_pages_are_refused(node: RealtimeNode, line: Line) -> None:
    ask = {"token": await node.token("emma"), "channels": [{"channel": "news:a"}]}
    assert (await line.ask("/connection/poll", ask, Origin="https://evil.example"))[0] == 403


@pytest.mark.parametrize(
    "odd",
    [
        b"POST /api/publish HTTP/1.1\r\nHost: x\r\n\r\n",
        b"POST /api/publish HTTP/1.0\r\nHost: x\r\nContent-Length: 2\r\n\r\n{}",
        b"POST /api/publish HTTP/1.1\r\nContent-Length: 2\r\n\r\n{}",
        b"POST /api/publish HTTP/1.1\r\nHost: x\r\nContent-Length: 99999\r\n\r\n{}",
        b"POST /api/publish HTTP/1.1\r\nHost: x\r\nContent-Length: +2\r\n\r\n{}",
        b"POST /api/publish HTTP/1.1\r\nHost: x\r\nContent-Length: 2\r\nContent-Length: 2\r\n\r\n{}",
        b"POST /api/publish HTTP/1.1\r\nHost: x\r\nContent-Length: 2\r\nTransfer-Encoding: chunked\r\n\r\n{}",
        b"POST /api/publish HTTP/1.1\r\nHost: x\r\nContent-Length: 2\r\nExpect: 100-continue\r\n\r\n{}",
        b"POST /api/publish HTTP/1.1\r\nHost: x\r\nContent-Length: 2\r\nConnection: close\r\n\r\n{}",
        b"POST /api/publish HTTP/1.1\r\nHost: x\r\nContent-Length: 2\r\n folded: a\r\n\r\n{}",
        b"POST /api/publish HTTP/1.1\r\nHost : x\r\nContent-Length: 2\r\n\r\n{}",
        b"POST /api/publish HTTP/1.1\r\nHost: x\r\nA: b\nc\r\nContent-Length: 2\r\n\r\n{}",
    ],
)
def test_what_is_not_plain_is_left_alone(odd: bytes) -> None:
    assert parse(odd) is None


@pytest.mark.parametrize(
    ("sent", "first"),
    [
        (b"", b""),
        (b"GET /healthz HTTP/1.1\r\nHost: x\r\nX-Slow: ", b"HTTP/1.1 408"),
        (b"POST /api/publish HTTP/1.1\r\nHost: x\r\nContent-Length: 100\r\n\r\n{", b"HTTP/1.1 408"),
    ],
)
async def test_who_sends_byte_by_byte_holds_nothing(tmp_path: Path, sent: bytes, first: bytes) -> None:
    async with serving(tmp_path, server={"arrival_seconds": 0.2}) as served:
        port = int(served.url.rsplit(":", 1)[1])
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(sent)

        async def drip() -> None:
            while not writer.is_closing():
                writer.write(b"a")
                await asyncio.sleep(0.01)  # the pace of the attack

        dripping = asyncio.ensure_future(drip()) if sent else None
        heard = await reader.read()
        if dripping is not None:
            dripping.cancel()
        assert heard.startswith(first)
        assert (await served.http.get(served.url + "/healthz")).status == 200
        writer.close()


async def test_a_head_in_pieces_is_understood(line: Line) -> None:
    for piece in (
        b"POST /api/info HT",
        b"TP/1.1\r\nHost: x\r\nX-API-Key: api-key\r\nContent-Length: 2\r\n",
        b"\r\n{}",
    ):
        line.writer.write(piece)
        await line.writer.drain()
    status, answer = await line.answer()
    assert (status, answer["result"]["nodes"][0]["num_clients"]) == (200, 0)


async def test_a_body_in_pieces_is_answered_in_front(line: Line) -> None:
    body = b'{"channel":"news:a","data":"' + b"x" * 3000 + b'"}'
    head = b"POST /api/publish HTTP/1.1\r\nHost: x\r\nX-API-Key: api-key\r\nContent-Length: %d\r\n\r\n" % len(
        body
    )
    for piece in (head, body[:1000], body[1000:]):
        line.writer.write(piece)
        await line.writer.drain()
        await asyncio.sleep(0.01)  # the network's own pieces
    assert (await line.answer())[1]["result"]["offset"] == 1
    assert "aiohttp" not in line.head


def test_what_follows_a_request_is_kept() -> None:
    whole = b"POST /api/publish HTTP/1.1\r\nHost: x\r\nContent-Length: 2\r\n\r\n{}"
    found = parse(whole + whole)
    assert found is not None
    assert (found.head.target, found.body, found.rest) == (b"POST /api/publish", b"{}", whole)


def handshake(more: str = "", key: str = "dGhlIHNhbXBsZSBub25jZQ==") -> bytes:
    lines = f"Host: x\r\n{more}Upgrade: websocket\r\nSec-WebSocket-Key: {key}\r\nConnection: Upgrade\r\n"
    return f"GET /connection/websocket HTTP/1.1\r\n{lines}\r\n".encode()


def test_handshakes_that_differ_by_their_keys_have_one_head() -> None:
    other = "AAAAAAAAAAAAAAAAAAAAAA=="
    one, two = parse(handshake()), parse(handshake(key=other) + b"after")
    assert one is not None
    assert two is not None
    assert one.head is two.head
    assert (two.key, two.rest, two.whole) == (other.encode(), b"after", handshake(key=other))
    asked = parse(handshake("X-Chatpush-Key: pk_a\r\n"))
    assert asked is not None
    assert asked.head.headers[b"x-chatpush-key"] == b"pk_a"


def test_what_is_no_plain_key_stays_in_the_head() -> None:
    for key in ("short", "é" * 12, "a" * 22 + "==a"):
        found = parse(handshake(key=key))
        assert found is not None
        assert (found.key, found.head.headers[b"sec-websocket-key"]) == (b"", key.encode())
    assert parse(handshake("Sec-WebSocket-Key: BBBBBBBBBBBBBBBBBBBBBB==\r\n")) is None


def test_heads_with_cookies_are_not_kept() -> None:
    one, two = parse(handshake("Cookie: session=a\r\n")), parse(handshake("Cookie: session=a\r\n"))
    assert one is not None
    assert two is not None
    assert one.head is not two.head
