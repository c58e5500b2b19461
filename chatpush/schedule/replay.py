"""Play one user's messages through the policy, as it would have decided at each moment.

Nothing here reads a clock or a database, and nothing is sent: callers bring
what is known and get told what would have become of it.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from chatpush.domain import User
from chatpush.notify.deciding.policy import Past, Verdict, decide
from chatpush.notify.deciding.ruling import Rules, facts_of
from chatpush.notify.messages.drafts import Accepted

MOST_DEFERRALS = 50
"""A message deferred more often than that in a window of weeks is one that waits."""
SENT, SUPPRESSED, WAITING = "sent", "suppressed", "waiting"


@dataclass(frozen=True, slots=True)
class Played:
    """What would have become of one message; ``deferred`` are the reasons for which it waited."""

    outcome: str
    at: datetime
    reason: str = ""
    deferred: tuple[str, ...] = ()


def play(
    rules: Rules, user: User, accepted: Accepted, moments: Sequence[datetime], got: Sequence[Past],
    until: datetime,
) -> list[Played]:  # fmt: skip
    """Return what would have become of a message at each of these moments, in their order.

    ``got`` is what the user really got from others, before and within the window;
    what is sent here counts for what follows. What waits at ``until`` is ``WAITING``.
    """
    sent: list[Past] = []
    return [_play(rules, user, accepted, moment, got, sent, until) for moment in sorted(moments)]


def _play(
    rules: Rules, user: User, accepted: Accepted, moment: datetime, got: Sequence[Past], sent: list[Past],
    until: datetime,
) -> Played:  # fmt: skip
    expires = moment + timedelta(seconds=accepted.ttl_seconds) if accepted.ttl_seconds is not None else None
    at, deferred = moment, list[str]()
    while at <= until and len(deferred) < MOST_DEFERRALS:
        past = tuple(one for one in (*got, *sent) if one.at <= at)
        facts = facts_of(rules, user, accepted, at, past, topic=accepted.topic, expires_at=expires)
        decision = decide(facts)
        if decision.verdict is Verdict.SEND:
            sent.append(Past(at, accepted.category, accepted.topic))
            return Played(SENT, at, decision.reason, tuple(deferred))
        if decision.verdict is Verdict.SUPPRESS or decision.until is None:
            return Played(SUPPRESSED, at, decision.reason, tuple(deferred))
        deferred.append(decision.reason)
        at = decision.until
    return Played(WAITING, at, deferred[-1] if deferred else "send_at", tuple(deferred))


@dataclass(slots=True)
class Tally:
    """How many messages came to what; adds up over pages of users."""

    messages: int = 0
    sent: int = 0
    waiting: int = 0
    suppressed: dict[str, int] = field(default_factory=dict)
    deferred: dict[str, int] = field(default_factory=dict)
    variants: dict[str, int] = field(default_factory=dict)
    channels: dict[str, int] = field(default_factory=dict)

    def count(self, played: Played) -> None:
        """Add one message."""
        self.messages += 1
        for reason in set(played.deferred):
            more(self.deferred, reason)
        if played.outcome == SENT:
            self.sent += 1
        elif played.outcome == WAITING:
            self.waiting += 1
        else:
            more(self.suppressed, played.reason)

    def drop(self, reason: str) -> None:
        """Count one that would have been sent as suppressed after all."""
        self.sent -= 1
        more(self.suppressed, reason)


def more(counts: dict[str, int], name: str, by: int = 1) -> None:
    """Add to one of several counts."""
    counts[name] = counts.get(name, 0) + by
