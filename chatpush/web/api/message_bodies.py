"""What a message looks like when it is sent through the API."""

from datetime import datetime
from typing import Literal

from pydantic import Field, JsonValue, StrictBool, StrictInt

from chatpush.domain import Category, Content, UserId
from chatpush.errors import InvalidInput
from chatpush.notify.deciding.digests import Digest
from chatpush.notify.deciding.experiments import Variant
from chatpush.notify.deciding.hours import instant, zone
from chatpush.notify.deciding.policy import QuietRule
from chatpush.notify.messages.drafts import LIVE, MessageDraft, Priority, Recipient
from chatpush.web.http.moments import WallTime
from chatpush.web.http.operations import Body


class RecipientIn(Body):
    """One of user, topic, segment, audience, all."""

    user: str | None = Field(None, max_length=128, description="A user's id.")
    topic: str | None = Field(None, max_length=64, description="A topic's name.")
    segment: str | None = Field(None, max_length=64, description="A segment's name.")
    audience: str | None = Field(None, max_length=64, description="An audience that a plugin knows.")
    arguments: dict[str, JsonValue] = Field(default_factory=dict, description="What the audience is to know.")
    all: Literal[True] | None = Field(None, description="Everyone.")
    data: dict[str, JsonValue] = Field(
        default_factory=dict, description="Data of this user's own, over the message's."
    )

    def recipient(self, index: int) -> Recipient:
        """Return it as the pipeline knows it.

        Raises:
            InvalidInput: not exactly one is given.
        """
        given = [
            name
            for name in ("user", "topic", "segment", "audience", "all")
            if getattr(self, name) is not None
        ]
        if len(given) != 1:
            raise InvalidInput(
                'a recipient is exactly one of {"user"}, {"topic"}, {"segment"}, {"audience"}, {"all": true}',
                param=f"to.{index}",
            )
        if self.data and self.user is None:
            raise InvalidInput("only a named user has data of their own", param=f"to.{index}.data")
        if self.arguments and self.audience is None:
            raise InvalidInput("only an audience takes arguments", param=f"to.{index}.arguments")
        user = UserId(self.user) if self.user is not None else None
        return Recipient(
            user, self.topic, self.segment, bool(self.all), self.audience, self.arguments, data=self.data
        )


class ActionIn(Body):
    """A button."""

    id: str = Field(min_length=1, max_length=64)
    label: str = Field(min_length=1, max_length=200)
    url: str | None = Field(None, max_length=2048)

    def action(self) -> dict[str, str]:
        """Return it without what is missing."""
        return {name: value for name, value in self.model_dump().items() if value is not None}


class ContentIn(Body):
    """Literal text, instead of a template."""

    title: str = Field("", max_length=500, description="Needed unless the message is silent.")
    body: str = Field("", max_length=20_000)
    url: str | None = Field(None, max_length=2048)
    image: str | None = Field(None, max_length=2048)
    format: str = "plain"
    data: dict[str, JsonValue] = Field(
        default_factory=dict, description="Extras for the page, such as items."
    )
    actions: list[ActionIn] = Field(default_factory=list, max_length=5)

    def content(self) -> Content:
        """Return it as the pipeline knows it."""
        actions = tuple(action.action() for action in self.actions)
        return Content(self.title, self.body, self.url, self.image, self.format, dict(self.data), actions)


class VariantIn(Body):
    """One of several templates."""

    name: str = Field(min_length=1, max_length=64)
    template: str = Field(max_length=80, description="A template's name, or name@version.")
    weight: float = Field(1.0, gt=0, description="Its share beside the others'.")


class DigestIn(Body):
    """How messages to the same user become one."""

    key: str = Field(min_length=1, max_length=128, description="What belongs together.")
    window: int = Field(description="Seconds from the first until it is sent.")
    sliding: bool = Field(False, description="Each that joins begins the window anew, up to ten times.")
    max_items: int = Field(20, description="So many are sent at once.")


class MessageIn(Body):
    """A message to be sent."""

    to: list[RecipientIn] = Field(min_length=1, description="Who gets it; each user once.")
    template: str | None = Field(None, max_length=80, description="A template's name, or name@version.")
    content: ContentIn | None = Field(None, description="Literal text, instead of a template.")
    data: dict[str, JsonValue] = Field(default_factory=dict, description="What the template speaks of.")
    locale: str | None = Field(None, max_length=35, description="Instead of each user's own language.")
    channels: list[str] = Field(
        default_factory=lambda: [LIVE], min_length=1, max_length=10,
        description="ws: inbox and open pages; plugin channels reach users who are away.",
    )  # fmt: skip
    category: Category | None = Field(None, description="Default: the template's, else transactional.")
    priority: Priority = Priority.NORMAL
    ttl: int | None = Field(None, description="Seconds after which it is not sent any more.")
    collapse_key: str = Field("", max_length=128, description="Replaces what has the same key.")
    cancel_key: str = Field("", max_length=128, description="Cancels it later.")
    send_at: WallTime | None = Field(None, description="When; without an offset, in the zone of tz.")
    tz: str | None = Field(None, max_length=64, description="recipient, or the zone of send_at.")
    variants: list[VariantIn] = Field(
        default_factory=list, max_length=10, description="Templates tried against each other, instead of one."
    )
    digest: DigestIn | None = Field(None, description="Gather with others of the same key and send as one.")
    holdout: float = Field(0.0, ge=0, lt=1, description="Share of users who get nothing, to compare with.")
    score: float = Field(0.0, description="What a cap keeps when it has no room for all: the highest.")
    escalate_after: int | None = Field(
        None, description="Seconds to wait for a receipt before the next of channels is used."
    )
    quiet_hours: QuietRule | None = Field(None, description="What to do in the user's quiet hours.")
    silent: bool = Field(False, description="A command to the app: not shown, not kept, not counted.")
    badge: StrictBool | StrictInt = Field(
        True, description="false: not counted as unread; a number: what the app's icon shows."
    )
    display_seconds: int | None = Field(None, description="How long it stays on the screen.")
    tags: list[str] = Field(default_factory=list, max_length=5, description="Tabs of the inbox it is in.")

    def draft(self) -> MessageDraft:
        """Return it as the pipeline knows it."""
        send_at, send_local = _times(self.send_at, self.tz)
        return MessageDraft(
            to=tuple(recipient.recipient(index) for index, recipient in enumerate(self.to)),
            template=self.template,
            content=self.content.content() if self.content else None,
            data=dict(self.data),
            locale=self.locale,
            channels=tuple(dict.fromkeys(self.channels)),
            category=self.category,
            priority=self.priority,
            ttl_seconds=self.ttl,
            collapse_key=self.collapse_key,
            cancel_key=self.cancel_key,
            send_at=send_at,
            send_local=send_local,
            quiet_hours=self.quiet_hours,
            escalate_after=self.escalate_after,
            variants=tuple(Variant(one.name, one.template, one.weight) for one in self.variants),
            holdout=self.holdout,
            digest=Digest(**self.digest.model_dump()) if self.digest else None,
            score=self.score,
            silent=self.silent,
            badge=self.badge,
            display_seconds=self.display_seconds,
            tags=tuple(dict.fromkeys(self.tags)),
        )


def _times(send_at: datetime | None, tz: str | None) -> tuple[datetime | None, datetime | None]:
    """Return (the instant, the local time in each recipient's zone); at most one is set."""
    if send_at is None:
        if tz is not None:
            raise InvalidInput("tz goes with send_at", param="tz")
        return None, None
    if send_at.tzinfo is not None:
        if tz is not None:
            raise InvalidInput("send_at has an offset already; leave out tz or the offset", param="tz")
        return send_at, None
    if tz is None:
        raise InvalidInput(
            'send_at has no offset; add one (2026-12-01T09:00:00Z) or tz ("recipient" or a zone)',
            param="send_at",
        )
    if tz == "recipient":
        return None, send_at
    return instant(send_at, zone(tz, "tz")), None
