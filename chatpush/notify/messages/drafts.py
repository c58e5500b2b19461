"""What a sender asks for, checked, and as the JSON that is sealed until all have it."""

import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, field, fields
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any, Protocol

from chatpush.domain import CampaignId, Category, Content, UserId, iso
from chatpush.errors import InvalidInput
from chatpush.notify.deciding.consenting import INBOX_NAMES
from chatpush.notify.deciding.digests import Digest
from chatpush.notify.deciding.experiments import Variant, check_variants
from chatpush.notify.deciding.policy import QuietRule, default_quiet_rule
from chatpush.notify.listing import checked_name

LIVE = "ws"
MARKETING_TTL = timedelta(days=3)
LONGEST_TTL = timedelta(days=28)
LONGEST_WAIT = timedelta(days=7)
FURTHEST = timedelta(days=366)
PAST_TOLERANCE = timedelta(minutes=1)
LARGEST_BADGE = 9999
LONGEST_DISPLAY = 86_400
MOST_TAGS = 5


class Words(Protocol):
    """What a reader may get to read."""

    @property
    def title(self) -> str: ...
    @property
    def body(self) -> str: ...


Judge = Callable[[Category, Sequence[str]], Category]
"""Returns what a message is treated as: its label, or marketing if its words are."""


class Priority(StrEnum):
    """How soon, compared with others that are due."""

    HIGH = "high"
    NORMAL = "normal"
    LOW = "low"


@dataclass(frozen=True, slots=True)
class Recipient:
    """One of: a user (with data and maybe a moment of their own), a topic, a segment, everyone.

    Or an ``audience`` that a plugin knows, with its ``arguments``.
    """

    user: UserId | None = None
    topic: str | None = None
    segment: str | None = None
    everyone: bool = False
    audience: str | None = None
    arguments: Mapping[str, Any] = field(default_factory=dict)
    data: Mapping[str, Any] = field(default_factory=dict)
    send_at: datetime | None = None

    def __post_init__(self) -> None:
        named = (self.user, self.topic, self.segment, self.audience)
        chosen = [*(one is not None for one in named), self.everyone]
        if sum(chosen) != 1:
            raise InvalidInput(
                'a recipient is one of {"user"}, {"topic"}, {"segment"}, {"audience"}, {"all": true}',
                param="to",
            )


RECIPIENT = tuple(one.name for one in fields(Recipient))


@dataclass(frozen=True, slots=True)
class MessageDraft:
    """A message before it is accepted.

    Either ``template`` (a name, or ``name@version``) with ``data``, or literal
    ``content``. Only ``items`` and ``public`` of the data travel to the
    browser. ``send_at`` is an instant; ``send_local`` a naive wall-clock time
    in each recipient's own zone. ``category`` None takes the template's.
    ``score`` says which is kept when a cap has no room for all. ``variants`` are
    templates tried against each other, ``holdout`` the share that gets nothing.
    ``escalate_after`` seconds without a receipt the next channel is used.
    ``silent`` is a command to the app: not shown, not kept, not counted.
    ``badge`` says whether it counts as unread, or which number the app's icon
    shows. ``tags`` are the inbox's tabs it belongs to.
    """

    to: tuple[Recipient, ...]
    template: str | None = None
    content: Content | None = None
    data: Mapping[str, Any] = field(default_factory=dict)
    locale: str | None = None
    channels: tuple[str, ...] = (LIVE,)
    category: Category | None = None
    priority: Priority = Priority.NORMAL
    ttl_seconds: int | None = None
    collapse_key: str = ""
    cancel_key: str = ""
    send_at: datetime | None = None
    send_local: datetime | None = None
    quiet_hours: QuietRule | None = None
    campaign: CampaignId | None = None
    escalate_after: int | None = None
    score: float = 0.0
    variants: tuple[Variant, ...] = ()
    holdout: float = 0.0
    digest: Digest | None = None
    silent: bool = False
    badge: bool | int = True
    display_seconds: int | None = None
    tags: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Accepted:
    """An accepted message: everything decided that does not depend on the user."""

    template: str
    content: Content | None
    data: Mapping[str, Any]
    locale: str | None
    channels: tuple[str, ...]
    category: Category
    priority: Priority
    ttl_seconds: int | None
    collapse_key: str
    send_at: datetime | None
    send_local: datetime | None
    quiet_rule: QuietRule
    campaign: CampaignId | None
    to: tuple[Recipient, ...] = ()
    escalate_after: int | None = None
    score: float = 0.0
    variants: tuple[Variant, ...] = ()
    holdout: float = 0.0
    topic: str = ""
    digest: Digest | None = None
    relabelled: bool = False
    silent: bool = False
    badge: bool | int = True
    display_seconds: int | None = None
    tags: tuple[str, ...] = ()

    @property
    def shows(self) -> bool:
        """Whether it goes to the inbox and open pages."""
        return not INBOX_NAMES.isdisjoint(self.channels)

    @property
    def away_channels(self) -> list[str]:
        """The channels for users who are away."""
        return [name for name in self.channels if name not in INBOX_NAMES]

    @property
    def rank(self) -> int:
        """Lower goes first: what a user waits for is never behind a campaign."""
        if self.priority is Priority.NORMAL:
            return 2 if self.category is Category.MARKETING else 1
        return 0 if self.priority is Priority.HIGH else 3

    def to_json(self) -> dict[str, Any]:
        """Return the JSON that ``accepted_of`` reads."""
        known = {one.name: getattr(self, one.name) for one in fields(self)}  # asdict copies all data, deeply
        known["content"] = asdict(self.content) if self.content is not None else None
        known["digest"] = asdict(self.digest) if self.digest is not None else None
        known["variants"] = [asdict(one) for one in self.variants]
        known["to"] = [{name: getattr(one, name) for name in RECIPIENT} for one in self.to]
        known["send_at"] = iso(self.send_at) if self.send_at else None
        known["send_local"] = self.send_local.isoformat() if self.send_local else None
        for one in known["to"]:
            one["send_at"] = iso(one["send_at"]) if one["send_at"] else None
        return known


def accepted_of(stored: Mapping[str, Any]) -> Accepted:
    """Return the accepted message of its JSON."""
    content = stored["content"]
    return Accepted(
        template=stored["template"],
        content=Content(**(content | {"actions": tuple(content["actions"])})) if content else None,
        data=stored["data"],
        locale=stored["locale"],
        channels=tuple(stored["channels"]),
        category=Category(stored["category"]),
        priority=Priority(stored["priority"]),
        ttl_seconds=stored["ttl_seconds"],
        collapse_key=stored["collapse_key"],
        send_at=datetime.fromisoformat(stored["send_at"]) if stored["send_at"] else None,
        send_local=datetime.fromisoformat(stored["send_local"]) if stored["send_local"] else None,
        quiet_rule=QuietRule(stored["quiet_rule"]),
        campaign=stored["campaign"],
        to=tuple(_recipient_of(one) for one in stored["to"]),
        escalate_after=stored.get("escalate_after"),
        score=stored.get("score", 0.0),
        variants=tuple(Variant(**one) for one in stored.get("variants", ())),
        holdout=stored.get("holdout", 0.0),
        topic=stored.get("topic", ""),
        digest=Digest(**stored["digest"]) if stored.get("digest") else None,
        relabelled=stored.get("relabelled", False),
        silent=stored.get("silent", False),
        badge=stored.get("badge", True),
        display_seconds=stored.get("display_seconds"),
        tags=tuple(stored.get("tags", ())),
    )


def _recipient_of(stored: Mapping[str, Any]) -> Recipient:
    moment = stored.get("send_at")
    return Recipient(**{**stored, "send_at": datetime.fromisoformat(moment) if moment else None})


def accept(
    draft: MessageDraft, template: str, label: Category, judge: Judge | None = None, texts: Iterable[Words] = ()
) -> Accepted:  # fmt: skip
    """Return the accepted message of a checked draft, with its pinned template and its category.

    The ``label`` it came with is not its category if the ``judge`` finds that its
    words (``texts`` of templates, or its content) are marketing.
    """
    said = [*texts, *([draft.content] if draft.content is not None else [])]
    category = judge(label, [f"{one.title}\n{one.body}" for one in said]) if judge is not None else label
    ttl = draft.ttl_seconds
    if ttl is None and category is Category.MARKETING:
        ttl = int(MARKETING_TTL.total_seconds())
    return Accepted(
        template=template,
        content=draft.content,
        data=dict(draft.data),
        locale=draft.locale,
        channels=draft.channels or (LIVE,),
        category=category,
        priority=draft.priority,
        ttl_seconds=ttl,
        collapse_key=draft.collapse_key,
        send_at=draft.send_at,
        send_local=draft.send_local,
        quiet_rule=draft.quiet_hours or default_quiet_rule(category),
        campaign=draft.campaign,
        to=draft.to,
        escalate_after=draft.escalate_after,
        score=draft.score,
        variants=draft.variants,
        holdout=draft.holdout,
        topic=_only_topic(draft.to),
        digest=draft.digest,
        relabelled=category is not label,
        silent=draft.silent,
        badge=draft.badge,
        display_seconds=draft.display_seconds,
        tags=draft.tags,
    )


def _only_topic(to: tuple[Recipient, ...]) -> str:
    """Return the topic a message is of, for caps by topic."""
    topics = {one.topic for one in to}
    return next(iter(topics)) or "" if len(topics) == 1 else ""


def check(draft: MessageDraft, now: datetime, max_recipients: int) -> None:
    """Check what needs no database.

    Raises:
        InvalidInput: a part can't be used; ``param`` names it.
    """
    if sum([draft.template is not None, draft.content is not None, bool(draft.variants)]) != 1:
        raise InvalidInput("give a template's name, content or variants, one of them", param="template")
    if draft.digest is not None and draft.send_local is not None:
        raise InvalidInput(
            "a digest is sent when its window ends; leave out send_at or digest", param="digest"
        )
    check_variants(draft.variants, draft.holdout)
    _check_display(draft)
    if not math.isfinite(draft.score):
        raise InvalidInput("a score is a number", param="score")
    if not draft.to:
        raise InvalidInput("name at least one recipient", param="to")
    if len(draft.to) > max_recipients:
        raise InvalidInput(
            f"{len(draft.to)} recipients; at most {max_recipients} in one request, or use a topic or a segment",
            param="to",
        )
    if draft.ttl_seconds is not None and not 1 <= draft.ttl_seconds <= LONGEST_TTL.total_seconds():
        raise InvalidInput(f"ttl is from 1 to {int(LONGEST_TTL.total_seconds())} seconds", param="ttl")
    if draft.escalate_after is not None and not 1 <= draft.escalate_after <= LONGEST_WAIT.total_seconds():
        raise InvalidInput(
            f"escalate_after is from 1 to {int(LONGEST_WAIT.total_seconds())} seconds", param="escalate_after"
        )
    if draft.send_at is not None and draft.send_local is not None:
        raise InvalidInput("send_at is an instant or a local time, not both", param="send_at")
    if draft.send_at is not None:
        _check_time(draft.send_at, now, PAST_TOLERANCE)
    if draft.send_local is not None:
        # Some zone is up to 14 hours ahead of UTC: there, this hour is long past or still to come.
        _check_time(draft.send_local.replace(tzinfo=now.tzinfo), now, timedelta(hours=14))


def _check_display(draft: MessageDraft) -> None:
    if draft.content is not None and not draft.content.title and not draft.silent:
        raise InvalidInput("content has a title, unless the message is silent", param="content.title")
    if draft.silent and draft.digest is not None:
        raise InvalidInput("a silent message is not shown, so there is nothing to digest", param="digest")
    if not isinstance(draft.badge, bool) and not 0 <= draft.badge <= LARGEST_BADGE:
        raise InvalidInput(f"badge is true, false or a number up to {LARGEST_BADGE}", param="badge")
    if draft.display_seconds is not None and not 1 <= draft.display_seconds <= LONGEST_DISPLAY:
        raise InvalidInput(f"display_seconds is from 1 to {LONGEST_DISPLAY}", param="display_seconds")
    if len(draft.tags) > MOST_TAGS:
        raise InvalidInput(f"at most {MOST_TAGS} tags", param="tags")
    for index, tag in enumerate(draft.tags):
        checked_name(tag, f"tags.{index}")


def _check_time(moment: datetime, now: datetime, tolerance: timedelta) -> None:
    if moment < now - tolerance:
        raise InvalidInput("send_at is in the past", param="send_at")
    if moment > now + FURTHEST:
        raise InvalidInput(f"send_at is more than {FURTHEST.days} days ahead", param="send_at")
