"""The story that must always work, over real HTTP and the public client libraries."""

import asyncio
import json
from pathlib import Path
from typing import Any

from centrifuge import Client, ClientEventHandler, PublicationContext, ServerPublicationContext

from tests.serving import Served, serving
from tests.waiting import until

ORDER = {"order": "1001", "total": "12.75", "currency": "GBP"}


class Page(ClientEventHandler):
    """An open page: what a user's connection heard."""

    def __init__(self) -> None:
        self.heard: list[dict[str, Any]] = []

    async def on_publication(self, context: ServerPublicationContext) -> None:
        """Remember what came on the personal channel."""
        data = context.pub.data
        self.heard.append(json.loads(data) if isinstance(data, bytes | str) else data)

    def of(self, kind: str) -> list[dict[str, Any]]:
        """Return what was heard of one type."""
        return [data for data in self.heard if data.get("type") == kind]


async def open_page(served: Served, user: str) -> tuple[Page, Client]:
    """Connect as a user with the public client library."""
    page = Page()
    client = Client(served.wire, events=page, token=served.token(user))
    await client.connect()
    await client.ready()
    return page, client


async def introduce(served: Served, user: str, locale: str, **more: Any) -> None:
    await served.told(
        "PUT", f"/v1/users/{user}", {"locale": locale, "attributes": {"name": user.title()}, **more}
    )


async def shop_with_templates(served: Served) -> None:
    """Give the shop its templates and the campaigns that answer to its events."""
    texts = {
        "order_paid": {
            "en": {
                "title": "Thank you",
                "body": "Order {{ data.order }}: {{ data.total | money(data.currency) }}.",
            },
            "zh-CN": {"title": "感谢您的订单", "body": "订单 {{ data.order }} 已付款。"},
        },
        "order_delivered": {"en": {"title": "Delivered", "body": "Order {{ data.order }} has arrived."}},
    }
    for name, locales in texts.items():
        await served.told("PUT", f"/v1/templates/{name}", {"category": "transactional", "locales": locales})
        campaign = {
            "name": name,
            "trigger": {"kind": "event", "type": name.replace("_", ".")},
            "template": name,
        }
        await served.told("POST", "/v1/campaigns", campaign)


async def test_an_event_becomes_a_message_in_the_customers_language_and_its_receipt_comes_back(
    tmp_path: Path,
) -> None:
    async with serving(tmp_path) as served:
        await shop_with_templates(served)
        await introduce(served, "emma", "en")
        await introduce(served, "lin", "zh-CN")
        emma, emma_client = await open_page(served, "emma")
        lin, lin_client = await open_page(served, "lin")
        for user in ("emma", "lin"):
            event = {"user": user, "type": "order.paid", "id": f"paid-{user}", "properties": ORDER}
            await served.told("POST", "/v1/events", event)
            await served.told("POST", "/v1/events", event)
        english = await until(lambda: emma.of("message"))
        chinese = await until(lambda: lin.of("message"))
        assert english[0]["body"] == "Order 1001: £12.75."
        assert chinese[0]["title"] == "感谢您的订单"
        assert (len(english), len(chinese)) == (1, 1)
        delivery = english[0]["delivery"]
        for kind in ("delivered", "seen", "clicked"):
            body = {"receipts": [{"delivery": delivery, "kind": kind}]}
            await served.told("POST", "/v1/me/receipts", body, user="emma")
        stolen = {"receipts": [{"delivery": chinese[0]["delivery"], "kind": "clicked"}]}
        await served.ask("POST", "/v1/me/receipts", stolen, user="emma")
        inbox = await served.told("GET", "/v1/me/inbox", user="emma")
        assert (inbox["unread"], inbox["data"][0]["clicked"]) == (0, True)
        untouched = await served.told("GET", "/v1/me/inbox", user="lin")
        assert (untouched["unread"], untouched["data"][0]["clicked"]) == (1, False)
        await asyncio.gather(emma_client.disconnect(), lin_client.disconnect())


async def test_messages_wait_in_the_inbox_and_survive_a_restart(tmp_path: Path) -> None:
    async with serving(tmp_path) as served:
        body = {"to": [{"user": "emma"}], "content": {"title": "Hello", "body": "While you were away."}}
        await served.told("POST", "/v1/messages", body, status=202)
    async with serving(tmp_path) as served:

        async def arrived() -> list[Any]:
            return list((await served.told("GET", "/v1/me/inbox", user="emma"))["data"])

        items = await until(arrived)
        assert [item["title"] for item in items] == ["Hello"]
        page, client = await open_page(served, "emma")
        await served.told("POST", "/v1/messages", body, status=202)
        await until(lambda: page.of("message"))
        await client.disconnect()


async def test_a_channel_carries_what_the_server_api_publishes(tmp_path: Path) -> None:
    space = {
        "name": "news",
        "history_size": 10,
        "history_ttl_seconds": 60,
        "allow_subscribe_for_client": True,
    }
    async with serving(tmp_path, channel={"namespaces": [space]}) as served:
        heard: list[Any] = []

        class News(ClientEventHandler):
            pass

        client = Client(served.wire, events=News(), token=served.token("emma"))
        await client.connect()
        subscription = client.new_subscription("news:today")

        async def remember(context: PublicationContext) -> None:
            heard.append(context.pub.data)

        subscription.events.on_publication = remember
        await subscription.subscribe()
        await subscription.ready()
        answer = await served.http.post(
            served.url + "/api/publish",
            json={"channel": "news:today", "data": {"headline": "hello"}},
            headers={"X-API-Key": "server-api-key"},
        )
        assert (await answer.json())["result"]["offset"] == 1
        assert await until(lambda: heard) == [{"headline": "hello"}]
        await client.disconnect()
