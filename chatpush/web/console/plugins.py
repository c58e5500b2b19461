"""Plugins: what is loaded and how it is doing."""

from aiohttp import web

from chatpush.domain import Role
from chatpush.plugins.states import PluginState
from chatpush.plugins.host import Plugins
from chatpush.web.console import models
from chatpush.web.console.pages import Pages, Visit
from chatpush.web.doors import Door

pages = Pages()
LOOK = Door(role=Role.VIEWER)


@pages.get("/console/plugins", door=LOOK)
async def list_page(visit: Visit) -> web.StreamResponse:
    """Show all plugins."""
    return visit.draw("plugins.html", plugins=_plugins(visit))


@pages.get("/console/plugins/live", door=LOOK)
async def list_fragment(visit: Visit) -> web.StreamResponse:
    """Refresh the plugins."""
    return visit.draw("plugins_live.html", plugins=_plugins(visit))


def _plugins(visit: Visit) -> tuple[models.PluginLine, ...]:
    return tuple(_line(state) for state in visit.need(Plugins).states())


def _line(state: PluginState) -> models.PluginLine:
    return models.PluginLine(
        name=state.name,
        description=state.description,
        hooks=state.hooks,
        calls=state.calls,
        failures=state.failures,
        drops=state.drops,
        average_milliseconds=1000 * state.seconds / state.calls if state.calls else 0.0,
        cut_off=state.cut_off,
        last_error=state.last_error,
    )
