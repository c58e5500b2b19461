"""Declare the console's pages: method, path, door, handler.

A page is an ``Operation`` like any other, so the test that walks every door
walks these too. What differs is the shell: HTML instead of problems, a strict
content security policy, and a CSRF token on everything but GET (the session's,
or before sign-in a cookie's that the form must repeat).
"""

import hashlib
import hmac
import inspect
import secrets
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, TypeVar, cast

from aiohttp import web
from aiohttp.typedefs import Handler

from chatpush.account.sessions import Session, Sessions
from chatpush.clock import Clock, SystemClock
from chatpush.domain import Identity, IdentityKind, TenantId
from chatpush.errors import ChatpushError, Forbidden, InvalidInput, Unauthenticated
from chatpush.settings import Settings
from chatpush.web.console import render, texts
from chatpush.web.http import characters, problems
from chatpush.web.http.doors import Door
from chatpush.web.http.identify import CSRF_HEADER, SESSION_COOKIE
from chatpush.web.http.operations import IDENTITY, SERVICES, Operation

T = TypeVar("T")
GATE_COOKIE = "chatpush_gate"
LANGUAGE_COOKIE = "chatpush_language"
THEME_COOKIE = "chatpush_theme"
MARK_HEADER, HAVE_HEADER = "X-Fragment", "X-Have"
YEAR_SECONDS = 31_536_000
LONGEST_FIELD = 100_000
POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data: http: https:; "
    "connect-src 'self'; font-src 'self'; form-action 'self'; frame-ancestors 'none'; base-uri 'none'"
)
HEADERS = {
    "Content-Security-Policy": POLICY,
    "Cache-Control": "no-store",
    "X-Frame-Options": "DENY",
    "Referrer-Policy": "same-origin",
    "Cross-Origin-Opener-Policy": "same-origin",
}


@dataclass(slots=True)
class Visit:
    """One request to the console as a page's handler sees it."""

    request: web.Request
    identity: Identity
    shell: render.Shell
    form: Mapping[str, str] = field(default_factory=dict)

    @property
    def tenant(self) -> TenantId:
        """Whose console this is."""
        return self.identity.tenant

    @property
    def path(self) -> Mapping[str, str]:
        """The path's parameters."""
        return self.request.match_info

    @property
    def fragment(self) -> bool:
        """Whether htmx asks for a piece of a page."""
        return "HX-Request" in self.request.headers

    def query(self, name: str, default: str = "") -> str:
        """Return a query parameter."""
        return self.request.query.get(name, default)

    def need(self, kind: type[T]) -> T:
        """Return the app's service of a class."""
        return cast(T, self.request.app[SERVICES][kind])

    def find(self, kind: type[T]) -> T | None:
        """Return the app's service of a class, if it has one."""
        return cast("T | None", self.request.app[SERVICES].get(kind))

    def draw(self, page: str, status: int = 200, **values: Any) -> web.Response:
        """Return a page or a fragment; 204 for a fragment that the page has already."""
        html = render.page(page, self.shell, values)
        if not self.fragment or self.request.method != "GET":
            return web.Response(text=html, status=status, content_type="text/html")
        mark = hashlib.blake2s(html.encode(), digest_size=12).hexdigest()
        if self.request.headers.get(HAVE_HEADER) == mark:
            return web.Response(status=204)
        return web.Response(text=html, status=status, content_type="text/html", headers={MARK_HEADER: mark})

    def go(self, address: str) -> web.Response:
        """Send the browser to another page of the console."""
        if self.fragment:
            return web.Response(status=204, headers={"HX-Redirect": address})
        return web.Response(status=303, headers={"Location": address})


PageHandler = Callable[[Visit], Awaitable[web.StreamResponse]]


@dataclass(slots=True)
class Pages:
    """The pages of one part of the console."""

    all: list[Operation] = field(default_factory=list)

    def get(self, path: str, *, door: Door) -> Callable[[PageHandler], PageHandler]:
        """Declare a page or a fragment."""
        return self._declare("GET", path, door)

    def post(self, path: str, *, door: Door) -> Callable[[PageHandler], PageHandler]:
        """Declare what a form or button does."""
        return self._declare("POST", path, door)

    def _declare(self, method: str, path: str, door: Door) -> Callable[[PageHandler], PageHandler]:
        def declare(handler: PageHandler) -> PageHandler:
            summary = (inspect.getdoc(handler) or handler.__name__).partition("\n")[0]
            self.all.append(
                Operation(
                    method=method,
                    path=path,
                    handler=handler,
                    door=door,
                    status=200,
                    tag="console",
                    idempotent=False,
                    body=None,
                    query=None,
                    answer=None,
                    summary=summary,
                )
            )
            return handler

        return declare


def endpoint(page: Operation) -> Handler:
    """Return what aiohttp calls for a page."""

    async def answer(request: web.Request) -> web.StreamResponse:
        visit, session = await _visit(request)
        try:
            page.door.check(visit.identity)
            if page.method != "GET":
                await _read_form(visit, session)
            response: web.StreamResponse = await page.handler(visit)
        except ChatpushError as error:
            response = _refusal(visit, error)
        except web.HTTPException:
            raise
        except Exception as error:
            problem = problems.of_surprise(error, request.get(problems.REQUEST_ID, ""))
            response = _error_page(visit, problem.status, visit_text(visit, "error.surprise"))
        _furnish(visit, response)
        return response

    return answer


def visit_text(visit: Visit, key: str, **values: Any) -> str:
    """Return a text in the visitor's language."""
    return texts.Texts(visit.shell.language)(key, **values)


def set_session(visit: Visit, response: web.StreamResponse, token: str, seconds: int) -> None:
    """Put the session into the browser, where no script can read it."""
    response.set_cookie(
        SESSION_COOKIE, token, max_age=seconds, path="/", httponly=True, samesite="Strict", secure=_secure(visit)
    )  # fmt: skip


async def _visit(request: web.Request) -> tuple[Visit, Session | None]:
    services = request.app[SERVICES]
    sessions = cast("Sessions | None", services.get(Sessions))
    token = request.cookies.get(SESSION_COOKIE, "")
    session = await sessions.find(token) if sessions and token else None
    clock = cast(Clock, services.get(Clock) or services.get(SystemClock) or SystemClock())
    identity = session.identity if session else request[IDENTITY]
    asked = request.query.get("language", "")
    language = texts.preferred(
        asked or request.cookies.get(LANGUAGE_COOKIE, ""), request.headers.get("Accept-Language", "")
    )
    theme = request.query.get("theme", "") or request.cookies.get(THEME_COOKIE, "")
    shell = render.Shell(
        language=language,
        theme=theme if theme in ("light", "dark") else "light",
        csrf=session.csrf if session else request.cookies.get(GATE_COOKIE, "") or secrets.token_urlsafe(24),
        name=identity.name if identity.kind is IdentityKind.PERSON else "",
        role=identity.role,
        here=request.path,
        now=clock.now(),
        me=identity.subject if identity.kind is IdentityKind.PERSON else "",
    )
    return Visit(request, identity, shell), session


async def _read_form(visit: Visit, session: Session | None) -> None:
    """Read the form and demand the token.

    Raises:
        Forbidden: the token is missing or another's; a page elsewhere may have sent this.
        InvalidInput: the form carries files or a huge field.
    """
    try:
        posted = await visit.request.post()
    except (ValueError, LookupError) as error:
        raise InvalidInput(f"this is no form: {error}") from error
    form = {name: value for name, value in posted.items() if isinstance(value, str)}
    if len(form) != len(set(posted)) or any(len(value) > LONGEST_FIELD for value in form.values()):
        raise InvalidInput("this form takes short texts only")
    for name in set(posted):
        form[name] = "\n".join(str(value) for value in posted.getall(name))
        characters.check_text(name + form[name], name)
    expected = session.csrf if session else visit.request.cookies.get(GATE_COOKIE, "")
    given = visit.request.headers.get(CSRF_HEADER, "") or form.pop("csrf", "")
    form.pop("csrf", None)
    if not expected or not hmac.compare_digest(expected.encode(), given.encode()):
        raise Forbidden(visit_text(visit, "error.csrf"))
    visit.form = form


def _refusal(visit: Visit, error: ChatpushError) -> web.Response:
    if isinstance(error, Unauthenticated):
        if visit.fragment:
            return web.Response(status=401, headers={"HX-Refresh": "true"})
        return visit.draw("signin.html", status=401, email="", problem="", next=_next(visit))
    message = error.message
    if isinstance(error, Forbidden) and visit.request.method == "GET":
        message = visit_text(visit, "error.forbidden")
    return _error_page(visit, problems.status_of(error), message)


def _error_page(visit: Visit, status: int, message: str) -> web.Response:
    if visit.fragment:
        return web.Response(text=message, status=status, content_type="text/plain")
    template = "error.html" if visit.shell.role else "error_bare.html"
    return visit.draw(template, status=status, status_code=status, message=message)


def _next(visit: Visit) -> str:
    """Return where to go after signing in: the page that was asked for, if it is one of ours."""
    request = visit.request
    own = request.method == "GET" and request.path.startswith("/console")
    return request.path_qs if own and request.path != "/console/sign-in" else "/console"


def _furnish(visit: Visit, response: web.StreamResponse) -> None:
    """Add the headers every page has, and the cookies that remember choices."""
    if response.prepared:
        return
    for name, value in HEADERS.items():
        response.headers.setdefault(name, value)
    request, secure = visit.request, _secure(visit)
    for parameter, cookie, value in (
        ("language", LANGUAGE_COOKIE, visit.shell.language),
        ("theme", THEME_COOKIE, visit.shell.theme),
    ):
        if parameter in request.query:
            response.set_cookie(
                cookie, value, max_age=YEAR_SECONDS, path="/console", httponly=True, samesite="Strict", secure=secure
            )  # fmt: skip
    if visit.shell.role is None and request.cookies.get(GATE_COOKIE, "") != visit.shell.csrf:
        response.set_cookie(
            GATE_COOKIE, visit.shell.csrf, path="/console", httponly=True, samesite="Strict", secure=secure
        )  # fmt: skip


def _secure(visit: Visit) -> bool:
    """Cookies are for HTTPS only, unless this very installation is served without it."""
    settings = visit.find(Settings)
    return visit.request.secure or bool(settings and settings.server.public_url.startswith("https:"))
