"""A subscriber is a cursor, not a queue.

A ``Subscription`` stands at an offset. While it is in step, the channel's
next frame is written to its wire and it moves on. Whoever can't keep up (a
full write buffer, a recovery longer than one reply) is behind: its
connection's one ``CatchUp`` reads on from the log when the wire is writable
again, by the channel's policy, until it is in step.
"""

import asyncio
from collections.abc import Callable
from typing import Protocol

import structlog

from chatpush.domain import ClientInfo, Cursor, Publication, TenantId, UserId
from chatpush.errors import CursorLost
from chatpush.log.contract import Log
from chatpush.realtime import codec, frames
from chatpush.realtime.codes import Disconnect
from chatpush.settings import ChannelOptions

log = structlog.get_logger(__name__)

BATCH = 100
LATEST_WINDOW = 1000


class Wire(Protocol):
    """The way to one client; never blocks the caller."""

    def write(self, frame: codec.Frame) -> None:
        """Send a frame soon, in order."""
        ...

    def congested(self) -> bool:
        """Return whether so much is unsent that nothing but replies should be added."""
        ...

    async def drained(self) -> None:
        """Wait until the wire takes more, or is closed."""
        ...

    def close(self, disconnect: Disconnect) -> None:
        """Send what was written, say why, and close."""
        ...


class Listener(Protocol):
    """A waiting long-poll."""

    def wake(self, channel: str, passing: Publication | None) -> None:
        """Something is new; ``passing`` is a publication that no log keeps."""
        ...


class LiveChannel:
    """The part of a channel that lives on this node."""

    __slots__ = ("listeners", "name", "options", "positioned", "subscriptions", "tenant", "top")

    def __init__(self, tenant: TenantId, name: str, options: ChannelOptions) -> None:
        self.tenant = tenant
        self.name = name
        self.options = options
        self.positioned = options.history_size > 0
        self.subscriptions: dict[str, Subscription] = {}
        self.listeners: set[Listener] = set()
        # The newest offset heard of since somebody is here.
        self.top = 0

    @property
    def empty(self) -> bool:
        """Whether nobody is here."""
        return not self.subscriptions and not self.listeners


class Subscription:
    """One client's place in one channel."""

    __slots__ = (
        "announced", "catch_up", "client", "epoch", "expires_at", "in_step", "info", "join_leave", "live", "offset",
        "server_side", "user", "wire",
    )  # fmt: skip

    def __init__(
        self, live: LiveChannel, wire: Wire, catch_up: "CatchUp", info: ClientInfo, *, server_side: bool
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
        # Whether the others were told that it joined.
        self.announced = False
        # Not before its subscribe reply has been written.
        self.in_step = False

    def stand_at(self, cursor: Cursor) -> None:
        """Take this place; everything after it is still to come."""
        self.epoch, self.offset = cursor.epoch, cursor.offset

    def settle(self) -> None:
        """Join the live stream, or catch up first if it has moved on."""
        if self.offset >= self.live.top:
            self.in_step = True
        else:
            self.catch_up.add(self)

    def take(self, epoch: str, offset: int, frame: codec.Frame) -> None:
        """Write the channel's next frame if this subscriber is where it belongs."""
        if not self.in_step or (offset <= self.offset and epoch == self.epoch):
            return
        if epoch != self.epoch or offset != self.offset + 1 or self.wire.congested():
            self.in_step = False
            self.catch_up.add(self)
            return
        self.wire.write(frame)
        self.offset = offset


class CatchUp:
    """Brings one connection's subscriptions back in step, as fast as its wire drains.

    ``lost(subscription)`` is called when the log has dropped what it missed,
    ``slow()`` when its channel's policy is to disconnect slow readers.
    """

    __slots__ = ("_behind", "_log", "_lost", "_slow", "_task", "_wire")

    def __init__(
        self, source: Log, wire: Wire, lost: Callable[[Subscription], None], slow: Callable[[], None]
    ) -> None:
        self._log = source
        self._wire = wire
        self._lost = lost
        self._slow = slow
        self._behind: dict[str, Subscription] = {}
        self._task: asyncio.Task[None] | None = None

    def add(self, subscription: Subscription) -> None:
        """Let a subscription catch up."""
        self._behind[subscription.live.name] = subscription
        if self._task is None:
            self._task = asyncio.get_running_loop().create_task(self._run())

    def drop(self, subscription: Subscription) -> None:
        """Forget a subscription that ended."""
        self._behind.pop(subscription.live.name, None)

    def stop(self) -> None:
        """Give up; the connection is closed."""
        self._behind.clear()
        if self._task is not None:
            self._task.cancel()
            self._task = None

    async def _run(self) -> None:
        try:
            while self._behind:
                if self._wire.congested() and self._any_to_disconnect():
                    self._slow()
                    return
                await self._wire.drained()
                for subscription in list(self._behind.values()):
                    if self._wire.congested():
                        break
                    await self._advance(subscription)
                await asyncio.sleep(0)
        except Exception:
            log.exception("catching up failed")
            for subscription in list(self._behind.values()):
                self._lost(subscription)
        finally:
            self._task = None

    async def _advance(self, subscription: Subscription) -> None:
        live = subscription.live
        try:
            if live.options.slow == "latest":
                entries = await self._latest(subscription)
            else:
                cursor = Cursor(subscription.epoch, subscription.offset)
                entries = (await self._log.after(live.tenant, live.name, cursor, BATCH)).publications
        except CursorLost:
            if self._is_behind(subscription):
                self._lost(subscription)
            return
        if not self._is_behind(subscription):
            return
        for entry in entries:
            if self._wire.congested():
                return
            shown = codec.publication_of(entry, positioned=live.positioned)
            self._wire.write(codec.push(frames.Push(channel=live.name, pub=shown)))
            subscription.offset = entry.offset
        if subscription.offset >= live.top:
            subscription.in_step = True
            self.drop(subscription)

    async def _latest(self, subscription: Subscription) -> tuple[Publication, ...]:
        """Return only the newest publication of each key after the cursor; missing some is the policy."""
        live = subscription.live
        found = await self._log.history(live.tenant, live.name, LATEST_WINDOW, None, True)
        if found.epoch != subscription.epoch:
            raise CursorLost(f"{live.name} is in epoch {found.epoch} now")
        newest: dict[str, Publication] = {}
        for entry in found.publications:
            if entry.offset > subscription.offset:
                newest.setdefault(entry.key, entry)
        return tuple(sorted(newest.values(), key=lambda entry: entry.offset))

    def _any_to_disconnect(self) -> bool:
        return any(one.live.options.slow == "disconnect" for one in self._behind.values())

    def _is_behind(self, subscription: Subscription) -> bool:
        return self._behind.get(subscription.live.name) is subscription
