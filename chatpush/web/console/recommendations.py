"""Recommendations: what a user would be recommended now, and why."""

from aiohttp import web

from chatpush.domain import Pick, Role, UserId
from chatpush.notify.listing import Window
from chatpush.notify.users import Users
from chatpush.recommend.behaviour import Behaviour
from chatpush.recommend.recommender import Recommender
from chatpush.web.console import models
from chatpush.web.console.customers import event_lines
from chatpush.web.console.overview import money
from chatpush.web.console.pages import Pages, Visit
from chatpush.web.doors import Door

pages = Pages()
PICKS = 12
EVENTS = 20
SUGGESTIONS = 50
LONGEST_ID = 200


@pages.get("/console/recommendations", door=Door(role=Role.VIEWER))
async def look_up(visit: Visit) -> web.StreamResponse:
    """Show picks for a user, or for somebody we don't know."""
    asked = visit.query("user").strip()[:LONGEST_ID]
    user = UserId(asked) if asked else None
    users = visit.need(Users)
    known = await users.find(visit.tenant, user) if user else None
    events = await visit.need(Behaviour).recent(visit.tenant, user) if user else ()
    picks = await visit.need(Recommender).pick(visit.tenant, user, PICKS, visit.shell.language)
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
    return visit.draw("recommendations.html", recommendations=shown)


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
