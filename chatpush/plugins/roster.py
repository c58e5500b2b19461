"""Who is in, in which order, with which settings, and how a hook of all of them is called.

A filter that fails or runs over its budget is skipped (fail open) unless it
says ``fail_closed = True``, then the thing is dropped. A hook that keeps
failing is cut off for a while and shown so in ``states()``. What a plugin
registers is asked for once, when it is added, and checked; so are its own
settings, if it declares them as a pydantic model named ``Settings``.
"""

import inspect
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field, replace
from typing import Any

import pluggy
import structlog

from chatpush import settings as configuration
from chatpush.clock import Clock
from chatpush.errors import PluginFailed
from chatpush.plugins import hooks
from chatpush.plugins.acceptance import (
    REGISTERED,
    SPECIFIED,
    budgeted,
    hooks_of,
    lacks,
    raised_at,
    validated,
)
from chatpush.plugins.contracts import Defer, Drop
from chatpush.plugins.guard import Check, Guard
from chatpush.plugins.marking import wishes_of
from chatpush.plugins.order import Place, ordered, place_of
from chatpush.plugins.standin import StandIn
from chatpush.plugins.states import HookState, PluginState
from chatpush.plugins.workers import Workers

log = structlog.get_logger(__name__)
Objects = dict[str, list[Any]]


@dataclass(slots=True)
class _Member:
    """A plugin with a guard for each hook that is called, and what it registered."""

    plugin: object
    hooks: tuple[str, ...]
    settings: dict[str, Any]
    place: Place
    workers: Workers
    guards: dict[str, Guard]
    registered: Objects = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class _Call:
    """One implementation of a hook, ready to be called."""

    function: Callable[..., Any]
    arguments: tuple[str, ...]
    settings: dict[str, Any]
    guard: Guard


class Roster:
    """The plugins of one app, by name."""

    def __init__(self, settings: configuration.Plugins, clock: Clock) -> None:
        budgeted(settings.budgets)
        self._settings = settings
        self._clock = clock
        self._pluggy = pluggy.PluginManager(hooks.PROJECT)
        self._pluggy.add_hookspecs(hooks)
        self._members: dict[str, _Member] = {}
        self._order: list[str] = []
        self._calls: dict[str, tuple[_Call, ...]] = {}

    def add(self, name: str, plugin: object) -> None:
        """Register a plugin: a module or an object with functions marked ``@hook``.

        Raises:
            PluginFailed: it has no hooks, an unknown one, wrong arguments, wrong
                settings, asks for an impossible order, or registers what isn't
                a tool, ranker or channel.
        """
        if name in self._members:
            raise PluginFailed(f"plugin {name}: there is one of this name already")
        member = self._made(name, plugin)
        self._order = ordered({**self._places(), name: member.place})
        self._pluggy.register(plugin, name)
        self._members[name] = member
        self._prepare_calls()

    def replace(self, name: str, plugin: object) -> None:
        """Put a plugin in the place of the one of this name; calls that are under way end with the old one.

        Raises:
            PluginFailed: as ``add``; then the old one stays as it is.
        """
        old, new = self._members[name], self._made(name, plugin)
        self._order = ordered({**self._places(), name: new.place})
        for hook_name, objects in new.registered.items():
            new.registered[hook_name] = _stood_for(name, hook_name, old.registered[hook_name], objects)
        self._pluggy.unregister(name=name)
        self._pluggy.register(plugin, name)
        self._members[name] = new
        self._prepare_calls()
        old.workers.close()

    def remove(self, name: str) -> None:
        """Let a plugin go; what others hold of it goes on until the next start."""
        gone = self._members.pop(name)
        self._pluggy.unregister(name=name)
        self._order.remove(name)
        self._prepare_calls()
        gone.workers.close()

    def states(self) -> list[PluginState]:
        """Return every plugin with its hooks' scores, in the order they are called."""
        return [self._state(number, name) for number, name in enumerate(self._order, 1)]

    def has(self, hook_name: str) -> bool:
        """Return whether any plugin implements a hook."""
        return bool(self._calls.get(hook_name))

    def is_quick(self, hook_name: str) -> bool:
        """Return whether all that implement a hook run inline, so that it may be asked often."""
        return all(call.guard.state.inline for call in self._calls.get(hook_name, ()))

    def close(self) -> None:
        """Let the plugins' threads end."""
        for member in self._members.values():
            member.workers.close()

    def registered(self, hook_name: str) -> list[Any]:
        """Return what all plugins registered through a hook, in their order."""
        return [one for name in self._order for one in self._members[name].registered[hook_name]]

    async def verdicts(self, hook_name: str, arguments: dict[str, Any], check: Check) -> AsyncIterator[Any]:
        """Yield each plugin's answer; a failing one answers None, or Drop if it fails closed.

        The caller may change ``arguments`` between two answers.
        """
        for call in self._calls.get(hook_name, ()):
            closed = call.guard.state.fail_closed
            name = call.guard.plugin
            if call.guard.cut_off:
                yield Drop(f"plugin {name} is cut off", name) if closed else None
                continue
            offered = {**arguments, "settings": call.settings}
            accepted = {argument: offered[argument] for argument in call.arguments}
            succeeded, verdict = await call.guard.call(call.function, accepted, check)
            if isinstance(verdict, (Drop, Defer)):
                verdict = replace(verdict, by=name)
            yield verdict if succeeded or not closed else Drop(f"plugin {name} failed", name)

    def _made(self, name: str, plugin: object) -> _Member:
        """Return a plugin as a member, checked, not yet in."""
        found = hooks_of(name, plugin)
        own = validated(name, plugin, self._settings.settings.get(name, {}))
        place, workers = place_of(name, plugin), Workers(name)
        member = _Member(plugin, found, own, place, workers, {})
        for hook_name in found:
            if hook_name not in REGISTERED:
                state = self._hook_state(name, plugin, hook_name)
                member.guards[hook_name] = Guard(name, state, self._settings, self._clock, workers)
        for hook_name in REGISTERED:
            objects = self._register(name, plugin, own, hook_name) if hook_name in found else []
            member.registered[hook_name] = objects
        return member

    def _hook_state(self, name: str, plugin: object, hook_name: str) -> HookState:
        """Return a hook's terms: the operator's word first, then the hook's, then the plugin's."""
        wishes, budgets = wishes_of(getattr(plugin, hook_name)), self._settings.budgets
        budget = budgets.get(f"{name}.{hook_name}", budgets.get(hook_name))
        if budget is None:
            budget = wishes.budget_milliseconds or self._settings.budget_milliseconds
        closed, inline = wishes.fail_closed, wishes.inline
        if closed is None:
            closed = bool(getattr(plugin, "fail_closed", False))
        if inline is None:
            inline = bool(getattr(plugin, "inline", False))
        return HookState(hook_name, budget, closed and hook_name.startswith("filter_"), inline)

    def _register(self, name: str, plugin: object, own: dict[str, Any], hook_name: str) -> list[Any]:
        function = getattr(plugin, hook_name)
        accepted = {"settings": own} if "settings" in inspect.signature(function).parameters else {}
        try:
            gathered = list(function(**accepted))
        except Exception as error:
            raise PluginFailed(
                f"plugin {name}: {hook_name} failed: {type(error).__name__}: {error} ({raised_at(error)})"
            ) from error
        others = (member for other, member in self._members.items() if other != name)
        known = {one.name for member in others for one in member.registered[hook_name]}
        for one in gathered:
            if problem := lacks(one, hook_name):
                raise PluginFailed(f"plugin {name}: {hook_name} returned {one!r}, which {problem}")
            if one.name in known:
                raise PluginFailed(f"plugin {name}: {hook_name}: there is a {one.name!r} already; rename it")
            known.add(one.name)
        return [StandIn(one) for one in gathered] if self._settings.reload else gathered

    def _prepare_calls(self) -> None:
        """Bring each hook's implementations into order; ``tryfirst`` and ``trylast`` are honoured."""
        positions = {name: number for number, name in enumerate(self._order)}
        for hook_name in SPECIFIED:
            if hook_name in REGISTERED:
                continue
            found = getattr(self._pluggy.hook, hook_name).get_hookimpls()
            found.sort(
                key=lambda one: (0 if one.tryfirst else 2 if one.trylast else 1, positions[one.plugin_name])
            )
            self._calls[hook_name] = tuple(self._call(hook_name, one) for one in found)

    def _call(self, hook_name: str, implementation: Any) -> _Call:
        member = self._members[implementation.plugin_name]
        return _Call(
            implementation.function, implementation.argnames, member.settings, member.guards[hook_name]
        )

    def _places(self) -> dict[str, Place]:
        return {name: member.place for name, member in self._members.items()}

    def _state(self, position: int, name: str) -> PluginState:
        member = self._members[name]
        first_line = (inspect.getdoc(member.plugin) or "").partition("\n")[0]
        called = tuple(guard.snapshot() for guard in member.guards.values())
        place = member.place
        return PluginState(name, first_line, position, member.hooks, place.before, place.after, called)


def _stood_for(name: str, hook_name: str, old: list[Any], new: list[Any]) -> list[Any]:
    """Let the old stand-ins do what the new objects do, and say what only a start can change."""
    known = {one.name: one for one in old}
    kept = []
    for fresh in new:
        stand_in = known.pop(fresh.name, None)
        if isinstance(stand_in, StandIn):
            stand_in.stand_for(fresh)
            kept.append(stand_in)
        else:
            log.warning("restart to use what is new", plugin=name, hook=hook_name, name=fresh.name)
            kept.append(fresh)
    for gone in known:
        log.warning("restart to lose what is gone", plugin=name, hook=hook_name, name=gone)
    return kept
