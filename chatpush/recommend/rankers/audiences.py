"""Tell whether an item is for a reader: its audience is a condition over the reader's attributes."""

from datetime import UTC, datetime
from functools import lru_cache

from chatpush.domain import User
from chatpush.errors import InvalidInput
from chatpush.notify.audience.conditions import Condition, asks_when, matches, parse, topics_in
from chatpush.notify.audience.segments import profile

REMEMBERED = 4096
ANY_TIME = datetime.min.replace(tzinfo=UTC)
"""An audience does not ask for the time."""


def checked_audience(text: str) -> str:
    """Return an item's audience if it can be asked of every reader at every pick.

    Raises:
        InvalidInput: it can't be read, or asks for topics or how long ago something was.
    """
    if text and (topics_in(_parsed(text)) or asks_when(_parsed(text))):
        raise InvalidInput("an item's audience asks for attributes, not for topics and not how long ago")
    return text


def belongs(reader: User | None, audience: str) -> bool:
    """Return whether an item of this audience may be shown; of nobody in particular nothing is known: no."""
    if not audience:
        return True
    return reader is not None and matches(_parsed(audience), profile(reader, {}), (), ANY_TIME)


@lru_cache(maxsize=REMEMBERED)
def _parsed(text: str) -> Condition:
    return parse(text)
