"""Bring a connection's subscriptions back in step, as fast as its wire drains."""

import asyncio
from typing import Protocol

import structlog

from chatpush.errors import CursorLost
from chatpush.log.contract import Cursor, Log, Publication, Slice
from chatpush.realtime.feed import Subscription
from chatpush.realtime.listening import Wire
from chatpush.realtime.protocol import codec
from chatpush.realtime.traffic import Way

log = structlog.get_logger(__name__)

BATCH = 100
LATEST_WINDOW = 1000


class Reader(Protocol):
    """Whoever reads through a wire; a connection."""

    wire: Wire

    def lost(self, subscription: Subscription) -> None:
        """What a subscription missed is gone."""
        ...

    def slow(self) -> None:
        """It reads too slowly for its channel's policy."""
        ...


class CatchUp:
    """Brings one connection's subscriptions back in step, as fast as its wire drains.

    ``reader.lost(subscription)`` is called when the log has dropped what it missed,
    ``reader.slow()`` when its channel's policy is to disconnect slow readers.
    """

    __slots__ = ("_behind", "_log", "_reader", "_task", "way")

    def __init__(self, source: Log, reader: Reader, way: Way) -> None:
        self.way = way
        self._log = source
        self._reader = reader
        self._behind: dict[str, Subscription] | None = None
        self._task: asyncio.Task[None] | None = None

    @property
    def busy(self) -> bool:
        """Whether something is behind."""
        return bool(self._behind)

    def add(self, subscription: Subscription) -> None:
        """Let a subscription catch up."""
        if self._behind is None:
            self._behind = {}
        self._behind[subscription.live.name] = subscription
        if self._task is None:
            self._task = asyncio.get_running_loop().create_task(self._run())

    def drop(self, subscription: Subscription) -> None:
        """Forget a subscription that ended."""
        if self._behind is not None:
            self._behind.pop(subscription.live.name, None)

    def stop(self) -> None:
        """Give up; the connection is closed."""
        self._behind = None
        if self._task is not None:
            self._task.cancel()
            self._task = None

    async def _run(self) -> None:
        try:
            wire = self._reader.wire
            while self._behind:
                if wire.congested() and self._any_to_disconnect():
                    self._reader.slow()
                    return
                await wire.drained()
                for subscription in self._all_behind():
                    if wire.congested():
                        break
                    await self._advance(subscription)
                await asyncio.sleep(0)
        except Exception:
            log.exception("catching up failed")
            for subscription in self._all_behind():
                self._reader.lost(subscription)
        finally:
            self._task = None

    async def _advance(self, subscription: Subscription) -> None:
        live = subscription.live
        try:
            if live.options.slow == "latest":
                found = await self._latest(subscription)
            else:
                cursor = Cursor(subscription.epoch, subscription.offset)
                found = await self._log.after(live.tenant, live.name, cursor, BATCH)
        except CursorLost:
            if self._is_behind(subscription):
                self._reader.lost(subscription)
            return
        if not self._is_behind(subscription):
            return
        for entry in found.publications:
            if self._reader.wire.congested():
                return
            subscription.show(
                codec.PublicationFrame(live.name, entry, positioned=live.positioned, previous=None)
            )
            subscription.offset = entry.offset
        if subscription.offset >= max(live.top, found.top):
            subscription.in_step = True
            self.drop(subscription)
            live.promote(subscription)

    async def _latest(self, subscription: Subscription) -> Slice:
        """Return only the newest publication of each key after the cursor; missing some is the policy."""
        live = subscription.live
        found = await self._log.history(live.tenant, live.name, LATEST_WINDOW, None, True)
        if found.epoch != subscription.epoch:
            raise CursorLost(f"{live.name} is in epoch {found.epoch} now")
        newest: dict[str, Publication] = {}
        for entry in found.publications:
            if entry.offset > subscription.offset:
                newest.setdefault(entry.key, entry)
        entries = sorted(newest.values(), key=lambda entry: entry.offset)
        return Slice(found.epoch, found.top, tuple(entries))

    def _any_to_disconnect(self) -> bool:
        return any(one.live.options.slow == "disconnect" for one in self._all_behind())

    def _all_behind(self) -> list[Subscription]:
        return list(self._behind.values()) if self._behind else []

    def _is_behind(self, subscription: Subscription) -> bool:
        return self._behind is not None and self._behind.get(subscription.live.name) is subscription
