"""The protocol's messages as types, named as on the wire.

``data`` stays raw JSON: it is checked once where it enters and never built
into objects on its way through. Fields we do not know are ignored, so newer
clients can talk to us; a wrong type is a bad request.
"""

from typing import Annotated

from msgspec import Meta, Raw, Struct

Number = Annotated[int, Meta(ge=0, le=2**32 - 1)]
Offset = Annotated[int, Meta(ge=0, le=2**63 - 1)]
NONE = Raw()


class ClientInfo(Struct, omit_defaults=True):
    """Who published or is present."""

    user: str = ""
    client: str = ""
    conn_info: Raw = NONE
    chan_info: Raw = NONE


class Publication(Struct, omit_defaults=True):
    """One entry of a channel."""

    data: Raw = NONE
    info: ClientInfo | None = None
    offset: int = 0
    tags: dict[str, str] | None = None
    # ``data`` is the difference to the publication before it.
    delta: bool = False
    time: int = 0


class StreamPosition(Struct, omit_defaults=True):
    """A cursor."""

    offset: Offset = 0
    epoch: str = ""


class FilterNode(Struct, omit_defaults=True):
    """A condition on a publication's tags."""

    op: str = ""
    key: str = ""
    cmp: str = ""
    val: str = ""
    vals: list[str] = []
    nodes: "list[FilterNode]" = []


class SubscribeRequest(Struct, omit_defaults=True):
    """Subscribe to a channel, perhaps recovering from a position."""

    channel: str = ""
    token: str = ""
    recover: bool = False
    epoch: str = ""
    offset: Offset = 0
    data: Raw = NONE
    positioned: bool = False
    recoverable: bool = False
    join_leave: bool = False
    delta: str = ""
    tf: FilterNode | None = None
    flag: int = 0
    type: int = 0


class SubscribeResult(Struct, omit_defaults=True):
    """A subscription with what was missed."""

    expires: bool = False
    ttl: int = 0
    recoverable: bool = False
    epoch: str = ""
    publications: list[Publication] = []
    recovered: bool = False
    offset: int = 0
    positioned: bool = False
    data: Raw = NONE
    was_recovering: bool = False
    delta: bool = False
    # Stands for the channel's name in pushes; 0: the name itself is sent.
    id: int = 0


class ConnectRequest(Struct, omit_defaults=True):
    """The first command of every connection."""

    token: str = ""
    data: Raw = NONE
    subs: dict[str, SubscribeRequest] = {}
    name: str = ""
    version: str = ""
    headers: dict[str, str] = {}
    # A compression dictionary that the client has.
    dict: str = ""


class ConnectResult(Struct, omit_defaults=True):
    """A connection with its server-side subscriptions."""

    client: str = ""
    version: str = ""
    expires: bool = False
    ttl: int = 0
    data: Raw = NONE
    subs: dict[str, SubscribeResult] = {}
    ping: int = 0
    pong: bool = False
    session: str = ""
    node: str = ""
    time: int = 0


class RefreshRequest(Struct, omit_defaults=True):
    """Replace the connection's token."""

    token: str = ""


class RefreshResult(Struct, omit_defaults=True):
    """The connection's new lifetime."""

    client: str = ""
    version: str = ""
    expires: bool = False
    ttl: int = 0


class UnsubscribeRequest(Struct, omit_defaults=True):
    """End a subscription."""

    channel: str = ""


class PublishRequest(Struct, omit_defaults=True):
    """Publish into a channel."""

    channel: str = ""
    data: Raw = NONE
    type: int = 0
    key: str = ""
    removed: bool = False


class ChannelRequest(Struct, omit_defaults=True):
    """Presence or presence_stats of a channel."""

    channel: str = ""


class PresenceResult(Struct, omit_defaults=True):
    """Who is subscribed, by client id."""

    presence: dict[str, ClientInfo] = {}


class PresenceStatsResult(Struct, omit_defaults=True):
    """How many are subscribed."""

    num_clients: int = 0
    num_users: int = 0


class HistoryRequest(Struct, omit_defaults=True):
    """Read a channel's history; limit 0 asks only for the position, below 0 for all."""

    channel: str = ""
    limit: int = 0
    since: StreamPosition | None = None
    reverse: bool = False


class HistoryResult(Struct, omit_defaults=True):
    """Publications and where the channel stands."""

    publications: list[Publication] = []
    epoch: str = ""
    offset: int = 0


class SendRequest(Struct, omit_defaults=True):
    """A message that wants no reply."""

    data: Raw = NONE


class RpcRequest(Struct, omit_defaults=True):
    """Call a method."""

    data: Raw = NONE
    method: str = ""


class RpcResult(Struct, omit_defaults=True):
    """What the method returned."""

    data: Raw = NONE


class SubRefreshRequest(Struct, omit_defaults=True):
    """Replace a subscription's token."""

    channel: str = ""
    token: str = ""
    type: int = 0


class SubRefreshResult(Struct, omit_defaults=True):
    """The subscription's new lifetime."""

    expires: bool = False
    ttl: int = 0


class Empty(Struct):
    """A message without fields."""


class Command(Struct, omit_defaults=True):
    """One command; without any field it is the answer to a ping."""

    id: Number = 0
    connect: ConnectRequest | None = None
    subscribe: SubscribeRequest | None = None
    unsubscribe: UnsubscribeRequest | None = None
    publish: PublishRequest | None = None
    presence: ChannelRequest | None = None
    presence_stats: ChannelRequest | None = None
    history: HistoryRequest | None = None
    ping: Empty | None = None
    send: SendRequest | None = None
    rpc: RpcRequest | None = None
    refresh: RefreshRequest | None = None
    sub_refresh: SubRefreshRequest | None = None


METHODS = tuple(name for name in Command.__struct_fields__ if name != "id")


class Error(Struct, omit_defaults=True):
    """A command's failure."""

    code: int = 0
    message: str = ""
    temporary: bool = False


class Presence(Struct, omit_defaults=True):
    """A join or a leave."""

    info: ClientInfo


class Unsubscribed(Struct, omit_defaults=True):
    """The server ended a subscription."""

    code: int = 0
    reason: str = ""


class Subscribed(Struct, omit_defaults=True):
    """The server subscribed the connection."""

    recoverable: bool = False
    epoch: str = ""
    offset: int = 0
    positioned: bool = False
    data: Raw = NONE


class Message(Struct, omit_defaults=True):
    """A message that belongs to no channel."""

    data: Raw = NONE


class Connected(Struct, omit_defaults=True):
    """A one-way connection begins: what a connect reply is elsewhere."""

    client: str = ""
    version: str = ""
    data: Raw = NONE
    subs: dict[str, SubscribeResult] = {}
    expires: bool = False
    ttl: int = 0
    ping: int = 0
    pong: bool = False
    session: str = ""
    node: str = ""
    time: int = 0


class Disconnected(Struct, omit_defaults=True):
    """Goodbye, where the transport has no close frame of its own."""

    code: int = 0
    reason: str = ""
    reconnect: bool = False


class Refreshed(Struct, omit_defaults=True):
    """The server gave the connection a new lifetime."""

    expires: bool = False
    ttl: int = 0


class EmulationRequest(Struct, omit_defaults=True):
    """Commands for a session whose transport only goes one way."""

    node: str = ""
    session: str = ""
    data: Raw = NONE


class Push(Struct, omit_defaults=True):
    """Something the client did not ask for."""

    id: int = 0
    channel: str = ""
    pub: Publication | None = None
    join: Presence | None = None
    leave: Presence | None = None
    unsubscribe: Unsubscribed | None = None
    message: Message | None = None
    subscribe: Subscribed | None = None
    connect: Connected | None = None
    disconnect: Disconnected | None = None
    refresh: Refreshed | None = None


class Reply(Struct, omit_defaults=True):
    """The answer to a command, or a push; without any field it is a ping."""

    id: int = 0
    error: Error | None = None
    push: Push | None = None
    connect: ConnectResult | None = None
    subscribe: SubscribeResult | None = None
    unsubscribe: Empty | None = None
    publish: Empty | None = None
    presence: PresenceResult | None = None
    presence_stats: PresenceStatsResult | None = None
    history: HistoryResult | None = None
    ping: Empty | None = None
    rpc: RpcResult | None = None
    refresh: RefreshResult | None = None
    sub_refresh: SubRefreshResult | None = None
