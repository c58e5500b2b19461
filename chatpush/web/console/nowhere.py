"""Say that there is no such page, in the frame that leads to the others; comes after all of them."""

from aiohttp import web

from chatpush.domain import Role
from chatpush.errors import NotFound
from chatpush.web.console.pages import Pages, Visit, visit_text
from chatpush.web.http.doors import Door

pages = Pages()


@pages.get("/console/{rest:.+}", door=Door(role=Role.VIEWER))
async def nowhere(visit: Visit) -> web.StreamResponse:
    """Show that nothing is here."""
    raise NotFound(visit_text(visit, "error.nowhere"))
