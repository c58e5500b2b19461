"""Fit a message into what push providers take: sizes, urgency, keys that say nothing.

Every provider bounds its payload (4096 bytes), so long texts are cut at a
character with an ellipsis; the whole text waits in the inbox.
"""

import base64
import hashlib
from collections.abc import Callable

from chatpush.domain import Category, OutgoingMessage

LONGEST_TITLE = 400
LONGEST_BODY = 2400
LONGEST_ADDRESS = 400
PUSH_LIMITS = {"title": LONGEST_TITLE, "body": LONGEST_BODY}
MOST_ACTIONS = 2
STEPS = ((LONGEST_BODY, True), (LONGEST_BODY, False), (1200, False), (400, False), (0, False))
"""What is tried in turn: how long the body may be, and whether extras travel."""


def fitted(make: Callable[[str, bool], bytes], message: OutgoingMessage, largest: int) -> bytes:
    """Return what ``make(body, with_extras)`` makes of the longest body that fits."""
    made = b""
    for longest, extras in STEPS:
        made = make(cut(message.content.body, longest), extras)
        if len(made) <= largest:
            break
    return made


def cut(text: str, longest: int) -> str:
    """Return a text of at most so many bytes, cut at a character."""
    encoded = text.encode()
    if len(encoded) <= longest:
        return text
    return encoded[: max(longest - 3, 0)].decode(errors="ignore") + "…" if longest else ""


def short(url: str | None) -> str | None:
    """Return an address if it is short enough to travel."""
    return url if url is not None and len(url) <= LONGEST_ADDRESS else None


def actions(message: OutgoingMessage) -> list[dict[str, str]]:
    """Return the buttons that a notification has room for."""
    return [dict(one) for one in message.content.actions[:MOST_ACTIONS] if len(str(one)) < 300]


def urgency(message: OutgoingMessage) -> str:
    """Return how much battery a message is worth: high, normal or low."""
    if message.priority in ("high", "low"):
        return message.priority
    return "low" if message.category is Category.MARKETING else "normal"


def hidden_key(collapse_key: str) -> str:
    """Return a collapse key as 32 characters that tell a provider nothing."""
    return base64.urlsafe_b64encode(hashlib.sha256(collapse_key.encode()).digest())[:32].decode()
