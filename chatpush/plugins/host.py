"""The one place where plugins are called: one typed method for each hook.

Services hold a ``Plugins`` and call these; they never see pluggy. What a
failing plugin means to them is said in ``roster.py``.
"""

from collections.abc import Mapping
from typing import Any, cast

from chatpush import settings as configuration
from chatpush.clock import Clock, SystemClock
from chatpush.domain import Event, Item, OutgoingMessage, Receipt, User
from chatpush.plugins.answers import (
    is_anything,
    is_data,
    is_items,
    is_message,
    is_occasion,
    is_question,
    is_text,
)
from chatpush.plugins.contracts import (
    Audience,
    Channel,
    Defer,
    Drop,
    Exporter,
    Format,
    Question,
    Ranker,
    RpcMethod,
    Tool,
)
from chatpush.plugins.exchange import Exchange
from chatpush.plugins.guard import Check
from chatpush.plugins.roster import Roster


class Plugins(Roster):
    """All plugins of one app, called in their order."""

    def __init__(
        self,
        plugins: Mapping[str, object] | None = None,
        settings: configuration.Plugins | None = None,
        clock: Clock | None = None,
    ) -> None:
        super().__init__(settings or configuration.Plugins(), clock or SystemClock())
        for name, plugin in (plugins or {}).items():
            self.add(name, plugin)

    def tools(self) -> list[Tool]:
        """Return every registered tool."""
        return self.registered("register_tools")

    def rankers(self) -> list[Ranker]:
        """Return every registered ranker."""
        return self.registered("register_rankers")

    def channels(self) -> list[Channel]:
        """Return every registered delivery channel."""
        return self.registered("register_channels")

    def rpc_methods(self) -> list[RpcMethod]:
        """Return every method that pages may call."""
        return self.registered("register_rpc")

    def exporters(self) -> list[Exporter]:
        """Return every system that is told of usage and audit entries."""
        return self.registered("register_exporters")

    def formats(self) -> list[Format]:
        """Return every format that messages may have beside the built-in ones."""
        return self.registered("register_formats")

    def audiences(self) -> list[Audience]:
        """Return every audience that only a plugin knows."""
        return self.registered("register_audiences")

    async def filter_message(self, message: OutgoingMessage) -> OutgoingMessage | Drop | Defer:
        """Pass a message through every filter; the first Drop or Defer ends it."""
        check = is_message(message, self._clock.now())
        passed = await self._filtered("filter_message", {"message": message}, "message", check)
        return cast(OutgoingMessage | Drop | Defer, passed)

    async def filter_publication(self, channel: str, data: bytes, user: str) -> bytes | Drop:
        """Pass a client's publication through every filter."""
        arguments = {"channel": channel, "data": data, "user": user}
        return cast(bytes | Drop, await self._filtered("filter_publication", arguments, "data", is_data))

    async def filter_occasion(self, occasion: Event, history: tuple[Event, ...]) -> Event | Drop:
        """Pass an occasion to write to a user through every filter; the first Drop ends it."""
        arguments = {"occasion": occasion, "history": history}
        passed = await self._filtered("filter_occasion", arguments, "occasion", is_occasion(occasion))
        return cast(Event | Drop, passed)

    async def filter_picks(self, items: tuple[Item, ...], user: User | None) -> tuple[Item, ...]:
        """Return what every filter lets be recommended to a user, as it was given: nothing is added or changed."""
        if not items:
            return items
        arguments: dict[str, Any] = {"items": items, "user": user}
        async for verdict in self.verdicts("filter_picks", arguments, is_items):
            if isinstance(verdict, Drop):
                return ()
            if verdict is not None:
                left = {item.id for item in cast(tuple[Item, ...], verdict)}
                arguments["items"] = tuple(item for item in arguments["items"] if item.id in left)
        return cast(tuple[Item, ...], arguments["items"])

    async def filter_question(self, question: Question) -> Question | Drop:
        """Pass what a user writes in a chat through every filter; the first Drop ends it."""
        check = is_question(question)
        passed = await self._filtered("filter_question", {"question": question}, "question", check)
        return cast(Question | Drop, passed)

    async def filter_prompt(self, text: str, exchange: Exchange) -> str | Drop:
        """Pass a text on its way to a language model through every filter; call it for each text.

        A plugin that fails is skipped unless it fails closed; then the model must not be asked.
        """
        arguments = {"text": text, "exchange": exchange}
        return cast(str | Drop, await self._filtered("filter_prompt", arguments, "text", is_text))

    async def filter_answer(self, text: str, exchange: Exchange) -> str | Drop:
        """Name again what the exchange hid, and pass a model's whole answer through every filter."""
        arguments = {"text": exchange.restored(text), "exchange": exchange}
        return cast(str | Drop, await self._filtered("filter_answer", arguments, "text", is_text))

    async def on_event(self, event: Event) -> None:
        """Tell every plugin of an event."""
        await self._told("on_event", {"event": event})

    async def on_receipt(self, receipt: Receipt) -> None:
        """Tell every plugin of a receipt."""
        await self._told("on_receipt", {"receipt": receipt})

    async def _filtered(self, hook_name: str, arguments: dict[str, Any], thing: str, check: Check) -> Any:
        """Return the thing as all filters leave it, or the first Drop or Defer."""
        async for verdict in self.verdicts(hook_name, arguments, check):
            if isinstance(verdict, (Drop, Defer)):
                return verdict
            if verdict is not None:
                arguments[thing] = verdict
        return arguments[thing]

    async def _told(self, hook_name: str, arguments: dict[str, Any]) -> None:
        async for _ in self.verdicts(hook_name, arguments, is_anything):
            pass
