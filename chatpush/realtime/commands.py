"""What a connected client may do with channels besides reading them: publish, look back, see who is there."""

import asyncio

from chatpush.domain import Identity, IdentityKind
from chatpush.errors import CursorLost, InvalidInput
from chatpush.log.contract import Cursor, Draft
from chatpush.plugins.contracts import Drop
from chatpush.realtime.connection import Connection
from chatpush.realtime.feed import LiveChannel, Subscription
from chatpush.realtime.node import Node
from chatpush.realtime.permissions import check_history, check_presence, check_publish
from chatpush.realtime.protocol import codec, frames
from chatpush.realtime.protocol.codes import (
    BAD_REQUEST,
    INTERNAL,
    METHOD_NOT_FOUND,
    NOT_AVAILABLE,
    PERMISSION_DENIED,
    UNRECOVERABLE_POSITION,
    Refused,
)

HISTORY_LIMIT = 300
RPC_SECONDS = 5.0


async def publish(node: Node, connection: Connection, request: frames.PublishRequest) -> frames.Empty:
    """Publish for a client, through the plugins' filters.

    Raises:
        Refused: no data, no permission, or a filter dropped it.
    """
    channel = request.channel
    if request.type or request.key or request.removed:
        raise Refused(NOT_AVAILABLE, "maps are not supported")
    options = node.namespaces.options(channel)
    sub = connection.subs.get(channel)
    check_publish(channel, options, connection.user, subscribed=sub is not None)
    if not bytes(request.data):
        raise Refused(BAD_REQUEST, "publish needs data")
    data = codec.compact(bytes(request.data))
    if node.plugins.has("filter_publication"):
        verdict = await node.plugins.filter_publication(channel, data, connection.user)
        if isinstance(verdict, Drop):
            raise Refused(PERMISSION_DENIED, verdict.reason)
        data = codec.compact(verdict)
    info = sub.info if sub is not None else connection.client_info()
    await node.channels.publish(connection.tenant, channel, Draft(data, info))
    return frames.Empty()


async def history(node: Node, connection: Connection, request: frames.HistoryRequest) -> frames.HistoryResult:
    """Read a channel's history for a client.

    Raises:
        Refused: there is none, or not for this client, or ``since`` is of another epoch.
    """
    channel = request.channel
    options = node.namespaces.options(channel)
    check_history(channel, options, connection.user, subscribed=channel in connection.subs)
    limit = HISTORY_LIMIT if request.limit < 0 else min(request.limit, HISTORY_LIMIT)
    since = Cursor(request.since.epoch, request.since.offset) if request.since else None
    if since is not None and not since.epoch:
        since = Cursor((await node.log.top(connection.tenant, channel)).epoch, since.offset)
    try:
        found = await node.log.history(connection.tenant, channel, limit, since, request.reverse)
    except CursorLost as error:
        raise Refused(UNRECOVERABLE_POSITION) from error
    shown = [codec.publication_of(entry) for entry in found.publications]
    return frames.HistoryResult(shown, found.epoch, found.top)


async def presence(
    node: Node, connection: Connection, request: frames.ChannelRequest
) -> frames.PresenceResult:
    """Say who is subscribed.

    Raises:
        Refused: presence is off, or not for this client.
    """
    live = _checked(node, connection, request.channel)
    return frames.PresenceResult(present(live))


async def presence_stats(
    node: Node, connection: Connection, request: frames.ChannelRequest
) -> frames.PresenceStatsResult:
    """Say how many are subscribed.

    Raises:
        Refused: presence is off, or not for this client.
    """
    return stats(_checked(node, connection, request.channel))


async def rpc(node: Node, connection: Connection, request: frames.RpcRequest) -> frames.RpcResult:
    """Call a registered method as this connection's identity.

    Raises:
        Refused: no such method, or it takes too long.
    """
    method = node.rpc.find(request.method)
    if method is None:
        raise Refused(METHOD_NOT_FOUND)
    kind = IdentityKind.USER if connection.user else IdentityKind.ANONYMOUS
    identity = Identity(connection.tenant, kind, connection.user, meta=connection.meta)
    try:
        async with asyncio.timeout(RPC_SECONDS):
            answer = await method(identity, codec.value(request.data))
    except TimeoutError as error:
        raise Refused(INTERNAL) from error
    return frames.RpcResult(codec.raw(answer))


async def send(_node: Node, _connection: Connection, request: frames.SendRequest) -> None:
    """Take a message that wants no answer; nobody listens for them yet.

    Raises:
        Refused: it is not JSON.
    """
    try:
        codec.value(request.data)
    except InvalidInput as error:
        raise Refused(BAD_REQUEST, error.message) from error


async def ping(_node: Node, _connection: Connection, _request: frames.Empty) -> frames.Empty:
    """Answer a client's own ping."""
    return frames.Empty()


def present(live: LiveChannel | None) -> dict[str, frames.ClientInfo]:
    """Return who is subscribed, by client id."""
    if live is None:
        return {}
    return {client: codec.info_of(sub.info) for client, sub in live.subscriptions.items() if _is_present(sub)}


def stats(live: LiveChannel | None) -> frames.PresenceStatsResult:
    """Return how many clients and users are subscribed."""
    if live is None:
        return frames.PresenceStatsResult()
    there = [sub for sub in live.subscriptions.values() if _is_present(sub)]
    return frames.PresenceStatsResult(len(there), len({sub.user for sub in there}))


def _is_present(sub: Subscription) -> bool:
    return sub.announced and (sub.options.presence or not sub.live.options.presence)


def _checked(node: Node, connection: Connection, channel: str) -> LiveChannel | None:
    options = node.namespaces.options(channel)
    check_presence(channel, options, connection.user, subscribed=channel in connection.subs)
    return node.channels.find(connection.tenant, channel)
