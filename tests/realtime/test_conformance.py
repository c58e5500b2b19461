"""RFC 6455 by the book, byte by byte, over raw sockets: what is right works, what is wrong gets its close code."""

import asyncio
import base64
import json
import os
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from chatpush.clock import SystemClock
from tests.realtime.node import realtime_node, serving

TEXT, BINARY, CLOSE, PING, PONG = 1, 2, 8, 9, 10
CONNECT = b'{"id":1,"connect":{}}'
SECONDS = 20


def frame(
    opcode: int,
    payload: bytes = b"",
    *,
    final: bool = True,
    reserved: int = 0,
    masked: bool = True,
    form: int = 0,
) -> bytes:
    """Return a client's frame; ``form`` forces the length's size in bytes."""
    length, mask = len(payload), os.urandom(4)
    first = (0x80 if final else 0) | reserved << 4 | opcode
    bit = 0x80 if masked else 0
    if form == 8 or length >= 65_536:
        head = bytes((first, bit | 127)) + length.to_bytes(8, "big")
    elif form == 2 or length >= 126:
        head = bytes((first, bit | 126)) + length.to_bytes(2, "big")
    else:
        head = bytes((first, bit | length))
    if not masked:
        return head + payload
    return head + mask + bytes(byte ^ mask[number % 4] for number, byte in enumerate(payload))


def close(code: int, reason: bytes = b"") -> bytes:
    return frame(CLOSE, code.to_bytes(2, "big") + reason)


class Peer:
    """The client's end of a raw WebSocket."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader, self.writer = reader, writer

    async def read(self) -> tuple[int, bytes]:
        """Return the server's next frame, which must be final and not masked."""
        async with asyncio.timeout(SECONDS):
            first, length = await self.reader.readexactly(2)
            assert first & 0xF0 == 0x80, "fragmented, or with reserved bits"
            assert length < 128, "a server does not mask"
            if length >= 126:
                length = int.from_bytes(await self.reader.readexactly(2 if length == 126 else 8), "big")
            return first & 0x0F, await self.reader.readexactly(length)

    async def send(self, *frames: bytes) -> None:
        self.writer.write(b"".join(frames))
        await self.writer.drain()

    async def connected(self) -> None:
        """Speak the connect command and hear its reply."""
        await self.send(frame(TEXT, CONNECT))
        assert json.loads((await self.read())[1])["id"] == 1

    async def closed(self) -> int:
        """Return the code of the server's close frame, after which it must end the connection."""
        opcode, payload = await self.read()
        assert opcode == CLOSE, payload
        self.writer.write(close(1000))  # the answer, for which the server may wait
        async with asyncio.timeout(SECONDS):
            assert await self.reader.read() == b"", "something came after the close frame"
        return int.from_bytes(payload[:2], "big") if payload else 0


@pytest.fixture
async def address(tmp_path: Path) -> AsyncIterator[str]:
    async with (
        realtime_node(tmp_path, SystemClock(), max_message_bytes=100_000) as node,
        serving(node) as address,
    ):
        yield address


@pytest.fixture
async def peer(address: str) -> AsyncIterator[Peer]:
    peer = await opened(address)
    yield peer
    peer.writer.close()


async def opened(address: str) -> Peer:
    host, port = address.split(":")
    reader, writer = await asyncio.open_connection(host, int(port))
    key = base64.b64encode(os.urandom(16)).decode()
    writer.write(
        f"GET /connection/websocket HTTP/1.1\r\nHost: {address}\r\nUpgrade: websocket\r\n"
        f"Connection: Upgrade\r\nSec-WebSocket-Key: {key}\r\nSec-WebSocket-Version: 13\r\n\r\n".encode()
    )
    assert b" 101 " in await reader.readuntil(b"\r\n\r\n")
    return Peer(reader, writer)


# -- what is right ----------------------------------------------------------------


FRAGMENTED = [
    [frame(TEXT, CONNECT[:5], final=False), frame(0, CONNECT[5:])],
    [frame(TEXT, final=False), frame(0, final=False), frame(0, CONNECT)],
    [frame(TEXT, CONNECT, final=False), frame(0)],
    [frame(TEXT, CONNECT[:1], final=False), *(frame(0, bytes((b,)), final=False) for b in CONNECT[1:]), frame(0)],
    [frame(TEXT, CONNECT[:5], final=False), frame(PONG, b"unasked"), frame(0, CONNECT[5:])],
    [frame(PONG), frame(PONG, b"x" * 125), frame(TEXT, CONNECT)],
    [frame(TEXT, CONNECT + b" " * 200)], [frame(TEXT, CONNECT + b" " * 70_000)],
]  # fmt: skip


@pytest.mark.parametrize("frames", FRAGMENTED)
@pytest.mark.parametrize("at_once", [True, False])
async def test_a_message_in_any_pieces(peer: Peer, frames: list[bytes], at_once: bool) -> None:
    data = b"".join(frames)
    step = len(data) if at_once or len(data) > 5000 else 1
    for place in range(0, len(data), step):
        await peer.send(data[place : place + step])
    opcode, payload = await peer.read()
    assert (opcode, json.loads(payload)["id"]) == (TEXT, 1)


async def test_pings_are_answered_at_once_even_amid_a_message(peer: Peer) -> None:
    for payload in (b"", b"ping", b"\x00\xff\xfe", b"x" * 125):
        await peer.send(frame(PING, payload))
        assert await peer.read() == (PONG, payload)
    await peer.send(frame(TEXT, CONNECT[:3], final=False), frame(PING, b"amid"), frame(0, CONNECT[3:]))
    assert await peer.read() == (PONG, b"amid")
    assert json.loads((await peer.read())[1])["id"] == 1
    await peer.send(*(frame(PING, bytes((number,))) for number in range(10)))
    assert [await peer.read() for _ in range(10)] == [(PONG, bytes((number,))) for number in range(10)]


async def test_characters_may_be_split_between_fragments(peer: Peer) -> None:
    text = json.dumps({"id": 1, "connect": {"name": "灯笼 😀 κόσμε"}}, ensure_ascii=False).encode()
    for place in range(0, len(text), 3):
        last = place + 3 >= len(text)
        await peer.send(frame(0 if place else TEXT, text[place : place + 3], final=last))
    assert json.loads((await peer.read())[1])["id"] == 1


@pytest.mark.parametrize("code", [1000, 1001, 1003, 1007, 1011, 3000, 3999, 4000, 4999])
async def test_a_close_is_echoed(peer: Peer, code: int) -> None:
    await peer.connected()
    await peer.send(close(code, "再见".encode()))
    assert await peer.closed() == code


async def test_a_close_without_a_code(peer: Peer) -> None:
    await peer.connected()
    await peer.send(frame(CLOSE))
    assert await peer.closed() in (0, 1000)


async def test_nothing_is_heard_after_a_close(peer: Peer) -> None:
    await peer.connected()
    await peer.send(close(1000), frame(PING, b"late"), frame(TEXT, b'{"id":2,"ping":{}}'))
    assert await peer.closed() == 1000


async def test_a_goodbye_of_the_server_waits_for_the_answer(peer: Peer) -> None:
    await peer.connected()
    await peer.send(frame(TEXT, b"nonsense"))
    opcode, payload = await peer.read()
    assert (opcode, int.from_bytes(payload[:2], "big")) == (CLOSE, 3501)
    await peer.send(close(3501))
    async with asyncio.timeout(SECONDS):
        assert await peer.reader.read() == b""


# -- what is wrong ---------------------------------------------------------------


WRONG = [
    *((frame(TEXT, CONNECT, reserved=bits), 1002) for bits in (1, 2, 4, 7)),
    *((frame(PING, reserved=bits), 1002) for bits in (1, 4)),
    *((frame(opcode, b"x"), 1002) for opcode in (3, 4, 5, 6, 7, 11, 12, 13, 14, 15)),
    (frame(TEXT, CONNECT, masked=False), 1002), (frame(PING, masked=False), 1002),
    (frame(CLOSE, b"\x03\xe8", masked=False), 1002),
    (frame(PING, b"x" * 126), 1002), (frame(PING, b"x", form=2), 1002), (frame(CLOSE, b"x" * 126), 1002),
    (frame(PING, final=False), 1002), (frame(PONG, final=False), 1002), (frame(CLOSE, final=False), 1002),
    (frame(0, b"x"), 1002), (frame(0, b"x", final=False), 1002),
    (frame(TEXT, b"x", final=False) + frame(TEXT, b"y"), 1002),
    (frame(TEXT, b"x", final=False) + frame(BINARY, b"y", final=False), 1002),
    (frame(TEXT, CONNECT, form=2), 1002), (frame(TEXT, CONNECT, form=8), 1002),
    (b"\x81\xff\xff" + b"\xff" * 7 + b"mask", 1009), (b"\x81\xff" + (2**62).to_bytes(8, "big") + b"mask", 1009),
    (frame(TEXT, b"x" * 100_001), 1009),
    (frame(TEXT, b"x" * 60_000, final=False) + frame(0, b"x" * 60_000), 1009),
    (frame(CLOSE, b"\x03"), 1002), (close(1000, b"\xff"), 1007), (close(1000, b"\xed\xa0\x80"), 1007),
    *((close(code), 1002) for code in (0, 999, 1004, 1005, 1006, 1015, 1016, 1100, 2000, 2999, 5000, 65_535)),
    (frame(BINARY, b"\x00"), 3506),
]  # fmt: skip


@pytest.mark.parametrize(("data", "code"), WRONG, ids=range(len(WRONG)))
async def test_broken_framing_gets_its_code(peer: Peer, data: bytes, code: int) -> None:
    await peer.connected()
    await peer.send(data)
    assert await peer.closed() == code


BAD_TEXTS = [
    b"\xff", b"\xc0\xaf", b"\xe0\x80\xaf", b"\xed\xa0\x80", b"\xf4\x90\x80\x80", b"\xf8\x88\x80\x80\x80", b"\x80",
    b"\xce\xba\xe1\xbd\xb9\xcf\x83\xce\xbc\xce\xb5\xed\xa0\x80edited", b"abc\xe2\x82", "é".encode()[:1],
]  # fmt: skip


@pytest.mark.parametrize("text", BAD_TEXTS)
@pytest.mark.parametrize("pieces", [1, 2])
async def test_text_is_utf_8(peer: Peer, text: bytes, pieces: int) -> None:
    await peer.connected()
    middle = len(text) // 2
    if pieces == 1:
        await peer.send(frame(TEXT, text))
    else:
        await peer.send(frame(TEXT, text[:middle], final=False), frame(0, text[middle:]))
    assert await peer.closed() == 1007


async def test_a_hundred_connections_cut_in_the_middle_of_a_frame(address: str) -> None:
    data = frame(TEXT, CONNECT)
    for place in range(1, len(data)):
        peer = await opened(address)
        await peer.send(data[:place])
        peer.writer.transport.abort()
    peer = await opened(address)
    await peer.connected()
    peer.writer.close()
