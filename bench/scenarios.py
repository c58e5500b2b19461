"""What is measured, each as one function of a running server."""

import asyncio
import statistics
import time
from dataclasses import dataclass

from bench.publishing import PADDING, Publisher, stamped
from bench.servers import KEY, Served
from bench.sockets import Crowd

SECONDS = 3.0
PATH = "/connection/websocket"
PUBLISHERS = 4


@dataclass(frozen=True, slots=True)
class Latency:
    """Milliseconds from publish to receipt."""

    p50: float
    p99: float


async def fan_out(server: Served, subscribers: int, window: int = 8) -> float:
    """Return deliveries per second to one channel with ``window`` publishes outstanding."""
    crowd = Crowd()
    await crowd.gather(server.port, PATH, "bench:crowd", subscribers)
    published = 0
    stop = time.monotonic() + SECONDS

    async def publish() -> None:
        nonlocal published
        publisher = Publisher(server.port, "/api/publish", {"X-API-Key": KEY})
        await publisher.open()
        while time.monotonic() < stop:
            while published * subscribers - crowd.delivered >= window * subscribers:
                crowd.moved.clear()
                await asyncio.wait_for(crowd.moved.wait(), 10)
            published += 1
            await publisher.post(stamped("bench:crowd"))
        publisher.close()

    began = time.monotonic()
    await asyncio.gather(*(publish() for _ in range(PUBLISHERS)))
    async with asyncio.timeout(20):
        while crowd.delivered < published * subscribers:
            crowd.moved.clear()
            await crowd.moved.wait()
    rate = crowd.delivered / (time.monotonic() - began)
    crowd.leave()
    return rate


async def latency(server: Served, subscribers: int = 1000, per_second: int = 10) -> Latency:
    """Return publish-to-receive latency at a low rate."""
    crowd = Crowd()
    await crowd.gather(server.port, PATH, "bench:calm", subscribers)
    publisher = Publisher(server.port, "/api/publish", {"X-API-Key": KEY})
    await publisher.open()
    for _ in range(int(SECONDS * per_second)):
        await publisher.post(stamped("bench:calm"))
        await asyncio.sleep(1 / per_second)
    publisher.close()
    crowd.leave()
    cuts = statistics.quantiles(crowd.latencies, n=100)
    return Latency(cuts[49], cuts[98])


async def idle_kib(server: Served, connections: int = 5000) -> float:
    """Return KiB of resident memory per idle, subscribed connection."""
    before = server.rss_kib()
    crowd = Crowd()
    await crowd.gather(server.port, PATH, "bench:idle", connections)
    per_connection = (server.rss_kib() - before) / connections
    crowd.leave()
    return per_connection


async def messages(server: Served, at_once: int = 32) -> float:
    """Return messages per second accepted by /v1/messages and seen in an open inbox."""
    secret = (server.directory / "secret").read_text(encoding="ascii")
    publisher = [
        Publisher(server.port, "/v1/messages", {"Authorization": f"Bearer {secret}"}) for _ in range(at_once)
    ]
    stop = time.monotonic() + SECONDS
    accepted = 0

    async def send(number: int, connection: Publisher) -> None:
        nonlocal accepted
        await connection.open()
        body = {"to": [{"user": f"u{number}"}], "content": {"title": "Hello", "body": PADDING}}
        while time.monotonic() < stop:
            status, answer = await connection.post(body)
            if status != 202:
                raise RuntimeError(f"{status}: {answer!r}")
            accepted += 1
        connection.close()

    began = time.monotonic()
    await asyncio.gather(*(send(number, connection) for number, connection in enumerate(publisher)))
    return accepted / (time.monotonic() - began)
