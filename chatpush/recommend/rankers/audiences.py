"""Tell whether an item is for a reader: its audience is a condition over the reader's attributes."""

from functools import lru_cache

from chatpush.domain import User
from chatpush.errors import InvalidInput
from chatpush.notify.audience.conditions import Condition, matches, parse, topics_in
from chatpush.notify.audience.segments import profile

REMEMBERED = 4096


def checked_audience(text: str) -> str:
    """Return an item's audience if it can be asked of every reader at every pick.

    Raises:
        InvalidInput: it can't be read, or asks for topics.
    """
    if text and topics_in(_parsed(text)):
        raise InvalidInput("an item's audience asks for attributes, not for topics")
    return text


def belongs(reader: User | None, audience: str) -> bool:
    """Return whether an item of this audience may be shown; of nobody in particular nothing is known: no."""
    if not audience:
        return True
    return reader is not None and matches(_parsed(audience), profile(reader), ())


@lru_cache(maxsize=REMEMBERED)
def _parsed(text: str) -> Condition:
    return parse(text)
