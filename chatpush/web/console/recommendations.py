"""Recommendations: what a user would be recommended, why, what to expect of them, and what if things were otherwise."""

from collections.abc import Mapping
from datetime import UTC, datetime

from aiohttp import web

from chatpush.domain import ItemId, Pick, Role, User, UserId
from chatpush.errors import InvalidInput
from chatpush.notify.audience.users import Users
from chatpush.notify.listing import Window
from chatpush.recommend.behaviour.behaviour import Behaviour
from chatpush.recommend.recommender import Recommender, WhatIf
from chatpush.recommend.timing.outlook import Outlook, Outlooks
from chatpush.recommend.timing.responses import Hours
from chatpush.web.console import models
from chatpush.web.console.customers import event_lines
from chatpush.web.console.models import recommending
from chatpush.web.console.overview import money
from chatpush.web.console.pages import Pages, Visit, visit_text
from chatpush.web.http.doors import Door

pages = Pages()
PICKS = 12
EVENTS = 20
SUGGESTIONS = 50
LONGEST_ID = 200
MOST_EXCLUDED = 100
HEAVIEST = 10.0
CHART_HEIGHT, BAR_WIDTH = 60.0, 10.0


@pages.get("/console/recommendations", door=Door(role=Role.VIEWER))
async def look_up(visit: Visit) -> web.StreamResponse:
    """Show picks for a user, or for somebody we don't know; with other weights, items or times if asked."""
    asked = visit.query("user").strip()[:LONGEST_ID]
    user = UserId(asked) if asked else None
    users, recommender = visit.need(Users), visit.need(Recommender)
    known = await users.find(visit.tenant, user) if user else None
    events = await visit.need(Behaviour).recent(visit.tenant, user) if user else ()
    query = dict(visit.request.query)
    problem, what_if = "", None
    try:
        what_if = supposed(query, recommender.weights) if user else None
    except InvalidInput as error:
        problem = visit_text(visit, f"recommendations.bad_{error.param}")
    language = visit.shell.language
    if user and what_if:
        picks = list((await recommender.supposed(visit.tenant, user, PICKS, language, what_if)).picks)
    else:
        picks = await recommender.pick(visit.tenant, user, PICKS, language)
    best = max((pick.score for pick in picks), default=1.0) or 1.0
    suggestions = await users.list(visit.tenant, Window(SUGGESTIONS))
    shown = models.Recommendations(
        asked=asked,
        known=known is not None or bool(events),
        name=(known.name if known else "") or asked,
        picks=tuple(_line(pick, best) for pick in picks),
        events=await event_lines(visit, events[:EVENTS]),
        suggestions=tuple(one.id for one in suggestions.data),
    )
    outlooks = visit.find(Outlooks)
    outlook = (
        await outlooks.of(visit.tenant, known or User(visit.tenant, user)) if user and outlooks else None
    )
    page = recommending.UserPage(
        shown=shown,
        weights=tuple(
            recommending.WeightLine(name, own, what_if.weights.get(name, own) if what_if else own)
            for name, own in recommender.weights.items()
        ),
        exclude=query.get("exclude", "")[:2000],
        as_of=query.get("as_of", "")[:10],
        supposing=what_if is not None,
        problem=problem,
        outlook=_outlook(outlook) if outlook else None,
    )
    return visit.draw("recommendations.html", recommendations=shown, about=page)


def supposed(query: Mapping[str, str], weights: Mapping[str, float]) -> WhatIf | None:
    """Read what is to be supposed from a query; None if nothing differs from what is.

    Raises:
        InvalidInput: a weight or a date is none; ``param`` is ``weight`` or ``as_of``.
    """
    others: dict[str, float] = {}
    for name, own in weights.items():
        text = query.get(f"w_{name}", "").strip()
        try:
            value = float(text) if text else own
        except ValueError as error:
            raise InvalidInput("a weight is a number", param="weight") from error
        if not 0.0 <= value <= HEAVIEST:
            raise InvalidInput(f"a weight is from 0 to {HEAVIEST:.0f}", param="weight")
        if value != own:
            others[name] = value
    words = query.get("exclude", "").replace(",", " ").split()
    excluded = frozenset(ItemId(word) for word in words[:MOST_EXCLUDED])
    as_of = None
    if text := query.get("as_of", "").strip():
        try:
            as_of = datetime.fromisoformat(text[:10]).replace(hour=23, minute=59, tzinfo=UTC)
        except ValueError as error:
            raise InvalidInput("a day is written as 2026-11-24", param="as_of") from error
    return WhatIf(others, excluded, as_of) if others or excluded or as_of else None


def _outlook(found: Outlook) -> recommending.OutlookCard:
    return recommending.OutlookCard(
        opens=100 * found.opens,
        best_at=found.best_at,
        messages=found.messages,
        weekday=_bars(found.chances[0]),
        weekend=_bars(found.chances[1]),
        next_purchase_at=found.buying.next_at if found.buying else None,
        churn=100 * found.buying.churn if found.buying else 0.0,
        spare=found.spare,
    )


def _bars(chances: Hours) -> tuple[recommending.HourBar, ...]:
    bars = []
    for hour in range(24):
        chance = min(max(float(chances[hour]), 0.0), 1.0)
        height = max(CHART_HEIGHT * chance, 0.5)
        bars.append(recommending.HourBar(hour, 100 * chance, hour * BAR_WIDTH, CHART_HEIGHT - height, height))
    return tuple(bars)


def _line(pick: Pick, best: float) -> models.PickLine:
    item = pick.item
    return models.PickLine(
        id=item.id,
        title=item.title,
        image=item.image if item.image.startswith(("http://", "https://", "/")) else "",
        price=money(item.price, item.currency) if item.price is not None else "",
        stock=item.stock,
        score=pick.score,
        share=max(0.0, pick.score / best),
        reason=pick.reason.text,
        reason_code=pick.reason.code,
        url=item.url if item.url.startswith(("http://", "https://", "/")) else "",
    )
