"""The one place where plugins are called.

Services hold a ``Plugins`` and call typed methods; they never see pluggy. A
filter that fails or runs over its budget is skipped (fail open) unless its
plugin says ``fail_closed = True``, then the thing is dropped. A plugin that
keeps failing is cut off for a while and shown so in ``states()``.
"""

import asyncio
import inspect
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass
from typing import Any, cast

import pluggy
import structlog

from chatpush import settings as configuration
from chatpush.clock import Clock, SystemClock
from chatpush.domain import Event, OutgoingMessage, Receipt
from chatpush.errors import PluginFailed
from chatpush.plugins import hooks
from chatpush.plugins.contracts import Channel, Drop, Ranker, Tool

log = structlog.get_logger(__name__)


@dataclass(slots=True)
class PluginState:
    """How a plugin is doing."""

    name: str
    description: str
    hooks: tuple[str, ...]
    calls: int = 0
    failures: int = 0
    failures_in_a_row: int = 0
    last_error: str = ""
    seconds: float = 0.0
    cut_off_until: float = 0.0


class Plugins:
    """All plugins of one app, by name."""

    def __init__(
        self,
        plugins: Mapping[str, object] | None = None,
        settings: configuration.Plugins | None = None,
        clock: Clock | None = None,
    ) -> None:
        self._settings = settings or configuration.Plugins()
        self._clock = clock or SystemClock()
        self._pluggy = pluggy.PluginManager(hooks.PROJECT)
        self._pluggy.add_hookspecs(hooks)
        self._states: dict[str, PluginState] = {}
        for name, plugin in (plugins or {}).items():
            self.add(name, plugin)

    def add(self, name: str, plugin: object) -> None:
        """Register a plugin.

        Raises:
            PluginFailed: a hook is unknown or has the wrong arguments.
        """
        try:
            self._pluggy.register(plugin, name)
            self._pluggy.check_pending()
        except (pluggy.PluginValidationError, ValueError) as error:
            raise PluginFailed(f"plugin {name}: {error}") from error
        found = tuple(caller.name for caller in self._pluggy.get_hookcallers(plugin) or ())
        first_line = (inspect.getdoc(plugin) or "").partition("\n")[0]
        self._states[name] = PluginState(name, first_line, found)

    def states(self) -> list[PluginState]:
        """Return every plugin with its counters."""
        return list(self._states.values())

    def tools(self) -> list[Tool]:
        """Return every registered tool."""
        return self._collect("register_tools")

    def rankers(self) -> list[Ranker]:
        """Return every registered ranker."""
        return self._collect("register_rankers")

    def channels(self) -> list[Channel]:
        """Return every registered delivery channel."""
        return self._collect("register_channels")

    async def filter_message(self, message: OutgoingMessage) -> OutgoingMessage | Drop:
        """Pass a message through every filter; the first Drop ends it."""
        arguments: dict[str, Any] = {"message": message}
        async for state, verdict in self._verdicts("filter_message", arguments):
            if isinstance(verdict, Drop):
                return verdict
            if isinstance(verdict, OutgoingMessage):
                arguments["message"] = verdict
            elif verdict is not None:
                self._failed(state, f"filter_message returned {type(verdict).__name__}")
        return cast(OutgoingMessage, arguments["message"])

    async def filter_publication(self, channel: str, data: bytes, user: str) -> bytes | Drop:
        """Pass a client's publication through every filter."""
        arguments: dict[str, Any] = {"channel": channel, "data": data, "user": user}
        async for state, verdict in self._verdicts("filter_publication", arguments):
            if isinstance(verdict, Drop):
                return verdict
            if isinstance(verdict, bytes):
                arguments["data"] = verdict
            elif verdict is not None:
                self._failed(state, f"filter_publication returned {type(verdict).__name__}")
        return cast(bytes, arguments["data"])

    async def on_event(self, event: Event) -> None:
        """Tell every plugin of an event."""
        async for _ in self._verdicts("on_event", {"event": event}):
            pass

    async def on_receipt(self, receipt: Receipt) -> None:
        """Tell every plugin of a receipt."""
        async for _ in self._verdicts("on_receipt", {"receipt": receipt}):
            pass

    def has(self, hook_name: str) -> bool:
        """Return whether any plugin implements a hook."""
        return bool(getattr(self._pluggy.hook, hook_name).get_hookimpls())

    def _collect(self, hook_name: str) -> list[Any]:
        gathered: list[Any] = []
        for implementation in getattr(self._pluggy.hook, hook_name).get_hookimpls():
            name = implementation.plugin_name
            try:
                gathered += implementation.function(**self._accepted(implementation, {}))
            except Exception as error:
                raise PluginFailed(f"plugin {name}: {hook_name} failed: {error}") from error
        return gathered

    async def _verdicts(
        self, hook_name: str, arguments: dict[str, Any]
    ) -> AsyncIterator[tuple[PluginState, Any]]:
        """Yield each plugin's answer; a failing one answers None, or Drop if it fails closed.

        The caller may change ``arguments`` between two answers.
        """
        for implementation in reversed(getattr(self._pluggy.hook, hook_name).get_hookimpls()):
            state = self._states[implementation.plugin_name]
            closed = getattr(implementation.plugin, "fail_closed", False) and hook_name.startswith("filter_")
            if state.cut_off_until > self._clock.monotonic():
                yield state, Drop(f"plugin {state.name} is cut off") if closed else None
                continue
            succeeded, verdict = await self._call(state, implementation, hook_name, arguments)
            yield state, verdict if succeeded or not closed else Drop(f"plugin {state.name} failed")

    async def _call(
        self, state: PluginState, implementation: Any, hook_name: str, arguments: dict[str, Any]
    ) -> tuple[bool, Any]:
        """Return (succeeded, answer) of one call within the budget."""
        accepted = self._accepted(implementation, arguments)
        began = self._clock.monotonic()
        state.calls += 1
        try:
            async with asyncio.timeout(self._settings.budget_milliseconds / 1000):
                if inspect.iscoroutinefunction(implementation.function):
                    answer = await implementation.function(**accepted)
                else:
                    answer = await asyncio.to_thread(implementation.function, **accepted)
        except TimeoutError:
            self._failed(state, f"{hook_name} took over {self._settings.budget_milliseconds:g} ms")
            return False, None
        except Exception as error:
            self._failed(state, f"{hook_name}: {type(error).__name__}: {error}")
            return False, None
        finally:
            state.seconds += self._clock.monotonic() - began
        state.failures_in_a_row = 0
        return True, answer

    def _failed(self, state: PluginState, problem: str) -> None:
        state.failures += 1
        state.failures_in_a_row += 1
        state.last_error = problem
        log.warning("plugin failed", plugin=state.name, problem=problem)
        if state.failures_in_a_row >= self._settings.failures_before_cut_off:
            state.cut_off_until = self._clock.monotonic() + self._settings.cut_off_seconds
            state.failures_in_a_row = 0
            log.error("plugin cut off", plugin=state.name, seconds=self._settings.cut_off_seconds)

    def _accepted(self, implementation: Any, arguments: dict[str, Any]) -> dict[str, Any]:
        """Return the arguments the implementation asks for, its settings among them."""
        offered = {**arguments, "settings": self._settings.settings.get(implementation.plugin_name, {})}
        return {name: offered[name] for name in implementation.argnames}
