"""A realtime node for tests: the hub on an embedded log, a wire that remembers, a server on loopback."""

import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from typing import Any

from aiohttp import web

from chatpush.clock import Clock
from chatpush.domain import DEFAULT_TENANT, Identity, IdentityKind, TenantId, UserId
from chatpush.errors import Unauthenticated
from chatpush.log.embedded import EmbeddedLog
from chatpush.plugins.host import Plugins
from chatpush.realtime.hub import Hub
from chatpush.realtime.identity.tokens import Tokens
from chatpush.realtime.namespaces import Namespaces
from chatpush.realtime.protocol.codec import Frame
from chatpush.realtime.protocol.codes import Disconnect
from chatpush.realtime.session import Session
from chatpush.settings import Settings
from chatpush.web.http import server
from chatpush.web.realtime_api import server_api
from chatpush.web.transports import one_way, poll, streams, websocket
from tests.log.logs import MASKING
from tests.waiting import until

SECRET = "a secret of the default tenant, long enough"
API_KEY = "api-key"
NAMESPACES: list[dict[str, Any]] = [
    {"name": "open", "durability": "memory", "allow_subscribe_for_client": True,
     "allow_publish_for_client": True},
    {"name": "news", "history_size": 100, "allow_subscribe_for_client": True,
     "allow_subscribe_for_anonymous": True, "force_recovery": True, "allow_history_for_subscriber": True},
    {"name": "short", "history_size": 3, "allow_subscribe_for_client": True, "force_recovery": True},
    {"name": "room", "durability": "memory", "history_size": 10, "allow_subscribe_for_client": True,
     "presence": True, "join_leave": True, "force_push_join_leave": True,
     "allow_presence_for_subscriber": True, "allow_publish_for_subscriber": True},
    {"name": "latest", "durability": "memory", "history_size": 10, "slow": "latest",
     "allow_subscribe_for_client": True},
    {"name": "strict", "durability": "memory", "history_size": 10, "slow": "disconnect",
     "allow_subscribe_for_client": True},
    {"name": "cache", "durability": "memory", "history_size": 1, "force_recovery": True,
     "force_recovery_mode": "cache", "allow_subscribe_for_client": True},
    {"name": "diff", "history_size": 100, "allow_subscribe_for_client": True, "force_recovery": True,
     "allowed_delta_types": ["fossil"], "delta_publish": True},
    {"name": "asked", "durability": "memory", "allow_subscribe_for_client": True,
     "allowed_delta_types": ["fossil"]},
    {"name": "tagged", "history_size": 100, "allow_subscribe_for_client": True, "force_recovery": True,
     "allow_tags_filter": True, "allow_channel_compaction": True},
    {"name": "private", "durability": "memory", "history_size": 10, "force_recovery": True},
]  # fmt: skip


class MemoryWire:
    """A wire that keeps what was written; may be told to be slow."""

    def __init__(self) -> None:
        self.messages: list[dict[str, Any]] = []
        self.closed: Disconnect | None = None
        self.slow = False

    def write(self, frame: Frame) -> None:
        assert self.closed is None, "written after the close"
        self.messages += [json.loads(line) for line in frame.payload.split(b"\n")]

    def congested(self) -> bool:
        return self.slow

    async def drained(self) -> None:
        await until(lambda: not self.slow or self.closed is not None)

    def close(self, disconnect: Disconnect) -> None:
        self.closed = disconnect

    def pushes(self, kind: str = "pub") -> list[dict[str, Any]]:
        """Return what was pushed, of one kind."""
        return [m["push"] for m in self.messages if "push" in m and kind in m["push"]]

    def data(self, channel: str) -> list[Any]:
        """Return the data of a channel's publications: pushed, and recovered in replies, in order."""
        found: list[Any] = []
        for message in self.messages:
            if message.get("push", {}).get("channel") == channel and "pub" in message["push"]:
                found.append(message["push"]["pub"]["data"])
            found += [pub["data"] for pub in message.get("subscribe", {}).get("publications", [])]
            result = message.get("connect", {}).get("subs", {}).get(channel, {})
            found += [pub["data"] for pub in result.get("publications", [])]
        return found


@dataclass
class RealtimeNode:
    """A hub with everything behind it."""

    hub: Hub
    log: EmbeddedLog
    tokens: Tokens
    settings: Settings
    clock: Clock
    plugins: Plugins
    sessions: list[Session] = field(default_factory=list)

    async def token(self, user: str, **more: Any) -> str:
        return await self.tokens.issue_connection(DEFAULT_TENANT, UserId(user), more.pop("ttl", None), **more)

    async def sub_token(self, user: str, channel: str, ttl: timedelta | None = None) -> str:
        return await self.tokens.issue_subscription(DEFAULT_TENANT, UserId(user), channel, ttl)

    async def client(self, user: str = "", *, wire: MemoryWire | None = None, **connect: Any) -> "Client":
        """Return a connected client on a memory wire; anonymous without a user."""
        client = self.raw_client(wire)
        if user:
            connect["token"] = await self.token(user)
        await client.ask(connect=connect)
        return client

    def raw_client(self, wire: MemoryWire | None = None, tenant: TenantId = DEFAULT_TENANT) -> "Client":
        wire = wire or MemoryWire()
        session = self.hub.open(tenant, wire, "websocket")
        self.sessions.append(session)
        return Client(session, wire)


class Client:
    """A client on a memory wire."""

    def __init__(self, session: Session, wire: MemoryWire) -> None:
        self.session = session
        self.wire = wire
        self._id = 0

    async def ask(self, **command: Any) -> dict[str, Any]:
        """Send one command and return its reply (empty if the connection was closed instead)."""
        self._id += 1
        await self.session.receive(json.dumps({"id": self._id, **command}))
        found: dict[str, Any] = next((m for m in self.wire.messages if m.get("id") == self._id), {})
        return found

    async def subscribe(self, channel: str, **more: Any) -> dict[str, Any]:
        reply = await self.ask(subscribe={"channel": channel, **more})
        result: dict[str, Any] = reply.get("subscribe", reply)
        return result


async def secret_of(tenant: TenantId) -> str:
    return {"default": SECRET, "other": SECRET[::-1]}.get(tenant, "")


@asynccontextmanager
async def realtime_node(
    directory: Path,
    clock: Clock,
    plugins: Plugins | None = None,
    tails_kept: int = 1000,
    spaces: list[dict[str, Any]] = NAMESPACES,
    node_url: str = "",
    **client: Any,
) -> AsyncIterator[RealtimeNode]:
    """Run a node; ``client`` are settings below ``client``. All nodes of a test share one secret."""
    settings = Settings.model_validate(
        {
            "client": {"insecure": True, **client},
            "channel": {"namespaces": spaces},
            "server": {"node_url": node_url},
        }
    )
    namespaces = Namespaces(settings.channel)
    log = EmbeddedLog(
        directory / "log.db",
        namespaces.retention,
        MASKING,
        clock,
        synchronous="NORMAL",
        tails_kept=tails_kept,
    )
    await log.start()
    tokens = Tokens(settings.client.token, secret_of, clock)
    plugins = plugins or Plugins()
    hub = Hub(settings, log, namespaces, tokens, plugins, clock, secret=SECRET.encode())
    await hub.start()
    try:
        yield RealtimeNode(hub, log, tokens, settings, clock, plugins)
    finally:
        await hub.stop()
        await log.stop()


@asynccontextmanager
async def serving(node: RealtimeNode, port: int = 0, *, own: bool = True) -> AsyncIterator[str]:
    """Serve a node on a free loopback port, or a certain one; yields ``host:port``.

    ``own`` False leaves WebSockets to aiohttp, as over TLS.
    """

    async def bearer_of(request: web.Request) -> Identity:
        key = request.query.get("key") or request.headers.get("X-Chatpush-Key", "")
        if key not in ("", "pk_default", "pk_other"):
            raise Unauthenticated("unknown publishable key")
        return Identity(TenantId(key.removeprefix("pk_") or "default"), IdentityKind.ANONYMOUS, key)

    async def tenant_of(request: web.Request) -> TenantId:
        return (await bearer_of(request)).tenant

    async def identify(_request: web.Request) -> Identity:
        return Identity(DEFAULT_TENANT, IdentityKind.ANONYMOUS)

    async def identify_key(key: str) -> Identity:
        if key != "sk_reader":
            raise Unauthenticated("unknown key")
        return Identity(DEFAULT_TENANT, IdentityKind.KEY, "reader", frozenset({"realtime:read"}))

    app = server.build([], {}, identify, node.settings)
    sockets = websocket.add_routes(app, node.hub, node.settings.client, tenant_of, own=own)
    poll.add_routes(app, node.hub, node.settings.client, bearer_of)
    streams.add_routes(app, node.hub, node.settings.client, tenant_of)
    one_way.add_routes(app, node.hub, node.settings.client, tenant_of, sockets)
    server_api.add_routes(app, node.hub, API_KEY, identify_key, DEFAULT_TENANT, "test")
    runner = web.AppRunner(app, shutdown_timeout=2)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", port, backlog=4096)
    await site.start()
    host, port = runner.addresses[0][:2]
    try:
        yield f"{host}:{port}"
    finally:
        await runner.cleanup()
