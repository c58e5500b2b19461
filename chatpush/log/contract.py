"""What every log promises, whichever engine keeps it.

A channel's publications are numbered from 1 without holes within one epoch.
An append is acknowledged once it is as durable as the channel's retention
says; watchers hear of it, in order, before its caller does. Reading twice
after the same cursor gives the same answer, and whoever asks for what
retention has dropped is told so: never a silent gap.
"""

from asyncio import Future
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Protocol

import msgspec

from chatpush.domain import Json, TenantId


class Cursor(msgspec.Struct, frozen=True):
    """Where a subscriber stands in a channel."""

    epoch: str
    offset: int


class ClientInfo(msgspec.Struct, frozen=True):
    """Who published or is present."""

    user: str
    client: str
    conn_info: Json = None
    chan_info: Json = None


class Publication(msgspec.Struct, frozen=True):
    """One entry of a channel's log. ``data`` is encoded JSON (or raw bytes)."""

    offset: int
    data: bytes
    time_ms: int = 0
    info: ClientInfo | None = None
    tags: dict[str, str] | None = None
    key: str = ""
    # May be sent as the difference to the one before; known only while it is new.
    delta: bool = False


@dataclass(frozen=True, slots=True)
class Retention:
    """How much of a channel is kept, and where. ``ttl_seconds`` 0 keeps for ever."""

    size: int
    ttl_seconds: int
    durable: bool


class Draft(msgspec.Struct, frozen=True):
    """What is to be appended.

    The same ``idempotency_key`` within five minutes appends once. A ``version``
    (above 0) not newer than the channel's, in the same ``version_epoch``, is
    not appended. ``key`` names what the publication is the latest state of.
    ``delta`` lets it go to subscribers as the difference to the one before.
    """

    data: bytes
    info: ClientInfo | None = None
    tags: dict[str, str] | None = None
    key: str = ""
    idempotency_key: str = ""
    version: int = 0
    version_epoch: str = ""
    delta: bool = False


@dataclass(frozen=True, slots=True)
class Slice:
    """Consecutive publications and where the channel stands (``top``)."""

    epoch: str
    top: int
    publications: tuple[Publication, ...] = ()


@dataclass(frozen=True, slots=True)
class Sealing:
    """How data is sealed at rest.

    ``ready`` loads the keys of a channel; then ``seal`` and ``open`` work in
    any thread: (tenant, channel, place, bytes) → bytes. ``loaded`` says whether
    that is so already.
    """

    ready: Callable[[TenantId, str], Awaitable[None]]
    seal: Callable[[TenantId, str, str, bytes], bytes]
    open: Callable[[TenantId, str, str, bytes], bytes]
    loaded: Callable[[TenantId, str], bool] = lambda _tenant, _channel: False


Rules = Callable[[str], Retention]
Watcher = Callable[[TenantId, str, str, Publication], None]


class Log(Protocol):
    """Where publications live."""

    async def start(self) -> None:
        """Open the log; what was acknowledged before is there."""
        ...

    async def stop(self) -> None:
        """Finish what waits and close."""
        ...

    def watch(self, watcher: Watcher) -> None:
        """Call ``watcher(tenant, channel, epoch, publication)`` on every append, in order."""
        ...

    async def append(self, tenant: TenantId, channel: str, draft: Draft) -> Cursor:
        """Append and return its position; a repeated or stale draft gets the one it is covered by.

        Raises:
            Unavailable: too many appends are waiting, or the disk refuses.
        """
        ...

    def submit(self, tenant: TenantId, channel: str, draft: Draft) -> "Cursor | Future[Cursor] | None":
        """Append without a task: return the position, or what brings it, in the order of the calls.

        None has done nothing: ``append`` has to wait for the channel's keys first.

        Raises:
            Unavailable: too many appends are waiting.
        """
        ...

    async def top(self, tenant: TenantId, channel: str) -> Cursor:
        """Return where the channel stands now."""
        ...

    async def after(self, tenant: TenantId, channel: str, cursor: Cursor, limit: int) -> Slice:
        """Return at most ``limit`` publications newer than the cursor, oldest first.

        Raises:
            CursorLost: another epoch, or retention has passed this cursor.
        """
        ...

    def at_hand(self, tenant: TenantId, channel: str, cursor: Cursor, limit: int) -> Slice | None:
        """Return what ``after`` would, if that takes no waiting.

        Raises:
            CursorLost: as ``after``.
        """
        ...

    async def history(
        self, tenant: TenantId, channel: str, limit: int, since: Cursor | None = None, reverse: bool = False
    ) -> Slice:
        """Return retained publications after ``since`` (before it, newest first, if ``reverse``).

        Raises:
            CursorLost: ``since`` is of another epoch.
        """
        ...

    async def remove(self, tenant: TenantId, channel: str) -> None:
        """Drop a channel's publications; its position stays."""
        ...
