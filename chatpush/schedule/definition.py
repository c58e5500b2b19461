"""What a campaign is: whom, what, when, checked in every part that needs no database.

The API's JSON is the stored form, too: ``parse`` reads both, so a campaign is
shown exactly as it was written.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, TypeVar

from chatpush.domain import Category, Content, UserId
from chatpush.errors import InvalidInput
from chatpush.notify.drafts import LIVE, Priority, Recipient
from chatpush.notify.policy import QuietRule
from chatpush.recommend.copywriter import Slot, checked_slots
from chatpush.recommend.recommender import FOR_YOU, KINDS
from chatpush.schedule import triggers
from chatpush.schedule.triggers import EventTrigger, Trigger

Choice = TypeVar("Choice", Category, Priority, QuietRule)

MOST_PICKS = 20
LONGEST_NAME = 200
BEST = "best"


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
    to = _recipients(spec.get("to") or (), trigger)
    template, content = spec.get("template"), _content(spec.get("content"))
    if (template is None) == (content is None):
        raise InvalidInput("give a template's name or content, one of them", param="template")
    slots = _slots(spec.get("slots") or {})
    picks = _picks(spec.get("recommend"))
    if content is not None and (picks or slots):
        raise InvalidInput(
            "literal content is the same for all; recommend and slots need a template", param="content"
        )
    send_hour = spec.get("send_hour")
    if send_hour not in (None, BEST):
        raise InvalidInput(f"send_hour is {BEST!r} or null", param="send_hour")
    return Definition(
        name=name,
        to=to,
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
        channels=tuple(spec.get("channels") or (LIVE,)),
        locale=spec.get("locale"),
        best_hour=send_hour == BEST,
        catch_up=_one_of(spec.get("misfire") or "catch_up", ("catch_up", "skip"), "misfire") == "catch_up",
        overlap=_one_of(spec.get("overlap") or "skip", ("skip", "allow"), "overlap") == "allow",
        spec=dict(spec),
        picks_kind=_picks_kind(spec.get("recommend")),
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
    )


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
