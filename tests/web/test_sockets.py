"""Our own WebSocket against clients that break the rules, or do not read."""

import asyncio
import base64
import gc
import os
import random
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from chatpush.clock import SystemClock
from chatpush.domain import DEFAULT_TENANT
from chatpush.realtime.heartbeat import TIDY_FROM
from chatpush.web.transports.sockets import Socket
from tests.realtime.node import RealtimeNode, realtime_node, serving
from tests.waiting import until
from tests.web.test_framing import sent

pytestmark = pytest.mark.usefixtures("no_errors")


@pytest.fixture
async def node(tmp_path: Path) -> AsyncIterator[RealtimeNode]:
    async with realtime_node(tmp_path, SystemClock()) as node:
        yield node


@pytest.fixture
async def address(node: RealtimeNode) -> AsyncIterator[str]:
    async with serving(node) as address:
        yield address


async def opened(address: str) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    """Return a raw WebSocket."""
    host, port = address.split(":")
    reader, writer = await asyncio.open_connection(host, int(port))
    key = base64.b64encode(os.urandom(16)).decode()
    writer.write(
        f"GET /connection/websocket HTTP/1.1\r\nHost: {address}\r\nUpgrade: websocket\r\n"
        f"Connection: Upgrade\r\nSec-WebSocket-Key: {key}\r\nSec-WebSocket-Version: 13\r\n\r\n".encode()
    )
    assert b" 101 " in await reader.readuntil(b"\r\n\r\n")
    return reader, writer


@pytest.mark.parametrize(
    ("bad", "code"),
    [(b"\x81\x02{}", 1002), (sent(b"{}", rsv=0x40), 1002), (sent(b"\xff"), 1007), (sent(b"x" * 70_000), 1009),
     (sent(b"a", fin=False) + sent(b"b"), 1002), (sent(b"\x03\xed", 8), 1002)],
)  # fmt: skip
async def test_who_breaks_the_rules_is_told_and_closed(address: str, bad: bytes, code: int) -> None:
    reader, writer = await opened(address)
    writer.write(bad)
    answer = await asyncio.wait_for(reader.readexactly(4), 10)
    assert answer[:1] == b"\x88"
    assert int.from_bytes(answer[2:], "big") == code
    writer.close()


async def test_the_closing_handshake(node: RealtimeNode, address: str) -> None:
    reader, writer = await opened(address)
    writer.write(sent(b"\x03\xe8bye", 8))
    assert await asyncio.wait_for(reader.read(), 10) == b"\x88\x02\x03\xe8"
    await until(lambda: node.hub.counts().connections == 0)
    writer.close()


async def test_ten_thousand_random_frames_do_not_hurt(node: RealtimeNode, address: str) -> None:
    dice = random.Random(5)

    async def attack(count: int) -> None:
        _, writer = await opened(address)
        try:
            for _ in range(count):
                payload, opcode = dice.randbytes(dice.randrange(120)), dice.choice((0, 1, 2, 8, 9, 10, 3))
                writer.write(sent(payload, opcode, fin=dice.random() < 0.8, mask=dice.randbytes(4)))
            await writer.drain()
        except ConnectionError:
            pass
        writer.close()

    def left() -> int:
        gc.collect()
        return sum(isinstance(one, Socket) for one in gc.get_objects())

    for _ in range(10):
        await asyncio.gather(*(attack(20) for _ in range(50)))
    await until(lambda: node.hub.counts().connections == 0)
    assert left() <= TIDY_FROM
    # Connections that never said who they are are remembered until their time is up, but no longer.
    for _ in range(TIDY_FROM // 50 * 2):
        await asyncio.gather(*(attack(1) for _ in range(50)))
    await until(lambda: node.hub.counts().connections == 0)
    assert left() <= TIDY_FROM


async def test_a_flood_of_pings_that_nobody_reads_is_cut(node: RealtimeNode, address: str) -> None:
    _, writer = await opened(address)
    flood = sent(b"x" * 120, 9) * 1000
    try:
        while node.hub.counts().connections:
            writer.write(flood)
            await writer.drain()
    except ConnectionError:
        pass
    await until(lambda: node.hub.counts().connections == 0)
    writer.transport.abort()


async def test_publications_of_one_turn_stay_in_order_for_fast_and_slow(tmp_path: Path) -> None:
    """One reads all the time, one not for a while; both get everything, once, in order."""
    padding = "x" * 60_000

    async def take(reader: asyncio.StreamReader, count: int) -> list[int]:
        found: list[int] = []
        while len(found) < count:
            head = await reader.readexactly(2)
            assert head[0] == 0x81
            length = head[1]
            if length >= 126:
                length = int.from_bytes(await reader.readexactly(2 if length == 126 else 8), "big")
            text = await reader.readexactly(length)
            if b'"n":' in text:
                found.append(int(text.split(b'"n":')[1].split(b",")[0]))
        return found

    # Who does not read answers no pings.
    async with (
        realtime_node(tmp_path, SystemClock(), ping_interval_seconds=3600) as node,
        serving(node) as address,
    ):
        readers = [await opened(address) for _ in range(2)]
        for _, writer in readers:
            writer.write(sent(b'{"id":1,"connect":{}}') + sent(b'{"id":2,"subscribe":{"channel":"news:a"}}'))
        await until(lambda: node.hub.counts().subscriptions == 2)
        fast = asyncio.create_task(take(readers[0][0], 80))
        for start in range(0, 80, 10):
            await asyncio.gather(
                *(
                    node.hub.publish(DEFAULT_TENANT, "news:a", {"n": n, "p": padding})
                    for n in range(start, start + 10)
                )
            )
        assert await fast == list(range(80))
        assert await take(readers[1][0], 80) == list(range(80))
        for _, writer in readers:
            writer.close()
