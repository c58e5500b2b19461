"""What the server does to connections unasked: subscribe, unsubscribe, refresh, disconnect.

Whose they are is ``Chosen``: a user's, one client's, one session's, or all of
the tenant, perhaps only those with certain labels. Long-polls are sent away as
connections are. A great many are moved a part at a time, so that the loop goes on.
"""

import asyncio
from collections.abc import AsyncIterator
from dataclasses import dataclass

from chatpush.domain import Json, TenantId, UserId
from chatpush.log.contract import Cursor
from chatpush.realtime import subscribing
from chatpush.realtime.connection import Connection
from chatpush.realtime.filters import Filter
from chatpush.realtime.node import Node
from chatpush.realtime.polls.grants import Grant
from chatpush.realtime.polls.polling import Polling
from chatpush.realtime.protocol import codec, frames
from chatpush.realtime.protocol.codes import CONNECTION_EXPIRED, Disconnect
from chatpush.realtime.terms import NO_TERMS, Terms

AT_ONCE = 128
NOBODY = UserId("")


@dataclass(frozen=True, slots=True)
class Chosen:
    """Which connections are meant; ``user``, ``client``, ``session`` and ``labelled`` narrow each other down."""

    user: UserId = NOBODY
    client: str = ""
    session: str = ""
    everyone: bool = False
    labelled: Filter | None = None

    def polls(self, tenant: TenantId, grant: Grant, whitelist: tuple[str, ...] = ()) -> bool:
        """Return whether the client of a long-poll is meant: it has neither a session nor labels."""
        if grant.tenant != tenant or self.session or self.labelled is not None or grant.client in whitelist:
            return False
        if self.client or self.user:
            return self.client in ("", grant.client) and self.user in ("", grant.user)
        return self.everyone


class Moves:
    """Acts on this node's connections and long-polls."""

    def __init__(self, node: Node, polling: Polling) -> None:
        self._node = node
        self._polling = polling

    async def disconnect(
        self, tenant: TenantId, chosen: Chosen, disconnect: Disconnect, whitelist: tuple[str, ...] = ()
    ) -> int:
        """Close connections and end long-polls, sparing the clients of the whitelist; return how many."""
        closed = await self._polling.dismiss(lambda grant: chosen.polls(tenant, grant, whitelist), disconnect)
        async for connection in self._each(tenant, chosen):
            if connection.client not in whitelist:
                connection.close(disconnect)
                closed += 1
        return closed

    async def subscribe(
        self,
        tenant: TenantId,
        chosen: Chosen,
        channel: str,
        terms: Terms = NO_TERMS,
        recover_since: Cursor | None = None,
    ) -> int:
        """Subscribe connections from the server; return how many.

        Raises:
            NotFound: no such namespace.
        """
        self._node.namespaces.options(channel)
        subscribed = 0
        async for connection in self._each(tenant, chosen):
            if channel not in connection.subs and not connection.closed:
                subscribed += await self._subscribe(connection, channel, terms, recover_since)
        return subscribed

    async def unsubscribe(self, tenant: TenantId, chosen: Chosen, channel: str) -> int:
        """End subscriptions to a channel; return how many."""
        ended = 0
        async for connection in self._each(tenant, chosen):
            sub = connection.subs.get(channel)
            if sub is not None:
                subscribing.end(self._node, connection, sub)
                ended += 1
        return ended

    async def refresh(
        self,
        tenant: TenantId,
        chosen: Chosen,
        *,
        expired: bool = False,
        expire_at: float | None = None,
        info: Json = None,
    ) -> int:
        """Give connections a new lifetime (and info), or end it; return how many."""
        refreshed = 0
        if expired:
            refreshed = await self._polling.dismiss(
                lambda grant: chosen.polls(tenant, grant), CONNECTION_EXPIRED
            )
        async for connection in self._each(tenant, chosen):
            refreshed += 1
            if expired:
                connection.close(CONNECTION_EXPIRED)
                continue
            word = frames.Refreshed()
            connection.info = info if info is not None else connection.info
            connection.expires_at = expire_at
            if expire_at is not None:
                self._node.heartbeat.watch_expiry(connection, expire_at)
                word.expires, word.ttl = True, max(1, round(expire_at - self._node.now()))
            connection.push(frames.Push(refresh=word), "refresh")
        return refreshed

    async def _subscribe(
        self, connection: Connection, channel: str, terms: Terms, recover_since: Cursor | None
    ) -> bool:
        request = frames.SubscribeRequest(channel=channel, recoverable=True)
        await subscribing.take_place(self._node, connection, request, terms, server_side=True)
        sub = connection.subs.get(channel)
        if sub is None:  # closed while the log was read
            return False
        if recover_since is not None:
            sub.goal = sub.offset
            sub.stand_at(recover_since)
        positioned = sub.live.positioned
        word = frames.Subscribed(positioned, positioned=positioned, data=codec.raw(terms.data))
        if positioned:
            word.epoch, word.offset = sub.epoch, sub.offset
        connection.push(frames.Push(channel=channel, subscribe=word), "subscribe")
        subscribing.settle(self._node, connection)
        return True

    async def _each(self, tenant: TenantId, chosen: Chosen) -> AsyncIterator[Connection]:
        for number, connection in enumerate(self._chosen(tenant, chosen), start=1):
            if (
                (not chosen.user or connection.user == chosen.user)
                and (not chosen.session or connection.session_id == chosen.session)
                and (chosen.labelled is None or chosen.labelled(connection.labels or {}))
            ):
                yield connection
            if number % AT_ONCE == 0:
                await asyncio.sleep(0)

    def _chosen(self, tenant: TenantId, chosen: Chosen) -> list[Connection]:
        registry = self._node.registry
        if chosen.client:
            found = registry.of_client(tenant, chosen.client)
            return [found] if found is not None else []
        if chosen.user:
            return registry.of_user(tenant, chosen.user)
        return list(registry.all(tenant)) if chosen.everyone or chosen.session else []
