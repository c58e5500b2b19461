"""What a plugin hands to chatpush: tools, rankers, delivery channels and exporters.

These are the only Protocols a plugin author implements; everything built in
enters by the same door.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Protocol

from chatpush.domain import (
    Content,
    ConversationId,
    Event,
    Identity,
    Item,
    ItemId,
    Json,
    OutgoingMessage,
    Source,
    TenantId,
    User,
    UserId,
)


@dataclass(frozen=True, slots=True)
class Drop:
    """A filter's verdict that something must not go on, with the reason people will read.

    ``by`` is filled in by chatpush: the plugin whose verdict it is.
    """

    reason: str
    by: str = field(default="", compare=False, repr=False)


@dataclass(frozen=True, slots=True)
class Defer:
    """A filter's verdict that a message has to wait: until when, and the reason people will read.

    It is looked at again then, with everything else that decides. A message
    that has reached its reader's inbox already doesn't wait any more.
    """

    until: datetime
    reason: str
    by: str = field(default="", compare=False, repr=False)


@dataclass(frozen=True, slots=True)
class Question:
    """What a user writes in a chat. ``language`` is a locale: it decides the answer's words and the team."""

    tenant: TenantId
    user: UserId
    conversation: ConversationId
    text: str
    language: str


@dataclass(frozen=True, slots=True)
class ToolResult:
    """What a tool found.

    ``text`` by locale is a finished answer in Markdown, ``facts`` the values in
    it (numbers in a model's answer must be among them), ``follow`` the event
    that would change the answer: the assistant offers to tell the user then.
    """

    text: Mapping[str, str]
    facts: Mapping[str, Any] = field(default_factory=dict)
    sources: "tuple[Source | TitledSource, ...]" = ()
    follow: "Follow | None" = None


@dataclass(frozen=True, slots=True)
class TitledSource:
    """A source whose title differs by locale: 订单 1001 in a Chinese conversation, Order 1001 in an English one."""

    titles: Mapping[str, str]
    url: str = ""
    quote: str = ""


@dataclass(frozen=True, slots=True)
class Follow:
    """An event worth a promise: its type, what must match in its properties, the offer by locale.

    ``done`` says what the assistant writes when the event comes; a Jinja2-free
    ``str.format`` text over the event's properties. ``until``, with a time zone,
    is when waiting has no more sense (a flight has left); without it a promise
    lives ``support.promise_days``.
    """

    event_type: str
    match: Mapping[str, Any]
    offer: Mapping[str, str]
    done: Mapping[str, str]
    until: datetime | None = None


class Tool(Protocol):
    """Something the assistant can look up or do for the signed-in user.

    ``questions`` are example questions by locale (they make the tool findable
    without a model), ``parameters`` a JSON Schema of its arguments. ``slots``
    maps an argument to a regular expression that finds it in a question.
    """

    name: str
    description: str
    questions: Mapping[str, list[str]]
    parameters: Mapping[str, Any]
    slots: Mapping[str, str]

    async def call(self, identity: Identity, arguments: Mapping[str, Any]) -> ToolResult:
        """Do it as this identity and nobody else.

        Raises:
            NotFound: this user has no such thing.
        """
        ...


@dataclass(frozen=True, slots=True)
class RankingRequest:
    """Whom to rank for: a user (or nobody), their recent events, candidates' limit."""

    tenant: TenantId
    user: User | None
    events: tuple[Event, ...]
    limit: int
    locale: str


@dataclass(frozen=True, slots=True)
class Candidate:
    """An item proposed by a ranker: a score in 0..1 and why, as a reason code."""

    item: ItemId
    score: float
    reason_code: str
    reason_values: Mapping[str, Any] = field(default_factory=dict)


class Ranker(Protocol):
    """A source of candidates. ``weight`` scales its scores in the blend."""

    name: str
    weight: float

    async def rank(self, request: RankingRequest, items: Mapping[ItemId, Item]) -> list[Candidate]:
        """Return at most ``request.limit`` candidates, best first."""
        ...


class RpcMethod(Protocol):
    """A method that pages and backends call by its name: ``rpc`` over a connection, ``/api/rpc``."""

    name: str

    async def call(self, identity: Identity, data: Json) -> Json:
        """Answer for this identity and nobody else; ``identity.meta`` is the token's ``meta``.

        Raises:
            ChatpushError: the caller is told what is wrong.
        """
        ...


class Format(Protocol):
    """A way to show a message that the widget or an app of yours draws, by its name."""

    name: str

    async def shape(self, content: Content) -> Content:
        """Return the content as it is to be shown: words, and ``data`` for whoever draws it.

        Raises:
            InvalidInput: it lacks what this format needs; the sender is told.
        """
        ...


class Audience(Protocol):
    """Users that only the plugin knows, by name and arguments: ``to: [{"audience": name, "arguments": {…}}]``."""

    name: str

    async def page(
        self, tenant: TenantId, arguments: Mapping[str, Any], after: UserId, limit: int
    ) -> list[UserId]:
        """Return at most ``limit`` users beyond ``after`` ("" at first), by their ids; fewer: that was all.

        Asking twice gives the same answer, as far as the audience has not changed.

        Raises:
            InvalidInput: the arguments can't be used; the sender is told.
            Unavailable: ask again later.
        """
        ...


@dataclass(frozen=True, slots=True)
class Sent:
    """A channel's word that a provider took the message; ``reference`` is its id there."""

    reference: str = ""


class Channel(Protocol):
    """A way to reach users who are away, such as email or a chat webhook.

    Raises from ``send``: ``Unavailable`` to try again later, anything else is final.
    """

    name: str

    async def send(self, message: OutgoingMessage, address: str) -> Sent:
        """Hand one message to the provider."""
        ...


@dataclass(frozen=True, slots=True)
class Record:
    """Something worth telling another system; told again, it has the same id and says the same.

    ``type`` is ``usage.<kind>`` (``data``: ``kind``, ``day``, ``quantity`` since the
    last one, ``total`` of the day; ``subject``: the tenant), ``audit.<action>``
    (``data``: ``who``, ``action``, ``subject``), or for exporters of deliveries
    ``delivery.<step>`` and ``message.<step>``.
    """

    id: str
    type: str
    tenant: TenantId
    subject: str
    at: datetime
    data: Mapping[str, Any]


class Exporter(Protocol):
    """A system that is told of usage and of deeds, at least once and in order.

    One that has a true ``deliveries`` is told every step of every delivery too.
    """

    name: str

    async def export(self, records: Sequence[Record]) -> None:
        """Take all of these, at most a hundred, or raise: then they come again.

        A record that is none of yours is taken by doing nothing.
        """
        ...
