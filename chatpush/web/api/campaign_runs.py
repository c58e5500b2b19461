"""See a campaign's runs; hold, continue or end one of them."""

from datetime import datetime
from typing import Literal

from pydantic import BaseModel, Field

from chatpush.domain import Role, iso
from chatpush.errors import NotFound
from chatpush.notify.listing import Window
from chatpush.schedule.runs import Run, Runs
from chatpush.web.http.doors import Door
from chatpush.web.http.moments import Moment
from chatpush.web.http.operations import Call, Operations, PageQuery

routes = Operations("campaigns")
READERS = Door(scope="campaigns:write", role=Role.VIEWER)
WRITERS = Door(scope="campaigns:write", role=Role.EDITOR)


class RunOut(BaseModel):
    """A run: how far it is and how many users it reached."""

    id: str
    campaign: str
    slot: str
    state: Literal["running", "paused", "finished", "failed", "cancelled", "skipped"]
    due_at: Moment
    started_at: Moment
    finished_at: Moment | None
    users: int
    accepted: int
    skipped: int
    error: str


class RunPage(BaseModel):
    """A page of runs."""

    data: list[RunOut]
    has_more: bool


class RunCancelled(RunOut):
    """A run that was ended, and how many of its messages were stopped before they reached anybody."""

    cancelled: int = Field(description="Deliveries that will not happen.")


@routes.get("/v1/campaigns/{id}/runs", door=READERS)
async def list_runs(call: Call, query: PageQuery) -> RunPage:
    """List a campaign's runs, newest first."""
    window = Window(query.limit, query.starting_after, query.ending_before)
    page = await call.need(Runs).of_campaign(call.identity.tenant, call.path["id"], window)
    return RunPage(data=[run_out(one) for one in page.data], has_more=page.has_more)


@routes.get("/v1/campaigns/{id}/runs/{run}", door=READERS)
async def get_run(call: Call) -> RunOut:
    """Return one run."""
    run = await call.need(Runs).get(call.identity.tenant, call.path["run"])
    if run.campaign != call.path["id"]:
        raise NotFound(f"no run {run.id!r} of this campaign", param="run")
    return run_out(run)


@routes.post("/v1/campaigns/{id}/runs/{run}/pause", door=WRITERS)
async def pause_run(call: Call) -> RunOut:
    """Hold one run behind its present page; its campaign goes on firing."""
    return run_out(await call.need(Runs).pause(call.identity.tenant, call.path["id"], call.path["run"]))


@routes.post("/v1/campaigns/{id}/runs/{run}/resume", door=WRITERS)
async def resume_run(call: Call) -> RunOut:
    """Let a paused run go on where it stopped."""
    return run_out(await call.need(Runs).resume(call.identity.tenant, call.path["id"], call.path["run"]))


@routes.post("/v1/campaigns/{id}/runs/{run}/cancel", door=WRITERS)
async def cancel_run(call: Call) -> RunCancelled:
    """End a run, and stop those of its messages that have not reached their users."""
    run, cancelled = await call.need(Runs).cancel(call.identity.tenant, call.path["id"], call.path["run"])
    return RunCancelled(**run_out(run).model_dump(), cancelled=cancelled)


def run_out(run: Run) -> RunOut:
    """Return a run as the API shows it."""
    return RunOut(
        id=run.id, campaign=run.campaign, slot=run.slot, state=run.state, due_at=iso(run.due_at),
        started_at=iso(run.started_at), finished_at=_time(run.finished_at), users=run.users,
        accepted=run.accepted, skipped=run.skipped, error=run.error,
    )  # fmt: skip


def _time(moment: datetime | None) -> str | None:
    return iso(moment) if moment is not None else None
