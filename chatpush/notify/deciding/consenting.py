"""Know by which channels a user takes which category, and what a further word of theirs makes of it.

Nothing here reads a clock or a database. A consent is given or withdrawn for a
category, on all channels or on one. What was said of a channel counts before
what was said of all, so that one may want offers by email only, or everywhere
but by email. Two rules keep a "no" a "no":

- a "no" to all channels withdraws each channel's "yes" with it: one step ends everything
- a channel's own "no" outlives a "yes" to all: only a "yes" to that channel opens it again

The inbox and the open pages are one channel, ``inbox``, whatever messages call it.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from chatpush.domain import Category

INBOX = "inbox"
INBOX_NAMES = frozenset({"ws", INBOX, "live"})


@dataclass(frozen=True, slots=True)
class Word:
    """A "yes" or "no" to a category; ``channel`` "" means all channels."""

    category: str
    granted: bool
    channel: str = ""


@dataclass(frozen=True, slots=True)
class Consents:
    """What holds now: by category, and of single channels within a category."""

    overall: Mapping[str, bool] = field(default_factory=dict)
    by_channel: Mapping[str, Mapping[str, bool]] = field(default_factory=dict)


def after(before: Consents, words: Iterable[Word]) -> tuple[Consents, list[Word]]:
    """Return what holds after some words, and those of them that changed something."""
    overall = dict(before.overall)
    by_channel = {category: dict(own) for category, own in before.by_channel.items()}
    changes = []
    for word in words:
        own = by_channel.get(word.category, {})
        if word.channel:
            changed = own.get(word.channel) is not word.granted
            by_channel[word.category] = own | {word.channel: word.granted}
        else:
            ended = {} if word.granted else {channel: True for channel, given in own.items() if given}
            changed = overall.get(word.category) is not word.granted or bool(ended)
            overall[word.category] = word.granted
            by_channel[word.category] = {
                channel: given for channel, given in own.items() if channel not in ended
            }
        if changed:
            changes.append(word)
    return Consents(overall, {category: own for category, own in by_channel.items() if own}), changes


def canonical(channel: str) -> str:
    """Return a channel's name as consents have it."""
    return INBOX if channel in INBOX_NAMES else channel


def takes_by_default(category: str, *, consent_needed: bool) -> bool:
    """Return whether a user who said nothing takes a category."""
    return category != Category.MARKETING or not consent_needed


def closed_of(
    category: str, channels: Sequence[str], overall: bool | None, own: Mapping[str, bool], *, consent_needed: bool
) -> tuple[str, ...]:  # fmt: skip
    """Return those of some channels by which a user does not take a category, by their names in consents.

    ``overall`` is what the user said of the category, None for nothing, ``own``
    what they said of single channels.
    """
    default = takes_by_default(category, consent_needed=consent_needed) if overall is None else overall
    names = dict.fromkeys(canonical(channel) for channel in channels)
    return tuple(name for name in names if not own.get(name, default))
