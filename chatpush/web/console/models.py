"""What the console's pages show: frozen, and ignorant of where it comes from.

A template sees one of these and nothing else, so a page can be drawn with
made-up values, and a service can change without touching a page.
"""

from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from markupsafe import Markup


@dataclass(frozen=True, slots=True)
class Choice:
    """A filter or option: its key, how many there are, whether it is chosen."""

    key: str
    count: int | None = None
    chosen: bool = False


# -- overview -----------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Counter:
    """One big number; ``tone`` colours it, ``href`` leads to what it counts."""

    key: str
    value: int
    tone: str = ""
    href: str = ""
    note: int | None = None


@dataclass(frozen=True, slots=True)
class NextRun:
    """When a campaign fires next."""

    id: str
    name: str
    at: datetime


@dataclass(frozen=True, slots=True)
class UsageLine:
    """What was used of one billable thing in this period."""

    kind: str
    used: int
    included: int | None
    amount: str = ""


@dataclass(frozen=True, slots=True)
class Bill:
    """The bill so far."""

    plan: str
    total: str
    since: datetime | None
    until: datetime | None
    lines: tuple[UsageLine, ...]


@dataclass(frozen=True, slots=True)
class Activity:
    """Something that just happened."""

    kind: str
    who: str
    text: str
    at: datetime
    href: str = ""
    tone: str = ""


@dataclass(frozen=True, slots=True)
class Overview:
    """The first page."""

    counters: tuple[Counter, ...]
    states: tuple[Choice, ...]
    next_runs: tuple[NextRun, ...]
    bill: Bill | None
    activity: tuple[Activity, ...]


# -- conversations ------------------------------------------------------------


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
    unread: int = 0


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


@dataclass(frozen=True, slots=True)
class Inbox:
    """The list of conversations with its filters."""

    shown: str
    filters: tuple[Choice, ...]
    lines: tuple[ConversationLine, ...]
    chosen: str = ""


# -- deliveries -----------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class FunnelStep:
    """One step of sent → delivered → seen → clicked; ``share`` in percent of the first."""

    key: str
    count: int
    share: float


@dataclass(frozen=True, slots=True)
class SentMessage:
    """A message in the list of deliveries."""

    id: str
    template: str
    audience: str
    category: str
    at: datetime
    total: int
    delivered: int
    seen: int
    clicked: int
    held: int
    status: str = ""


@dataclass(frozen=True, slots=True)
class Deliveries:
    """Messages and how far they came."""

    funnel: tuple[FunnelStep, ...]
    states: tuple[Choice, ...]
    messages: tuple[SentMessage, ...]
    older: str = ""


@dataclass(frozen=True, slots=True)
class TraceStep:
    """One moment in a delivery's life."""

    key: str
    at: datetime
    note: str = ""


@dataclass(frozen=True, slots=True)
class DeliveryLine:
    """One message to one user."""

    id: str
    user: str
    state: str
    channel: str
    reason: str
    at: datetime
    trace: tuple[TraceStep, ...] = ()
    attempts: int = 0
    notes: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True, slots=True)
class MessageDetail:
    """One message with all its deliveries."""

    id: str
    template: str
    category: str
    audience: str
    status: str
    at: datetime
    funnel: tuple[FunnelStep, ...]
    states: tuple[Choice, ...]
    deliveries: tuple[DeliveryLine, ...]
    facts: tuple[tuple[str, str], ...] = ()


# -- campaigns ------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class RunLine:
    """One firing of a campaign."""

    id: str
    slot: str
    state: str
    started_at: datetime | None
    finished_at: datetime | None
    sent: int
    skipped: int
    note: str = ""


@dataclass(frozen=True, slots=True)
class CampaignLine:
    """A campaign in the list."""

    id: str
    name: str
    state: str
    trigger_kind: str
    trigger: str
    content: str
    audience: str
    next_at: datetime | None
    last_run: RunLine | None


@dataclass(frozen=True, slots=True)
class CampaignDetail:
    """One campaign with its firings."""

    line: CampaignLine
    timezone: str
    next_firings: tuple[datetime, ...]
    runs: tuple[RunLine, ...]
    facts: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True, slots=True)
class DrySample:
    """One user's message as it would be, or why there would be none."""

    user: str
    locale: str
    title: str
    body: str
    problem: str = ""


@dataclass(frozen=True, slots=True)
class DryRun:
    """What a run would do now, without sending anything."""

    users: int
    samples: tuple[DrySample, ...] = ()
    problem: str = ""


@dataclass(frozen=True, slots=True)
class CampaignForm:
    """What the form offers and what was typed, so that a mistake loses nothing."""

    templates: tuple[str, ...]
    topics: tuple[str, ...]
    segments: tuple[str, ...]
    typed: dict[str, str] = field(default_factory=dict)
    problem: str = ""


# -- recommendations --------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class PickLine:
    """A recommended item."""

    id: str
    title: str
    image: str
    price: str
    stock: int | None
    score: float
    reason: str
    reason_code: str
    url: str = ""


@dataclass(frozen=True, slots=True)
class Recommendations:
    """Picks for one user (or for nobody in particular)."""

    asked: str
    known: bool
    name: str
    picks: tuple[PickLine, ...]
    events: tuple[EventLine, ...]
    suggestions: tuple[str, ...] = ()


# -- plugins and settings -----------------------------------------------------------


@dataclass(frozen=True, slots=True)
class PluginLine:
    """How a plugin is doing."""

    name: str
    description: str
    hooks: tuple[str, ...]
    calls: int
    failures: int
    average_milliseconds: float
    cut_off: bool
    last_error: str
    drops: int = 0


@dataclass(frozen=True, slots=True)
class SettingLine:
    """One setting: its default, its value if it differs, its help."""

    name: str
    default: str
    value: str
    changed: bool
    help: str


@dataclass(frozen=True, slots=True)
class KeyLine:
    """An API key; the key itself is never shown again."""

    id: str
    name: str
    kind: str
    hint: str
    scopes: tuple[str, ...]
    created_at: datetime
    used_at: datetime | None
    revoked: bool


@dataclass(frozen=True, slots=True)
class PersonLine:
    """A console person."""

    id: str
    name: str
    email: str
    role: str
    created_at: datetime
    me: bool = False


@dataclass(frozen=True, slots=True)
class TemplateLine:
    """A message template."""

    name: str
    version: int
    category: str
    locales: tuple[str, ...]
    at: datetime | None = None


@dataclass(frozen=True, slots=True)
class TemplateDetail:
    """One template with its texts by locale."""

    line: TemplateLine
    texts: tuple[tuple[str, tuple[tuple[str, str], ...]], ...]
    sample: str = "{}"


@dataclass(frozen=True, slots=True)
class PreviewText:
    """A rendered template, or the problem with it."""

    title: str = ""
    body: str = ""
    problem: str = ""


@dataclass(frozen=True, slots=True)
class ArticleLine:
    """A knowledge article."""

    id: str
    title: str
    locale: str
    url: str
    chunks: int
    at: datetime | None = None


@dataclass(frozen=True, slots=True)
class FoundPassage:
    """A passage that answers a tried question."""

    title: str
    text: str
    confidence: float
    url: str = ""


@dataclass(frozen=True, slots=True)
class TriedQuestion:
    """What the assistant would do with a question: its decision and the passages found."""

    question: str
    decision: str
    confidence: float
    passages: tuple[FoundPassage, ...]
