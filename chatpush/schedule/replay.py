"""Play one user's messages through the policy, as it would have decided at each moment.

Nothing here reads a clock or a database, and nothing is sent: callers bring
what is known and get told what would have become of it. Messages of a collapse
key or a digest meet each other as they would in the queue.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from chatpush.domain import User
from chatpush.notify.deciding.digests import LONGEST_SLIDE, Digest
from chatpush.notify.deciding.policy import Past, Verdict, decide
from chatpush.notify.deciding.ruling import Rules, facts_of
from chatpush.notify.messages.drafts import Accepted

MOST_DEFERRALS = 50
"""A message deferred more often than that in a window of weeks is one that waits."""
SENT, SUPPRESSED, WAITING = "sent", "suppressed", "waiting"


@dataclass(frozen=True, slots=True)
class Played:
    """What would have become of one message; ``deferred`` are the reasons for which it waited.

    ``gathered`` is how many messages it speaks for (a digest), ``replaces`` whether
    it takes the place of one that is on the screen already, ``closed`` the channels
    it would not have taken because the user closed them.
    """

    outcome: str
    at: datetime
    reason: str = ""
    deferred: tuple[str, ...] = ()
    gathered: int = 1
    replaces: bool = False
    closed: tuple[str, ...] = ()


@dataclass(slots=True)
class _Waiting:
    """A message on its way: when it was made, when it is due next, and from when its ttl counts."""

    made: datetime
    due: datetime
    lives_from: datetime
    deferred: list[str] = field(default_factory=list)
    gathered: int = 1


def play(
    rules: Rules, user: User, accepted: Accepted, moments: Sequence[datetime], got: Sequence[Past],
    until: datetime,
) -> list[Played]:  # fmt: skip
    """Return what would have become of a message at each of these moments, in the order of their ends.

    ``got`` is what the user really got from others, before and within the window;
    what is sent here counts for what follows. One that still waits gives way to the
    next of its collapse key, and takes those of its digest in. What waits at
    ``until`` is ``WAITING``.
    """
    return _Play(rules, user, accepted, got, until).all(sorted(moments))


class _Play:
    """One user's messages, one after the other."""

    def __init__(
        self, rules: Rules, user: User, accepted: Accepted, got: Sequence[Past], until: datetime
    ) -> None:
        self._rules = rules
        self._user = user
        self._accepted = accepted
        self._got = got
        self._until = until
        self._sent: list[Past] = []
        self._ends: list[Played] = []

    def all(self, moments: Sequence[datetime]) -> list[Played]:
        """Return what becomes of all."""
        accepted = self._accepted
        waits = bool(accepted.collapse_key) or accepted.digest is not None
        waiting: _Waiting | None = None
        for moment in moments:
            if waiting is not None and self._follow(waiting, moment):
                waiting = None
            if waiting is not None and accepted.collapse_key:
                self._end(waiting, SUPPRESSED, moment, "collapsed")
                waiting = None
            if waiting is not None and accepted.digest is not None:
                self._ends.append(Played(SUPPRESSED, moment, "digested"))
                _join(waiting, accepted.digest, moment)
                continue
            window = timedelta(seconds=accepted.digest.window) if accepted.digest is not None else timedelta()
            waiting = _Waiting(moment, moment + window, moment + window)
            if not waits:
                self._follow(waiting, None)
                waiting = None
        if waiting is not None:
            self._follow(waiting, None)
        return self._ends

    def _follow(self, waiting: _Waiting, before: datetime | None) -> bool:
        """Go on with one until its end, or until it would wait beyond a moment; return whether it ended."""
        ttl = self._accepted.ttl_seconds
        expires = waiting.lives_from + timedelta(seconds=ttl) if ttl is not None else None
        while waiting.due <= self._until and len(waiting.deferred) < MOST_DEFERRALS:
            at = waiting.due
            if before is not None and at > before:
                return False
            past = tuple(one for one in (*self._got, *self._sent) if one.at <= at)
            topic = self._accepted.topic
            facts = facts_of(
                self._rules, self._user, self._accepted, at, past, topic=topic, expires_at=expires
            )
            decision = decide(facts)
            if decision.verdict is Verdict.SEND:
                replaces = bool(self._accepted.collapse_key and self._sent)
                self._sent.append(Past(at, self._accepted.category, topic))
                self._end(waiting, SENT, at, decision.reason, replaces=replaces, closed=decision.closed)
                return True
            if decision.verdict is Verdict.SUPPRESS or decision.until is None:
                self._end(waiting, SUPPRESSED, at, decision.reason)
                return True
            waiting.deferred.append(decision.reason)
            waiting.due = decision.until
        if before is None or before > self._until:
            self._end(waiting, WAITING, waiting.due, waiting.deferred[-1] if waiting.deferred else "send_at")
            return True
        return False

    def _end(
        self, waiting: _Waiting, outcome: str, at: datetime, reason: str, *, replaces: bool = False,
        closed: tuple[str, ...] = (),
    ) -> None:  # fmt: skip
        self._ends.append(
            Played(
                outcome,
                at,
                reason,
                tuple(waiting.deferred),
                waiting.gathered,
                replaces=replaces,
                closed=closed,
            )
        )


def _join(waiting: _Waiting, digest: Digest, moment: datetime) -> None:
    """Take one more in: a full digest goes at once, a sliding one waits on (``deciding.digests``)."""
    waiting.gathered += 1
    if waiting.gathered >= digest.max_items:
        waiting.due = moment
    elif digest.sliding:
        window = timedelta(seconds=digest.window)
        waiting.due = min(moment + window, waiting.made + LONGEST_SLIDE * window)
    waiting.lives_from = max(waiting.lives_from, waiting.due)


@dataclass(slots=True)
class Tally:
    """How many messages came to what; adds up over pages of users."""

    messages: int = 0
    sent: int = 0
    replaced: int = 0
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
            self.replaced += played.replaces
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
