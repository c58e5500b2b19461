"""Put the console into the application: its pages join the declared doors."""

from aiohttp import web

from chatpush.web.console import (
    access,
    account,
    assets,
    campaign_advice,
    campaign_effects,
    campaigns,
    configuration,
    conversations,
    customers,
    dead_letters,
    deliveries,
    knowledge,
    library,
    live,
    nowhere,
    overview,
    plugins,
    quality,
    recommendations,
    service,
    service_overview,
    signin,
)
from chatpush.web.console.pages import endpoint
from chatpush.web.http.operations import Operation
from chatpush.web.http.server import DECLARED

PARTS = (
    signin, live, overview, service_overview, conversations, customers, dead_letters, deliveries, campaigns,
    campaign_advice, campaign_effects, recommendations, quality, plugins, configuration, access, account, service,
    knowledge, library, assets, nowhere,
)  # fmt: skip


def declared() -> list[Operation]:
    """Return every page of the console with its door."""
    return [page for part in PARTS for page in part.pages.all]


def add_console(app: web.Application) -> None:
    """Add the console's pages to an application that ``web.server.build`` made."""
    for page in declared():
        app.router.add_route(page.method, page.path, endpoint(page))
    app[DECLARED].extend(declared())
    app.router.add_get("/console/", _without_slash)


async def _without_slash(request: web.Request) -> web.Response:  # noqa: ARG001 - aiohttp's shape
    return web.Response(status=308, headers={"Location": "/console"})
