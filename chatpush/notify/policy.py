"""Decide whether a message may reach a user now.

Nothing here reads a clock, a database or a network: callers bring what they
know and receive a Decision with its reason, so each rule is one short test.

The rules, in this order; the first that applies decides:

1. past its ttl: suppressed, ``expired``
2. the user opted out of the category, or marketing lacks consent
   (``transactional`` knows neither)
3. quiet hours: deferred to their end or suppressed, as the sender said
4. the cap on marketing over a rolling window: deferred until the window has room

A deferral that would pass the ttl is a suppression with the same reason.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum

from chatpush.domain import Category, QuietHours
from chatpush.notify.hours import quiet_until


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
class Facts:
    """What is known about one message to one user at one moment.

    ``recent`` holds when the user got marketing, of all campaigns; ``cap`` 0
    means none. ``consent_needed`` asks marketing for an explicit yes.
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


@dataclass(frozen=True, slots=True)
class Decision:
    """The verdict with a stable reason; ``until`` only for a deferral."""

    verdict: Verdict
    reason: str
    until: datetime | None = None


def default_quiet_rule(category: Category) -> QuietRule:
    """Return what quiet hours mean when the sender does not say."""
    return QuietRule.IGNORE if category is Category.TRANSACTIONAL else QuietRule.DEFER


def decide(facts: Facts) -> Decision:
    """Return what may happen to the message now."""
    if facts.expires_at is not None and facts.now >= facts.expires_at:
        return Decision(Verdict.SUPPRESS, "expired")
    return _refused(facts) or _quiet(facts) or _capped(facts) or Decision(Verdict.SEND, _grounds(facts))


def _refused(facts: Facts) -> Decision | None:
    if facts.category is Category.TRANSACTIONAL:
        return None
    consent = facts.consents.get(facts.category)
    if consent is False:
        return Decision(Verdict.SUPPRESS, "opted_out")
    if facts.category is Category.MARKETING and facts.consent_needed and consent is not True:
        return Decision(Verdict.SUPPRESS, "no_consent")
    return None


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
    if facts.category is not Category.MARKETING or facts.cap == 0:
        return None
    counted = sorted(at for at in facts.recent if at > facts.now - facts.cap_window)
    if len(counted) < facts.cap:
        return None
    return _deferred(facts, "frequency_cap", counted[-facts.cap] + facts.cap_window)


def _deferred(facts: Facts, reason: str, until: datetime) -> Decision:
    if facts.expires_at is not None and until >= facts.expires_at:
        return Decision(Verdict.SUPPRESS, reason)
    return Decision(Verdict.DEFER, reason, until)


def _grounds(facts: Facts) -> str:
    """Return why it may be sent, in the words of ``why did I get this``."""
    if facts.category is Category.TRANSACTIONAL:
        return "transactional"
    return "consent" if facts.consents.get(facts.category) else "not_opted_out"
