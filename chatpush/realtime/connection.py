"""One client's connection: who it is, what it reads, and its wire. No socket in sight."""

from collections.abc import Callable, Mapping

from chatpush.chance import random_uuid
from chatpush.domain import Json, TenantId, UserId
from chatpush.log.contract import ClientInfo, Log
from chatpush.realtime.catching_up import CatchUp
from chatpush.realtime.feed import Subscription
from chatpush.realtime.limits import Bucket
from chatpush.realtime.listening import Wire
from chatpush.realtime.protocol import codec, frames
from chatpush.realtime.protocol.codes import SLOW, Disconnect
from chatpush.realtime.traffic import Way


class Connection:
    """State of a connection. ``released(connection)`` is called once, when it is over."""

    __slots__ = (
        "_who", "bucket", "catch_up", "channels_left", "client", "closed", "closed_by", "connected", "expires_at",
        "fresh", "info", "labels", "meta", "name", "on_lost", "one_way", "pinged", "ponged", "released", "session_id",
        "subs", "tenant", "user", "version", "way", "wire",
    )  # fmt: skip

    def __init__(
        self,
        tenant: TenantId,
        wire: Wire,
        way: Way,
        source: Log,
        bucket: Bucket,
        lost: Callable[["Connection", Subscription], None],
        released: Callable[["Connection"], None],
    ) -> None:
        self.client = random_uuid()
        self.tenant = tenant
        self.wire = wire
        self.way = way
        self.bucket = bucket
        self.released = released
        self.on_lost = lost
        self.catch_up = CatchUp(source, self, way)
        self.user = UserId("")
        self.info: Json = None
        # What ``client_info`` said last: the same for most channels.
        self._who: ClientInfo | None = None
        self.meta: Json = None
        # By which the server API may choose it; None without.
        self.labels: Mapping[str, str] | None = None
        self.name = self.version = ""
        self.subs: dict[str, Subscription] = {}
        # Subscriptions whose reply is not written yet.
        self.fresh: list[Subscription] = []
        self.channels_left = 0
        self.connected = False
        self.closed = False
        self.closed_by: Disconnect | None = None
        # Seconds since 1970; None lives as long as the socket.
        self.expires_at: float | None = None
        # Where commands come by another request: the secret that names this session.
        self.session_id = ""
        # It can only listen: no commands, no pongs.
        self.one_way = False
        # Numbers of the last ping sent and the last one answered.
        self.pinged = self.ponged = 0

    def lost(self, subscription: Subscription) -> None:
        """The log has dropped what a subscription missed."""
        self.on_lost(self, subscription)

    def slow(self) -> None:
        """A channel's policy is not to wait for slow readers."""
        self.close(SLOW)

    def step_aside(self) -> None:
        """The wire is not free any more: no direct writes."""
        for subscription in self.subs.values():
            subscription.live.demote(subscription)

    def step_back(self) -> None:
        """The wire is free again."""
        for subscription in list(self.subs.values()):
            subscription.live.promote(subscription)

    def client_info(self, chan_info: Json = None) -> ClientInfo:
        """Return who this is, as others in a channel see it."""
        who = self._who
        if (
            who is None
            or who.conn_info is not self.info
            or who.chan_info is not chan_info
            or who.user != self.user
        ):
            who = self._who = ClientInfo(self.user, self.client, self.info, chan_info)
        return who

    def reply(self, reply: frames.Reply, kind: str) -> None:
        """Answer a command; ``kind`` is its method, or "error"."""
        self._write(codec.reply(reply), kind)

    def push(self, push: frames.Push, kind: str) -> None:
        """Tell the client something it did not ask; ``kind`` says what."""
        self._write(codec.push(push), kind)

    def ping(self) -> None:
        """Ask for a sign of life."""
        self.pinged += 1
        if self.one_way:
            self.ponged = self.pinged
        self._write(codec.PING, "ping")

    def _write(self, frame: codec.Frame, kind: str) -> None:
        if not self.closed:
            self.way.frame(kind, frame)
            self.wire.write(frame)

    def close(self, disconnect: Disconnect) -> None:
        """End the connection and say why."""
        if self.closed:
            return
        self.closed_by = disconnect
        self.release()
        self.wire.close(disconnect)

    def release(self) -> None:
        """Let go of everything; the socket is gone or going."""
        if self.closed:
            return
        self.closed = True
        self.catch_up.stop()
        self.released(self)
        self.subs.clear()
        self.fresh.clear()
