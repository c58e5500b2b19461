"""What a campaign achieved, what it would have done, and one run held, continued or ended."""

from collections.abc import Mapping
from datetime import timedelta
from typing import Any

from aiohttp import web

from chatpush.domain import Role
from chatpush.errors import ChatpushError, InvalidInput
from chatpush.notify.listing import Window
from chatpush.notify.templates.templates import Templates
from chatpush.schedule.campaigns import Campaign, Campaigns
from chatpush.schedule.results import SIGNIFICANT, STEPS, CampaignResults, Results, VariantResult
from chatpush.schedule.runs import Runs
from chatpush.schedule.what_if import MOST_USERS, Answer, Question, WhatIf
from chatpush.web.console import models
from chatpush.web.console.pages import Pages, Visit
from chatpush.web.http.doors import Door

pages = Pages()
LOOK = Door(role=Role.VIEWER)
EDIT = Door(role=Role.EDITOR)
REFRESH = {"HX-Trigger": "campaigns"}
CONVERSION = "purchase"
WITHIN = timedelta(days=7)
LOOK_BACK = timedelta(days=90)
SPANS = {"day": timedelta(days=1), "week": timedelta(days=7), "month": timedelta(days=31)}
MOST = 200


@pages.get("/console/campaigns/{id}/results", door=LOOK)
async def results(visit: Visit) -> web.StreamResponse:
    """Show what a campaign achieved in the last ninety days."""
    found = await visit.need(CampaignResults).of(
        visit.tenant, visit.path["id"], CONVERSION, WITHIN, LOOK_BACK
    )
    return visit.draw("campaign_results.html", achieved=achieved(found))


@pages.get("/console/campaigns/{id}/what-if", door=EDIT)
async def what_if_page(visit: Visit) -> web.StreamResponse:
    """Show the form of a question about the past."""
    campaign = await visit.need(Campaigns).get(visit.tenant, visit.path["id"])
    listed = await visit.need(Templates).list(visit.tenant, Window(MOST))
    form = models.WhatIfForm(
        campaign.id, campaign.definition.name, tuple(sorted(one.name for one in listed.data))
    )
    return visit.draw("campaign_what_if.html", form=form)


@pages.post("/console/campaigns/{id}/what-if", door=EDIT)
async def what_if(visit: Visit) -> web.StreamResponse:
    """Replay the past through the campaign as the form changes it."""
    campaign = await visit.need(Campaigns).get(visit.tenant, visit.path["id"])
    asked = visit.need(WhatIf)
    try:
        since, until = asked.window(None, None, SPANS.get(visit.form.get("span", ""), SPANS["day"]))
        question = Question(
            spec=_changed(campaign, visit.form), since=since, until=until, campaign=campaign.id,
            policy=_policy(visit.form), users=MOST_USERS,
        )  # fmt: skip
        answer = told(await asked.of(visit.tenant, question))
    except ChatpushError as error:
        answer = models.WhatIfAnswer(problem=error.message)
    return visit.draw("campaign_what_if_answer.html", answer=answer)


@pages.post("/console/campaigns/{id}/runs/{run}/pause", door=EDIT)
async def pause_run(visit: Visit) -> web.StreamResponse:
    """Hold one run."""
    await visit.need(Runs).pause(visit.tenant, visit.path["id"], visit.path["run"])
    return _done(visit)


@pages.post("/console/campaigns/{id}/runs/{run}/resume", door=EDIT)
async def resume_run(visit: Visit) -> web.StreamResponse:
    """Let one run go on."""
    await visit.need(Runs).resume(visit.tenant, visit.path["id"], visit.path["run"])
    return _done(visit)


@pages.post("/console/campaigns/{id}/runs/{run}/cancel", door=EDIT)
async def cancel_run(visit: Visit) -> web.StreamResponse:
    """End one run and stop what has not reached its users."""
    await visit.need(Runs).cancel(visit.tenant, visit.path["id"], visit.path["run"])
    return _done(visit)


def achieved(found: Results) -> models.Achieved:
    """Return results as the page shows them."""
    sent = found.total.sent
    steps = tuple(
        models.FunnelStep(step, count, 100 * count / sent if sent else 0)
        for step in STEPS
        for count in [getattr(found.total, step)]
    )
    holdout = found.holdout
    return models.Achieved(
        funnel=steps,
        variants=tuple(_variant(one) for one in found.variants),
        held=holdout.held.users if holdout is not None else 0,
        lift=f"{holdout.lift:+.1%}" if holdout is not None and holdout.lift is not None else "",
        lift_chance=_chance(holdout.p_value) if holdout is not None else "",
        suppressed=tuple(found.suppressed.items()),
    )


def told(answer: Answer) -> models.WhatIfAnswer:
    """Return an answer as the page shows it."""
    tally = answer.tally
    reasons = sorted({*tally.suppressed, *answer.really_suppressed})
    return models.WhatIfAnswer(
        firings=answer.firings,
        users=answer.users,
        audience=answer.audience or 0,
        messages=tally.messages,
        sent=tally.sent,
        replaced=tally.replaced,
        really_sent=sum(answer.really.get(state, 0) for state in ("sent", "delivered")),
        waiting=tally.waiting,
        cost=f"{answer.cost:.2f} {answer.currency}",
        reasons=tuple(
            (reason, tally.suppressed.get(reason, 0), answer.really_suppressed.get(reason, 0))
            for reason in reasons
        ),
        deferred=tuple(sorted(tally.deferred.items())),
        rendered=answer.rendered,
        refused=tuple(sorted({**answer.dropped, **answer.broken}.items())),
        samples=tuple(models.DrySample(one.user, "", one.title, one.body) for one in answer.samples),
    )


def _variant(one: VariantResult) -> models.VariantLine:
    counts = one.counts
    chances = [p for p in (one.click_p_value, one.conversion_p_value) if p is not None]
    return models.VariantLine(
        one.name, counts.users, counts.sent, counts.clicked, 100 * counts.click_rate, counts.converted,
        100 * counts.conversion_rate, _chance(min(chances, default=None)),
        significant=any(p < SIGNIFICANT for p in chances),
    )  # fmt: skip


def _chance(p: float | None) -> str:
    return "" if p is None else "< 0.001" if p < 0.001 else f"{p:.3f}"


def _changed(campaign: Campaign, form: Mapping[str, str]) -> dict[str, Any]:
    """Return the campaign's specification with what was typed in place of its own."""
    spec = dict(campaign.definition.spec)
    typed = {name: form[name].strip() for name in ("template", "send_at", "quiet_hours") if form.get(name)}
    if "template" in typed:
        for other in ("content", "variants"):
            spec.pop(other, None)
    if "send_at" in typed:
        spec.pop("send_hour", None)
    return spec | typed


def _policy(form: Mapping[str, str]) -> dict[str, Any]:
    policy: dict[str, Any] = {}
    if cap := form.get("marketing_cap", "").strip():
        try:
            policy["marketing_cap"] = int(cap)
        except ValueError as error:
            raise InvalidInput(f"{cap[:20]!r} is not a whole number", param="marketing_cap") from error
    if hours := form.get("default_quiet_hours", "").strip():
        policy["default_quiet_hours"] = hours
    return policy


def _done(visit: Visit) -> web.Response:
    if visit.fragment:
        return web.Response(status=204, headers=REFRESH)
    return visit.go(f"/console/campaigns/{visit.path['id']}")
