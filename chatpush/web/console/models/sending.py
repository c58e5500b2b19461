"""What the pages about messages and campaigns show."""

from dataclasses import dataclass, field
from datetime import datetime

from chatpush.web.console.models.overview import Choice


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
    failed: int = 0


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
    funnel: tuple[FunnelStep, ...]
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
