"""Keep open pages live: a token for the activity channel, and whether this person is on duty.

The page listens to ``console:activity`` over the same WebSocket as every
client, with a token that names this channel alone and ends soon. A tenant other
than the default one has a publishable key for it, which names the tenant and
opens nothing: the token is the tenant's own and holds nowhere else. Being
connected is being there: that is what assignment looks at.
"""

import base64
import hashlib
from datetime import timedelta

from aiohttp import web

from chatpush.account.keys import PUBLISHABLE, Keys
from chatpush.domain import DEFAULT_TENANT, Role, TenantId
from chatpush.realtime.identity.tokens import Tokens
from chatpush.store.vault import Vault
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
    """Return a token for the activity channel, with the key that names the tenant; null where only asking helps."""
    tokens = visit.find(Tokens)
    if visit.shell.may(Role.AGENT):
        await visit.need(Teams).seen(visit.tenant, visit.identity.subject)
    key = "" if visit.tenant == DEFAULT_TENANT else await _key(visit)
    if tokens is None or key is None:
        return web.json_response({"token": None})
    user = console_user(visit.identity.subject)
    token = await tokens.issue_connection(visit.tenant, user, TOKEN_LIFE, channels=(ACTIVITY,))
    return web.json_response({"token": token, "key": key})


async def _key(visit: Visit) -> str | None:
    """Return the publishable key by which a tenant's console is connected; None if it was revoked."""
    vault = visit.need(Vault)
    await vault.ready(visit.tenant)
    key = console_key(vault, visit.tenant)
    return key if await visit.need(Keys).lend(visit.tenant, "console", key) else None


def console_key(vault: Vault, tenant: TenantId) -> str:
    """Return the key, the same on every node: made of the tenant's own data key, so nobody else can."""
    digest = hashlib.sha256(vault.blind(tenant, "console key", tenant).encode()).digest()
    return f"{PUBLISHABLE}_{base64.urlsafe_b64encode(digest).decode().rstrip('=')}"


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
