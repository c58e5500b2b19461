"""What is measured, each as one function of a running server.

A ``Dialect`` says how a server is talked to, so that the same generator
measures chatpush and what it is compared with.
"""

import asyncio
import json
import time
from dataclasses import dataclass, field

import jwt

from bench import crowd
from bench.servers import KEY, TOKEN_SECRET, Served

PADDING = "x" * 80
SECONDS = 3.0
API_HEADERS = f"X-API-Key: {KEY}\r\n"


def message(channel: str) -> str:
    """Return a publish request of about 128 bytes that carries its time of birth."""
    return f'{{"channel":"{channel}","data":{{"t":"%T","p":"{PADDING}"}}}}'


def push(channel: str) -> str:
    """Return the frame that chatpush would make of it, for servers that forward what is posted."""
    return f'{{"push":{{"channel":"{channel}","pub":{{"data":{{"t":"%T","p":"{PADDING}"}}}}}}}}'


def hello(channel: str, **connect: str) -> str:
    """Return the first commands of a client."""
    return f'{{"id":1,"connect":{json.dumps(connect)}}}\t{{"id":2,"subscribe":{{"channel":"{channel}"}}}}'


POLL_HELLO = ('"channels":[{"channel":"feed:poll"}]',)


@dataclass(frozen=True, slots=True)
class Dialect:
    """How a server is subscribed to and published to."""

    subscribe: dict[str, crowd.Value]
    publish: dict[str, crowd.Value]
    hellos: tuple[str, ...] = ()
    bodies: tuple[str, ...] = ()
    poll: dict[str, crowd.Value] = field(default_factory=dict)


PROTOCOL = Dialect(
    {"path": "/connection/websocket", "replies": 2},
    {"post": "/api/publish", "headers": API_HEADERS},
    (hello("bench:crowd"),),
    (message("bench:crowd"),),
)
PLAIN_C = Dialect({"path": "/", "replies": 0}, {"post": "/"}, (), (push("bench:crowd"),))
NCHAN = Dialect(
    {"path": "/sub?id=crowd", "replies": 0},
    {"post": "/pub?id=crowd"},
    (),
    (push("bench:crowd"),),
    {"path": "/sub?id=poll", "post": "/pub?id=poll", "pollstyle": "nchan"},
)


async def fan_out(server: Served, dialect: Dialect, subscribers: int, window: int) -> float:
    """Return deliveries per second to one channel with ``window`` publishes outstanding."""
    report = await crowd.crowd(
        "fanout", port=server.port, subs=subscribers, window=window, seconds=SECONDS,
        hellos=dialect.hellos, bodies=dialect.bodies, **dialect.subscribe, **dialect.publish,
    )  # fmt: skip
    _check(report)
    return report.delivered / report.took


async def latency(server: Served, dialect: Dialect, subscribers: int = 1000) -> crowd.Report:
    """Return publish-to-receive latency at ten publishes a second."""
    report = await crowd.crowd(
        "latency", port=server.port, subs=subscribers, rate=10, seconds=SECONDS, posters=1,
        hellos=dialect.hellos, bodies=dialect.bodies, **dialect.subscribe, **dialect.publish,
    )  # fmt: skip
    _check(report)
    return report


async def idle_kib(server: Served, dialect: Dialect, connections: int = 10_000) -> float:
    """Return KiB of resident memory per idle, subscribed connection."""
    before = server.rss_kib()
    async with crowd.staying(
        "idle", port=server.port, subs=connections, hellos=dialect.hellos, **dialect.subscribe
    ):
        return (server.rss_kib() - before) / connections


async def connects(server: Served, connections: int = 5000) -> float:
    """Return connections per second: handshake, JWT, one subscribe."""
    report = await crowd.crowd(
        "connect", port=server.port, subs=connections, path="/connection/websocket", replies=2, atonce=200,
        hellos=[hello("bench:crowd", token=token(f"u{number}")) for number in range(connections)],
    )  # fmt: skip
    return connections / report.connecting


async def polls_kib(server: Served, dialect: Dialect, polls: int = 10_000) -> float:
    """Return KiB of resident memory per held long-poll."""
    before = server.rss_kib()
    async with crowd.staying(
        "poll", port=server.port, subs=polls, posters=0, hellos=POLL_HELLO, **_polling(dialect)
    ):
        return (server.rss_kib() - before) / polls


async def wake_ups(server: Served, dialect: Dialect, polls: int = 1000) -> float:
    """Return answers per second to held long-polls, one publish at a time."""
    report = await crowd.crowd(
        "poll", port=server.port, subs=polls, window=1, posters=1, seconds=SECONDS,
        bodies=[message("feed:poll")] if not dialect.poll else [push("poll")], hellos=POLL_HELLO, **_polling(dialect),
    )  # fmt: skip
    return report.delivered / report.took


def _polling(dialect: Dialect) -> dict[str, crowd.Value]:
    own: dict[str, crowd.Value] = {
        "path": "/connection/poll", "post": "/api/publish", "headers": API_HEADERS, "pollstyle": "chatpush",
    }  # fmt: skip
    return dialect.poll or own


async def post(
    server: Served,
    path: str,
    body: str,
    *,
    outstanding: int = 32,
    headers: str = API_HEADERS,
    bodies: tuple[str, ...] = (),
) -> crowd.Report:
    """Return what so many keep-alive connections get done; ``posted`` counts requests."""
    report = await crowd.crowd(
        "post", port=server.port, subs=0, posters=outstanding, seconds=SECONDS,
        post=path, headers=headers, bodies=bodies or (body,),
    )  # fmt: skip
    if report.failed:
        raise RuntimeError(f"{path}: {report.failed} requests failed")
    return report


async def publishes(server: Served, channel: str = "bench:nobody", outstanding: int = 32) -> float:
    """Return publishes per second, one a request."""
    report = await post(server, "/api/publish", message(channel), outstanding=outstanding)
    return report.posted / report.took


async def batches(server: Served, channel: str = "bench:nobody") -> float:
    """Return messages per second in batches of a hundred."""
    body = ",".join(f'{{"publish":{message(channel)}}}' for _ in range(100))
    report = await post(server, "/api/batch", f'{{"commands":[{body}],"parallel":true}}', outstanding=8)
    return 100 * report.posted / report.took


async def unicast(server: Served, batch: int = 1, channels: int = 5000) -> float:
    """Return messages per second to as many personal channels, one subscriber each, received."""
    names = [f"bench:p{number}" for number in range(channels)]
    singles = [message(name) for name in names]
    if batch > 1:
        groups = [singles[start : start + batch] for start in range(0, channels, batch)]
        bodies = [
            '{"commands":[' + ",".join(f'{{"publish":{one}}}' for one in group) + "]}" for group in groups
        ]
    else:
        bodies = singles
    report = await crowd.crowd(
        "unicast", port=server.port, subs=channels, path="/connection/websocket", replies=2, posters=32,
        window=64 if batch == 1 else 16 * batch, each=batch, seconds=SECONDS, headers=API_HEADERS,
        post="/api/publish" if batch == 1 else "/api/batch", hellos=map(hello, names), bodies=bodies,
    )  # fmt: skip
    _check(report)
    return report.delivered / report.took


async def unicast_nchan(server: Served, channels: int = 5000) -> float:
    """Return the same of nchan, which knows no batches."""
    report = await crowd.crowd(
        "unicast", port=server.port, subs=channels, path="/sub?id=p%N", replies=0, posters=32, window=64,
        seconds=SECONDS, post="/pub?id=p%N", bodies=[push("p")],
    )  # fmt: skip
    _check(report)
    return report.delivered / report.took


async def storm(server: Served, clients: int = 10_000) -> float:
    """Return seconds until as many clients are back with ten missed publications each."""
    await crowd.crowd(
        "connect", port=server.port, subs=1, path="/connection/websocket", replies=2,
        hellos=[hello("durable:storm")],
    )  # fmt: skip
    for _ in range(10):
        await post_once(server, "/api/publish", message("durable:storm").replace("%T", "0"))
    back = (
        '{"id":1,"connect":{}}\t'
        '{"id":2,"subscribe":{"channel":"durable:storm","recover":true,"offset":0,"epoch":""}}'
    )
    report = await crowd.crowd(
        "connect", port=server.port, subs=clients, path="/connection/websocket", replies=2, atonce=1000,
        hellos=[back],
    )  # fmt: skip
    return report.connecting


async def post_once(server: Served, path: str, body: str, headers: str = API_HEADERS) -> bytes:
    """Post once and return the answer."""
    reader, writer = await asyncio.open_connection("127.0.0.1", server.port)
    writer.write(
        f"POST {path} HTTP/1.1\r\nHost: b\r\nContent-Type: application/json\r\nConnection: close\r\n{headers}"
        f"Content-Length: {len(body)}\r\n\r\n{body}".encode()
    )
    answer = await reader.read()
    writer.close()
    if not answer.startswith(b"HTTP/1.1 2"):
        raise RuntimeError(answer.decode(errors="replace")[:400])
    return answer


def _messages(title: str, users: int) -> tuple[str, ...]:
    """Return a message to each of so many users; ``title`` is the content's first part, in JSON."""
    return tuple(
        f'{{"to":[{{"user":"u{number}"}}],"content":{{{title},"body":"{PADDING}"}}}}'
        for number in range(users)
    )


async def messages_accepted(server: Served, users: int = 64) -> crowd.Report:
    """Return how fast /v1/messages accepts."""
    return await post(
        server, "/v1/messages", "", headers=server.bearer(), bodies=_messages('"title":"%T"', users)
    )


async def messages_seen(server: Served, users: int = 64) -> crowd.Report:
    """Return how late messages appear in the open pages."""
    opened = tuple(f'{{"id":1,"connect":{json.dumps({"token": token(f"u{n}")})}}}' for n in range(users))
    return await crowd.crowd(
        "latency", port=server.port, subs=users, path="/connection/websocket", replies=1, posters=1, rate=50,
        everybody=1, seconds=SECONDS, post="/v1/messages", headers=server.bearer(), hellos=opened,
        bodies=_messages('"title":"hello","data":{"t":"%T"}', users),
    )  # fmt: skip


def token(user: str) -> str:
    """Return a user's token."""
    return jwt.encode({"sub": user, "exp": int(time.time()) + 3600}, TOKEN_SECRET, algorithm="HS256")


def _check(report: crowd.Report) -> None:
    if report.missing or report.failed:
        raise RuntimeError(f"{report.missing} deliveries are missing, {report.failed} connections failed")
