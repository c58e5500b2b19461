"""What the agents' desk shows."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from markupsafe import Markup

from chatpush.web.console.models.overview import Choice


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
    """One utterance; ``html`` is cleaned Markdown."""

    id: str
    by: str
    name: str
    html: Markup
    at: datetime
    sources: tuple[SourceLink, ...] = ()
    actions: tuple[str, ...] = ()
    cards: tuple[dict[str, Any], ...] = ()
    promise: PromiseLine | None = None


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
    consents: tuple[tuple[str, bool], ...] = ()
    about: About | None = None
    events: tuple[EventLine, ...] = ()
    messages: tuple[MessageLine, ...] = ()
    promises: tuple[PromiseLine, ...] = ()
    summary: Markup | None = None


@dataclass(frozen=True, slots=True)
class Inbox:
    """The list of conversations with its filters."""

    shown: str
    filters: tuple[Choice, ...]
    lines: tuple[ConversationLine, ...]
    chosen: str = ""
