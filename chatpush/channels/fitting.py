"""Fit a message into what push providers take: sizes, urgency, keys that say nothing.

Every provider bounds its payload (4096 bytes), so long texts are cut at a
character with an ellipsis; the whole text waits in the inbox.
"""

import base64
import hashlib

from chatpush.domain import Category, OutgoingMessage

LONGEST_TITLE = 400
LONGEST_BODY = 2400
LONGEST_ADDRESS = 400
MOST_ACTIONS = 2


def cut(text: str, longest: int) -> str:
    """Return a text of at most so many bytes, cut at a character."""
    encoded = text.encode()
    return text if len(encoded) <= longest else encoded[: longest - 3].decode(errors="ignore") + "…"


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
