"""What a provider said, without the address it spoke of.

Dead letters and traces keep a provider's words for whoever looks for the
cause; nothing personal belongs there, and providers like to repeat addresses.
"""

import re

LONGEST = 500
MAIL = re.compile(r"[^\s<>\"'(),;:]+@[A-Za-z0-9.-]+")
TOKEN = re.compile(r"[A-Za-z0-9_/+=:-]{40,}")
"""Device tokens, and the paths of push subscriptions."""
ADDRESS = "(address)"


def told(words: str, address: str) -> str:
    """Return a provider's words on one line, at most ``LONGEST`` characters, without addresses."""
    plain = " ".join(words.replace(address, ADDRESS).split()) if address else " ".join(words.split())
    return TOKEN.sub(ADDRESS, MAIL.sub(ADDRESS, plain))[:LONGEST]
