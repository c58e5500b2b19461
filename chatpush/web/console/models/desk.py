"""What the agents' desk shows."""

from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from markupsafe import Markup

from chatpush.web.console.models.overview import Choice


@dataclass(frozen=True, slots=True)
class Deadline:
    """The clock of a conversation that is due first."""

    kind: str
    due_at: datetime
    tone: str = ""  # warn: soon, bad: too late


@dataclass(frozen=True, slots=True)
class ConversationLine:
    """A conversation in the list."""

    id: str
    user: str
    name: str
    state: str
    last: str
    last_by: str
    at: datetime
    agent: str = ""
    online: bool = False
    unread: bool = False
    subject: str = ""
    tags: tuple[str, ...] = ()
    deadline: Deadline | None = None
    place: str = ""  # from where on the list is read to stand behind this line


@dataclass(frozen=True, slots=True)
class SourceLink:
    """Where an answer comes from."""

    title: str
    url: str = ""
    quote: str = ""


@dataclass(frozen=True, slots=True)
class PromiseLine:
    """A promise and what became of it."""

    text: str
    until: datetime | None = None
    state: str = "open"


@dataclass(frozen=True, slots=True)
class TurnView:
    """One utterance, or (``by`` note) a private remark; ``html`` is cleaned Markdown."""

    id: str
    by: str
    name: str
    html: Markup
    at: datetime
    sources: tuple[SourceLink, ...] = ()
    actions: tuple[str, ...] = ()
    cards: tuple[dict[str, Any], ...] = ()
    promise: PromiseLine | None = None
    attachments: tuple[dict[str, Any], ...] = ()  # name, type, url
    why: bool = False
    seen: bool = False
    mine: bool = False


@dataclass(frozen=True, slots=True)
class Thread:
    """One conversation, open in the middle."""

    id: str
    user: str
    name: str
    state: str
    agent: str
    mine: bool
    online: bool
    turns: tuple[TurnView, ...]
    typing: str = ""
    subject: str = ""
    deadlines: tuple[Deadline, ...] = ()
    merged_into: str = ""


@dataclass(frozen=True, slots=True)
class EventLine:
    """What a user did."""

    type: str
    subject: str
    at: datetime
    detail: str = ""


@dataclass(frozen=True, slots=True)
class MessageLine:
    """A message that went to a user."""

    id: str
    title: str
    state: str
    at: datetime


@dataclass(frozen=True, slots=True)
class About:
    """What a conversation is about: an item or a message."""

    kind: str
    title: str
    text: str = ""
    image: str = ""
    url: str = ""
    href: str = ""


@dataclass(frozen=True, slots=True)
class OtherConversation:
    """Another conversation of the same user."""

    id: str
    state: str
    at: datetime
    subject: str = ""


@dataclass(frozen=True, slots=True)
class LookUp:
    """A tool an agent may ask on the customer's behalf, with the fields it needs."""

    name: str
    description: str
    fields: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True, slots=True)
class ConsentLine:
    """What a customer said of a category: on all channels, None for nothing, and on single ones."""

    category: str
    given: bool | None
    channels: tuple[tuple[str, bool], ...] = ()


@dataclass(frozen=True, slots=True)
class Customer:
    """Whom the agent talks to."""

    user: str
    name: str
    locale: str
    timezone: str
    online: bool
    visitor: bool
    created_at: datetime | None
    attributes: tuple[tuple[str, str], ...] = ()
    consents: tuple[ConsentLine, ...] = ()
    about: tuple[About, ...] = ()
    events: tuple[EventLine, ...] = ()
    messages: tuple[MessageLine, ...] = ()
    promises: tuple[PromiseLine, ...] = ()
    summary: Markup | None = None
    conversation: str = ""
    subject: str = ""
    tags: tuple[str, ...] = ()
    known_tags: tuple[str, ...] = ()
    contact: str = ""
    may_mail: bool = False
    score: int | None = None
    comment: str = ""
    others: tuple[OtherConversation, ...] = ()
    look_ups: tuple[LookUp, ...] = ()


@dataclass(frozen=True, slots=True)
class Hit:
    """A conversation that a search found."""

    id: str
    name: str
    state: str
    excerpt: str
    at: datetime


@dataclass(frozen=True, slots=True)
class Inbox:
    """The list of conversations with its filters."""

    shown: str
    filters: tuple[Choice, ...]
    lines: tuple[ConversationLine, ...]
    chosen: str = ""
    asked_lines: int = 0
    more: bool = False
    after: str = ""  # the place behind which these lines stand; empty: the beginning
    query: str = ""
    hits: tuple[Hit, ...] = ()
    problem: str = ""
    indexed: str = ""  # the share of old turns that can be found so far; empty: all


@dataclass(frozen=True, slots=True)
class TrailStep:
    """One thing done for an answer: its kind and what is known of it."""

    kind: str
    facts: tuple[tuple[str, str], ...] = ()
    rows: tuple[tuple[str, str], ...] = field(default_factory=tuple)
