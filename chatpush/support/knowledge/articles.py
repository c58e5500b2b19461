"""An article as it is kept: what it is, how it was, and what has changed of it."""

from dataclasses import dataclass
from datetime import date, datetime

from chatpush.support.knowledge.reading import Chunk


@dataclass(frozen=True, slots=True)
class Article:
    """A stored article without its text; dates are ISO days, both included, empty for no bound."""

    id: str
    title: str
    language: str
    url: str
    tags: tuple[str, ...]
    questions: tuple[str, ...]
    chunks: int
    version: int
    updated_at: datetime
    valid_from: str = ""
    valid_until: str = ""
    audience: tuple[str, ...] = ()  # signed_in, or attributes such as plan=gold; empty: everybody

    def is_valid(self, day: date) -> bool:
        """Return whether the article may be used on a day."""
        today = day.isoformat()
        return self.valid_from <= today and (not self.valid_until or today <= self.valid_until)


@dataclass(frozen=True, slots=True)
class Past:
    """An article as it was in an earlier version."""

    article: Article
    text: str


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of one article of an import."""

    id: str
    status: str  # added, updated, unchanged
    chunks: int


@dataclass(frozen=True, slots=True)
class Changes:
    """What an index has to read: changed articles with their sections, ids that are gone, synonyms."""

    version: int
    changed: tuple[tuple[Article, tuple[Chunk, ...]], ...]
    gone: frozenset[str]
    synonyms: tuple[str, ...] = ()
