"""Sign in and out.

Guessing is slowed by ``People`` itself; here the answer only has to be said.
A successful sign-in goes on to the page that was asked for, never elsewhere.
"""

from datetime import timedelta

from aiohttp import web

from chatpush.account.people import People
from chatpush.account.sessions import LIFE, Sessions
from chatpush.domain import DEFAULT_TENANT, Role
from chatpush.errors import TooMany, Unauthenticated
from chatpush.settings import Settings
from chatpush.web.console.pages import Pages, Visit, set_session, visit_text
from chatpush.web.http import addresses
from chatpush.web.http.doors import Door
from chatpush.web.http.identify import SESSION_COOKIE

pages = Pages()


@pages.get("/console/sign-in", door=Door(anyone=True))
async def sign_in_page(visit: Visit) -> web.StreamResponse:
    """Show the form."""
    if visit.shell.role:
        return visit.go("/console")
    return visit.draw("signin.html", email="", problem="", next=_own(visit.query("next")))


@pages.post("/console/sign-in", door=Door(anyone=True))
async def sign_in(visit: Visit) -> web.StreamResponse:
    """Open a session."""
    people, email = visit.need(People), visit.form.get("email", "")
    after = _own(visit.form.get("next", ""))
    tenant = visit.identity.tenant or DEFAULT_TENANT
    try:
        opened = await people.sign_in(tenant, email, visit.form.get("password", ""), address_of(visit))
    except (Unauthenticated, TooMany) as error:
        throttled = isinstance(error, TooMany)
        problem = visit_text(
            visit,
            "signin.throttled" if throttled else "signin.wrong",
            minutes=-(-error.retry_after_seconds // 60) if isinstance(error, TooMany) else 0,
        )
        status = 429 if throttled else 401
        return visit.draw("signin.html", status=status, email=email[:254], problem=problem, next=after)
    response = visit.go(after)
    set_session(visit, response, opened.token, int(LIFE / timedelta(seconds=1)))
    return response


@pages.post("/console/sign-out", door=Door(role=Role.VIEWER))
async def sign_out(visit: Visit) -> web.StreamResponse:
    """End the session."""
    await visit.need(Sessions).end(visit.request.cookies.get(SESSION_COOKIE, ""))
    response = visit.go("/console/sign-in")
    response.del_cookie(SESSION_COOKIE, path="/")
    return response


def address_of(visit: Visit) -> str:
    """Return the address or IPv6 network a guesser is counted by; a forwarded one only from a trusted proxy."""
    return addresses.network_of(addresses.address_of(visit.request, visit.find(Settings)))


def _own(address: str) -> str:
    """Return the address if it is a page of this console, else the first page."""
    own = address == "/console" or address.startswith(("/console/", "/console?"))
    return address if own and address.isprintable() and "\\" not in address else "/console"
