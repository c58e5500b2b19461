"""Plugins: what is loaded and how it is doing."""

from aiohttp import web

from chatpush.domain import Role
from chatpush.plugins.host import Plugins
from chatpush.plugins.states import HookState, PluginState
from chatpush.web.console import models
from chatpush.web.console.pages import Pages, Visit
from chatpush.web.http.doors import Door

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
    called = {hook.name for hook in state.called}
    return models.PluginLine(
        name=state.name,
        description=state.description,
        position=state.position,
        registers=tuple(name for name in state.hooks if name not in called),
        hooks=tuple(map(_hook, state.called)),
        before=state.before,
        after=state.after,
    )


def _hook(hook: HookState) -> models.HookLine:
    return models.HookLine(
        name=hook.name,
        budget_milliseconds=hook.budget_milliseconds,
        fail_closed=hook.fail_closed,
        calls=hook.calls,
        failures=hook.failures,
        drops=hook.drops,
        average_milliseconds=1000 * hook.seconds / hook.calls if hook.calls else 0.0,
        cuts=hook.cuts,
        cut_off_seconds=hook.cut_off_seconds,
        last_error=hook.last_error,
    )
