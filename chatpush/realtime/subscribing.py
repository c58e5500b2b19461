"""Take a place in a channel: permission, position, recovery, expiry.

A subscription is registered first and reads the log afterwards. What is
published in between raises the channel's top, so once the reply is written
``settle`` either joins the live stream or catches up: nothing is lost and
nothing comes twice, because only the cursor decides.
"""

from chatpush.errors import CursorLost, TokenExpired, Unauthenticated
from chatpush.log.contract import Cursor, Publication
from chatpush.realtime.connection import Connection
from chatpush.realtime.feed import Subscription
from chatpush.realtime.filters import compiled
from chatpush.realtime.identity.claims import SubscriptionClaims
from chatpush.realtime.node import Node
from chatpush.realtime.permissions import check_reserved, check_subscribe
from chatpush.realtime.protocol import codec, frames
from chatpush.realtime.protocol.codes import (
    ALREADY_SUBSCRIBED,
    BAD_REQUEST,
    CONNECTION_CLOSED,
    EXPIRED,
    LIMIT_EXCEEDED,
    NOT_AVAILABLE,
    PERMISSION_DENIED,
    SERVER_UNSUBSCRIBED,
    TOKEN_EXPIRED,
    UNRECOVERABLE_POSITION,
    Disconnected,
    Refused,
    Unsubscribe,
)
from chatpush.realtime.shapes import Shape
from chatpush.realtime.terms import NO_TERMS, Terms
from chatpush.realtime.wires import speaks_protobuf

RECOVERY_LIMIT = 300
RECOVERY_BYTES = 262_144
COMPACT = 1
REJECT_UNRECOVERED = 2


async def subscribe(
    node: Node, connection: Connection, request: frames.SubscribeRequest
) -> frames.SubscribeResult:
    """Answer a client's subscribe.

    Raises:
        Refused: not this channel, not this client, or not now.
    """
    channel = request.channel
    options = node.namespaces.options(channel)
    if channel in connection.subs:
        raise Refused(ALREADY_SUBSCRIBED)
    if len(connection.subs) >= node.settings.max_channels:
        raise Refused(LIMIT_EXCEEDED, f"at most {node.settings.max_channels} channels a connection")
    if request.type:
        raise Refused(NOT_AVAILABLE, "map and poll subscriptions are not supported")
    claims = None
    if request.token:
        claims = await _claims(node, connection, request.token, channel)
    else:
        check_subscribe(channel, options, connection.user)
    if channel in connection.subs:  # the server may have subscribed it while the token was checked
        raise Refused(ALREADY_SUBSCRIBED)
    terms = claims.terms if claims else NO_TERMS
    return await take_place(node, connection, request, terms, server_side=False)


async def take_place(
    node: Node,
    connection: Connection,
    request: frames.SubscribeRequest,
    terms: Terms,
    *,
    server_side: bool,
) -> frames.SubscribeResult:
    """Register, read, and return what the client is to know; ``settle`` comes after the reply.

    Raises:
        Refused: the position can't be recovered and the client wanted nothing else.
        Disconnected: the connection was closed meanwhile.
    """
    if connection.closed:
        raise Disconnected(CONNECTION_CLOSED)
    live = node.channels.live(connection.tenant, request.channel)
    who = connection.client_info(terms.info)
    sub = Subscription(live, connection.wire, connection.catch_up, who, server_side=server_side)
    sub.options = terms.applied(live.options)
    sub.join_leave = request.join_leave and sub.options.join_leave
    sub.shape = _shape(node, sub, request)
    node.channels.add(sub)
    connection.subs[live.name] = sub
    try:
        result = await _position(node, sub, request)
    except BaseException:
        drop(node, connection, sub)
        raise
    result.data = codec.raw(terms.data)
    if sub.shape is not None:
        result.delta, result.id = sub.shape.delta, sub.shape.number
    if terms.expires_at is not None:
        sub.expires_at = terms.expires_at
        result.expires, result.ttl = True, _ttl(node, terms.expires_at)
        node.heartbeat.watch_expiry(connection, terms.expires_at, live.name)
    connection.fresh.append(sub)
    return result


def settle(node: Node, connection: Connection) -> None:
    """Let the subscriptions whose reply is written now join their streams."""
    fresh, connection.fresh = connection.fresh, []
    for sub in fresh:
        if connection.subs.get(sub.live.name) is sub:
            node.channels.settle(sub)


def drop(node: Node, connection: Connection, sub: Subscription) -> None:
    """End a subscription without a word to the client."""
    if connection.subs.get(sub.live.name) is sub:
        del connection.subs[sub.live.name]
    node.channels.remove(sub)


def end(
    node: Node, connection: Connection, sub: Subscription, why: Unsubscribe = SERVER_UNSUBSCRIBED
) -> None:
    """End a subscription and tell the client."""
    drop(node, connection, sub)
    word = frames.Unsubscribed(why.code, why.reason)
    connection.push(frames.Push(channel=sub.live.name, unsubscribe=word), "unsubscribe")


async def unsubscribe(node: Node, connection: Connection, request: frames.UnsubscribeRequest) -> frames.Empty:
    """Answer a client's unsubscribe; from what it does not have, too."""
    if not request.channel:
        raise Refused(BAD_REQUEST)
    sub = connection.subs.get(request.channel)
    if sub is not None:
        drop(node, connection, sub)
    return frames.Empty()


async def sub_refresh(
    node: Node, connection: Connection, request: frames.SubRefreshRequest
) -> frames.SubRefreshResult:
    """Give a subscription a new lifetime.

    Raises:
        Refused: there is no such subscription, or the token is not for it.
    """
    if request.type:
        raise Refused(NOT_AVAILABLE, "map and poll subscriptions are not supported")
    sub = connection.subs.get(request.channel)
    if not request.channel or not request.token or sub is None:
        raise Refused(BAD_REQUEST, "refresh needs a token and a channel this connection is subscribed to")
    try:
        claims = await _claims(node, connection, request.token, request.channel)
    except Refused as refused:
        raise (Refused(EXPIRED) if refused.code == TOKEN_EXPIRED else refused) from refused
    sub.expires_at = claims.expires_at
    if sub.expires_at is None:
        return frames.SubRefreshResult()
    node.heartbeat.watch_expiry(connection, sub.expires_at, request.channel)
    return frames.SubRefreshResult(True, _ttl(node, sub.expires_at))


async def _claims(node: Node, connection: Connection, token: str, channel: str) -> SubscriptionClaims:
    """Return the claims of a token that is for this user and channel."""
    try:
        claims = await node.tokens.verify_subscription(connection.tenant, token)
    except TokenExpired as error:
        raise Refused(TOKEN_EXPIRED) from error
    except Unauthenticated as error:
        raise Refused(PERMISSION_DENIED, error.message) from error
    if claims.channel != channel or claims.user != connection.user:
        raise Refused(PERMISSION_DENIED, "the token is for another channel or user")
    check_reserved(channel, connection.user)
    return claims


async def _position(
    node: Node, sub: Subscription, request: frames.SubscribeRequest
) -> frames.SubscribeResult:
    """Place the subscription and return its result, with what was missed."""
    live = sub.live
    result = frames.SubscribeResult(was_recovering=request.recover)
    if not live.positioned:
        sub.stand_at(await node.log.top(live.tenant, live.name))
        return result
    result.recoverable = request.recover or request.recoverable or sub.options.force_recovery
    result.positioned = request.positioned or sub.options.force_positioning or result.recoverable
    missed: tuple[Publication, ...] | None = None
    if request.recover:
        missed = await _missed(node, sub, request)
        traffic = node.traffic[live.tenant]
        traffic.recovered += missed is not None
        traffic.not_recovered += missed is None
        if missed is None and request.flag & REJECT_UNRECOVERED:
            raise Refused(UNRECOVERABLE_POSITION)
    if missed is None:
        sub.stand_at(await node.log.top(live.tenant, live.name))
    else:
        result.recovered = True
        result.publications = _shown(sub, missed)
    if result.positioned:
        result.epoch, result.offset = sub.epoch, sub.offset
    return result


def _shape(node: Node, sub: Subscription, request: frames.SubscribeRequest) -> Shape | None:
    """Return what a client asked for and may have; None if it gets what everybody gets.

    Raises:
        Refused: a filter that is not allowed or can't be, an unknown delta, or both at once.
    """
    options = sub.options
    if request.delta not in ("", "fossil") or (request.delta and request.tf is not None):
        raise Refused(BAD_REQUEST, "delta can be fossil, and not together with a tag filter")
    if request.tf is not None and not options.allow_tags_filter:
        raise Refused(PERMISSION_DENIED, "tag filters are not allowed here; see allow_tags_filter")
    delta = request.delta in options.allowed_delta_types
    compact = options.allow_channel_compaction and request.flag & COMPACT and not sub.server_side
    if not delta and not compact and request.tf is None:
        return None
    wanted = compiled(request.tf) if request.tf is not None else None
    return Shape(delta=delta, number=node.channels.number_of(sub.live) if compact else 0, wanted=wanted)


def _shown(sub: Subscription, missed: tuple[Publication, ...]) -> list[frames.Publication]:
    """Return recovered publications as this subscriber gets them."""
    shape = sub.shape
    if shape is None:
        return [codec.publication_of(entry) for entry in missed]
    shown = [codec.publication_of(entry) for entry in missed if shape.wants(entry)]
    if shape.delta and missed:
        shape.shown(missed[-1])
        if not speaks_protobuf(sub.wire):
            return [codec.as_text(entry) for entry in shown]
    return shown


async def _missed(
    node: Node, sub: Subscription, request: frames.SubscribeRequest
) -> tuple[Publication, ...] | None:
    """Return what came after the client's position and stand after it; None if that is gone.

    An empty epoch means the current one, so (0, "") reads from the start. What
    is beyond one reply's limits follows by catching up.
    """
    live = sub.live
    epoch = request.epoch or (await node.log.top(live.tenant, live.name)).epoch
    if live.options.force_recovery_mode == "cache":
        found = await node.log.history(live.tenant, live.name, 1, None, True)
        sub.stand_at(Cursor(found.epoch, found.top))
        seen = found.epoch == epoch and found.top == request.offset
        return () if seen else found.publications or None
    try:
        found = await node.log.after(live.tenant, live.name, Cursor(epoch, request.offset), RECOVERY_LIMIT)
    except CursorLost:
        return None
    missed = _within(RECOVERY_BYTES, found.publications)
    sub.stand_at(Cursor(found.epoch, missed[-1].offset if missed else request.offset))
    sub.goal = found.top
    return missed


def _within(size: int, publications: tuple[Publication, ...]) -> tuple[Publication, ...]:
    """Return the first publications that fit into so many bytes, at least one."""
    for number, publication in enumerate(publications):
        size -= len(publication.data)
        if size < 0:
            return publications[: max(1, number)]
    return publications


def _ttl(node: Node, expires_at: float) -> int:
    return max(1, round(expires_at - node.now()))
