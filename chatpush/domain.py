"""The words of chatpush as types; one meaning each.

Nothing here reads a clock, a database or a network. Records are frozen; a
change makes a new one. Times are aware UTC, stored as milliseconds (``*_at``
columns). Ids are prefixed and sort by their time of birth.
"""

import threading
import time
from dataclasses import dataclass, field
from datetime import UTC, datetime
from decimal import Decimal
from enum import StrEnum
from typing import Any, NewType

from chatpush.chance import random_bytes

TenantId = NewType("TenantId", str)
UserId = NewType("UserId", str)
MessageId = NewType("MessageId", str)
DeliveryId = NewType("DeliveryId", str)
ConversationId = NewType("ConversationId", str)
TurnId = NewType("TurnId", str)
PromiseId = NewType("PromiseId", str)
ItemId = NewType("ItemId", str)
EventId = NewType("EventId", str)
CampaignId = NewType("CampaignId", str)
RunId = NewType("RunId", str)
Json = dict[str, Any] | list[Any] | str | int | float | bool | None

DEFAULT_TENANT = TenantId("default")
VISITOR_PREFIX = "visitor_"
DEFAULT_LOCALE = "en"
EPOCH = datetime.fromtimestamp(0, UTC)

_ALPHABET = "0123456789abcdefghjkmnpqrstvwxyz"
_PAIRS = [one + other for one in _ALPHABET for other in _ALPHABET]
_birth = threading.Lock()
_last_birth = 0


def language_of(locale: str) -> str:
    """Return which of the house's own languages readers of a locale are spoken to in: ``zh`` or ``en``."""
    return "zh" if locale.lower().startswith("zh") else "en"


def new_id(prefix: str) -> str:
    """Return ``prefix_`` + 22 characters that sort by time within this process.

    Ten characters of microseconds since 1970 (never repeated here), twelve
    random ones (60 bits) against other processes.
    """
    global _last_birth  # noqa: PLW0603 - one process, one sequence of births
    with _birth:
        _last_birth = max(_last_birth + 1, time.time_ns() // 1000)
        moment = _last_birth
    tail = int.from_bytes(random_bytes(8), "big") >> 4
    # Two letters at a time, and no loop: a campaign to a million users asks for millions of ids.
    return (
        f"{prefix}_{_ALPHABET[moment >> 50 & 31]}{_PAIRS[moment >> 40 & 1023]}{_PAIRS[moment >> 30 & 1023]}"
        f"{_PAIRS[moment >> 20 & 1023]}{_PAIRS[moment >> 10 & 1023]}{_PAIRS[moment & 1023]}"
        f"{_PAIRS[tail >> 50]}{_PAIRS[tail >> 40 & 1023]}{_PAIRS[tail >> 30 & 1023]}"
        f"{_PAIRS[tail >> 20 & 1023]}{_PAIRS[tail >> 10 & 1023]}{_PAIRS[tail & 1023]}"
    )


def to_ms(moment: datetime) -> int:
    """Return milliseconds since 1970 of an aware time."""
    return round(moment.timestamp() * 1000)


def from_ms(milliseconds: int) -> datetime:
    """Return the aware UTC time of milliseconds since 1970."""
    return datetime.fromtimestamp(milliseconds / 1000, UTC)


def iso(moment: datetime) -> str:
    """Return RFC 3339 in UTC with milliseconds, as every payload carries it."""
    return moment.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


# -- who ------------------------------------------------------------------


class IdentityKind(StrEnum):
    """What stands behind a request."""

    ANONYMOUS = "anonymous"
    USER = "user"
    KEY = "key"
    PERSON = "person"


class Role(StrEnum):
    """What a console person may do; each includes the ones before."""

    VIEWER = "viewer"
    AGENT = "agent"
    EDITOR = "editor"
    ADMIN = "admin"

    def covers(self, needed: "Role") -> bool:
        """Return whether this role includes the needed one."""
        order = list(Role)
        return order.index(self) >= order.index(needed)


@dataclass(frozen=True, slots=True)
class Identity:
    """Who is asking, decided by the connection and never by its content."""

    tenant: TenantId
    kind: IdentityKind
    subject: str = ""
    scopes: frozenset[str] = frozenset()
    role: Role | None = None
    name: str = ""
    # What the app's backend wrote into the token's ``meta``; clients never see it.
    meta: Json = field(default=None, compare=False)

    def has_scope(self, scope: str) -> bool:
        """Return whether a key's scopes include this one."""
        return "*" in self.scopes or scope in self.scopes

    @property
    def user(self) -> UserId:
        """The end user's id; only for ``kind`` user."""
        return UserId(self.subject)


class Category(StrEnum):
    """What a message is for; only ``transactional`` bypasses consent and caps."""

    TRANSACTIONAL = "transactional"
    ALERT = "alert"
    MARKETING = "marketing"


@dataclass(frozen=True, slots=True)
class QuietHours:
    """A nightly window in the user's own zone, ``HH:MM``; may pass midnight."""

    start: str
    end: str


@dataclass(frozen=True, slots=True)
class User:
    """An end user of a tenant's app, by the app's own id.

    ``consents`` are by category; ``channel_consents`` what differs on single channels, by category and channel.
    """

    tenant: TenantId
    id: UserId
    locale: str = DEFAULT_LOCALE
    timezone: str = "UTC"
    attributes: dict[str, Any] = field(default_factory=dict)
    consents: dict[str, bool] = field(default_factory=dict)
    channel_consents: dict[str, dict[str, bool]] = field(default_factory=dict)
    quiet_hours: QuietHours | None = None
    personalized: bool = True
    created_at: datetime = EPOCH

    @property
    def name(self) -> str:
        """What to call the user; empty when the app did not say."""
        return str(self.attributes.get("name", ""))


# -- notify ------------------------------------------------------------------


class DeliveryState(StrEnum):
    """Exclusive state of one message to one user."""

    ACCEPTED = "accepted"
    SCHEDULED = "scheduled"
    QUEUED = "queued"
    SENT = "sent"
    DELIVERED = "delivered"
    FAILED = "failed"
    EXPIRED = "expired"
    CANCELLED = "cancelled"
    SUPPRESSED = "suppressed"


class ReceiptKind(StrEnum):
    """What became of a delivery on the user's side; additive."""

    DELIVERED = "delivered"
    SEEN = "seen"
    READ = "read"
    CLICKED = "clicked"
    REPLIED = "replied"
    DISMISSED = "dismissed"
    ARCHIVED = "archived"
    SNOOZED = "snoozed"


@dataclass(frozen=True, slots=True)
class Receipt:
    """A delivery's sign of life from the user."""

    delivery: DeliveryId
    kind: ReceiptKind
    at: datetime


@dataclass(frozen=True, slots=True)
class Content:
    """What the user gets to read, rendered and final."""

    title: str
    body: str
    url: str | None = None
    image: str | None = None
    format: str = "plain"
    data: dict[str, Any] = field(default_factory=dict)
    actions: tuple[dict[str, str], ...] = ()


@dataclass(frozen=True, slots=True)
class OutgoingMessage:
    """One message on its way to one user, as filters and channels see it.

    ``silent`` is a command to the app, not for people's eyes. ``badge`` is the
    number an app's icon is to show, None: leave it. ``display_seconds`` is how
    long it stays on the screen, None: until it is dismissed.
    """

    tenant: TenantId
    message: MessageId
    delivery: DeliveryId
    user: User
    category: Category
    template: str
    content: Content
    campaign: CampaignId | None = None
    priority: str = "normal"
    ttl_seconds: int | None = None
    collapse_key: str = ""
    silent: bool = False
    badge: int | None = None
    display_seconds: int | None = None


# -- recommend -----------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Item:
    """Something that can be recommended.

    Shown from ``valid_from`` until before ``valid_to``, only to readers of its
    ``language`` if it has one, and only to those for whom the condition
    ``audience`` holds, written as a segment's: ``country = "GB" and age >= 18``.
    """

    tenant: TenantId
    id: ItemId
    title: str
    text: str = ""
    price: Decimal | None = None
    currency: str = ""
    stock: int | None = None
    url: str = ""
    image: str = ""
    tags: tuple[str, ...] = ()
    attributes: dict[str, Any] = field(default_factory=dict)
    valid_from: datetime | None = None
    valid_to: datetime | None = None
    language: str = ""
    audience: str = ""


@dataclass(frozen=True, slots=True)
class Event:
    """What a user did, or what happened to something of theirs."""

    tenant: TenantId
    id: EventId
    user: UserId
    type: str
    at: datetime
    item: ItemId | None = None
    properties: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Reason:
    """Why an item was picked: a stable code and words in the user's language."""

    code: str
    text: str


@dataclass(frozen=True, slots=True)
class Pick:
    """One recommended item with its score and its reason."""

    item: Item
    score: float
    reason: Reason


# -- support --------------------------------------------------------------------


class Speaker(StrEnum):
    """Who says a turn."""

    USER = "user"
    ASSISTANT = "assistant"
    AGENT = "agent"
    SYSTEM = "system"


class ConversationState(StrEnum):
    """Who is to speak next for the tenant."""

    ASSISTANT = "assistant"
    WAITING = "waiting"
    AGENT = "agent"
    CLOSED = "closed"


@dataclass(frozen=True, slots=True)
class Source:
    """Where an answer comes from; resolved by the server, never by a model."""

    title: str
    url: str = ""
    quote: str = ""


@dataclass(frozen=True, slots=True)
class Turn:
    """One utterance in a conversation. ``text`` is Markdown."""

    id: TurnId
    conversation: ConversationId
    by: Speaker
    text: str
    at: datetime
    name: str = ""
    sources: tuple[Source, ...] = ()
    actions: tuple[dict[str, str], ...] = ()
    cards: tuple[dict[str, Any], ...] = ()
    promise: dict[str, Any] | None = None
    client_id: str | None = None
    attachments: tuple[dict[str, Any], ...] = ()


@dataclass(frozen=True, slots=True)
class Promise:
    """A stored "I will tell you when …": kept by the first matching event."""

    tenant: TenantId
    id: PromiseId
    conversation: ConversationId
    user: UserId
    event_type: str
    match: dict[str, Any]
    text: str
    until: datetime
    made_at: datetime
