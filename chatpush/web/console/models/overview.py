"""What the overview shows."""

from dataclasses import dataclass
from datetime import datetime


@dataclass(frozen=True, slots=True)
class Choice:
    """A filter or option: its key, how many there are, whether it is chosen."""

    key: str
    count: int | None = None
    chosen: bool = False


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
