"""Where WebSocket is blocked the widget takes the next way down, and nothing is missing."""

import pytest
from playwright.async_api import Browser, Route, WebSocketRoute, expect

from tests.journeys.browsing import Customer, Staff, visiting
from tests.journeys.premises import Premises

pytestmark = pytest.mark.asyncio(loop_scope="module")


# How a proxy that lets only plain requests through looks from inside the page.
STREAMS = {"http_stream": [], "sse": ["http_stream"], "poll": ["http_stream", "sse"]}


@pytest.mark.parametrize("transport", list(STREAMS))
async def test_messages_and_chat_arrive_by_what_is_left(
    browser: Browser, premises: Premises, staff: Staff, transport: str
) -> None:
    async with visiting(Customer, browser, premises, locale="zh-CN") as zhouning:
        blocked: list[str] = []

        async def block(socket: WebSocketRoute) -> None:
            blocked.append(socket.url)
            await socket.close(code=1001, reason="blocked")

        async def refuse(route: Route) -> None:
            blocked.append(route.request.url)
            await route.fulfill(status=200, content_type="text/event-stream", body="")

        await zhouning.context.route_web_socket("**/connection/websocket**", block)
        for stream in STREAMS[transport]:
            await zhouning.context.route(f"**/connection/{stream}**", refuse)
        await zhouning.sign_in("zhouning", transport=transport)
        assert blocked
        order = await zhouning.buy()
        await expect(zhouning.find(".toast")).to_contain_text(f"订单 {order}")
        await zhouning.open("chat")
        answer = await zhouning.ask("我的快递到哪了")
        await expect(answer).to_contain_text(order)
        await answer.locator(".reply").first.click()
        await expect(zhouning.find(".promise", order)).to_have_count(1)
        await staff.advance(order, "shipped")
        await expect(zhouning.answers.filter(has_text=f"您的订单 {order} 已经发货")).to_have_count(1)
        await zhouning.open("inbox")
        items = zhouning.find(".inbox .item", order)
        await expect(items.filter(has_text="包裹出发了")).to_have_count(1)
        await expect(items.filter(has_text="订单收到了")).to_have_count(1)
