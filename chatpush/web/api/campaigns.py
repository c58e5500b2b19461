"""Plan campaigns, try them without sending, run them, and see their runs."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any, cast
from zoneinfo import ZoneInfo

from pydantic import BaseModel, Field, GetJsonSchemaHandler, TypeAdapter, model_serializer
from pydantic_core import CoreSchema

from chatpush.domain import Role, iso
from chatpush.notify.audience.users import checked_user
from chatpush.notify.listing import Window
from chatpush.schedule import presets
from chatpush.schedule.campaigns import Campaign, Campaigns, CampaignState
from chatpush.schedule.dry_run import MOST_SAMPLES, DryRuns
from chatpush.schedule.runs import Runs
from chatpush.web.api.campaign_bodies import CampaignIn
from chatpush.web.api.campaign_runs import RunOut, run_out
from chatpush.web.http.doors import Door
from chatpush.web.http.moments import Moment
from chatpush.web.http.operations import Call, Operations, PageQuery, Query

routes = Operations("campaigns")
READERS = Door(scope="campaigns:write", role=Role.VIEWER)
WRITERS = Door(scope="campaigns:write", role=Role.EDITOR)
OWN = ("id", "state", "next_at", "created_at", "updated_at")
"""What a campaign has beside what was written."""
WRITTEN = TypeAdapter(CampaignIn)


class CampaignOut(CampaignIn):
    """A campaign as it was written, and how it stands."""

    id: str
    state: CampaignState
    next_at: Moment | None
    created_at: Moment
    updated_at: Moment

    @classmethod
    def __get_pydantic_json_schema__(
        cls, core_schema: CoreSchema, handler: GetJsonSchemaHandler
    ) -> dict[str, Any]:
        """Describe its fields, which pydantic does not see behind a serializer."""
        plain = {name: part for name, part in core_schema.items() if name != "serialization"}
        return handler(cast(CoreSchema, plain))

    @model_serializer
    def as_written(self) -> dict[str, Any]:
        """Leave out what was not written."""
        written = WRITTEN.dump_python(
            self, mode="json", include=set(CampaignIn.model_fields), exclude_unset=True, exclude_none=True
        )
        return {**written, **{name: getattr(self, name) for name in OWN}}


class CampaignPage(BaseModel):
    """A page of campaigns."""

    data: list[CampaignOut]
    has_more: bool


class FiringOut(BaseModel):
    """One firing to come: its slot, its instant, and the clock on the wall."""

    slot: str
    at: Moment
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


class PresetOut(BaseModel):
    """A campaign ready to be made: write its template's locales, then post the campaign."""

    name: str
    about: str
    campaign: dict[str, Any]
    locales: Mapping[str, Mapping[str, str]]


class PresetPage(BaseModel):
    """All presets."""

    data: list[PresetOut]


@routes.post("/v1/campaigns", door=WRITERS, status=201, idempotent=True, location="/v1/campaigns/{id}")
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


@routes.post(
    "/v1/campaigns/{id}/run",
    door=WRITERS,
    status=202,
    idempotent=True,
    location="/v1/campaigns/{campaign}/runs/{id}",
)
async def run_campaign(call: Call) -> RunOut:
    """Run a campaign now, out of turn."""
    return run_out(await call.need(Runs).run_now(call.identity.tenant, call.path["id"]))


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


def _campaign(campaign: Campaign) -> CampaignOut:
    return CampaignOut(
        **campaign.definition.spec,
        id=campaign.id,
        state=campaign.state.value,
        next_at=_time(campaign.next_at),
        created_at=iso(campaign.created_at),
        updated_at=iso(campaign.updated_at),
    )


def _time(moment: datetime | None) -> str | None:
    return iso(moment) if moment is not None else None
