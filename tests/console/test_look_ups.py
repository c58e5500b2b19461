"""An agent looks things up as the customer: in the agent's language, by tools that only read, of nobody else."""

from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from aiohttp import ClientSession, CookieJar

from chatpush.domain import Identity
from chatpush.plugins.contracts import ToolResult
from tests.console.whole import token_in
from tests.plugins.parts import plugin
from tests.serving import EMAIL, PASSWORD, Served, serving
from tests.support.house import OrderTool


class CancelTool:
    """Changes something, so agents are not offered it as a look-up."""

    name = "cancel_order"
    description = "Cancel an order."
    risk = "confirm"
    questions: Mapping[str, list[str]] = {"en": ["Cancel my order"]}
    parameters: Mapping[str, Any] = {"type": "object", "properties": {"order_id": {"type": "string"}}}
    slots: Mapping[str, str] = {}

    async def call(self, identity: Identity, arguments: Mapping[str, Any]) -> ToolResult:
        raise AssertionError("an agent looked up what changes something")


class Agent:
    """A browser without scripts, signed in at the console."""

    def __init__(self, http: ClientSession) -> None:
        self._http = http
        self._csrf = ""

    async def sign_in(self) -> None:
        """Sign in as the administrator."""
        form = await self.page("/console/sign-in")
        who = {"csrf": token_in(form), "email": EMAIL, "password": PASSWORD, "next": "/console"}
        async with self._http.post("/console/sign-in", data=who) as answer:
            self._csrf = token_in(await answer.text())

    async def page(self, path: str) -> str:
        """Return a page."""
        async with self._http.get(path) as answer:
            assert answer.status == 200, path
            return await answer.text()

    async def look_up(self, conversation: str, tool: str, **given: str) -> tuple[int, str]:
        """Press a look-up's button."""
        path = f"/console/conversations/{conversation}/look-up/{tool}"
        headers = {"HX-Request": "true", "X-CSRF-Token": self._csrf}
        async with self._http.post(path, data={"csrf": self._csrf, **given}, headers=headers) as answer:
            return answer.status, await answer.text()


@asynccontextmanager
async def at_the_desk(folder: Path) -> AsyncIterator[tuple[Served, Agent, OrderTool]]:
    """Serve with an order tool and one that changes things, an agent signed in."""
    orders = OrderTool()

    def register_tools(settings: Any) -> list[Any]:
        return [orders, CancelTool()]

    async with (
        serving(folder, plugins={"tools": plugin(register_tools)}) as served,
        ClientSession(served.url, cookie_jar=CookieJar(unsafe=True)) as http,
    ):
        agent = Agent(http)
        await agent.sign_in()
        yield served, agent, orders


async def test_a_look_up_acts_as_the_customer_and_is_seen_by_the_agent_alone(tmp_path: Path) -> None:
    async with at_the_desk(tmp_path) as (served, agent, orders):
        opened = await served.told("POST", "/v1/me/conversations", {}, user="ada")
        status, shown = await agent.look_up(opened["id"], "order_status", order_id="1001")
        assert status == 200
        assert "Order 1001 is shipped." in shown
        assert "https://shop.example/orders/1001" in shown
        status, shown = await agent.look_up(opened["id"], "order_status", order_id="2002")
        assert "shipped" not in shown
        assert {who for who, _ in orders.asked} == {"ada"}
        turns = (await served.told("GET", f"/v1/me/conversations/{opened['id']}", user="ada"))["turns"]
        assert [turn["by"] for turn in turns] == ["assistant"]  # the greeting, and nothing of the look-up


async def test_it_is_named_in_the_agents_language(tmp_path: Path) -> None:
    async with at_the_desk(tmp_path) as (served, agent, _):
        opened = await served.told("POST", "/v1/me/conversations", {}, user="ada")
        event = {"events": [{"type": "purchase", "user": "ada"}, {"type": "lamp.lit", "user": "ada"}]}
        await served.told("POST", "/v1/events", event)
        page = f"/console/conversations/{opened['id']}/customer"
        english = await agent.page(page)
        await agent.page("/console?language=zh-CN")
        chinese = await agent.page(page)
        for shown, words in (
            (english, ("Where is my order?", "your order number", "Bought", "lamp.lit")),
            (chinese, ("我的订单到哪了", "您的订单号", "购买", "lamp.lit")),
        ):
            assert [word for word in words if word not in shown] == []
        assert "Cancel my order" not in english


async def test_what_changes_something_is_no_look_up(tmp_path: Path) -> None:
    async with at_the_desk(tmp_path) as (served, agent, _):
        opened = await served.told("POST", "/v1/me/conversations", {}, user="ada")
        assert (await agent.look_up(opened["id"], "cancel_order", order_id="1001"))[0] == 404
        assert (await agent.look_up(opened["id"], "order_status"))[0] == 422
