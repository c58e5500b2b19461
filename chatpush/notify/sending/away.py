"""Reach users who are away through channels, a bounded number at once.

A provider that is slow or down holds up nobody else: sends run beside the
outbox, each channel has places of its own and a pace of its own, and when they
are taken the outbox is told to come back. A channel may say what its provider
stands: ``concurrency`` (messages at once) and ``per_second``; the operator's
limits win. When all addresses of a channel are at ``one_provider``, its word to
come back later (Retry-After) holds for the whole channel.
"""

import asyncio
from collections import Counter
from collections.abc import Awaitable, Callable, Iterable, Mapping
from dataclasses import dataclass, field

import structlog

from chatpush.channel_settings import ChannelLimit
from chatpush.domain import OutgoingMessage
from chatpush.errors import ChatpushError, InvalidSettings, NotFound, Unavailable
from chatpush.notify.sending.told import told
from chatpush.plugins.contracts import Channel

log = structlog.get_logger(__name__)

SEND_SECONDS = 20.0
PLACES = 64
LONGEST_PACE_SECONDS = 2.0
FULL_SECONDS = 2.0


@dataclass(frozen=True, slots=True)
class AwayResult:
    """How it went: by which channels it was sent, what failed for good, what may be tried again, each with why.

    ``gone`` are addresses their provider does not know any more, ``waits`` the
    seconds providers asked us to stay away.
    """

    sent: list[str] = field(default_factory=list)
    failed: dict[str, str] = field(default_factory=dict)
    again: dict[str, str] = field(default_factory=dict)
    gone: list[tuple[str, str]] = field(default_factory=list)
    waits: list[float] = field(default_factory=list)


Done = Callable[[AwayResult], Awaitable[None]]


class _Pace:
    """When a channel's next message may go."""

    def __init__(self, per_second: float) -> None:
        self._gap = 1 / per_second if per_second > 0 else 0.0
        self._next = 0.0

    def behind(self, now: float) -> float:
        """Return how many seconds the next message would have to wait."""
        return max(0.0, self._next - now)

    def pause(self, now: float, seconds: float) -> None:
        """Let nothing go for so long."""
        self._next = max(self._next, now + seconds)

    async def wait(self) -> None:
        """Take the next turn and wait for it."""
        if self._gap:
            now = asyncio.get_running_loop().time()
            wait = self.behind(now)
            self._next = max(now, self._next) + self._gap
            await asyncio.sleep(wait)


class Away:
    """The channels for users who are away."""

    def __init__(
        self, channels: Iterable[Channel], *, places: int = PLACES,
        limits: Mapping[str, ChannelLimit] | None = None,
    ) -> None:  # fmt: skip
        """Hold the channels with their limits.

        Raises:
            InvalidSettings: a limit is for a channel that is not there.
        """
        self._channels = {channel.name: channel for channel in channels}
        self._places = places
        self._each: dict[str, int] = {}
        self._paces: dict[str, _Pace] = {}
        limits = limits or {}
        if unknown := sorted(set(limits) - set(self._channels)):
            known = ", ".join(sorted(self._channels)) or "none is switched on"
            raise InvalidSettings(f"channels.limits.{unknown[0]}: there is no such channel; {known}")
        for name, one in self._channels.items():
            limit = limits.get(name, ChannelLimit())
            places_of = (
                limit.concurrency if limit.concurrency is not None else getattr(one, "concurrency", places)
            )
            pace = limit.per_second if limit.per_second is not None else getattr(one, "per_second", 0)
            self._each[name], self._paces[name] = int(places_of), _Pace(float(pace))
        self._busy: Counter[str] = Counter()
        self._running: set[asyncio.Task[None]] = set()
        self._stopped = False

    @property
    def names(self) -> frozenset[str]:
        """The names messages may ask for."""
        return frozenset(self._channels)

    @property
    def limits(self) -> dict[str, Mapping[str, int]]:
        """What each channel cuts: part → bytes."""
        return {name: getattr(one, "limits", {}) for name, one in self._channels.items()}

    @property
    def silent_names(self) -> frozenset[str]:
        """The names of those that can carry a command nobody sees."""
        return frozenset(n for n, one in self._channels.items() if getattr(one, "carries_silent", False))

    def busy_seconds(self, channels: Iterable[str]) -> float:
        """Return how long nothing more can begin on one of these channels; 0: it can now.

        Places may be taken, the pace behind, the provider may want to be left alone.
        """
        if self._stopped or len(self._running) >= self._places * max(1, len(self._channels)):
            return FULL_SECONDS
        now, longest = asyncio.get_running_loop().time(), 0.0
        for name in channels:
            if name not in self._each:
                continue
            if self._busy[name] >= self._each[name]:
                longest = max(longest, FULL_SECONDS)
            if (behind := self._paces[name].behind(now)) > LONGEST_PACE_SECONDS:
                longest = max(longest, behind)
        return longest

    def begin(self, message: OutgoingMessage, addresses: list[tuple[str, str]], done: Done) -> None:
        """Send one message to (channel, address) pairs in the background, then call ``done``."""
        names = {channel for channel, _ in addresses}
        self._busy.update(names)
        task = asyncio.create_task(self._run(message, addresses, done))
        self._running.add(task)

        def ended(task: asyncio.Task[None]) -> None:
            self._running.discard(task)
            self._busy.subtract(names)

        task.add_done_callback(ended)

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

    async def _run(self, message: OutgoingMessage, addresses: list[tuple[str, str]], done: Done) -> None:
        result = AwayResult()
        for channel, address in addresses:
            await self._send(message, channel, address, result)
        for channel in result.sent:
            result.failed.pop(channel, None)
        try:
            await done(result)
        # The edge of a task: the delivery stays claimed and comes due again.
        except Exception:
            log.exception("outcome not recorded", delivery=message.delivery)

    async def _send(self, message: OutgoingMessage, channel: str, address: str, result: AwayResult) -> None:
        known = self._channels.get(channel)
        if known is None:
            result.failed[channel] = "there is no such channel any more"
            return
        await self._paces[channel].wait()
        try:
            async with asyncio.timeout(SEND_SECONDS):
                await known.send(message, address)
        except (Unavailable, TimeoutError) as error:
            said = told(str(error) or f"no answer within {SEND_SECONDS:g} s", address)
            log.warning("channel unavailable", channel=channel, delivery=message.delivery, problem=said)
            result.again.setdefault(channel, said)
            if isinstance(error, Unavailable) and error.retry_after_seconds:
                result.waits.append(error.retry_after_seconds)
                if getattr(known, "one_provider", False):
                    self._paces[channel].pause(asyncio.get_running_loop().time(), error.retry_after_seconds)
        except NotFound as error:
            said = told(error.message, address)
            log.info("address gone", channel=channel, delivery=message.delivery, problem=said)
            result.gone.append((channel, address))
            result.failed[channel] = f"gone: {said}"
        # A channel is a plugin: whatever else it raises is final for this message, and only for it.
        except Exception as error:
            ours = isinstance(error, ChatpushError)
            said = told(str(error) if ours else f"{type(error).__name__}: {error}", address)
            log.warning("channel failed", channel=channel, delivery=message.delivery, problem=said)
            result.failed[channel] = said
        else:
            if channel not in result.sent:
                result.sent.append(channel)
