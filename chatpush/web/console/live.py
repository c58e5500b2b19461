"""Keep open pages live: a token for the activity channel, and whether this person is on duty.

The page listens to ``console:activity`` over the same WebSocket as every
client, with a token that names this channel alone and ends soon. Being
connected is being there: that is what assignment looks at.
"""

from datetime import timedelta

from aiohttp import web

from chatpush.domain import DEFAULT_TENANT, Role
from chatpush.realtime.identity.tokens import Tokens
from chatpush.support.conversations.announcing import ACTIVITY
from chatpush.support.people.assigning import console_user
from chatpush.support.people.teams import Teams
from chatpush.web.console.pages import Pages, Visit
from chatpush.web.http.doors import Door

pages = Pages()
LOOK = Door(role=Role.VIEWER)
ANSWER = Door(role=Role.AGENT)
TOKEN_LIFE = timedelta(minutes=15)


@pages.get("/console/live", door=LOOK)
async def live(visit: Visit) -> web.StreamResponse:
    """Return a token for the activity channel; null where only asking again helps."""
    tokens = visit.find(Tokens)
    if visit.shell.may(Role.AGENT):
        await visit.need(Teams).seen(visit.tenant, visit.identity.subject)
    # A page can't name another tenant than the default one without its publishable key.
    if tokens is None or visit.tenant != DEFAULT_TENANT:
        return web.json_response({"token": None})
    user = console_user(visit.identity.subject)
    token = await tokens.issue_connection(visit.tenant, user, TOKEN_LIFE, channels=(ACTIVITY,))
    return web.json_response({"token": token})


@pages.get("/console/duty", door=ANSWER)
async def duty(visit: Visit) -> web.StreamResponse:
    """Show whether this person takes new conversations."""
    agent = await visit.need(Teams).agent(visit.tenant, visit.identity.subject)
    return visit.draw("duty.html", away=agent.away)


@pages.post("/console/duty", door=ANSWER)
async def change_duty(visit: Visit) -> web.StreamResponse:
    """Go away, or come back."""
    away = visit.form.get("away") == "yes"
    await visit.need(Teams).set_away(visit.tenant, visit.identity.subject, away=away)
    return visit.draw("duty.html", away=away)
