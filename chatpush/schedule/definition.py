"""What a campaign is: whom, what, when, checked in every part that needs no database.

The API's JSON is the stored form, too: ``parse`` reads both, so a campaign is
shown exactly as it was written.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, time
from typing import Any, TypeVar

from chatpush.domain import Category, Content, UserId
from chatpush.errors import InvalidInput
from chatpush.notify.deciding.digests import Digest
from chatpush.notify.deciding.experiments import Variant, check_variants
from chatpush.notify.deciding.hours import wall, zone
from chatpush.notify.deciding.policy import QuietRule
from chatpush.notify.messages.drafts import LIVE, Priority, Recipient
from chatpush.recommend.recommender import FOR_YOU, KINDS
from chatpush.recommend.words.copywriter import Slot, checked_slots
from chatpush.schedule import triggers
from chatpush.schedule.moments import RECIPIENT
from chatpush.schedule.triggers import EventTrigger, Trigger

Choice = TypeVar("Choice", Category, Priority, QuietRule)

MOST_PICKS = 20
LONGEST_NAME = 200
BEST = "best"
FASTEST = 100_000


@dataclass(frozen=True, slots=True)
class Definition:
    """A campaign's content; ``spec`` is the JSON it came from."""

    name: str
    to: tuple[Recipient, ...]
    trigger: Trigger
    template: str | None
    content: Content | None
    picks: int
    slots: Mapping[str, Slot]
    data: Mapping[str, Any]
    category: Category | None
    priority: Priority
    quiet_hours: QuietRule | None
    ttl_seconds: int | None
    collapse_key: str
    channels: tuple[str, ...]
    locale: str | None
    best_hour: bool
    catch_up: bool
    overlap: bool
    spec: Mapping[str, Any] = field(default_factory=dict)
    picks_kind: str = FOR_YOU
    variants: tuple[Variant, ...] = ()
    holdout: float = 0.0
    digest: Digest | None = None
    escalate_after: int | None = None
    score: float = 0.0
    silent: bool = False
    badge: bool | int = True
    display_seconds: int | None = None
    tags: tuple[str, ...] = ()
    send_at: time | None = None
    zone: str = RECIPIENT
    throttle: int | None = None

    @property
    def kind(self) -> str:
        """The trigger's kind."""
        return str(self.spec["trigger"]["kind"])


def parse(spec: Mapping[str, Any], created_at: datetime) -> Definition:
    """Read a campaign.

    Raises:
        InvalidInput: a part can't be used; ``param`` names it.
    """
    name = str(spec.get("name") or "").strip()
    if not 1 <= len(name) <= LONGEST_NAME:
        raise InvalidInput(f"a campaign needs a name of 1 to {LONGEST_NAME} characters", param="name")
    trigger = triggers.parse(spec.get("trigger") or {}, created_at)
    template, content, variants = spec.get("template"), _content(spec.get("content")), _variants(spec)
    if sum([template is not None, content is not None, bool(variants)]) != 1:
        raise InvalidInput("give a template's name, content or variants, one of them", param="template")
    slots = _slots(spec.get("slots") or {})
    picks = _picks(spec.get("recommend"))
    if content is not None and (picks or slots):
        raise InvalidInput(
            "literal content is the same for all; recommend and slots need a template", param="content"
        )
    definition = Definition(
        name=name,
        to=_recipients(spec.get("to") or (), trigger),
        trigger=trigger,
        template=template,
        content=content,
        picks=picks,
        slots=slots,
        data=dict(spec.get("data") or {}),
        category=_choice(Category, spec.get("category"), "category"),
        priority=_choice(Priority, spec.get("priority"), "priority") or Priority.NORMAL,
        quiet_hours=_choice(QuietRule, spec.get("quiet_hours"), "quiet_hours"),
        ttl_seconds=spec.get("ttl"),
        collapse_key=str(spec.get("collapse_key") or ""),
        channels=tuple(dict.fromkeys(spec.get("channels") or (LIVE,))),
        locale=spec.get("locale"),
        best_hour=spec.get("send_hour") == BEST,
        catch_up=_one_of(spec.get("misfire") or "catch_up", ("catch_up", "skip"), "misfire") == "catch_up",
        overlap=_one_of(spec.get("overlap") or "skip", ("skip", "allow"), "overlap") == "allow",
        spec=dict(spec),
        picks_kind=_picks_kind(spec.get("recommend")),
        variants=variants,
        holdout=float(spec.get("holdout") or 0.0),
        digest=Digest(**spec["digest"]) if spec.get("digest") else None,
        escalate_after=spec.get("escalate_after"),
        score=float(spec.get("score") or 0.0),
        silent=bool(spec.get("silent")),
        badge=True if spec.get("badge") is None else spec["badge"],
        display_seconds=spec.get("display_seconds"),
        tags=tuple(dict.fromkeys(spec.get("tags") or ())),
        send_at=wall(str(spec["send_at"]), "send_at") if spec.get("send_at") else None,
        zone=_zone(spec),
        throttle=_throttle(spec.get("throttle")),
    )
    check_variants(definition.variants, definition.holdout)
    _check_moments(definition)
    return definition


def _check_moments(definition: Definition) -> None:
    """Check that there is one way in which users get their moments."""
    send_hour = definition.spec.get("send_hour")
    if send_hour not in (None, BEST):
        raise InvalidInput(f"send_hour is {BEST!r} or null; send_at takes a time of day", param="send_hour")
    if definition.best_hour and definition.send_at is not None:
        raise InvalidInput("send_hour and send_at both name the hour; leave out one", param="send_at")
    if definition.throttle is None:
        return
    if isinstance(definition.trigger, EventTrigger):
        raise InvalidInput("an event campaign sends one at a time; leave out throttle", param="throttle")
    if definition.best_hour or definition.send_at is not None or definition.digest is not None:
        raise InvalidInput(
            "throttle spreads users from the firing on; leave out throttle, or send_hour, send_at and digest",
            param="throttle",
        )


def _recipients(to: Sequence[Mapping[str, Any]], trigger: Trigger) -> tuple[Recipient, ...]:
    if isinstance(trigger, EventTrigger):
        if to:
            raise InvalidInput("an event campaign goes to the event's user; leave `to` out", param="to")
        return ()
    if not to:
        raise InvalidInput('name recipients, such as [{"all": true}] or [{"segment": "vip"}]', param="to")
    return tuple(
        Recipient(
            user=UserId(one["user"]) if one.get("user") is not None else None,
            topic=one.get("topic"),
            segment=one.get("segment"),
            everyone=bool(one.get("all")),
            audience=one.get("audience"),
            arguments=dict(one.get("arguments") or {}),
            data=dict(one.get("data") or {}),
        )
        for one in to
    )


def _content(content: Mapping[str, Any] | None) -> Content | None:
    if content is None:
        return None
    if not content.get("title") and not content.get("body"):
        raise InvalidInput("content needs a title or a body", param="content")
    return Content(
        title=str(content.get("title") or ""),
        body=str(content.get("body") or ""),
        url=content.get("url"),
        image=content.get("image"),
        format=str(content.get("format") or "plain"),
        data=dict(content.get("data") or {}),
        actions=tuple(dict(action) for action in content.get("actions") or ()),
    )


def _variants(spec: Mapping[str, Any]) -> tuple[Variant, ...]:
    return tuple(
        Variant(str(one["name"]), str(one["template"]), float(one.get("weight") or 1.0))
        for one in spec.get("variants") or ()
    )


def _zone(spec: Mapping[str, Any]) -> str:
    named = spec.get("tz")
    if named is not None and not spec.get("send_at"):
        raise InvalidInput("tz goes with send_at, a time of day such as 09:00", param="tz")
    return RECIPIENT if named in (None, RECIPIENT) else zone(str(named), "tz").key


def _throttle(value: Any) -> int | None:
    if value is None:
        return None
    if not isinstance(value, int) or isinstance(value, bool) or not 1 <= value <= FASTEST:
        raise InvalidInput(f"throttle is a whole number of users a second, 1 to {FASTEST}", param="throttle")
    return value


def _slots(slots: Mapping[str, Any]) -> dict[str, Slot]:
    read = {
        name: Slot(dict(one.get("text") or {}), int(one.get("max_chars") or 120), str(one.get("about") or ""))
        for name, one in slots.items()
    }
    checked_slots(read)
    return read


def _picks(recommend: Mapping[str, Any] | None) -> int:
    if recommend is None:
        return 0
    limit = recommend.get("limit", 3)
    if not isinstance(limit, int) or not 1 <= limit <= MOST_PICKS:
        raise InvalidInput(f"recommend.limit is from 1 to {MOST_PICKS}", param="recommend.limit")
    return limit


def _picks_kind(recommend: Mapping[str, Any] | None) -> str:
    return _one_of((recommend or {}).get("kind") or FOR_YOU, KINDS, "recommend.kind")


def _choice(kind: type[Choice], value: Any, param: str) -> Choice | None:
    if value is None:
        return None
    try:
        return kind(value)
    except ValueError as error:
        choices = ", ".join(kind)
        raise InvalidInput(f"{param} {value!r}: use {choices}", param=param) from error


def _one_of(value: Any, choices: tuple[str, ...], param: str) -> str:
    if value not in choices:
        raise InvalidInput(f"{param} {value!r}: use {' or '.join(choices)}", param=param)
    return str(value)
