"""The first command: who is this, and what does it read from the start.

Also the token's renewal. A token decides, never the client: its ``sub`` is
the user, its ``channels`` and the user's personal channel are subscribed by
the server.
"""

from chatpush.domain import UserId
from chatpush.errors import TokenExpired, Unauthenticated
from chatpush.realtime.connection import Connection
from chatpush.realtime.identity.claims import ConnectionClaims
from chatpush.realtime.node import Node
from chatpush.realtime.permissions import check_reserved, personal_channel
from chatpush.realtime.protocol import frames
from chatpush.realtime.protocol.codes import (
    BAD_FRAME,
    BAD_REQUEST,
    CHANNEL_LIMIT,
    CONNECTION_EXPIRED,
    CONNECTION_LIMIT,
    INVALID_TOKEN,
    NOT_AVAILABLE,
    TOKEN_EXPIRED,
    Disconnected,
    Refused,
)
from chatpush.realtime.subscribing import take_place
from chatpush.realtime.terms import NO_TERMS, Terms


async def connect(node: Node, connection: Connection, request: frames.ConnectRequest) -> frames.ConnectResult:
    """Answer the connect command.

    Raises:
        Refused: the token has expired; fetch a fresh one.
        Disconnected: the token is not valid, or a limit is reached.
    """
    if connection.connected:
        raise Disconnected(BAD_FRAME)
    if request.dict:
        raise Refused(NOT_AVAILABLE, "dictionaries are not supported")
    claims = await _claims(node, connection, request.token or _bearer(request.headers))
    limit = node.settings.max_connections_per_user
    if claims.user and node.registry.count(connection.tenant, claims.user) >= limit:
        raise Disconnected(CONNECTION_LIMIT)
    if connection.closed:
        raise Disconnected(BAD_FRAME)
    connection.user, connection.info = claims.user, claims.info
    connection.meta, connection.labels = claims.meta, claims.labels or None
    connection.name, connection.version = request.name[:64], request.version[:64]
    connection.connected = True
    node.registry.add(connection)
    node.heartbeat.connected(connection)
    result = frames.ConnectResult(
        client=connection.client,
        ping=max(1, round(node.settings.ping_interval_seconds)),
        pong=not connection.one_way,
        session=connection.session_id,
        node=node.known_as,
    )
    if claims.expires_at is not None:
        result.expires, result.ttl = True, _live_until(node, connection, claims.expires_at)
    for channel, terms in server_side_channels(claims).items():
        if len(connection.subs) >= node.settings.max_channels:
            raise Disconnected(CHANNEL_LIMIT)
        asked = request.subs.get(channel) or frames.SubscribeRequest()
        asked.channel = channel
        result.subs[channel] = await take_place(node, connection, asked, terms, server_side=True)
    return result


async def refresh(node: Node, connection: Connection, request: frames.RefreshRequest) -> frames.RefreshResult:
    """Give the connection a new lifetime.

    Raises:
        Refused: there is no token.
        Disconnected: it is another user's, not valid, or expired itself.
    """
    if not request.token:
        raise Refused(BAD_REQUEST, "refresh needs a token")
    try:
        claims = await node.tokens.verify_connection(connection.tenant, request.token)
    except TokenExpired as error:
        raise Disconnected(CONNECTION_EXPIRED) from error
    except Unauthenticated as error:
        raise Disconnected(INVALID_TOKEN) from error
    if claims.user != connection.user:
        raise Disconnected(INVALID_TOKEN)
    connection.info, connection.meta, connection.labels = claims.info, claims.meta, claims.labels or None
    result = frames.RefreshResult(client=connection.client)
    connection.expires_at = None
    if claims.expires_at is not None:
        result.expires, result.ttl = True, _live_until(node, connection, claims.expires_at)
    return result


def server_side_channels(claims: ConnectionClaims) -> dict[str, Terms]:
    """Return the channels the server subscribes, each with its terms.

    Raises:
        Refused: the token names a channel that belongs to another user.
    """
    found = {personal_channel(claims.user): NO_TERMS} if claims.user else {}
    found |= dict.fromkeys(claims.channels, NO_TERMS)
    found |= claims.subs
    for channel in found:
        check_reserved(channel, claims.user)
    return found


def _bearer(headers: dict[str, str]) -> str:
    """Return the token of emulated headers: browsers can't set real ones on a WebSocket."""
    given = next((value for name, value in headers.items() if name.lower() == "authorization"), "")
    return given[len("Bearer ") :].strip() if given.lower().startswith("bearer ") else ""


async def _claims(node: Node, connection: Connection, token: str) -> ConnectionClaims:
    if not token:
        if node.settings.insecure or node.settings.allow_anonymous_connect_without_token:
            return ConnectionClaims(UserId(""))
        raise Disconnected(INVALID_TOKEN)
    try:
        return await node.tokens.verify_connection(connection.tenant, token)
    except TokenExpired as error:
        raise Refused(TOKEN_EXPIRED) from error
    except Unauthenticated as error:
        raise Disconnected(INVALID_TOKEN) from error


def _live_until(node: Node, connection: Connection, moment: float) -> int:
    connection.expires_at = moment
    node.heartbeat.watch_expiry(connection, moment)
    return max(1, round(moment - node.now()))
