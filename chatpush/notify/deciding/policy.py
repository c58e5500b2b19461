"""Decide whether a message may reach a user now.

Nothing here reads a clock, a database or a network: callers bring what they
know and receive a Decision with its reason, so each rule is one short test.

The rules, in this order; the first that applies decides:

1. past its ttl: suppressed, ``expired``
2. the user opted out of the category, or marketing lacks consent, on all of the
   message's channels (``transactional`` knows neither), or marketing is held
   back, as during an open complaint
3. quiet hours: deferred to their end or suppressed, as the sender said
4. caps over rolling windows, on marketing and by category or topic: deferred
   until every window has room

A deferral that would pass the ttl is a suppression with the same reason. What
may be sent may be so on some channels only: a Decision names those the user
closed for the category.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from enum import StrEnum

from chatpush.domain import Category, QuietHours
from chatpush.notify.deciding.consenting import canonical, closed_of, takes_by_default
from chatpush.notify.deciding.hours import quiet_until

BY_ITS_WORDS = ": marketing by its words"


class Verdict(StrEnum):
    """What happens to the message."""

    SEND = "send"
    DEFER = "defer"
    SUPPRESS = "suppress"


class QuietRule(StrEnum):
    """What the sender wants in the user's quiet hours."""

    DEFER = "defer"
    SKIP = "skip"
    IGNORE = "ignore"


@dataclass(frozen=True, slots=True)
class Cap:
    """At most so many within a window, of a category and a topic if they are named."""

    limit: int
    window: timedelta
    category: Category | None = None
    topic: str = ""

    def counts(self, category: Category, topic: str) -> bool:
        """Whether a message counts for it."""
        return self.category in (None, category) and self.topic in ("", topic)


@dataclass(frozen=True, slots=True)
class Past:
    """A message the user got already."""

    at: datetime
    category: Category
    topic: str = ""


@dataclass(frozen=True, slots=True)
class Facts:
    """What is known about one message to one user at one moment.

    ``recent`` holds when the user got marketing, of all campaigns; ``cap`` 0
    means none. ``caps`` are further ones, over ``past`` of every category but
    transactional. ``consent_needed`` asks marketing for an explicit yes.
    ``relabelled``: the message is marketing by its words, not by its label; every
    reason says so. ``channels`` are those the message may take, ``channel_consents``
    what the user said of single ones, by category.
    """

    now: datetime
    category: Category
    consents: Mapping[str, bool]
    timezone: str = "UTC"
    quiet_hours: QuietHours | None = None
    quiet_rule: QuietRule = QuietRule.DEFER
    expires_at: datetime | None = None
    consent_needed: bool = True
    cap: int = 0
    cap_window: timedelta = timedelta(hours=24)
    recent: tuple[datetime, ...] = ()
    topic: str = ""
    caps: tuple[Cap, ...] = ()
    past: tuple[Past, ...] = ()
    relabelled: bool = False
    held: str = ""  # why marketing must wait for another part of the house, such as open_complaint
    channels: tuple[str, ...] = ()
    channel_consents: Mapping[str, Mapping[str, bool]] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Decision:
    """The verdict with a stable reason; ``until`` only for a deferral.

    ``closed`` are the channels that what may be sent must not take, by their names in consents.
    """

    verdict: Verdict
    reason: str
    until: datetime | None = None
    closed: tuple[str, ...] = ()


def default_quiet_rule(category: Category) -> QuietRule:
    """Return what quiet hours mean when the sender does not say."""
    return QuietRule.IGNORE if category is Category.TRANSACTIONAL else QuietRule.DEFER


def decide(facts: Facts) -> Decision:
    """Return what may happen to the message now."""
    if facts.expires_at is not None and facts.now >= facts.expires_at:
        return Decision(Verdict.SUPPRESS, "expired")
    decision = _by_rules(facts)
    return replace(decision, reason=f"{decision.reason}{BY_ITS_WORDS}") if facts.relabelled else decision


def _by_rules(facts: Facts) -> Decision:
    unwanted = _unwanted(facts)
    closed = closed_to(facts) if facts.channel_consents else ()
    return (
        _refused(facts, unwanted, closed)
        or _quiet(facts)
        or _capped(facts)
        or Decision(Verdict.SEND, _grounds(facts, unwanted), closed=closed)
    )


def closed_to(facts: Facts) -> tuple[str, ...]:
    """Return those of the message's channels by which the user does not take its category."""
    if facts.category is Category.TRANSACTIONAL:
        return ()
    own = facts.channel_consents.get(facts.category, {})
    said = facts.consents.get(facts.category)
    return closed_of(facts.category, facts.channels, said, own, consent_needed=facts.consent_needed)


def _refused(facts: Facts, reason: str, closed: tuple[str, ...]) -> Decision | None:
    if facts.category is Category.TRANSACTIONAL:
        return None
    if facts.channel_consents and facts.channels and (own := facts.channel_consents.get(facts.category)):
        if any(canonical(channel) not in closed for channel in facts.channels):
            reason = ""
        elif not reason or True in own.values():
            reason = f"{reason or 'opted_out'}: {', '.join(closed)}"
    if reason:
        return Decision(Verdict.SUPPRESS, reason)
    if facts.category is Category.MARKETING and facts.held:
        return Decision(Verdict.SUPPRESS, facts.held)
    return None


def _unwanted(facts: Facts) -> str:
    """Return why a category is not to be sent by channels of which the user said nothing; "" if it may be."""
    consent = facts.consents.get(facts.category)
    if consent:
        return ""
    if consent is False:
        return "opted_out"
    return "" if takes_by_default(facts.category, consent_needed=facts.consent_needed) else "no_consent"


def _quiet(facts: Facts) -> Decision | None:
    if facts.quiet_hours is None or facts.quiet_rule is QuietRule.IGNORE:
        return None
    ends = quiet_until(facts.now, facts.quiet_hours, facts.timezone)
    if ends is None:
        return None
    if facts.quiet_rule is QuietRule.SKIP:
        return Decision(Verdict.SUPPRESS, "quiet_hours")
    return _deferred(facts, "quiet_hours", ends)


def _capped(facts: Facts) -> Decision | None:
    """Every cap that is full says until when; the latest decides."""
    if facts.category is Category.TRANSACTIONAL:
        return None
    full: list[tuple[datetime, str]] = []
    if facts.category is Category.MARKETING and facts.cap:
        full += _full_until(facts.now, facts.cap, facts.cap_window, facts.recent, "frequency_cap")
    for cap in facts.caps:
        if cap.counts(facts.category, facts.topic):
            counted = tuple(one.at for one in facts.past if cap.counts(one.category, one.topic))
            reason = "frequency_cap" if not cap.topic else f"frequency_cap: topic {cap.topic}"
            full += _full_until(facts.now, cap.limit, cap.window, counted, reason)
    if not full:
        return None
    until, reason = max(full)
    return _deferred(facts, reason, until)


def _full_until(
    now: datetime, limit: int, window: timedelta, past: tuple[datetime, ...], reason: str
) -> list[tuple[datetime, str]]:
    """Return when a window has room again, nothing if it has now."""
    counted = sorted(at for at in past if at > now - window)
    return [(counted[-limit] + window, reason)] if len(counted) >= limit else []


def _deferred(facts: Facts, reason: str, until: datetime) -> Decision:
    if facts.expires_at is not None and until >= facts.expires_at:
        return Decision(Verdict.SUPPRESS, reason)
    return Decision(Verdict.DEFER, reason, until)


def _grounds(facts: Facts, unwanted: str) -> str:
    """Return why it may be sent, in the words of ``why did I get this``."""
    if facts.category is Category.TRANSACTIONAL:
        return "transactional"
    # What is sent although the category is not wanted in general goes by a channel the user said yes to.
    return "consent" if unwanted or facts.consents.get(facts.category) else "not_opted_out"
