"""A person's own account: the password."""

from aiohttp import web

from chatpush.account.people import People
from chatpush.domain import Role
from chatpush.errors import ChatpushError, TooMany, Unauthenticated
from chatpush.web.console.pages import Pages, Visit, visit_text
from chatpush.web.http.doors import Door

pages = Pages()
OWN = Door(role=Role.VIEWER)


@pages.get("/console/account", door=OWN)
async def account_page(visit: Visit) -> web.StreamResponse:
    """Show the form."""
    return visit.draw("account.html", problem="")


@pages.post("/console/account", door=OWN)
async def change_password(visit: Visit) -> web.StreamResponse:
    """Change the password; every session of this person ends."""
    form, me = visit.form, visit.identity
    if form.get("new", "") != form.get("again", ""):
        return visit.draw("account.html", status=422, problem=visit_text(visit, "account.differ"))
    try:
        await visit.need(People).change_own_password(
            visit.tenant, me.subject, form.get("current", ""), form.get("new", "")
        )
    except Unauthenticated:
        return visit.draw("account.html", status=422, problem=visit_text(visit, "account.wrong"))
    except TooMany as error:
        minutes = -(-error.retry_after_seconds // 60)
        problem = visit_text(visit, "signin.throttled", minutes=minutes)
        return visit.draw("account.html", status=429, problem=problem)
    except ChatpushError as error:
        return visit.draw("account.html", status=422, problem=error.message)
    return visit.go("/console/sign-in")
