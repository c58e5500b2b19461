"""Each hook does what its specification says. ``test_contract.py`` wants one ``test_hook_…`` for each."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import timedelta
from typing import Any

from chatpush.domain import (
    Content,
    Event,
    Identity,
    Item,
    ItemId,
    Json,
    OutgoingMessage,
    Receipt,
    TenantId,
    User,
    UserId,
)
from chatpush.plugins import samples
from chatpush.plugins.contracts import (
    Candidate,
    Defer,
    Drop,
    Question,
    RankingRequest,
    Record,
    Sent,
    ToolResult,
)
from chatpush.plugins.exchange import Exchange
from tests.clocks import StillClock
from tests.plugins.parts import host, plugin


class Clockwork:
    """A tool, a ranker and a channel in one."""

    name, description, weight = "clockwork", "Ticks", 1.0
    questions: Mapping[str, list[str]] = {"en": ["tick?"]}
    parameters: Mapping[str, Any] = {"type": "object", "properties": {}}
    slots: Mapping[str, str] = {}

    def __init__(self, said: str = "tock") -> None:
        self.said = said

    async def call(self, identity: Any, arguments: Any) -> ToolResult:
        return ToolResult({"en": self.said})

    async def rank(self, request: RankingRequest, items: Mapping[ItemId, Item]) -> list[Candidate]:
        return [Candidate(item, 1.0, "clockwork") for item in items]

    async def send(self, message: OutgoingMessage, address: str) -> Sent:
        return Sent(f"{address} {self.said}")


async def test_hook_register_tools() -> None:
    def register_tools(settings: dict[str, Any]) -> list[Any]:
        return [Clockwork(settings["said"])]

    plugins = host(plugin(register_tools), own={"first": {"said": "tack"}})
    (tool,) = plugins.tools()
    assert (await tool.call(samples.identity(), {})).text == {"en": "tack"}
    assert plugins.tools()[0] is tool, "asked for once, at the start"


async def test_hook_register_rankers() -> None:
    def register_rankers() -> list[Any]:
        return [Clockwork()]

    (ranker,) = host(plugin(register_rankers)).rankers()
    lamp = samples.item("lamp")
    request = RankingRequest(samples.TENANT, None, (), 10, "en")
    assert [one.item for one in await ranker.rank(request, {lamp.id: lamp})] == ["lamp"]


async def test_hook_register_channels() -> None:
    def register_channels() -> list[Any]:
        return [Clockwork()]

    (channel,) = host(plugin(register_channels)).channels()
    assert await channel.send(samples.message(), "here") == Sent("here tock")


async def test_hook_register_rpc() -> None:
    class Clock:
        name = "time"

        async def call(self, identity: Identity, data: Json) -> Json:
            return [identity.user, data]

    def register_rpc() -> list[Any]:
        return [Clock()]

    (method,) = host(plugin(register_rpc)).rpc_methods()
    assert await method.call(samples.identity("emma"), 7) == ["emma", 7]


async def test_hook_register_exporters() -> None:
    class Exporting:
        name = "ledger"

        def __init__(self) -> None:
            self.told: list[Record] = []

        async def export(self, records: Sequence[Record]) -> None:
            self.told += records

    made = Exporting()

    def register_exporters() -> list[Any]:
        return [made]

    (exporter,) = host(plugin(register_exporters)).exporters()
    record = Record("1", "usage.messages", samples.TENANT, "default", samples.MOMENT, {"quantity": 1})
    await exporter.export([record])
    assert made.told == [record]


async def test_hook_register_formats() -> None:
    class Shouted:
        name = "shouted"

        async def shape(self, content: Content) -> Content:
            return replace(content, title=content.title.upper())

    def register_formats() -> list[Any]:
        return [Shouted()]

    (format_,) = host(plugin(register_formats)).formats()
    assert (await format_.shape(Content("hey", ""))).title == "HEY"


async def test_hook_register_audiences() -> None:
    class Two:
        name = "two"

        async def page(self, tenant: TenantId, arguments: Any, after: UserId, limit: int) -> list[UserId]:
            return [user for user in (UserId("a"), UserId("b")) if user > after][:limit]

    def register_audiences() -> list[Any]:
        return [Two()]

    (audience,) = host(plugin(register_audiences)).audiences()
    assert await audience.page(samples.TENANT, {}, UserId("a"), 5) == ["b"]


async def test_hook_filter_message() -> None:
    def filter_message(message: OutgoingMessage, settings: dict[str, Any]) -> OutgoingMessage | Drop | None:
        if "secret" in message.content.body:
            return Drop("secret")
        title = message.content.title + settings.get("mark", "")
        return replace(message, content=replace(message.content, title=title))

    plugins = host(
        plugin(filter_message), plugin(filter_message), own={"first": {"mark": "1"}, "second": {"mark": "2"}}
    )
    passed = await plugins.filter_message(samples.message("Hello"))
    assert isinstance(passed, OutgoingMessage)
    assert passed.content.title == "Hello12"
    assert await plugins.filter_message(samples.message(body="a secret")) == Drop("secret")
    assert [state.drops for state in plugins.states()] == [1, 0]


async def test_hook_filter_message_may_defer(still_clock: StillClock) -> None:
    until = still_clock.now() + timedelta(hours=9)

    def filter_message(message: OutgoingMessage) -> Any:
        return {
            "later": Defer(until, "sleeps"), "past": Defer(still_clock.now(), "late"),
            "never": Defer(until + timedelta(days=31), "long"), "naive": Defer(until.replace(tzinfo=None), "x"),
            "why": Defer(until, ""),
        }.get(message.content.title)  # fmt: skip

    plugins = host(plugin(filter_message), clock=still_clock)
    assert await plugins.filter_message(samples.message("later")) == Defer(until, "sleeps")
    for title, problem in (
        ("past", "deferred until a time that isn't within the next 31 days"),
        ("never", "deferred until a time that isn't within the next 31 days"),
        ("naive", "deferred until no time; give it an aware datetime"),
        ("why", "deferred without a reason"),
    ):
        sent = samples.message(title)
        assert await plugins.filter_message(sent) is sent
        assert plugins.states()[0].last_error == f"filter_message {problem}"


async def test_hook_filter_publication() -> None:
    async def filter_publication(channel: str, data: bytes, user: str) -> bytes | Drop | None:
        return Drop("not here") if channel == "news" else data.upper() if user == "emma" else None

    plugins = host(plugin(filter_publication))
    assert await plugins.filter_publication("chat:1", b'"hi"', "emma") == b'"HI"'
    assert await plugins.filter_publication("chat:1", b'"hi"', "lin") == b'"hi"'
    assert await plugins.filter_publication("news", b'"hi"', "emma") == Drop("not here")


async def test_hook_on_event() -> None:
    heard: list[tuple[str, str]] = []

    def on_event(event: Event) -> None:
        heard.append((event.type, str(event.item)))

    await host(plugin(on_event), plugin(on_event)).on_event(samples.event("view", "lamp"))
    assert heard == [("view", "lamp")] * 2


async def test_hook_on_receipt() -> None:
    heard: list[str] = []

    async def on_receipt(receipt: Receipt, settings: dict[str, Any]) -> None:
        heard.append(receipt.kind + settings.get("mark", ""))

    await host(plugin(on_receipt), own={"first": {"mark": "!"}}).on_receipt(samples.receipt())
    assert heard == ["seen!"]


async def test_hook_filter_occasion() -> None:
    def filter_occasion(occasion: Event, history: tuple[Event, ...]) -> Any:
        return {
            "drop": Drop(f"{len(history)} looks"), "typed": replace(occasion, type="item.price_reached"),
            "blank": replace(occasion, type=""), "other": replace(occasion, user=UserId("lin")), "odd": 7,
        }.get(occasion.type)  # fmt: skip

    plugins = host(plugin(filter_occasion))

    async def passed(kind: str) -> Any:
        return await plugins.filter_occasion(samples.event(kind), (samples.event("view"),))

    assert await passed("drop") == Drop("1 looks")
    assert await passed("typed") == samples.event("item.price_reached")
    for rubbish in ("blank", "other", "odd"):
        assert await passed(rubbish) == samples.event(rubbish)
    assert plugins.states()[0].failures == 3


async def test_hook_filter_picks() -> None:
    lamp, cup, pot = (samples.item(name) for name in ("lamp", "cup", "pot"))

    def first(items: tuple[Item, ...], user: User | None) -> Any:
        wish = user.id if user else "all"
        return {"all": None, "none": Drop("not now"), "odd": ["lamp"], "more": [lamp, pot]}.get(
            wish, [lamp, cup]
        )

    def second(items: tuple[Item, ...], user: User | None) -> Any:
        return [pot, replace(cup, title="Changed")] if user and user.id == "emma" else None

    first.__name__ = second.__name__ = "filter_picks"
    plugins = host(plugin(first), plugin(second))

    async def passed(name: str) -> tuple[Item, ...]:
        return await plugins.filter_picks((lamp, cup), samples.user(name) if name else None)

    assert await passed("") == (lamp, cup)
    assert await passed("none") == ()
    assert await passed("more") == (lamp,), "nothing can be added"
    assert await passed("emma") == (cup,), "nor be brought back or changed"
    assert await passed("odd") == (lamp, cup)
    assert plugins.states()[0].failures == 1


async def test_hook_filter_question() -> None:
    def filter_question(question: Question) -> Any:
        return {
            "drop": Drop("no"), "text": replace(question, text="TEXT"), "fr": replace(question, language="fr"),
            "blank": replace(question, text=" "), "klingon": replace(question, language="!"),
            "other": replace(question, user=UserId("lin")),
        }.get(question.text)  # fmt: skip

    plugins = host(plugin(filter_question))

    async def passed(text: str) -> Any:
        return await plugins.filter_question(samples.question(text))

    assert await passed("drop") == Drop("no")
    assert await passed("text") == samples.question("TEXT")
    assert await passed("fr") == samples.question("fr", language="fr")
    for rubbish in ("blank", "klingon", "other"):
        assert await passed(rubbish) == samples.question(rubbish)
    assert plugins.states()[0].failures == 3


async def test_hook_filter_prompt() -> None:
    def filter_prompt(text: str, exchange: Exchange) -> str | Drop | None:
        return (
            Drop("not for models") if "secret" in text else text.replace("Ann", exchange.hide("NAME", "Ann"))
        )

    plugins = host(plugin(filter_prompt))
    exchange = samples.exchange()
    assert await plugins.filter_prompt("Ann and Bo", exchange) == "[NAME_A] and Bo"
    assert exchange.restored("[name_a] is here") == "Ann is here"
    assert await plugins.filter_prompt("a secret", exchange) == Drop("not for models")


async def test_hook_filter_answer() -> None:
    def filter_answer(text: str, exchange: Exchange, settings: dict[str, Any]) -> str | Drop | None:
        return Drop("no names") if "Ann" in text else text + settings.get("mark", "")

    plugins = host(plugin(filter_answer), own={"first": {"mark": "!"}})
    exchange = samples.exchange()
    assert await plugins.filter_answer("Hello", exchange) == "Hello!"
    exchange.hide("NAME", "Ann")
    assert await plugins.filter_answer("Hello [NAME_A]", exchange) == Drop("no names"), (
        "it reads what people read"
    )
