"""Reach users who are away through the channels plugins bring, a bounded number at once.

A provider that is slow or down holds up nobody else: sends run beside the
outbox, and when all places are taken the outbox is told to come back.
"""

import asyncio
from collections.abc import Awaitable, Callable, Iterable
from dataclasses import dataclass, field

import structlog

from chatpush.domain import OutgoingMessage
from chatpush.errors import Unavailable
from chatpush.plugins.contracts import Channel

log = structlog.get_logger(__name__)

SEND_SECONDS = 20.0
PLACES = 64


@dataclass(frozen=True, slots=True)
class AwayResult:
    """How it went: by which channels it was sent, what failed for good, what may be tried again."""

    sent: list[str] = field(default_factory=list)
    failed: list[str] = field(default_factory=list)
    again: list[str] = field(default_factory=list)


class Away:
    """The channels for users who are away."""

    def __init__(self, channels: Iterable[Channel], *, places: int = PLACES) -> None:
        self._channels = {channel.name: channel for channel in channels}
        self._places = places
        self._running: set[asyncio.Task[None]] = set()
        self._stopped = False

    @property
    def names(self) -> frozenset[str]:
        """The names messages may ask for."""
        return frozenset(self._channels)

    @property
    def full(self) -> bool:
        """Whether nothing more can begin: all places are taken, or it is stopped."""
        return self._stopped or len(self._running) >= self._places

    def begin(
        self, message: OutgoingMessage, addresses: list[tuple[str, str]],
        done: Callable[[AwayResult], Awaitable[None]],
    ) -> None:  # fmt: skip
        """Send one message to (channel, address) pairs in the background, then call ``done``."""
        task = asyncio.create_task(self._run(message, addresses, done))
        self._running.add(task)
        task.add_done_callback(self._running.discard)

    async def idle(self) -> None:
        """Wait until nothing is being sent."""
        while self._running:
            await asyncio.wait(self._running)

    async def stop(self) -> None:
        """Cut off what is still running; its deliveries come due again."""
        self._stopped = True
        for task in list(self._running):
            task.cancel()
        await asyncio.gather(*self._running, return_exceptions=True)

    async def _run(
        self, message: OutgoingMessage, addresses: list[tuple[str, str]],
        done: Callable[[AwayResult], Awaitable[None]],
    ) -> None:  # fmt: skip
        result = AwayResult()
        for channel, address in addresses:
            await self._send(message, channel, address, result)
        try:
            await done(result)
        # The edge of a task: the delivery stays claimed and comes due again.
        except Exception:
            log.exception("outcome not recorded", delivery=message.delivery)

    async def _send(self, message: OutgoingMessage, channel: str, address: str, result: AwayResult) -> None:
        try:
            async with asyncio.timeout(SEND_SECONDS):
                await self._channels[channel].send(message, address)
        except (Unavailable, TimeoutError) as error:
            log.warning("channel unavailable", channel=channel, delivery=message.delivery, problem=str(error))
            result.again.append(channel)
        # A channel is a plugin: whatever else it raises is final for this message, and only for it.
        except Exception as error:
            log.warning("channel failed", channel=channel, delivery=message.delivery, problem=repr(error))
            result.failed.append(channel)
        else:
            result.sent.append(channel)
