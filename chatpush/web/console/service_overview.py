"""How well people and the assistant serve, for the overview: numbers, and two charts by day."""

from datetime import timedelta

from aiohttp import web

from chatpush.domain import Role
from chatpush.support.model.budget import Budget
from chatpush.support.people.service_figures import ServiceFigures, ServiceReport
from chatpush.web.console import models
from chatpush.web.console.pages import Pages, Visit, visit_text
from chatpush.web.http.doors import Door

pages = Pages()
LOOK = Door(role=Role.VIEWER)
SPANS = {"week": 7, "month": 30}
MINUTE, HOUR = 60, 3600
GOOD_SHARE, POOR_SHARE = 0.9, 0.6


@pages.get("/console/overview/service", door=LOOK)
async def service_fragment(visit: Visit) -> web.StreamResponse:
    """Show resolution, containment, first response, ratings, promises, tokens and cost."""
    span = visit.query("range") if visit.query("range") in SPANS else "week"
    report = await _report(visit, span)
    numbers = [*_numbers(visit, report), *await _model(visit, SPANS[span])]
    return visit.draw("overview_service.html", numbers=numbers, report=report, span=span, spans=list(SPANS))


@pages.get("/console/overview/service-chart", door=LOOK)
async def service_chart(visit: Visit) -> web.StreamResponse:
    """Return the charts' columns: seconds; conversations, handed over, resolved; response minutes, score."""
    span = visit.query("range") if visit.query("range") in SPANS else "week"
    days = (await _report(visit, span)).days
    midnight = visit.shell.now.replace(hour=0, minute=0, second=0, microsecond=0)
    seconds = [
        int((midnight - timedelta(days=len(days) - 1 - number)).timestamp()) for number in range(len(days))
    ]
    return web.json_response(
        {
            "volume": [
                seconds,
                [day.conversations for day in days],
                [day.handed_over for day in days],
                [day.resolved for day in days],
            ],
            "quality": [
                seconds,
                [None if day.first_response is None else day.first_response / MINUTE for day in days],
                [day.score for day in days],
            ],
        }
    )


async def _report(visit: Visit, span: str) -> ServiceReport:
    now = visit.shell.now
    return await visit.need(ServiceFigures).report(visit.tenant, now - timedelta(days=SPANS[span]), now)


def _numbers(visit: Visit, report: ServiceReport) -> list[models.ServiceNumber]:
    first, following = report.clocks["first"], report.clocks["next"]
    late = sum(clock.breached for clock in report.clocks.values())
    return [
        models.ServiceNumber(
            "resolved", share(report.resolved), visit_text(visit, "service.of", n=report.conversations),
            _tone(report.resolved),
        ),
        models.ServiceNumber(
            "contained", share(report.contained),
            visit_text(visit, "service.handed", n=report.handed_over), _tone(report.contained),
        ),
        models.ServiceNumber(
            "first", lasting(first.median),
            visit_text(visit, "service.p90", time=lasting(first.p90)), "",
        ),
        models.ServiceNumber(
            "next", lasting(following.median), visit_text(visit, "service.late", n=late), "bad" if late else ""
        ),
        models.ServiceNumber(
            "score", f"{report.score:.1f}" if report.score is not None else "–",
            visit_text(visit, "service.satisfied", share=share(report.satisfied), n=report.ratings), "",
        ),
        models.ServiceNumber(
            "kept", share(report.kept),
            visit_text(
                visit, "service.promises", kept=report.promises.get("kept", 0),
                expired=report.promises.get("expired", 0), pending=report.promises.get("pending", 0),
            ),
            _tone(report.kept),
        ),
    ]  # fmt: skip


async def _model(visit: Visit, days: int) -> list[models.ServiceNumber]:
    """Return what the language model took, if there is one."""
    budget = visit.find(Budget)
    if budget is None:
        return []
    today = visit.shell.now.date()
    spent = [day.spent for day in await budget.by_day(visit.tenant, today - timedelta(days=days), today)]
    tokens = sum(one.tokens for one in spent)
    money = sum(one.micros for one in spent) / 1_000_000
    note = visit_text(visit, "service.cost", amount=f"{money:,.2f} {budget.limits.currency}")
    return [models.ServiceNumber("tokens", f"{tokens:,}", note)]


def share(part: float | None) -> str:
    """Return a share in per cent; a dash for none."""
    return "–" if part is None else f"{part * 100:.0f} %"


def lasting(seconds: float | None) -> str:
    """Return how long something took, coarse; a dash for none."""
    if seconds is None:
        return "–"
    if seconds < MINUTE:
        return f"{seconds:.0f} s"
    if seconds < HOUR:
        return f"{seconds / MINUTE:.1f} min"
    return f"{seconds / HOUR:.1f} h"


def _tone(part: float | None) -> str:
    if part is None:
        return ""
    return "ok" if part >= GOOD_SHARE else "warn" if part < POOR_SHARE else ""
