"""The channels that somebody on this node reads, and how news reaches them.

Every publication comes from the log, after its commit and in order: encoded
once, written to each subscriber in step, waking each waiting long-poll.
Presence is simply who is subscribed here.
"""

import asyncio
from collections.abc import Iterable, Iterator
from itertools import count

import msgspec

from chatpush.clock import Clock
from chatpush.domain import TenantId
from chatpush.log.contract import Cursor, Draft, Log, Publication
from chatpush.log.records import published
from chatpush.realtime.feed import LiveChannel, Subscription
from chatpush.realtime.listening import Listener
from chatpush.realtime.namespaces import Namespaces
from chatpush.realtime.protocol import codec, frames
from chatpush.realtime.traffic import Traffics

NOWHERE = Cursor("", 0)
KEY_SECONDS = 300.0
KEYS_KEPT = 10_000


class Channels:
    """All live channels of this node."""

    def __init__(self, source: Log, namespaces: Namespaces, clock: Clock, traffic: Traffics) -> None:
        self._log = source
        self._traffic = traffic
        self._namespaces = namespaces
        self._clock = clock
        self._live: dict[tuple[TenantId, str], LiveChannel] = {}
        self.subscriptions = 0
        self._numbers = count(1)
        # Idempotency keys of publications that no log keeps, and until when, oldest first.
        self._passed: dict[tuple[TenantId, str, str], float] = {}
        source.watch(self._deliver)

    def __len__(self) -> int:
        return len(self._live)

    def live(self, tenant: TenantId, name: str) -> LiveChannel:
        """Return a channel, made live if it was not; ``leave`` it in the end.

        Raises:
            NotFound: no such namespace.
            InvalidInput: no possible name.
        """
        found = self._live.get((tenant, name))
        if found is None:
            found = LiveChannel(tenant, name, self._namespaces.options(name))
            self._live[tenant, name] = found
        return found

    def find(self, tenant: TenantId, name: str) -> LiveChannel | None:
        """Return a channel if somebody is there."""
        return self._live.get((tenant, name))

    def names(self, tenant: TenantId) -> Iterator[LiveChannel]:
        """Yield the tenant's live channels."""
        return (live for (owner, _), live in self._live.items() if owner == tenant)

    def everywhere(self) -> Iterator[LiveChannel]:
        """Yield the live channels of all tenants."""
        return iter(list(self._live.values()))

    def number_of(self, live: LiveChannel) -> int:
        """Return the number that stands for a channel's name on this node."""
        live.number = live.number or next(self._numbers)
        return live.number

    def add(self, subscription: Subscription) -> None:
        """Register a subscription, before its place is read from the log."""
        live = subscription.live
        self._live[live.tenant, live.name] = live
        live.add(subscription)
        self.subscriptions += 1

    def remove(self, subscription: Subscription) -> None:
        """Forget a subscription and tell the others that it left."""
        live = subscription.live
        if not live.remove(subscription):
            return
        self.subscriptions -= 1
        subscription.catch_up.drop(subscription)
        subscription.in_step = False
        if subscription.announced:
            self._announce(subscription, joined=False)
        self._forget_if_empty(live)

    def settle(self, subscription: Subscription) -> None:
        """Let a subscription whose reply was written join the stream, and tell the others."""
        subscription.announced = True
        self._announce(subscription, joined=True)
        subscription.settle()

    def listen(self, live: LiveChannel, listener: Listener) -> None:
        """Wake a long-poll on every publication."""
        self._live[live.tenant, live.name] = live
        live.listen(listener)

    def stop_listening(self, live: LiveChannel, listener: Listener) -> None:
        """Forget a long-poll."""
        live.stop_listening(listener)
        self._forget_if_empty(live)

    async def publish(
        self, tenant: TenantId, name: str, draft: Draft, *, skip_history: bool = False
    ) -> Cursor:
        """Append to the log, or with ``skip_history`` show it only to who is there now.

        Raises:
            NotFound: no such namespace.
            InvalidInput: no possible name.
            Unavailable: the log is full or down.
        """
        began = self._clock.monotonic()
        found = self.submit(tenant, name, draft, skip_history=skip_history)
        if found is None:
            found = await self._log.append(tenant, name, self._complete(name, draft))
        place = found if isinstance(found, Cursor) else await found
        if not skip_history:
            self.written(tenant, (name,), began)
        return place

    def submit(
        self, tenant: TenantId, name: str, draft: Draft, *, skip_history: bool = False
    ) -> Cursor | asyncio.Future[Cursor] | None:
        """Publish without a task: return the position, or what brings it; call ``written`` in the end.

        None has done nothing: the channel's keys have to be read first, by ``publish``.

        Raises:
            NotFound: no such namespace.
            InvalidInput: no possible name.
            Unavailable: the log is full or down.
        """
        draft = self._complete(name, draft)
        if not skip_history:
            return self._log.submit(tenant, name, draft)
        live = self._live.get((tenant, name))
        if live is not None and not self._repeated(tenant, name, draft.idempotency_key):
            self._pass_by(live, draft)
        return NOWHERE

    def written(self, tenant: TenantId, names: Iterable[str], began: float) -> None:
        """Note how long publications took (``began`` is monotonic).

        They are written by the end of the turn before their publisher hears of them.
        """
        live = self._live
        seen = sum([(tenant, name) in live for name in names])
        if seen:
            observe, took = self._traffic[tenant].latency.observe, self._clock.monotonic() - began
            for _ in range(seen):
                observe(took)

    def _complete(self, name: str, draft: Draft) -> Draft:
        """Return the draft as its namespace wants it.

        Raises:
            NotFound: no such namespace.
            InvalidInput: no possible name.
        """
        if self._namespaces.options(name).delta_publish and not draft.delta:
            return msgspec.structs.replace(draft, delta=True)
        return draft

    def _deliver(self, tenant: TenantId, name: str, epoch: str, publication: Publication) -> None:
        """The log's watcher."""
        live = self._live.get((tenant, name))
        if live is None:
            return
        if live.subscriptions:
            before = live.last if epoch == live.epoch else None
            frame = codec.PublicationFrame(name, publication, positioned=live.positioned, previous=before)
            live.deliver(epoch, publication.offset, frame)
        else:
            live.top, live.epoch = publication.offset, epoch
        if live.options.allowed_delta_types:
            live.last = publication
        for listener in live.listeners:
            listener.wake(name, None)

    def _pass_by(self, live: LiveChannel, draft: Draft) -> None:
        publication = published(draft, 0, self._clock.milliseconds())
        live.pass_by(codec.PublicationFrame(live.name, publication, positioned=False, previous=None))
        for listener in live.listeners:
            listener.wake(live.name, publication)

    def _repeated(self, tenant: TenantId, name: str, key: str) -> bool:
        """Return whether a publication that no log keeps was made with this key a moment ago."""
        if not key:
            return False
        now = self._clock.monotonic()
        seen, mark = self._passed, (tenant, name, key)
        while seen and (len(seen) >= KEYS_KEPT or next(iter(seen.values())) <= now):
            seen.pop(next(iter(seen)))
        if mark in seen:
            return True
        seen[mark] = now + KEY_SECONDS
        return False

    def _announce(self, subscription: Subscription, *, joined: bool) -> None:
        live = subscription.live
        if not subscription.options.join_leave:
            return
        word = frames.Presence(codec.info_of(subscription.info))
        kind = "join" if joined else "leave"
        push = frames.Push(channel=live.name)
        push.join, push.leave = (word, None) if joined else (None, word)
        frame = codec.push(push)
        for other in live.subscriptions.values():
            wanted = other.join_leave or other.options.force_push_join_leave
            if wanted and other is not subscription and other.in_step and not other.wire.congested():
                other.catch_up.way.frame(kind, frame)
                other.wire.write(frame)

    def _forget_if_empty(self, live: LiveChannel) -> None:
        if live.empty and self._live.get((live.tenant, live.name)) is live:
            del self._live[live.tenant, live.name]
