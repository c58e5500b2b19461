"""The one place where plugins are called.

Services hold a ``Plugins`` and call typed methods; they never see pluggy. A
filter that fails or runs over its budget is skipped (fail open) unless its
plugin says ``fail_closed = True``, then the thing is dropped. A plugin that
keeps failing is cut off for a while and shown so in ``states()``. What a
plugin registers is asked for once, when it is added, and checked; so are its
own settings, if it declares them as a pydantic model named ``Settings``.
"""

import inspect
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass, field
from typing import Any, cast

import pluggy

from chatpush import settings as configuration
from chatpush.clock import Clock, SystemClock
from chatpush.domain import Content, Event, OutgoingMessage, Receipt
from chatpush.errors import PluginFailed
from chatpush.plugins import hooks
from chatpush.plugins.acceptance import REGISTERED, hooks_of, lacks, place_of, validated
from chatpush.plugins.contracts import Channel, Drop, Ranker, RpcMethod, Tool
from chatpush.plugins.exchange import Exchange
from chatpush.plugins.guard import Check, Guard, PluginState


@dataclass(slots=True)
class _Member:
    """A plugin with its guard and what it registered."""

    plugin: object
    guard: Guard
    settings: dict[str, Any]
    registered: dict[str, list[Any]] = field(default_factory=dict)


class Plugins:
    """All plugins of one app, by name, called in the order they were added."""

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
        self._members: dict[str, _Member] = {}
        for name, plugin in (plugins or {}).items():
            self.add(name, plugin)

    def add(self, name: str, plugin: object) -> None:
        """Register a plugin: a module or an object with functions marked ``@hook``.

        Raises:
            PluginFailed: it has no hooks, an unknown one, wrong arguments, wrong
                settings, or registers what isn't a tool, ranker or channel.
        """
        if name in self._members:
            raise PluginFailed(f"plugin {name}: there is one of this name already")
        found = hooks_of(name, plugin)
        own = validated(name, plugin, self._settings.settings.get(name, {}))
        try:
            self._pluggy.register(plugin, name)
        except (pluggy.PluginValidationError, ValueError) as error:
            raise PluginFailed(f"plugin {name}: {error}") from error
        first_line = (inspect.getdoc(plugin) or "").partition("\n")[0]
        inline = bool(getattr(plugin, "inline", False))
        state = PluginState(name, first_line, found, inline=inline)
        member = _Member(plugin, Guard(state, self._settings, self._clock), own)
        self._members[name] = member
        try:
            for hook_name in REGISTERED:
                member.registered[hook_name] = self._register(name, hook_name)
        except PluginFailed:
            self._pluggy.unregister(name=name)
            del self._members[name]
            raise

    def states(self) -> list[PluginState]:
        """Return every plugin with its counters."""
        return [member.guard.snapshot() for member in self._members.values()]

    def tools(self) -> list[Tool]:
        """Return every registered tool."""
        return self._registered("register_tools")

    def rankers(self) -> list[Ranker]:
        """Return every registered ranker."""
        return self._registered("register_rankers")

    def channels(self) -> list[Channel]:
        """Return every registered delivery channel."""
        return self._registered("register_channels")

    def rpc_methods(self) -> list[RpcMethod]:
        """Return every method that pages may call."""
        return self._registered("register_rpc")

    async def filter_message(self, message: OutgoingMessage) -> OutgoingMessage | Drop:
        """Pass a message through every filter; the first Drop ends it."""
        arguments: dict[str, Any] = {"message": message}
        async for verdict in self._verdicts("filter_message", arguments, _is_message(message)):
            if isinstance(verdict, Drop):
                return verdict
            if verdict is not None:
                arguments["message"] = verdict
        return cast(OutgoingMessage, arguments["message"])

    async def filter_publication(self, channel: str, data: bytes, user: str) -> bytes | Drop:
        """Pass a client's publication through every filter."""
        arguments: dict[str, Any] = {"channel": channel, "data": data, "user": user}
        async for verdict in self._verdicts("filter_publication", arguments, _is_data):
            if isinstance(verdict, Drop):
                return verdict
            if verdict is not None:
                arguments["data"] = verdict
        return cast(bytes, arguments["data"])

    async def filter_prompt(self, text: str, exchange: Exchange) -> str | Drop:
        """Pass a text on its way to a language model through every filter; call it for each text.

        A plugin that fails is skipped unless it fails closed; then the model must not be asked.
        """
        return await self._filter_text("filter_prompt", text, exchange)

    async def filter_answer(self, text: str, exchange: Exchange) -> str | Drop:
        """Name again what the exchange hid, and pass a model's whole answer through every filter."""
        return await self._filter_text("filter_answer", exchange.restored(text), exchange)

    async def on_event(self, event: Event) -> None:
        """Tell every plugin of an event."""
        async for _ in self._verdicts("on_event", {"event": event}, _is_anything):
            pass

    async def on_receipt(self, receipt: Receipt) -> None:
        """Tell every plugin of a receipt."""
        async for _ in self._verdicts("on_receipt", {"receipt": receipt}, _is_anything):
            pass

    async def _filter_text(self, hook_name: str, text: str, exchange: Exchange) -> str | Drop:
        arguments: dict[str, Any] = {"text": text, "exchange": exchange}
        async for verdict in self._verdicts(hook_name, arguments, _is_text):
            if isinstance(verdict, Drop):
                return verdict
            if verdict is not None:
                arguments["text"] = verdict
        return cast(str, arguments["text"])

    def has(self, hook_name: str) -> bool:
        """Return whether any plugin implements a hook."""
        return bool(self._implementations(hook_name))

    def close(self) -> None:
        """Let the plugins' threads end."""
        for member in self._members.values():
            member.guard.close()

    def _implementations(self, hook_name: str) -> list[Any]:
        """Return a hook's implementations, first added first; ``tryfirst`` and ``trylast`` are honoured."""
        found = getattr(self._pluggy.hook, hook_name).get_hookimpls()
        return sorted(found, key=lambda one: 0 if one.tryfirst else 2 if one.trylast else 1)

    def _registered(self, hook_name: str) -> list[Any]:
        return [one for member in self._members.values() for one in member.registered[hook_name]]

    def _register(self, name: str, hook_name: str) -> list[Any]:
        gathered: list[Any] = []
        for implementation in self._implementations(hook_name):
            if implementation.plugin_name != name:
                continue
            try:
                gathered = list(implementation.function(**self._accepted(implementation, {})))
            except Exception as error:
                raise PluginFailed(
                    f"plugin {name}: {hook_name} failed: {type(error).__name__}: {error} ({place_of(error)})"
                ) from error
        known = {one.name for one in self._registered_before(name, hook_name)}
        for one in gathered:
            if problem := lacks(one, hook_name):
                raise PluginFailed(f"plugin {name}: {hook_name} returned {one!r}, which {problem}")
            if one.name in known:
                raise PluginFailed(f"plugin {name}: {hook_name}: there is a {one.name!r} already; rename it")
            known.add(one.name)
        return gathered

    def _registered_before(self, name: str, hook_name: str) -> list[Any]:
        others = (member for other, member in self._members.items() if other != name)
        return [one for member in others for one in member.registered[hook_name]]

    async def _verdicts(self, hook_name: str, arguments: dict[str, Any], check: Check) -> AsyncIterator[Any]:
        """Yield each plugin's answer; a failing one answers None, or Drop if it fails closed.

        The caller may change ``arguments`` between two answers.
        """
        for implementation in self._implementations(hook_name):
            name = implementation.plugin_name
            member = self._members[name]
            closed = hook_name.startswith("filter_") and bool(getattr(member.plugin, "fail_closed", False))
            if member.guard.cut_off:
                yield Drop(f"plugin {name} is cut off") if closed else None
                continue
            accepted = self._accepted(implementation, arguments)
            succeeded, verdict = await member.guard.call(hook_name, implementation.function, accepted, check)
            yield verdict if succeeded or not closed else Drop(f"plugin {name} failed")

    def _accepted(self, implementation: Any, arguments: dict[str, Any]) -> dict[str, Any]:
        """Return the arguments the implementation asks for, its settings among them."""
        offered = {**arguments, "settings": self._members[implementation.plugin_name].settings}
        return {name: offered[name] for name in implementation.argnames}


def _is_anything(_answer: Any) -> str:
    return ""


def _is_data(answer: Any) -> str:
    return "" if answer is None or isinstance(answer, bytes) else _is_drop(answer)


def _is_text(answer: Any) -> str:
    return "" if answer is None or isinstance(answer, str) else _is_drop(answer)


def _is_drop(answer: Any) -> str:
    if not isinstance(answer, Drop):
        return f"returned {type(answer).__name__}"
    return "" if isinstance(answer.reason, str) and answer.reason else "dropped without a reason"


def _is_message(sent: OutgoingMessage) -> Check:
    """Return the check of what a filter made of a message: its words, never its way."""

    def check(answer: Any) -> str:
        if answer is None:
            return ""
        if not isinstance(answer, OutgoingMessage):
            return _is_drop(answer)
        for name in ("tenant", "message", "delivery", "user"):
            if getattr(answer, name) != getattr(sent, name):
                return f"changed the message's {name}"
        content = answer.content
        if not isinstance(content, Content) or not all(
            isinstance(t, str) for t in (content.title, content.body)
        ):
            return "returned a message without content"
        return ""

    return check
