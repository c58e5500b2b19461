"""Say how long a content may be: everywhere, and on each channel.

The inbox takes a title of ``LONGEST_TITLE`` and a body of ``LONGEST_BODY``
characters; a rendered text beyond that is cut with an ellipsis. Channels have
limits of their own, in bytes of UTF-8, and cut likewise; a preview tells
beforehand.
"""

from collections.abc import Mapping
from dataclasses import dataclass

from chatpush.domain import Content

LONGEST_TITLE = 500
LONGEST_BODY = 20_000


@dataclass(frozen=True, slots=True)
class Cut:
    """What a channel will cut: which part, after how many bytes, of how many."""

    channel: str
    part: str
    limit: int
    bytes: int


def bounded(text: str, longest: int) -> str:
    """Return a text of at most so many characters."""
    return text if len(text) <= longest else text[: longest - 1] + "…"


def cuts(content: Content, limits: Mapping[str, Mapping[str, int]]) -> list[Cut]:
    """Return what each channel will cut of a content."""
    sizes = {"title": len(content.title.encode()), "body": len(content.body.encode())}
    return [
        Cut(channel, part, limit, sizes[part])
        for channel, parts in sorted(limits.items())
        for part, limit in parts.items()
        if sizes.get(part, 0) > limit
    ]
