"""Measure whether one core streams 500 answers at once without falling behind the model.

Usage: python -m bench.streams [STREAMS]

Three processes: a paced model (``bench.model``), ``chatpush serve`` on a core of
its own, and readers as widgets are: each opens a conversation, subscribes to its
channel, asks, and puts the pieces together by their numbers. Figures of the time
in which all answers are under way; processor time is that of the server alone,
because the machine is shared.
"""

import asyncio
import contextlib
import json
import statistics
import sys
import time
from collections.abc import AsyncIterator
from dataclasses import dataclass, field

import jwt
from aiohttp import ClientSession, ClientWebSocketResponse, TCPConnector

from bench.machine import CLIENT_CORE, prefer
from bench.model import TOKENS_PER_SECOND, moment
from bench.servers import TOKEN_SECRET, Served, chatpush

STREAMS = 500
TOKENS = 400
ATONCE = 8
LONGEST_SECONDS = 120.0
QUESTION = "How do I look after a lantern that hangs outside in winter?"
SETTINGS = """
[writer]
base_url = "http://127.0.0.1:{port}/v1"
model = "paced"
answer_cache_hours = 0
daily_tokens_per_user = 0
first_token_seconds = 60
stall_seconds = 60
total_seconds = 300
"""
Row = tuple[str, str, str, str]


@dataclass(slots=True)
class Reader:
    """What one widget saw: when its first and last token came, how many, how late each was.

    ``ending`` is set when its last second begins.
    """

    user: str
    ending: asyncio.Event
    first: float = 0.0
    last: float = 0.0
    tokens: int = 0
    publications: int = 0
    lags: list[tuple[float, float]] = field(default_factory=list)
    whole: bool = False
    began: asyncio.Event = field(default_factory=asyncio.Event)

    def take(self, text: str, now: float) -> None:
        """Take in a piece."""
        self.first, self.last = self.first or now, now
        self.publications += 1
        for word in text.split():
            self.tokens += 1
            self.lags.append((now, now - moment(word)))
        self.began.set()
        if self.tokens >= TOKENS - TOKENS_PER_SECOND:
            self.ending.set()


@dataclass(frozen=True, slots=True)
class Figures:
    """What was measured while all streams were under way."""

    streams: int
    seconds: float
    slowest_per_second: float
    tokens_per_second: float
    publications_per_second: float
    lag_p50_ms: float
    lag_p99_ms: float
    lag_worst_ms: float
    cpu: float
    longest_turn_ms: float

    def rows(self) -> list[Row]:
        """Return them for the page."""
        return [
            (
                f"{self.streams} answers streamed at once: tokens a second at the slowest reader",
                f"{self.slowest_per_second:.1f}", f"mean {self.tokens_per_second:.1f}", "20",
            ),
            (
                "how far the reader is behind the model: p50, p99 (worst)",
                f"{self.lag_p50_ms:.0f} ms", f"{self.lag_p99_ms:.0f} ms ({self.lag_worst_ms:.0f} ms)", "",
            ),
            (
                "processor time of the server, of one core", f"{self.cpu:.0%}",
                f"longest turn {self.longest_turn_ms:.0f} ms", "below 100 %",
            ),
        ]  # fmt: skip


async def measure(streams: int = STREAMS) -> Figures:
    """Stream that many answers at once and return the figures.

    Raises:
        RuntimeError: an answer did not arrive whole.
    """
    async with _model() as port, chatpush(more=SETTINGS.format(port=port)) as server:
        ending = asyncio.Event()
        readers = [Reader(f"u{number}", ending) for number in range(streams)]
        async with ClientSession(
            f"http://127.0.0.1:{server.port}", connector=TCPConnector(limit=0)
        ) as session:
            room = asyncio.Semaphore(ATONCE)
            async with asyncio.timeout(LONGEST_SECONDS), asyncio.TaskGroup() as group:
                watching = group.create_task(_watch(server, readers, ending))
                for one in readers:
                    group.create_task(_read(session, one, room))
    broken = [one.user for one in readers if not one.whole or one.tokens != TOKENS]
    if broken:
        raise RuntimeError(f"{len(broken)} answers did not arrive whole, such as that of {broken[0]}")
    return watching.result()


async def _watch(server: Served, readers: list[Reader], ending: asyncio.Event) -> Figures:
    """Wait until all are being answered, and measure until the first answer ends."""
    for one in readers:
        await one.began.wait()
    server.begin_watch()
    before = [(one.tokens, one.publications) for one in readers]
    begun, cpu = time.monotonic(), server.cpu_seconds()
    await ending.wait()
    took, cpu = time.monotonic() - begun, server.cpu_seconds() - cpu
    longest = server.longest_turn_ms()
    told = [one.tokens - was[0] for one, was in zip(readers, before, strict=True)]
    published = sum(one.publications - was[1] for one, was in zip(readers, before, strict=True))
    lags = sorted(lag * 1000 for one in readers for at, lag in one.lags if at >= begun)
    return Figures(
        len(readers), took, min(told) / took, statistics.mean(told) / took, published / took,
        lags[len(lags) // 2], lags[len(lags) * 99 // 100], lags[-1], cpu / took, longest,
    )  # fmt: skip


async def _read(session: ClientSession, reader: Reader, room: asyncio.Semaphore) -> None:
    """Be a widget: open a conversation, listen, ask, read the answer to its end."""
    token = jwt.encode({"sub": reader.user, "exp": int(time.time()) + 3600}, TOKEN_SECRET, "HS256")
    headers = {"Authorization": f"Bearer {token}"}
    async with contextlib.AsyncExitStack() as stack:
        async with room:
            async with session.post("/v1/me/conversations", headers=headers, json={"locale": "en"}) as opened:
                opened.raise_for_status()
                conversation = await opened.json()
            socket = await stack.enter_async_context(session.ws_connect("/connection/websocket"))
            subscription = {"channel": conversation["channel"], "token": conversation["token"]}
            await socket.send_str(
                json.dumps({"id": 1, "connect": {"token": token}})
                + "\n"
                + json.dumps({"id": 2, "subscribe": subscription})
            )
            path = f"/v1/me/conversations/{conversation['id']}/turns"
            async with session.post(path, headers=headers, json={"text": QUESTION}) as asked:
                asked.raise_for_status()
        await _listen(socket, reader)


async def _listen(socket: ClientWebSocketResponse, reader: Reader) -> None:
    async for message in socket:
        now = time.monotonic()
        for line in message.data.splitlines():
            if line == "{}":
                await socket.send_str("{}")
                continue
            told = json.loads(line)
            if "error" in told:
                raise RuntimeError(line)
            data = told.get("push", {}).get("pub", {}).get("data", {})
            if data.get("type") == "turn.delta":
                reader.take(data["text"], now)
            elif data.get("type") == "turn" and data["turn"]["by"] == "assistant" and reader.tokens:
                reader.whole = not data["turn"]["streaming"] and len(data["turn"]["text"].split()) == TOKENS
                return


@contextlib.asynccontextmanager
async def _model() -> AsyncIterator[int]:
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "bench.model", str(TOKENS),
        stdout=asyncio.subprocess.PIPE, preexec_fn=lambda: prefer(CLIENT_CORE),
    )  # fmt: skip
    assert process.stdout is not None
    try:
        yield int(await process.stdout.readline())
    finally:
        process.kill()
        await process.wait()


if __name__ == "__main__":
    prefer(CLIENT_CORE)
    for row in asyncio.run(measure(int(sys.argv[1]) if len(sys.argv) > 1 else STREAMS)).rows():
        print(" | ".join(row))
