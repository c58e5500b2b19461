"""The methods of the realtime server API: their requests as types, and what each does."""

from collections.abc import Awaitable, Callable
from datetime import UTC, datetime
from typing import Any

from msgspec import Raw, Struct

from chatpush.domain import Identity, IdentityKind, TenantId, UserId
from chatpush.errors import InvalidInput
from chatpush.log.contract import Cursor
from chatpush.realtime.filters import compiled
from chatpush.realtime.moves import Chosen
from chatpush.realtime.protocol import codec
from chatpush.realtime.protocol.codes import (
    FORCE_DISCONNECT,
    METHOD_NOT_FOUND,
    NOT_AVAILABLE,
    Disconnect,
    Refused,
)
from chatpush.realtime.protocol.frames import NONE, FilterNode, StreamPosition
from chatpush.realtime.terms import Terms, override_of
from chatpush.web.realtime_api.server_publishing import (
    BroadcastRequest,
    Caller,
    PublishRequest,
    broadcast,
    publish,
    unpacked,
)

HISTORY_LIMIT = 1000
LONGEST_NAME = 255
LATEST_SECONDS = 2**33


class SubscribeRequest(Struct):
    channel: str
    user: str = ""
    expire_at: int = 0
    info: Raw = NONE
    b64info: str = ""
    client: str = ""
    data: Raw = NONE
    b64data: str = ""
    recover_since: StreamPosition | None = None
    override: dict[str, Any] | None = None
    session: str = ""
    label_filter: FilterNode | None = None
    all_users: bool = False


class UnsubscribeRequest(Struct):
    channel: str
    user: str = ""
    client: str = ""
    session: str = ""
    label_filter: FilterNode | None = None
    all_users: bool = False


class DisconnectReason(Struct):
    code: int = FORCE_DISCONNECT.code
    reason: str = FORCE_DISCONNECT.reason


class DisconnectRequest(Struct):
    user: str = ""
    disconnect: DisconnectReason | None = None
    client: str = ""
    whitelist: list[str] = []
    session: str = ""
    label_filter: FilterNode | None = None
    all_users: bool = False


class RefreshRequest(Struct):
    user: str = ""
    client: str = ""
    expired: bool = False
    expire_at: int = 0
    info: Raw = NONE
    session: str = ""
    label_filter: FilterNode | None = None
    all_users: bool = False


class BlockUserRequest(Struct):
    user: str
    expire_at: int = 0


class RevokeTokenRequest(Struct):
    uid: str
    expire_at: int = 0


class InvalidateRequest(Struct):
    user: str
    issued_before: int = 0
    channel: str = ""


class ChannelRequest(Struct):
    channel: str


class HistoryRequest(Struct):
    channel: str
    limit: int = 0
    since: StreamPosition | None = None
    reverse: bool = False


class ChannelsRequest(Struct):
    pattern: str = ""


class RpcRequest(Struct):
    method: str
    params: Raw = NONE


class Nothing(Struct):
    """A request without fields."""


Who = SubscribeRequest | UnsubscribeRequest | DisconnectRequest | RefreshRequest


async def subscribe(caller: Caller, tenant: TenantId, request: SubscribeRequest) -> dict[str, Any]:
    since = request.recover_since
    terms = Terms(
        codec.value(Raw(unpacked(request.info, request.b64info))),
        codec.value(Raw(unpacked(request.data, request.b64data))),
        float(request.expire_at) if request.expire_at else None,
        override_of(request.override),
    )
    place = Cursor(since.epoch, since.offset) if since else None
    await caller.hub.moves.subscribe(tenant, _who(request), request.channel, terms, place)
    return {}


async def unsubscribe(caller: Caller, tenant: TenantId, request: UnsubscribeRequest) -> dict[str, Any]:
    await caller.hub.moves.unsubscribe(tenant, _who(request), request.channel)
    return {}


async def disconnect(caller: Caller, tenant: TenantId, request: DisconnectRequest) -> dict[str, Any]:
    reason = request.disconnect or DisconnectReason()
    if not 3000 <= reason.code <= 4999:
        raise InvalidInput("a disconnect code is 3000 to 4999", param="disconnect.code")
    why = Disconnect(reason.code, reason.reason)
    await caller.hub.moves.disconnect(tenant, _who(request), why, tuple(request.whitelist))
    return {}


async def refresh(caller: Caller, tenant: TenantId, request: RefreshRequest) -> dict[str, Any]:
    await caller.hub.moves.refresh(
        tenant, _who(request), expired=request.expired, info=codec.value(request.info),
        expire_at=float(request.expire_at) if request.expire_at else None,
    )  # fmt: skip
    return {}


async def presence(caller: Caller, tenant: TenantId, request: ChannelRequest) -> dict[str, Any]:
    _check_presence(caller, request.channel)
    return {"presence": caller.hub.presence(tenant, request.channel)}


async def presence_stats(caller: Caller, tenant: TenantId, request: ChannelRequest) -> dict[str, Any]:
    _check_presence(caller, request.channel)
    found = caller.hub.presence_stats(tenant, request.channel)
    return {"num_clients": found.num_clients, "num_users": found.num_users}


async def history(caller: Caller, tenant: TenantId, request: HistoryRequest) -> dict[str, Any]:
    limit = HISTORY_LIMIT if request.limit < 0 else min(request.limit, HISTORY_LIMIT)
    since = Cursor(request.since.epoch, request.since.offset) if request.since else None
    if since is not None and not since.epoch:
        since = Cursor((await caller.hub.history(tenant, request.channel, 0)).epoch, since.offset)
    found = await caller.hub.history(tenant, request.channel, limit, since, request.reverse)
    shown = [codec.publication_of(entry) for entry in found.publications]
    return {"publications": shown, "epoch": found.epoch, "offset": found.top}


async def history_remove(caller: Caller, tenant: TenantId, request: ChannelRequest) -> dict[str, Any]:
    await caller.hub.history_remove(tenant, request.channel)
    return {}


async def channels(caller: Caller, tenant: TenantId, request: ChannelsRequest) -> dict[str, Any]:
    found = caller.hub.active_channels(tenant, request.pattern)
    return {"channels": {name: {"num_clients": count} for name, count in found.items()}}


async def info(caller: Caller, _tenant: TenantId, _request: Nothing) -> dict[str, Any]:
    counts = caller.hub.counts()
    node = {
        "uid": caller.hub.name,
        "name": caller.hub.name,
        "version": caller.version,
        "num_clients": counts.connections,
        "num_users": counts.users,
        "num_channels": counts.channels,
        "num_subs": counts.subscriptions,
        "uptime": int(caller.hub.uptime_seconds()),
    }
    return {"nodes": [node]}


async def rpc(caller: Caller, tenant: TenantId, request: RpcRequest) -> dict[str, Any]:
    method = caller.hub.rpc.find(request.method)
    if method is None:
        raise Refused(METHOD_NOT_FOUND)
    identity = Identity(tenant, IdentityKind.KEY, "server", frozenset({"*"}))
    return {"data": await method(identity, codec.value(request.params))}


async def block_user(caller: Caller, tenant: TenantId, request: BlockUserRequest) -> dict[str, Any]:
    """Let a user not connect any more (until ``expire_at``), and close what is open."""
    user = UserId(_named(request.user, "user"))
    await caller.hub.blocks.block_user(tenant, user, _moment(request.expire_at))
    await caller.hub.disconnect(tenant, user)
    return {}


async def unblock_user(caller: Caller, tenant: TenantId, request: BlockUserRequest) -> dict[str, Any]:
    await caller.hub.blocks.unblock_user(tenant, UserId(_named(request.user, "user")))
    return {}


async def revoke_token(caller: Caller, tenant: TenantId, request: RevokeTokenRequest) -> dict[str, Any]:
    """Let the token with this ``jti`` hold no more; ``expire_at``, if known, is when it ends by itself."""
    uid = _named(request.uid, "uid")
    await caller.hub.blocks.revoke_token(tenant, uid, _moment(request.expire_at))
    return {}


async def invalidate_user_tokens(
    caller: Caller, tenant: TenantId, request: InvalidateRequest
) -> dict[str, Any]:
    """Let all tokens of a user issued before a moment (now, if none is given) hold no more."""
    if request.channel:  # taking back more than was asked would be worse
        raise Refused(NOT_AVAILABLE, "tokens are invalidated for all channels of a user, not for one")
    before = _moment(request.issued_before) or caller.hub.now()
    await caller.hub.blocks.invalidate_user_tokens(tenant, UserId(_named(request.user, "user")), before)
    return {}


METHODS: dict[str, tuple[type[Struct], Callable[[Caller, TenantId, Any], Awaitable[dict[str, Any]]]]] = {
    "publish": (PublishRequest, publish),
    "broadcast": (BroadcastRequest, broadcast),
    "subscribe": (SubscribeRequest, subscribe),
    "unsubscribe": (UnsubscribeRequest, unsubscribe),
    "disconnect": (DisconnectRequest, disconnect),
    "refresh": (RefreshRequest, refresh),
    "presence": (ChannelRequest, presence),
    "presence_stats": (ChannelRequest, presence_stats),
    "history": (HistoryRequest, history),
    "history_remove": (ChannelRequest, history_remove),
    "channels": (ChannelsRequest, channels),
    "info": (Nothing, info),
    "rpc": (RpcRequest, rpc),
    "block_user": (BlockUserRequest, block_user),
    "unblock_user": (BlockUserRequest, unblock_user),
    "revoke_token": (RevokeTokenRequest, revoke_token),
    "invalidate_user_tokens": (InvalidateRequest, invalidate_user_tokens),
}
READING = frozenset({"presence", "presence_stats", "history", "channels", "info"})


def _who(request: Who) -> Chosen:
    """Return whose connections are meant.

    Raises:
        InvalidInput: it says of nobody.
        Refused: the filter is none.
    """
    if not (request.user or request.client or request.session or request.all_users):
        raise InvalidInput("user, client, session or all_users is needed", param="user")
    labelled = compiled(request.label_filter) if request.label_filter is not None else None
    return Chosen(UserId(request.user), request.client, request.session, request.all_users, labelled)


def _named(value: str, param: str) -> str:
    if not value or len(value) > LONGEST_NAME:
        raise InvalidInput(f"{param} is 1 to {LONGEST_NAME} characters", param=param)
    return value


def _moment(seconds: int) -> datetime | None:
    if not 0 <= seconds < LATEST_SECONDS:
        raise InvalidInput("a time is in seconds since 1970", param="expire_at")
    return datetime.fromtimestamp(seconds, UTC) if seconds else None


def _check_presence(caller: Caller, channel: str) -> None:
    if not caller.hub.options_presence(channel):
        raise Refused(NOT_AVAILABLE)
