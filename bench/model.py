"""A model that writes 20 tokens a second into each of many streams, as an OpenAI-compatible endpoint.

Usage: python -m bench.model TOKENS

Prints its port and serves until it is killed. A token is a word of letters that
says when it was written (milliseconds of the monotonic clock, which all
processes of a machine share), so that whoever reads it knows how far behind
the model it came. Letters, because an assistant lets no unfounded figure through.
"""

import asyncio
import json
import sys
import time
from typing import cast

import uvloop

TOKENS_PER_SECOND = 20
WORDS_PER_LINE = 12
DIGITS, LETTERS = "0123456789", "abcdefghij"
STAMP = str.maketrans(DIGITS, LETTERS)
READ = str.maketrans(LETTERS, DIGITS)
HEAD = b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n"
LONGEST_REQUEST = 2**20


def stamp(seconds: float) -> str:
    """Return a moment as a word."""
    return str(round(seconds * 1000)).translate(STAMP)


def moment(word: str) -> float:
    """Return the moment a word names, in seconds."""
    return int(word.translate(READ)) / 1000


class Stream(asyncio.Protocol):
    """One connection: each request gets a stream."""

    def __init__(self, tokens: int) -> None:
        self._tokens = tokens
        self._got = b""
        self._transport: asyncio.Transport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Keep where to write."""
        self._transport = cast(asyncio.Transport, transport)  # uvloop's own are no subclasses

    def connection_lost(self, _: Exception | None) -> None:
        """Write no more."""
        self._transport = None

    def data_received(self, data: bytes) -> None:
        """Begin to write when a request is whole."""
        self._got += data
        head, found, body = self._got.partition(b"\r\n\r\n")
        length = head.lower().partition(b"content-length:")[2].partition(b"\r\n")[0]
        if not found or len(body) < int(length or 0):
            return
        self._got = b""
        if self._transport is not None:
            self._transport.write(HEAD)
            self._write(self._tokens, asyncio.get_running_loop().time())

    def _write(self, left: int, due: float) -> None:
        if self._transport is None:
            return
        if not left:
            self._transport.write(_event({}, "stop") + _chunk(b"data: [DONE]\n\n") + b"0\r\n\r\n")
            return
        end = "\n" if left % WORDS_PER_LINE == 0 else " "
        self._transport.write(_event({"content": stamp(time.monotonic()) + end}))
        due += 1 / TOKENS_PER_SECOND
        asyncio.get_running_loop().call_at(due, self._write, left - 1, due)


def _event(delta: dict[str, str], finish: str | None = None) -> bytes:
    told = {
        "id": "c", "object": "chat.completion.chunk", "created": 1, "model": "paced",
        "choices": [{"index": 0, "delta": delta, "finish_reason": finish}],
    }  # fmt: skip
    return _chunk(b"data: " + json.dumps(told).encode() + b"\n\n")


def _chunk(data: bytes) -> bytes:
    return f"{len(data):x}\r\n".encode() + data + b"\r\n"


async def serve(tokens: int) -> None:
    """Serve until killed."""
    loop = asyncio.get_running_loop()
    server = await loop.create_server(lambda: Stream(tokens), "127.0.0.1", 0, backlog=1024)
    print(server.sockets[0].getsockname()[1], flush=True)
    await asyncio.Event().wait()


if __name__ == "__main__":
    uvloop.run(serve(int(sys.argv[1])))
