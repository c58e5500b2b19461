"""Plan campaigns, try them without sending, run them, and see their runs."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any, Literal
from zoneinfo import ZoneInfo

from pydantic import BaseModel, Field, JsonValue

from chatpush.domain import Role, iso
from chatpush.notify.listing import Window
from chatpush.notify.users import checked_user
from chatpush.schedule import presets
from chatpush.schedule.campaigns import Campaign, Campaigns
from chatpush.schedule.dry_run import MOST_SAMPLES, DryRuns
from chatpush.schedule.runs import Run, Runs
from chatpush.web.doors import Door
from chatpush.web.operations import Body, Call, Operations, PageQuery, Query

routes = Operations("campaigns")
READERS = Door(scope="campaigns:write", role=Role.VIEWER)
WRITERS = Door(scope="campaigns:write", role=Role.EDITOR)


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
    """One of user, topic, segment, all."""

    user: str | None = Field(None, max_length=128)
    topic: str | None = Field(None, max_length=64)
    segment: str | None = Field(None, max_length=64)
    all: Literal[True] | None = None
    data: dict[str, JsonValue] | None = Field(None, description="A named user's own data.")


class CampaignContentIn(Body):
    """Literal text, the same for all."""

    title: str = Field("", max_length=500)
    body: str = Field("", max_length=20_000)
    url: str | None = Field(None, max_length=2048)
    image: str | None = Field(None, max_length=2048)
    format: str | None = Field(None, max_length=64)


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
    data: dict[str, JsonValue] | None = None
    recommend: RecommendIn | None = None
    slots: dict[str, SlotIn] | None = None
    locale: str | None = Field(None, max_length=35)
    channels: list[str] | None = Field(None, max_length=10)
    category: str | None = Field(None, description="Default: the template's.")
    priority: str | None = None
    ttl: int | None = Field(None, ge=1)
    collapse_key: str | None = Field(None, max_length=128)
    quiet_hours: str | None = Field(None, description="defer, skip or ignore.")
    send_hour: str | None = Field(None, description="best: each user at their own hour.")
    misfire: str | None = Field(None, description="catch_up (default): make up for the latest missed slot.")
    overlap: str | None = Field(None, description="skip (default) a slot while a run is under way, or allow.")

    def spec(self) -> dict[str, Any]:
        """Return what was given, and only that."""
        return self.model_dump(mode="json", exclude_unset=True, exclude_none=True)


class CampaignOut(CampaignIn):
    """A campaign as it was written, and how it stands."""

    id: str
    state: str
    next_at: str | None
    created_at: str
    updated_at: str


class CampaignPage(BaseModel):
    """A page of campaigns."""

    data: list[CampaignOut]
    has_more: bool


class FiringOut(BaseModel):
    """One firing to come: its slot, its instant, and the clock on the wall."""

    slot: str
    at: str
    local: str


class PreviewOut(BaseModel):
    """The next firings."""

    data: list[FiringOut]


class PreviewQuery(Query):
    """How many."""

    count: int = Field(10, ge=1, le=50)


class DryRunQuery(Query):
    """Whose messages to show."""

    samples: int = Field(3, ge=0, le=MOST_SAMPLES)
    user: str = Field("", max_length=128, description="This user's; needed for event campaigns.")


class SampleOut(BaseModel):
    """One user's message as it would be, or what is wrong with it."""

    user: str
    locale: str
    title: str
    body: str
    items: list[dict[str, Any]]
    problem: str


class DryRunOut(BaseModel):
    """What a run would do now."""

    users: int
    samples: list[SampleOut]


class RunOut(BaseModel):
    """A run: how far it is and how many users it reached."""

    id: str
    campaign: str
    slot: str
    state: str
    due_at: str
    started_at: str
    finished_at: str | None
    users: int
    accepted: int
    skipped: int
    error: str


class RunPage(BaseModel):
    """A page of runs."""

    data: list[RunOut]
    has_more: bool


class PresetOut(BaseModel):
    """A campaign ready to be made: write its template's locales, then post the campaign."""

    name: str
    about: str
    campaign: dict[str, Any]
    locales: Mapping[str, Mapping[str, str]]


class PresetPage(BaseModel):
    """All presets."""

    data: list[PresetOut]


@routes.post("/v1/campaigns", door=WRITERS, status=201, idempotent=True)
async def create_campaign(call: Call, body: CampaignIn) -> CampaignOut:
    """Make a campaign; it is active at once."""
    return _campaign(await call.need(Campaigns).create(call.identity.tenant, body.spec()))


@routes.get("/v1/campaigns", door=READERS)
async def list_campaigns(call: Call, query: PageQuery) -> CampaignPage:
    """List campaigns, newest first."""
    window = Window(query.limit, query.starting_after, query.ending_before)
    page = await call.need(Campaigns).list(call.identity.tenant, window)
    return CampaignPage(data=[_campaign(one) for one in page.data], has_more=page.has_more)


@routes.get("/v1/campaigns/presets", door=READERS)
async def list_presets(call: Call) -> PresetPage:  # noqa: ARG001 - every handler is called with it
    """List campaigns ready to be made: the specification, and the words of its template."""
    return PresetPage(
        data=[
            PresetOut(name=one.name, about=one.about, campaign=dict(one.spec), locales=one.locales)
            for one in presets.ALL
        ]
    )


@routes.get("/v1/campaigns/{id}", door=READERS)
async def get_campaign(call: Call) -> CampaignOut:
    """Return a campaign."""
    return _campaign(await call.need(Campaigns).get(call.identity.tenant, call.path["id"]))


@routes.put("/v1/campaigns/{id}", door=WRITERS)
async def replace_campaign(call: Call, body: CampaignIn) -> CampaignOut:
    """Change a campaign; a run under way keeps what it started with."""
    return _campaign(await call.need(Campaigns).replace(call.identity.tenant, call.path["id"], body.spec()))


@routes.delete("/v1/campaigns/{id}", door=WRITERS)
async def delete_campaign(call: Call) -> None:
    """Delete a campaign with its runs; what was sent stays sent."""
    await call.need(Campaigns).delete(call.identity.tenant, call.path["id"])


@routes.post("/v1/campaigns/{id}/pause", door=WRITERS)
async def pause_campaign(call: Call) -> CampaignOut:
    """Stop firing; a run under way waits."""
    return _campaign(await call.need(Campaigns).pause(call.identity.tenant, call.path["id"]))


@routes.post("/v1/campaigns/{id}/resume", door=WRITERS)
async def resume_campaign(call: Call) -> CampaignOut:
    """Fire again from the next slot on."""
    return _campaign(await call.need(Campaigns).resume(call.identity.tenant, call.path["id"]))


@routes.post("/v1/campaigns/{id}/run", door=WRITERS, status=202, idempotent=True)
async def run_campaign(call: Call) -> RunOut:
    """Run a campaign now, out of turn."""
    return _run(await call.need(Runs).run_now(call.identity.tenant, call.path["id"]))


@routes.post("/v1/campaigns/{id}/dry-run", door=READERS)
async def dry_run_campaign(call: Call, query: DryRunQuery) -> DryRunOut:
    """Say what a run would do now, and show a few messages; nothing is sent."""
    user = checked_user(query.user) if query.user else None
    dry = await call.need(DryRuns).of(call.identity.tenant, call.path["id"], query.samples, user)
    samples = [
        SampleOut(
            user=one.user, locale=one.locale, title=one.title, body=one.body, items=list(one.items),
            problem=one.problem,
        )
        for one in dry.samples
    ]  # fmt: skip
    return DryRunOut(users=dry.users, samples=samples)


@routes.get("/v1/campaigns/{id}/preview", door=READERS)
async def preview_campaign(call: Call, query: PreviewQuery) -> PreviewOut:
    """List the next firings."""
    campaigns, tenant = call.need(Campaigns), call.identity.tenant
    found = await campaigns.get(tenant, call.path["id"])
    where = ZoneInfo(str(found.definition.spec["trigger"].get("timezone") or "UTC"))
    slots = await campaigns.preview(tenant, found.id, query.count)
    return PreviewOut(
        data=[
            FiringOut(
                slot=one.key, at=iso(one.at), local=one.at.astimezone(where).isoformat(timespec="minutes")
            )
            for one in slots
        ]
    )


@routes.get("/v1/campaigns/{id}/runs", door=READERS)
async def list_runs(call: Call, query: PageQuery) -> RunPage:
    """List a campaign's runs, newest first."""
    window = Window(query.limit, query.starting_after, query.ending_before)
    page = await call.need(Runs).of_campaign(call.identity.tenant, call.path["id"], window)
    return RunPage(data=[_run(one) for one in page.data], has_more=page.has_more)


def _campaign(campaign: Campaign) -> CampaignOut:
    return CampaignOut(
        **campaign.definition.spec,
        id=campaign.id,
        state=campaign.state.value,
        next_at=_time(campaign.next_at),
        created_at=iso(campaign.created_at),
        updated_at=iso(campaign.updated_at),
    )


def _run(run: Run) -> RunOut:
    return RunOut(
        id=run.id, campaign=run.campaign, slot=run.slot, state=run.state, due_at=iso(run.due_at),
        started_at=iso(run.started_at), finished_at=_time(run.finished_at), users=run.users,
        accepted=run.accepted, skipped=run.skipped, error=run.error,
    )  # fmt: skip


def _time(moment: datetime | None) -> str | None:
    return iso(moment) if moment is not None else None
