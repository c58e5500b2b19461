"""Bring together what the policy needs: the installation's rules, the user, the message and what they got before."""

from dataclasses import dataclass
from datetime import datetime, timedelta

from chatpush.domain import Category, QuietHours, User
from chatpush.notify.deciding.policy import Cap, Facts, Past
from chatpush.notify.messages.drafts import Accepted

FEWER = "fewer_messages"  # the attribute of users who asked for less: one promotion per window


@dataclass(frozen=True, slots=True)
class Rules:
    """The installation's policy, the same for all users who don't say otherwise."""

    marketing_cap: int = 3
    marketing_cap_window: timedelta = timedelta(hours=24)
    marketing_needs_consent: bool = True
    default_quiet_hours: QuietHours | None = None
    caps: tuple[Cap, ...] = ()

    @property
    def longest_window(self) -> timedelta:
        """How far back what a user got can matter."""
        return max([self.marketing_cap_window, *(cap.window for cap in self.caps)])


def facts_of(
    rules: Rules, user: User, accepted: Accepted, now: datetime, past: tuple[Past, ...], *,
    topic: str = "", expires_at: datetime | None = None, held: str = "",
) -> Facts:  # fmt: skip
    """Return everything that decides whether a message may reach a user at a moment."""
    return Facts(
        now=now,
        category=accepted.category,
        relabelled=accepted.relabelled,
        consents=user.consents,
        timezone=user.timezone,
        quiet_hours=user.quiet_hours or rules.default_quiet_hours,
        quiet_rule=accepted.quiet_rule,
        expires_at=expires_at,
        consent_needed=rules.marketing_needs_consent,
        cap=1 if user.attributes.get(FEWER) is True else rules.marketing_cap,
        cap_window=rules.marketing_cap_window,
        recent=tuple(one.at for one in past if one.category is Category.MARKETING) if past else (),
        topic=topic,
        caps=rules.caps,
        past=past,
        held=held,
        channels=accepted.channels,
        channel_consents=user.channel_consents,
    )
