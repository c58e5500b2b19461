"""What the pages about dead letters show."""

from dataclasses import dataclass
from datetime import datetime


@dataclass(frozen=True, slots=True)
class DeadLetterLine:
    """One channel of one delivery that failed for good."""

    id: str
    delivery: str
    message: str
    user: str
    channel: str
    reason: str
    attempts: int
    at: datetime
    redriven_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class LetterFilter:
    """Which dead letters are asked for; ``again``: those sent again too."""

    channel: str = ""
    user: str = ""
    message: str = ""
    again: bool = False

    @property
    def narrow(self) -> bool:
        """Whether it asks for some of them alone."""
        return bool(self.channel or self.user or self.message)


@dataclass(frozen=True, slots=True)
class DeadLetterList:
    """Dead letters, what may be asked for, what was, and what a press of a button did."""

    letters: tuple[DeadLetterLine, ...]
    channels: tuple[str, ...]
    filters: LetterFilter = LetterFilter()
    older: str = ""
    done: str = ""
    count: str = ""


@dataclass(frozen=True, slots=True)
class LetterTry:
    """One attempt, and what was answered."""

    at: datetime
    verdict: str
    said: str
