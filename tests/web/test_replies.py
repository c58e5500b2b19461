"""Opening a chat from a message is a reply to it: the delivery, the message and the campaign's funnel say so."""

from pathlib import Path
from typing import Any

import pytest
from aiohttp import ClientSession, CookieJar

from tests.console.whole import token_in
from tests.serving import EMAIL, PASSWORD, Served, serving
from tests.support.scripted_model import scripted_model, text
from tests.waiting import until

WHY = "Because you light candles"


async def campaign_to_emma(served: Served) -> str:
    """Send a campaign's message to Emma; return the campaign."""
    await served.told("PUT", "/v1/users/emma", {"locale": "en"})
    await served.told("PUT", "/v1/items", {"items": [{"id": "A1", "title": "Lantern", "price": "3.50"}]})
    texts = {"en": {"title": "Your lantern", "body": "It can be collected."}}
    await served.told("PUT", "/v1/templates/ready", {"locales": texts, "category": "transactional"})
    campaign = await served.told(
        "POST", "/v1/campaigns",
        {
            "name": "Ready", "template": "ready", "to": [{"user": "emma"}], "category": "transactional",
            "data": {"items": [{"id": "A1", "title": "Lantern", "reason": WHY}]},
            "trigger": {"kind": "date", "at": "2099-01-01T00:00:00Z"},
        },
    )  # fmt: skip
    await served.told("POST", f"/v1/campaigns/{campaign['id']}/run")
    return str(campaign["id"])


async def arrived(socket: Any) -> dict[str, Any]:
    """Return the first message on the user's own channel."""
    while True:
        push = (await socket.receive_json()).get("push", {})
        data = push.get("pub", {}).get("data", {})
        if data.get("type") == "message":
            return dict(data)


@pytest.mark.parametrize("item", ["", "A1"])
async def test_a_chat_from_a_message_is_a_reply(tmp_path: Path, item: str) -> None:
    async with serving(tmp_path) as served, served.http.ws_connect(served.wire) as socket:
        await socket.send_json({"id": 1, "connect": {"token": served.token("emma")}})
        campaign = await campaign_to_emma(served)
        message = await arrived(socket)
        assert message["unread"] == 1
        about = {"delivery": message["delivery"], **({"item": item} if item else {})}
        opened = await served.told("POST", "/v1/me/conversations", {"about": about}, user="emma")
        assert opened["about"] == about
        assert "lantern" in opened["turns"][0]["text"].lower()
        assert (WHY in opened["turns"][0]["text"]) is bool(item)  # why this item was shown in that message

        async def read() -> bool:
            data = (await socket.receive_json()).get("push", {}).get("pub", {}).get("data", {})
            return bool(data.get("type") == "unread" and data["unread"] == 0)

        await until(read)
        delivery = await served.told("GET", f"/v1/deliveries/{message['delivery']}")
        assert delivery["state"] == "delivered"
        assert delivery["replied_at"] is not None
        assert (await served.told("GET", f"/v1/messages/{message['message']}"))["engagement"]["replied"] == 1
        results = await served.told("GET", f"/v1/campaigns/{campaign}/results")
        assert {one["step"]: one["users"] for one in results["funnel"]} == {
            "sent": 1, "delivered": 1, "seen": 1, "clicked": 0, "replied": 1, "converted": 0
        }  # fmt: skip


async def test_model_and_agents_know_item_message_and_campaign(tmp_path: Path) -> None:
    async with scripted_model() as model:
        writer = {"base_url": model.url, "api_key": "k"}
        async with serving(tmp_path, writer=writer) as served, served.http.ws_connect(served.wire) as socket:
            await socket.send_json({"id": 1, "connect": {"token": served.token("emma")}})
            await campaign_to_emma(served)
            about = {"delivery": (await arrived(socket))["delivery"], "item": "A1"}
            opened = await served.told("POST", "/v1/me/conversations", {"about": about}, user="emma")
            model.will(text("It is a lantern."))
            said = {"text": "What is it made of?"}
            await served.told("POST", f"/v1/me/conversations/{opened['id']}/turns", said, user="emma")
            await until(lambda: model.requests)
            rules = str(model.requests[0]["messages"][0]["content"])
            assert "Lantern, 3.50" in rules
            assert WHY in rules
            assert 'the message it came in: ready, of the campaign "Ready"' in rules
            pane = await agents_page(served, f"/console/conversations/{opened['id']}")
            for known in ("Lantern", "ready@1", "Ready"):
                assert f">{known}<" in pane


async def agents_page(served: Served, path: str) -> str:
    """Return a page of the console as somebody sees it who is signed in."""
    async with ClientSession(served.url, cookie_jar=CookieJar(unsafe=True)) as browser:
        form = await (await browser.get("/console/sign-in")).text()
        who = {"csrf": token_in(form), "email": EMAIL, "password": PASSWORD, "next": path}
        return await (await browser.post("/console/sign-in", data=who)).text()


async def test_nobody_replies_to_anothers_message(tmp_path: Path) -> None:
    async with serving(tmp_path) as served, served.http.ws_connect(served.wire) as socket:
        await socket.send_json({"id": 1, "connect": {"token": served.token("emma")}})
        await campaign_to_emma(served)
        message = await arrived(socket)
        about = {"delivery": message["delivery"]}
        await served.told("POST", "/v1/me/conversations", {"about": about}, user="bob", status=404)
        about["item"] = "A1"
        await served.told("POST", "/v1/me/conversations", {"about": about}, user="bob", status=201)
        delivery = await served.told("GET", f"/v1/deliveries/{message['delivery']}")
        assert delivery["replied_at"] is None
