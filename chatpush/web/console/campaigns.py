"""Campaigns: what is planned, what ran, and a form that makes one.

The form only gathers; ``Campaigns.create`` checks everything, and what it
refuses comes back with the words typed still in place.
"""

from collections.abc import Mapping
from typing import Any

from aiohttp import web

from chatpush.domain import Role
from chatpush.errors import ChatpushError, InvalidInput
from chatpush.notify.audience.segments import Segments
from chatpush.notify.audience.topics import Topics
from chatpush.notify.listing import Window
from chatpush.notify.messages.messages import Messages
from chatpush.notify.templates.templates import Templates
from chatpush.schedule.campaigns import Campaign, Campaigns
from chatpush.schedule.dry_run import DryRuns
from chatpush.schedule.runs import Run, Runs
from chatpush.web.console import models
from chatpush.web.console.deliveries import FUNNEL_SPAN, funnel
from chatpush.web.console.pages import Pages, Visit, visit_text
from chatpush.web.http.doors import Door

pages = Pages()
LOOK = Door(role=Role.VIEWER)
EDIT = Door(role=Role.EDITOR)
MOST = 200
RUNS = 20
FIRINGS = 6
SAMPLES = 6
REFRESH = {"HX-Trigger": "campaigns"}


@pages.get("/console/campaigns", door=LOOK)
async def list_page(visit: Visit) -> web.StreamResponse:
    """Show all campaigns."""
    return visit.draw("campaigns.html", campaigns=await _campaigns(visit))


@pages.get("/console/campaigns/live", door=LOOK)
async def list_fragment(visit: Visit) -> web.StreamResponse:
    """Refresh the list."""
    return visit.draw("campaigns_live.html", campaigns=await _campaigns(visit))


@pages.get("/console/campaigns/new", door=EDIT)
async def form_page(visit: Visit) -> web.StreamResponse:
    """Show the form."""
    return visit.draw("campaign_form.html", form=await _form(visit, {}, ""))


@pages.post("/console/campaigns", door=EDIT)
async def create(visit: Visit) -> web.StreamResponse:
    """Make a campaign of the form."""
    try:
        made = await visit.need(Campaigns).create(visit.tenant, specification(visit.form))
    except InvalidInput as error:
        form = await _form(visit, dict(visit.form), error.message)
        return visit.draw("campaign_form.html", status=422, form=form)
    return visit.go(f"/console/campaigns/{made.id}")


@pages.get("/console/campaigns/{id}", door=LOOK)
async def campaign_page(visit: Visit) -> web.StreamResponse:
    """Show one campaign."""
    return visit.draw("campaign.html", campaign=await _detail(visit))


@pages.get("/console/campaigns/{id}/live", door=LOOK)
async def campaign_fragment(visit: Visit) -> web.StreamResponse:
    """Refresh one campaign."""
    return visit.draw("campaign_live.html", campaign=await _detail(visit))


@pages.get("/console/campaigns/{id}/dry-run", door=EDIT)
async def dry_run(visit: Visit) -> web.StreamResponse:
    """Show what a run would do now."""
    try:
        found = await visit.need(DryRuns).of(visit.tenant, visit.path["id"], SAMPLES)
    except ChatpushError as error:
        return visit.draw("campaign_dry_run.html", dry=models.DryRun(0, problem=error.message))
    samples = tuple(
        models.DrySample(one.user, one.locale, one.title, one.body, one.problem) for one in found.samples
    )
    return visit.draw("campaign_dry_run.html", dry=models.DryRun(found.users, samples))


@pages.post("/console/campaigns/{id}/run", door=EDIT)
async def run_now(visit: Visit) -> web.StreamResponse:
    """Start a run out of turn."""
    await visit.need(Runs).run_now(visit.tenant, visit.path["id"])
    return _done(visit)


@pages.post("/console/campaigns/{id}/pause", door=EDIT)
async def pause(visit: Visit) -> web.StreamResponse:
    """Stop firing."""
    await visit.need(Campaigns).pause(visit.tenant, visit.path["id"])
    return _done(visit)


@pages.post("/console/campaigns/{id}/resume", door=EDIT)
async def resume(visit: Visit) -> web.StreamResponse:
    """Fire again."""
    await visit.need(Campaigns).resume(visit.tenant, visit.path["id"])
    return _done(visit)


def specification(form: Mapping[str, str]) -> dict[str, Any]:
    """Return the form as the API's JSON."""
    kind = form.get("trigger", "cron")
    picks = _number(form.get("recommend", "0"), "recommend")
    return {
        "name": form.get("name", ""),
        "template": form.get("template") or None,
        "category": form.get("category") or None,
        "trigger": _trigger(kind, form),
        **({} if kind == "event" else {"to": _audience(form)}),
        **({"recommend": {"limit": picks}} if picks else {}),
    }


def _trigger(kind: str, form: Mapping[str, str]) -> dict[str, Any]:
    match kind:
        case "interval":
            return {"kind": kind, "every": _number(form.get("every", ""), "every"), "unit": "minutes"}
        case "date":
            return {"kind": kind, "at": form.get("date", ""), "timezone": form.get("date_timezone", "")}
        case "event":
            return {"kind": kind, "type": form.get("event", "").strip()}
    return {"kind": kind, "cron": form.get("cron", ""), "timezone": form.get("timezone", "")}


def _audience(form: Mapping[str, str]) -> list[dict[str, Any]]:
    match form.get("audience", "all"):
        case "segment":
            return [{"segment": form.get("segment", "").strip()}]
        case "topic":
            return [{"topic": form.get("topic", "").strip()}]
        case "users":
            return [{"user": line.strip()} for line in form.get("users", "").splitlines() if line.strip()]
    return [{"all": True}]


def _number(text: str, param: str) -> int:
    try:
        return int(text or "0")
    except ValueError as error:
        raise InvalidInput(f"{text[:20]!r} is not a whole number", param=param) from error


def _done(visit: Visit) -> web.Response:
    if visit.fragment:
        return web.Response(status=204, headers=REFRESH)
    return visit.go(f"/console/campaigns/{visit.path['id']}")


async def _campaigns(visit: Visit) -> tuple[models.CampaignLine, ...]:
    listed = await visit.need(Campaigns).list(visit.tenant, Window(MOST))
    return tuple([await _line(visit, campaign) for campaign in listed.data])


async def _line(visit: Visit, campaign: Campaign) -> models.CampaignLine:
    runs = await visit.need(Runs).of_campaign(visit.tenant, campaign.id, Window(1))
    definition = campaign.definition
    content = definition.template or visit_text(visit, "campaigns.direct")
    if definition.variants:
        names = ", ".join(one.name for one in definition.variants)
        content = visit_text(visit, "campaigns.tried", names=names)
    if definition.picks:
        content = f"{content} · {visit_text(visit, 'campaigns.picks', n=definition.picks)}"
    return models.CampaignLine(
        id=campaign.id,
        name=definition.name,
        state=campaign.state,
        trigger_kind=definition.kind,
        trigger=_trigger_words(visit, definition.spec["trigger"]),
        content=content,
        audience=_audience_words(visit, definition.spec.get("to") or []),
        next_at=campaign.next_at if campaign.state == "active" else None,
        last_run=_run(runs.data[0]) if runs.data else None,
    )


def _trigger_words(visit: Visit, trigger: Mapping[str, Any]) -> str:
    match trigger.get("kind"):
        case "cron":
            return str(trigger.get("cron", ""))
        case "interval":
            unit = visit_text(visit, f"unit.{trigger.get('unit')}")
            return visit_text(visit, "trigger.every", n=trigger.get("every", ""), unit=unit)
        case "date":
            return str(trigger.get("at", ""))
    return str(trigger.get("type", ""))


def _audience_words(visit: Visit, to: list[Mapping[str, Any]]) -> str:
    if not to:
        return visit_text(visit, "audience.event")
    users = [str(one["user"]) for one in to if one.get("user")]
    words = [visit_text(visit, "audience.all")] if any(one.get("all") for one in to) else []
    for kind in ("segment", "topic"):
        words += [f"{visit_text(visit, f'audience.{kind}')}: {one[kind]}" for one in to if one.get(kind)]
    if users:
        words.append(users[0] if len(users) == 1 else visit_text(visit, "audience.users_n", n=len(users)))
    return ", ".join(words)


def _run(run: Run) -> models.RunLine:
    return models.RunLine(
        id=run.id,
        slot="manual" if run.slot.startswith("manual ") else run.slot,
        state=run.state,
        started_at=run.started_at,
        finished_at=run.finished_at,
        sent=run.accepted,
        skipped=run.skipped,
        note=run.error,
    )


async def _detail(visit: Visit) -> models.CampaignDetail:
    campaigns = visit.need(Campaigns)
    campaign = await campaigns.get(visit.tenant, visit.path["id"])
    active = campaign.state == "active"
    slots = await campaigns.preview(visit.tenant, campaign.id, FIRINGS) if active else []
    runs = await visit.need(Runs).of_campaign(visit.tenant, campaign.id, Window(RUNS))
    since = visit.shell.now - FUNNEL_SPAN
    totals = await visit.need(Messages).totals(visit.tenant, since, campaign.id)
    spec = campaign.definition.spec
    facts = {
        "category": visit_text(visit, f"category.{spec['category']}") if spec.get("category") else "",
        "misfire": str(spec.get("misfire") or ""),
        "overlap": str(spec.get("overlap") or ""),
        "quiet_hours": str(spec.get("quiet_hours") or ""),
    }
    return models.CampaignDetail(
        line=await _line(visit, campaign),
        timezone=str(spec["trigger"].get("timezone") or "UTC"),
        next_firings=tuple(slot.at for slot in slots),
        funnel=funnel(totals),
        runs=tuple(_run(run) for run in runs.data),
        facts=tuple((name, value) for name, value in facts.items() if value),
    )


async def _form(visit: Visit, typed: dict[str, str], problem: str) -> models.CampaignForm:
    window = Window(MOST)
    templates = await visit.need(Templates).list(visit.tenant, window)
    topics = await visit.need(Topics).list(visit.tenant, window)
    segments = await visit.need(Segments).list(visit.tenant, window)
    return models.CampaignForm(
        templates=tuple(sorted(template.name for template in templates.data)),
        topics=tuple(sorted(topic.name for topic in topics.data)),
        segments=tuple(sorted(segment.name for segment in segments.data)),
        typed=typed,
        problem=problem,
    )
