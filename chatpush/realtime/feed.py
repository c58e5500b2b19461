"""A subscriber is a cursor, not a queue.

A ``Subscription`` stands at an offset. While it is in step, the channel's
next frame is written to its wire and it moves on. Whoever can't keep up (a
full write buffer, a recovery longer than one reply) is behind: its
connection's one ``CatchUp`` (``catching_up.py``) reads on from the log when the wire is writable
again, by the channel's policy, until it is in step.
"""

import asyncio
from collections.abc import Set as AbstractSet
from socket import SocketType
from typing import Protocol, cast

import structlog

from chatpush.domain import TenantId, UserId
from chatpush.log.contract import ClientInfo, Cursor, Publication
from chatpush.realtime.listening import DirectWire, Listener, Wire
from chatpush.realtime.protocol import codec
from chatpush.realtime.shapes import Shape
from chatpush.realtime.traffic import Way
from chatpush.settings import ChannelOptions

log = structlog.get_logger(__name__)

NOBODY: "frozenset[Listener]" = frozenset()


class LiveChannel:
    """The part of a channel that lives on this node.

    Subscribers whose wire is direct and who stand exactly at the channel's top
    are ``direct``: they share its position, and whatever is published within
    one turn of the loop goes to each of them in one write. All others take
    frame by frame.
    """

    __slots__ = (
        "_pending", "direct", "epoch", "last", "listeners", "name", "number", "options", "positioned",
        "subscriptions", "tenant", "top",
    )  # fmt: skip

    def __init__(self, tenant: TenantId, name: str, options: ChannelOptions) -> None:
        self.tenant = tenant
        self.name = name
        self.options = options
        self.positioned = options.history_size > 0
        self.subscriptions: dict[str, Subscription] = {}
        self.listeners: AbstractSet[Listener] = NOBODY
        # The newest offset heard of since somebody is here, and its epoch.
        self.top = 0
        self.epoch = ""
        # The newest publication where deltas are allowed, for the next delta to build on.
        self.last: Publication | None = None
        # Stands for its name where that was agreed on.
        self.number = 0
        # By socket; None while empty: most channels have few subscribers.
        self.direct: dict[SocketType, Subscription] | None = None
        # What this turn of the loop has brought, for those who are direct.
        self._pending: list[codec.Frame] | None = None

    @property
    def namespace(self) -> str:
        """The part of its name before the colon; nothing if it has none."""
        return self.name.partition(":")[0] if ":" in self.name else ""

    @property
    def empty(self) -> bool:
        """Whether nobody is here."""
        return not self.subscriptions and not self.listeners

    def add(self, subscription: "Subscription") -> None:
        """Register a subscriber; it takes nothing before it settles."""
        self.subscriptions[subscription.client] = subscription

    def remove(self, subscription: "Subscription") -> bool:
        """Forget a subscriber, with what was published until now; return whether it was here."""
        if self.subscriptions.get(subscription.client) is not subscription:
            return False
        self.flush()
        self._demote(subscription)
        del self.subscriptions[subscription.client]
        return True

    def listen(self, listener: Listener) -> None:
        """Wake a long-poll on every publication."""
        if isinstance(self.listeners, set):
            self.listeners.add(listener)
        else:
            self.listeners = {listener}

    def stop_listening(self, listener: Listener) -> None:
        """Forget a long-poll."""
        if isinstance(self.listeners, set):
            self.listeners.discard(listener)

    def deliver(self, epoch: str, offset: int, frame: codec.PublicationFrame) -> None:
        """Give everybody in step the channel's next frame."""
        if epoch != self.epoch or offset != self.top + 1:
            self._jump(epoch, offset)
        elif self.direct:
            self._queue(frame)
        self.top, self.epoch = max(offset, self.top if epoch == self.epoch else 0), epoch
        for subscription in self._others():
            subscription.take(epoch, offset, frame)

    def pass_by(self, frame: codec.PublicationFrame) -> None:
        """Show everybody in step a frame that no log keeps; who is slow misses it."""
        if self.direct:
            self._queue(frame)
        for subscription in self._others():
            if subscription.in_step and not subscription.wire.congested():
                subscription.show(frame)

    def promote(self, subscription: "Subscription") -> None:
        """Write directly to a subscriber from now on, if it stands at the top and its wire is free."""
        socket: SocketType | None = getattr(subscription.wire, "direct", None)
        if socket is None or subscription.shape is not None or not subscription.in_step:
            return
        if not self.direct and self.top <= subscription.offset:
            self.top, self.epoch = subscription.offset, subscription.epoch
        if subscription.offset != self.top or subscription.epoch != self.epoch:
            return
        if cast(DirectWire, subscription.wire).unsent():
            return
        self.flush()
        if self.direct is None:
            self.direct = {}
        self.direct[socket] = subscription
        subscription.socket = socket

    def demote(self, subscription: "Subscription") -> None:
        """Its wire is not free any more: it takes frame by frame, from the channel's top on.

        What waits for this turn's end goes into its buffer: its socket must not
        be written to around it.
        """
        if not self._demote(subscription):
            return
        if self._pending:
            cast(DirectWire, subscription.wire).rest(_as_written(self._pending))

    def flush(self) -> None:
        """Write what this turn of the loop has brought, one write for each who is direct."""
        pending, self._pending = self._pending, None
        if not pending or not self.direct:
            return
        data = _as_written(pending)
        size = len(data)
        self._count(pending)
        left: list[tuple[SocketType, int]] = []
        for socket in self.direct:
            try:
                if (sent := socket.send(data)) == size:
                    continue
            except BlockingIOError:
                sent = 0
            except OSError:
                sent = -1
            left.append((socket, sent))
        for socket, sent in left:
            found = self.direct.get(socket) if self.direct else None
            if found is not None:
                found.finish_write(data, sent)

    def _queue(self, frame: codec.Frame) -> None:
        if self._pending is None:
            self._pending = []
            asyncio.get_running_loop().call_soon(self.flush)
        self._pending.append(frame)

    def _count(self, written: list[codec.Frame]) -> None:
        """Count what goes to everybody who is direct; they are all of one transport."""
        if self.direct:
            way, readers = next(iter(self.direct.values())).catch_up.way, len(self.direct)
            size = sum(len(frame.payload) for frame in written)
            way.count("publication", size * readers, len(written) * readers)

    def _jump(self, epoch: str, offset: int) -> None:
        """This is not the next publication: known already, or something was missed."""
        if not self.direct or (epoch == self.epoch and offset <= self.top):
            return
        self.flush()
        for subscription in list(self.direct.values()):
            self.demote(subscription)

    def _demote(self, subscription: "Subscription") -> bool:
        if subscription.socket is None or self.direct is None:
            return False
        self.direct.pop(subscription.socket, None)
        self.direct = self.direct or None
        subscription.socket = None
        subscription.offset = self.top
        return True

    def _others(self) -> "list[Subscription]":
        """Return whoever is not direct; mostly nobody."""
        if len(self.subscriptions) == len(self.direct or ()):
            return []
        return [one for one in self.subscriptions.values() if one.socket is None]


def _as_written(pending: list[codec.Frame]) -> bytes:
    """Return frames as WebSockets get them."""
    return pending[0].websocket if len(pending) == 1 else b"".join([frame.websocket for frame in pending])


class Behind(Protocol):
    """Whoever brings one connection's subscriptions back in step."""

    way: Way

    def add(self, subscription: "Subscription") -> None:
        """Let a subscription catch up."""
        ...

    def drop(self, subscription: "Subscription") -> None:
        """Forget a subscription that ended."""
        ...


class Subscription:
    """One client's place in one channel. While it is direct, the channel's top is its offset."""

    __slots__ = (
        "announced", "catch_up", "client", "epoch", "expires_at", "goal", "in_step", "info", "join_leave", "live",
        "offset", "options", "server_side", "shape", "socket", "user", "wire",
    )  # fmt: skip

    def __init__(
        self, live: LiveChannel, wire: Wire, catch_up: "Behind", info: ClientInfo, *, server_side: bool
    ) -> None:
        self.live = live
        self.wire = wire
        self.catch_up = catch_up
        self.info = info
        self.client = info.client
        self.user = UserId(info.user)
        self.server_side = server_side
        self.join_leave = False
        self.expires_at: float | None = None
        self.epoch = ""
        self.offset = 0
        # An offset known to exist already; it is behind until it has read that far.
        self.goal = 0
        # The channel's options, unless a token overrides some.
        self.options = live.options
        # What it gets instead of the same bytes as everybody.
        self.shape: Shape | None = None
        # Its socket while it is written to directly.
        self.socket: SocketType | None = None
        # Whether the others were told that it joined.
        self.announced = False
        # Not before its subscribe reply has been written.
        self.in_step = False

    def stand_at(self, cursor: Cursor) -> None:
        """Take this place; everything after it is still to come."""
        self.epoch, self.offset = cursor.epoch, cursor.offset

    def settle(self) -> None:
        """Join the live stream, or catch up first if it has moved on."""
        if self.offset >= max(self.live.top, self.goal):
            self.in_step = True
            self.live.promote(self)
        else:
            self.catch_up.add(self)

    def take(self, epoch: str, offset: int, frame: codec.PublicationFrame) -> None:
        """Write the channel's next frame if this subscriber is where it belongs."""
        if not self.in_step or (offset <= self.offset and epoch == self.epoch):
            return
        if epoch != self.epoch or offset != self.offset + 1 or self.wire.congested():
            self.in_step = False
            self.catch_up.way.fell_behind += 1
            self.catch_up.add(self)
            return
        self.show(frame)
        self.offset = offset
        self.live.promote(self)

    def show(self, frame: codec.PublicationFrame) -> None:
        """Write a publication in the form this subscriber wants, if it wants it."""
        shaped = frame if self.shape is None else self.shape.pick(frame)
        if shaped is not None:
            self.catch_up.way.frame("publication", shaped)
            self.wire.write(shaped)

    def finish_write(self, data: bytes, sent: int) -> None:
        """A direct write was cut short after ``sent`` bytes, or failed (-1)."""
        wire = cast(DirectWire, self.wire)
        if sent < 0:
            wire.cut()
        else:
            wire.rest(data[sent:])
