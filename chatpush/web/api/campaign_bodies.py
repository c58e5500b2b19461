"""What a campaign looks like when it is written through the API."""

from typing import Any, Literal

from pydantic import Field, JsonValue, StrictBool, StrictInt

from chatpush.web.api.message_bodies import ActionIn, DigestIn, VariantIn
from chatpush.web.http.operations import Body


class TriggerIn(Body):
    """When it fires. Times without an offset are wall-clock times of ``timezone``."""

    kind: Literal["cron", "interval", "date", "event"]
    timezone: str = Field("UTC", max_length=64, description="An IANA name, such as Europe/London.")
    cron: str | None = Field(None, max_length=200, description="minute hour day-of-month month day-of-week")
    every: int | None = Field(None, description="An interval's length …")
    unit: Literal["minutes", "hours", "days", "weeks"] | None = Field(None, description="… and its unit.")
    start_at: str | None = Field(None, max_length=40, description="An interval's beginning; default: now.")
    at: str | None = Field(None, max_length=40, description="A date's moment: 2026-12-01T09:00.")
    type: str | None = Field(None, max_length=64, description="An event's type, such as order.paid.")
    match: dict[str, JsonValue] | None = Field(None, description="What the event's properties must be.")
    delay_seconds: float | None = Field(None, description="How long after the event.")


class AudienceIn(Body):
    """One of user, topic, segment, audience, all."""

    user: str | None = Field(None, max_length=128)
    topic: str | None = Field(None, max_length=64)
    segment: str | None = Field(None, max_length=64)
    audience: str | None = Field(None, max_length=64, description="An audience that a plugin knows.")
    arguments: dict[str, JsonValue] | None = Field(None, description="What the audience is to know.")
    all: Literal[True] | None = None
    data: dict[str, JsonValue] | None = Field(None, description="A named user's own data.")


class CampaignContentIn(Body):
    """Literal text, the same for all."""

    title: str = Field("", max_length=500)
    body: str = Field("", max_length=20_000)
    url: str | None = Field(None, max_length=2048)
    image: str | None = Field(None, max_length=2048)
    format: str | None = Field(None, max_length=64)
    data: dict[str, JsonValue] | None = Field(None, description="Extras for the page, such as items.")
    actions: list[ActionIn] | None = Field(None, max_length=5)


class RecommendIn(Body):
    """Picks of each user's own, as ``items`` in the template."""

    limit: int = 3
    kind: str | None = Field(
        None, description="for_you (the default), trending (what many want now) or new (arrivals)."
    )


class SlotIn(Body):
    """Words that a model may write; ``text`` is what is sent without one."""

    text: dict[str, str] = Field(description="By locale; may name {title}, {price}, {currency}, {count}.")
    max_chars: int = Field(120, ge=10, le=1000)
    about: str = Field("", max_length=500, description="What the model should write about.")


class CampaignIn(Body):
    """A campaign: whom, what, when."""

    name: str = Field(max_length=200)
    trigger: TriggerIn
    to: list[AudienceIn] = Field(
        default_factory=list, max_length=1000, description="Who gets it; left out for event triggers."
    )
    template: str | None = Field(None, max_length=80)
    content: CampaignContentIn | None = None
    variants: list[VariantIn] | None = Field(
        None, max_length=10, description="Templates tried against each other, instead of one."
    )
    holdout: float | None = Field(None, ge=0, lt=1, description="Share of users who get nothing, to compare.")
    data: dict[str, JsonValue] | None = None
    recommend: RecommendIn | None = None
    slots: dict[str, SlotIn] | None = None
    locale: str | None = Field(None, max_length=35)
    channels: list[str] | None = Field(None, max_length=10)
    escalate_after: int | None = Field(
        None, description="Seconds to wait for a receipt before the next of channels is used."
    )
    category: Literal["transactional", "alert", "marketing"] | None = Field(
        None, description="Default: the template's."
    )
    priority: Literal["high", "normal", "low"] | None = None
    score: float | None = Field(
        None, description="What a cap keeps when it has no room for all: the highest."
    )
    ttl: int | None = Field(None, ge=1)
    collapse_key: str | None = Field(None, max_length=128)
    digest: DigestIn | None = Field(None, description="Gather with others of the same key and send as one.")
    quiet_hours: Literal["defer", "skip", "ignore"] | None = None
    silent: bool | None = Field(None, description="A command to the app: not shown, not kept, not counted.")
    badge: StrictBool | StrictInt | None = Field(
        None, description="false: not counted as unread; a number: what the app's icon shows."
    )
    display_seconds: int | None = Field(None, description="How long it stays on the screen.")
    tags: list[str] | None = Field(None, max_length=5, description="Tabs of the inbox it is in.")
    send_hour: Literal["best"] | None = Field(None, description="best: each user at their own hour.")
    send_at: str | None = Field(
        None, max_length=5, description="A time of day, 09:00: each user when a clock next shows it."
    )
    tz: str | None = Field(
        None, max_length=64, description="Whose clock: recipient (the default), or the zone of send_at."
    )
    throttle: int | None = Field(None, description="At most so many users a second, over the whole run.")
    misfire: Literal["catch_up", "skip"] | None = Field(
        None, description="catch_up (default): make up for the latest missed slot; or skip."
    )
    overlap: Literal["skip", "allow"] | None = Field(
        None, description="skip (default) a slot while a run is under way, or allow."
    )

    def spec(self) -> dict[str, Any]:
        """Return what was given, and only that."""
        return self.model_dump(mode="json", exclude_unset=True, exclude_none=True)
