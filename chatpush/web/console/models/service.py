"""What the pages of service show: teams, agents, candidates, and how well it went."""

from dataclasses import dataclass
from datetime import datetime


@dataclass(frozen=True, slots=True)
class TeamLine:
    """A team."""

    id: str
    name: str
    skills: str
    languages: str
    assignment: str
    open: bool
    zone: str
    agents: int


@dataclass(frozen=True, slots=True)
class AgentLine:
    """Somebody who answers."""

    id: str
    name: str
    email: str
    presence: str
    load: int
    capacity: int
    teams: tuple[str, ...]
    skills: str
    languages: str


@dataclass(frozen=True, slots=True)
class CandidateLine:
    """A question that waits for a yes."""

    id: str
    question: str
    reply: str
    article: str
    title: str
    conversation: str
    at: datetime


@dataclass(frozen=True, slots=True)
class ServiceNumber:
    """One figure of service: the number as it reads, and what stands below it."""

    key: str
    value: str
    note: str = ""
    tone: str = ""
