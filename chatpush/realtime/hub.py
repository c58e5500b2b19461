"""The door to realtime for the rest of chatpush; only what is behind it writes to connections."""

import fnmatch
import secrets
from collections import Counter
from dataclasses import dataclass
from datetime import datetime
from functools import partial

from chatpush.clock import Clock
from chatpush.domain import Json, TenantId, UserId, new_id
from chatpush.log.contract import Cursor, Draft, Log, Slice
from chatpush.plugins.host import Plugins
from chatpush.realtime import commands, subscribing
from chatpush.realtime.channels import Channels
from chatpush.realtime.connection import Connection
from chatpush.realtime.emulation import Emulation
from chatpush.realtime.feed import Subscription
from chatpush.realtime.heartbeat import EXPIRY_GRACE_SECONDS, Heartbeat
from chatpush.realtime.identity.tokens import Tokens
from chatpush.realtime.leaving import send_away
from chatpush.realtime.limits import Bucket, UserRates
from chatpush.realtime.listening import Wire
from chatpush.realtime.moves import Chosen, Moves
from chatpush.realtime.namespaces import Namespaces
from chatpush.realtime.neighbours import Neighbours
from chatpush.realtime.node import Node
from chatpush.realtime.polls.polling import Polling
from chatpush.realtime.positions import Positions
from chatpush.realtime.protocol import codec, frames
from chatpush.realtime.protocol.codes import (
    CONNECTION_CLOSED,
    CONNECTION_EXPIRED,
    FORCE_DISCONNECT,
    INSUFFICIENT_STATE,
    SHUTDOWN,
    STATE_LOST,
    SUBSCRIPTION_ENDED,
    SUBSCRIPTION_EXPIRED,
    Disconnect,
)
from chatpush.realtime.registry import Registry, UserListener
from chatpush.realtime.rpc import Rpc
from chatpush.realtime.session import Session
from chatpush.realtime.traffic import Traffics
from chatpush.realtime.wires import OneWayWire, ProtobufWire
from chatpush.settings import Settings
from chatpush.store.vault import derived_key


@dataclass(frozen=True, slots=True)
class HubCounts:
    """How busy this node is."""

    connections: int
    users: int
    channels: int
    subscriptions: int


class Hub:
    """Publishes, looks back, sees who is there, and moves connections of this node.

    ``secret`` signs what any node may be shown again: poll grants and names of
    nodes; those that share it take each other's. Without one it is random.
    """

    def __init__(
        self,
        settings: Settings,
        source: Log,
        namespaces: Namespaces,
        tokens: Tokens,
        plugins: Plugins,
        clock: Clock,
        rpc: Rpc | None = None,
        secret: bytes = b"",
    ) -> None:
        secret = secret or secrets.token_bytes(32)
        self._settings = settings.client
        server = settings.server
        self._leaving_seconds = min(server.drain_spread_seconds, server.drain_seconds / 2)
        self._log = source
        self._registry = Registry(clock)
        self.traffic = Traffics()
        self._channels = Channels(source, namespaces, clock, self.traffic)
        self._rates = UserRates(settings.client.user_commands_per_second, clock)
        self._registry.on_disconnect.append(self._rates.forget)
        self._heartbeat = Heartbeat(settings.client, clock, self._expired, self._registry.sweep)
        self.rpc = rpc or Rpc(plugins)
        neighbours, name = Neighbours(derived_key(secret, "nodes")), new_id("node")
        known_as = neighbours.name(name, server.node_url)
        self._node = Node(
            name, known_as, settings.client, clock, source, namespaces, self._channels, self._registry,
            self._heartbeat, tokens, plugins, self.rpc, self.traffic, self._rates,
        )  # fmt: skip
        self.polling = Polling(self._node, derived_key(secret, "poll grants"))
        self.moves = Moves(self._node, self.polling)
        # Many at once need no task each: see there.
        self.submit = self._channels.submit
        self.written = self._channels.written
        self.blocks = tokens.blocks
        self.emulation = Emulation(known_as, neighbours)
        self.positions = Positions(self._channels, source, settings.channel.position_check_seconds)
        self.accepting = True
        self._began = clock.monotonic()
        self._clock = clock

    @property
    def name(self) -> str:
        """This node's name."""
        return self._node.name

    @property
    def on_connect(self) -> list[UserListener]:
        """Called with (tenant, user) when a user's first connection comes."""
        return self._registry.on_connect

    @property
    def on_disconnect(self) -> list[UserListener]:
        """Called with (tenant, user) when a user's last connection is gone."""
        return self._registry.on_disconnect

    async def start(self) -> None:
        """Begin to watch over connections."""
        self._heartbeat.start()
        self.positions.start()

    async def stop(self) -> None:
        """Drain, and watch no more."""
        await self.drain()
        await self.polling.stop()
        await self.positions.stop()
        await self._heartbeat.stop()

    async def drain(self) -> None:
        """Accept nobody, answer waiting polls, and send every client to another node, one after the other."""
        self.accepting = False
        goodbyes = [partial(connection.close, SHUTDOWN) for connection in self._registry.open]
        await send_away([*goodbyes, *self.polling.drain()], self._leaving_seconds)

    def open(self, tenant: TenantId, wire: Wire, transport: str, *, protobuf: bool = False) -> Session:
        """Return the session of a new socket; call its ``ended`` when the socket is gone.

        ``transport`` is the name its traffic is counted under.
        """
        wire = ProtobufWire(wire) if protobuf else wire
        settings, now = self._settings, self._clock.monotonic()
        bucket = Bucket(settings.commands_per_second, 2 * settings.commands_per_second, now)
        way = self.traffic[tenant].way(transport, binary=protobuf)
        connection = Connection(tenant, wire, way, self._log, bucket, self._lost, self._released)
        connection.channels_left = settings.max_channels + 1
        self._registry.open.add(connection)
        self._heartbeat.opened(connection)
        return Session(self._node, connection, codec.decode_protobuf if protobuf else codec.decode)

    def open_one_way(self, tenant: TenantId, wire: Wire, transport: str) -> Session:
        """Return the session of a transport that only goes to the client; ``introduce`` it."""
        session = self.open(tenant, OneWayWire(wire), transport)
        session.connection.session_id = secrets.token_urlsafe(24)
        return session

    def full(self) -> bool:
        """Return whether another connection would be too many, or this node is going."""
        return not self.accepting or self._registry.connections >= self._settings.max_connections

    async def publish(
        self,
        tenant: TenantId,
        channel: str,
        data: bytes | Json,
        *,
        tags: dict[str, str] | None = None,
        key: str = "",
        idempotency_key: str = "",
        version: int = 0,
        version_epoch: str = "",
        skip_history: bool = False,
        delta: bool = False,
    ) -> Cursor:
        """Publish to a channel and return the position; the acknowledgement is as durable as the channel.

        ``data`` is JSON: as bytes already encoded, else a value. ``skip_history``
        shows it only to who is there now, and has no position.

        Raises:
            NotFound: no such namespace.
            InvalidInput: no possible name, or the bytes are not JSON.
            Unavailable: too much is waiting for the disk.
        """
        encoded = codec.compact(data) if isinstance(data, bytes) else codec.encode(data)
        draft = Draft(encoded, None, tags or None, key, idempotency_key, version, version_epoch, delta)
        return await self.put(tenant, channel, draft, skip_history=skip_history)

    async def put(
        self, tenant: TenantId, channel: str, draft: Draft, *, skip_history: bool = False
    ) -> Cursor:
        """Publish a draft as ``publish`` does; its data is checked JSON on one line."""
        return await self._channels.publish(tenant, channel, draft, skip_history=skip_history)

    async def history(
        self,
        tenant: TenantId,
        channel: str,
        limit: int,
        since: Cursor | None = None,
        reverse: bool = False,
    ) -> Slice:
        """Return retained publications, as ``Log.history`` does.

        Raises:
            NotFound: no such namespace.
            CursorLost: ``since`` is of another epoch.
        """
        self._node.namespaces.options(channel)
        return await self._log.history(tenant, channel, limit, since, reverse)

    async def history_remove(self, tenant: TenantId, channel: str) -> None:
        """Drop a channel's publications; its position stays."""
        self._node.namespaces.options(channel)
        await self._log.remove(tenant, channel)

    def presence(self, tenant: TenantId, channel: str) -> dict[str, frames.ClientInfo]:
        """Return who is subscribed, by client id."""
        return commands.present(self._channels.find(tenant, channel))

    def presence_stats(self, tenant: TenantId, channel: str) -> frames.PresenceStatsResult:
        """Return how many are subscribed."""
        return commands.stats(self._channels.find(tenant, channel))

    def options_presence(self, channel: str) -> bool:
        """Return whether the channel keeps presence."""
        return self._node.namespaces.options(channel).presence

    def is_online(self, tenant: TenantId, user: UserId) -> bool:
        """Return whether the user is connected or polling."""
        return self._registry.is_online(tenant, user)

    def online(self) -> list[tuple[TenantId, UserId]]:
        """Return (tenant, user) of everybody who is here now."""
        return self._registry.online()

    def connections_by_tenant(self) -> Counter[TenantId]:
        """Return how many connections each tenant has on this node, for its bill."""
        return self._registry.by_tenant()

    def counts(self) -> HubCounts:
        """Return how busy this node is."""
        return HubCounts(
            self._registry.connections,
            self._registry.users,
            len(self._channels),
            self._channels.subscriptions,
        )

    def now(self) -> datetime:
        """Return this node's time."""
        return self._clock.now()

    def monotonic(self) -> float:
        """Return this node's clock that never goes back."""
        return self._clock.monotonic()

    def uptime_seconds(self) -> float:
        """Return how long this node has been up."""
        return self._clock.monotonic() - self._began

    def active_channels(self, tenant: TenantId, pattern: str = "") -> dict[str, int]:
        """Return the tenant's live channels whose name fits the pattern, with their subscribers."""
        return {
            live.name: len(live.subscriptions)
            for live in self._channels.names(tenant)
            if live.subscriptions and (not pattern or fnmatch.fnmatchcase(live.name, pattern))
        }

    def subscriptions_by_namespace(self) -> Counter[tuple[TenantId, str]]:
        """Return how many subscriptions each tenant's namespaces have on this node."""
        found: Counter[tuple[TenantId, str]] = Counter()
        for live in self._channels.everywhere():
            found[live.tenant, live.namespace] += len(live.subscriptions)
        return found

    def polls_by_tenant(self) -> Counter[TenantId]:
        """Return how many long-polls of each tenant wait on this node."""
        return Counter(self._registry.held)

    def slow_by_tenant(self) -> Counter[TenantId]:
        """Return how many connections of each tenant are catching up."""
        return Counter(one.tenant for one in self._registry.open if one.catch_up.busy)

    def channels_by_namespace(self) -> Counter[tuple[TenantId, str]]:
        """Return how many channels of each tenant's namespaces have a reader on this node."""
        return Counter((live.tenant, live.namespace) for live in self._channels.everywhere())

    async def disconnect(
        self,
        tenant: TenantId,
        user: UserId,
        code: int = FORCE_DISCONNECT.code,
        reason: str = FORCE_DISCONNECT.reason,
        *,
        client: str = "",
        whitelist: tuple[str, ...] = (),
    ) -> int:
        """Close a user's connections (or the one ``client``), sparing the whitelist; return how many."""
        chosen = Chosen(user, client)
        return await self.moves.disconnect(tenant, chosen, Disconnect(code, reason), whitelist)

    def _released(self, connection: Connection) -> None:
        code = (connection.closed_by or CONNECTION_CLOSED).code
        self.traffic[connection.tenant].disconnects[code] += 1
        for sub in list(connection.subs.values()):
            self._channels.remove(sub)
        self._registry.remove(connection)

    def _lost(self, connection: Connection, sub: Subscription) -> None:
        """The log has dropped what a subscriber missed: tell it, so that it starts anew."""
        if sub.server_side:
            connection.close(INSUFFICIENT_STATE)
        else:
            subscribing.end(self._node, connection, sub, STATE_LOST)

    def _expired(self, connection: Connection, channel: str) -> None:
        """Its time may be over, unless it was refreshed meanwhile."""
        moment = self._node.now() - EXPIRY_GRACE_SECONDS
        if not channel:
            if connection.expires_at is not None and connection.expires_at <= moment:
                connection.close(CONNECTION_EXPIRED)
            return
        sub = connection.subs.get(channel)
        if sub is None or sub.expires_at is None or sub.expires_at > moment:
            return
        if sub.server_side:
            connection.close(SUBSCRIPTION_EXPIRED)
        else:
            subscribing.end(self._node, connection, sub, SUBSCRIPTION_ENDED)
