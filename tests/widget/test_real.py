"""The widget on the real server: what the scripted one promises elsewhere holds."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio
from aiohttp import web
from aiohttp.test_utils import TestServer
from playwright.async_api import Browser, FilePayload, Locator, Page, expect

from chatpush.domain import DEFAULT_TENANT, UserId
from tests.serving import Served, serving
from tests.support.files import PNG
from tests.waiting import until
from tests.widget.pages import NONCE

pytestmark = pytest.mark.asyncio(loop_scope="package")

FORM: list[dict[str, Any]] = [
    {"name": "email", "type": "email", "labels": {"en": "Email"}, "required": True},
    {"name": "words", "type": "textarea", "labels": {"en": "More"}},
]
PAGE = """<!doctype html><html lang="en"><title>shop</title><body><h1>Shop</h1>
<script nonce="{nonce}">
window.heard = [];
window.chatpush = function () {{ (chatpush.q = chatpush.q || []).push(arguments) }};
chatpush('on', 'ready', ({{ user }}) => heard.push(user));
chatpush('on', 'error', (error) => heard.push(error.code));
</script>
<script nonce="{nonce}" src="{url}/widget.js" data-key="{key}" async></script></body></html>"""
POLICY = "default-src 'none'; script-src 'nonce-{nonce}'; connect-src {url} {wire}; img-src blob:; worker-src 'self'"


@dataclass
class Shop:
    """A page of another origin that carries the widget, and the server behind it."""

    page: Page
    served: Served
    problems: list[str]

    def find(self, selector: str) -> Locator:
        """Find something inside the widget."""
        return self.page.locator(f"chatpush-widget {selector}")

    async def hears(self, start: str) -> None:
        """Wait until the page has heard of something that starts so."""
        await until(lambda: self.page.evaluate("start => heard.some((one) => one.startsWith(start))", start))

    async def boot(self, user: str) -> None:
        """Sign somebody in, and wait until they are connected."""
        token = self.served.token(user)
        await self.page.evaluate(
            "([key, token]) => chatpush.boot({ key, token })", [self.served.publishable, token]
        )
        await self.hears(user)
        await until(lambda: self.served.chatpush.hub.is_online(DEFAULT_TENANT, UserId(user)))


@pytest_asyncio.fixture(loop_scope="package")
async def shop(browser: Browser, tmp_path: Path) -> AsyncIterator[Shop]:
    """A shop with a form before conversations."""
    async with shopping(browser, tmp_path, widget={"prechat": FORM}) as opened:
        yield opened


@asynccontextmanager
async def shopping(browser: Browser, directory: Path, **settings: Any) -> AsyncIterator[Shop]:
    """Open a shop on another origin than chatpush, under a content policy of nonces alone."""
    async with serving(directory, **settings) as served:
        context = await browser.new_context(locale="en-GB", timezone_id="Europe/London")
        context.set_default_timeout(10_000)
        page = await context.new_page()
        html = PAGE.format(nonce=NONCE, url=served.url, key=served.publishable)
        policy = POLICY.format(nonce=NONCE, url=served.url, wire=served.url.replace("http", "ws"))
        headers = {"Content-Security-Policy": policy}
        problems: list[str] = []
        page.on("pageerror", lambda error: problems.append(str(error)))
        page.on("console", lambda said: problems.append(said.text) if said.type == "error" else None)

        async def serve(_: web.Request) -> web.Response:
            return web.Response(text=html, content_type="text/html", headers=headers)

        app = web.Application()
        app.router.add_get("/", serve)
        async with TestServer(app) as elsewhere:
            await page.goto(str(elsewhere.make_url("/")))
            yield Shop(page, served, problems)
            await context.close()
    assert problems == []


async def test_a_visitor_asks_sends_a_picture_signs_in_and_is_answered_by_a_person(shop: Shop) -> None:
    """The whole way: form, file, joining, a person who types, reads and answers, the end, the rating."""
    served, page = shop.served, shop.page
    await shop.hears("visitor_")
    await page.evaluate("chatpush.open('chat')")
    await shop.find(".prechat input").fill("emma@example.com")
    await page.keyboard.press("Enter")
    field = shop.find(".composer textarea")
    await expect(field).to_be_focused()
    photo: FilePayload = {"name": "photo.png", "mimeType": "image/png", "buffer": PNG}
    await shop.find("input[type=file]").set_input_files(photo)
    await expect(shop.find(".upload")).to_have_attribute("data-state", "done")
    await page.keyboard.press("Enter")
    await expect(shop.find(".by-user .picture img")).to_be_visible()
    await expect(shop.find(".by-assistant .bubble").last).to_contain_text("your file is here")
    await shop.boot("emma")
    await page.evaluate("chatpush.open('chat')")
    await expect(shop.find(".by-user .picture img")).to_be_visible()
    [conversation] = (await served.told("GET", "/v1/me/conversations", user="emma"))["data"]
    desk = f"/v1/conversations/{conversation['id']}"
    await shop.find(".person").click()
    await expect(shop.find(".banner")).to_have_attribute("data-state", "waiting")
    await served.told("POST", f"{desk}/turns", {"text": "Hello, Mia here.", "agent": "mia", "name": "Mia"})
    await expect(shop.find(".by-agent .bubble")).to_have_text("Hello, Mia here.")
    await served.told("POST", f"{desk}/typing", {"typing": True, "agent": "mia", "name": "Mia"})
    await expect(shop.find(".dots")).to_have_attribute("aria-label", "Mia is typing")
    await field.fill("Thanks!")
    await page.keyboard.press("Enter")
    await expect(shop.find(".by-user .bubble").last).to_have_text("Thanks!")
    await served.told("POST", f"{desk}/read", {})
    await expect(shop.find(".seen")).to_have_text("Seen")
    await served.told("POST", f"{desk}/close", {"agent": "mia"})
    await shop.find(".star input").nth(4).check()
    await shop.find(".rate .primary").click()
    await expect(shop.find(".rated")).to_be_visible()
    kept = await served.told("GET", f"/v1/me/conversations/{conversation['id']}", user="emma")
    assert kept["rating"]["score"] == 5
    users = await served.told("GET", "/v1/users")
    assert not [one for one in users["data"] if one["id"].startswith("visitor_")], "joined and erased"


async def test_messages_arrive_are_put_away_and_say_why(shop: Shop) -> None:
    """A silent command, a message that is archived and brought back, and its reason."""
    served, page = shop.served, shop.page
    await page.evaluate("chatpush.on('command', ({ data }) => heard.push(data.do)); true")
    await shop.boot("emma")
    command = {"to": [{"user": "emma"}], "content": {"title": "", "data": {"do": "refresh"}}, "silent": True}
    await served.told("POST", "/v1/messages", command)
    await shop.hears("refresh")
    await served.told(
        "POST", "/v1/messages", {"to": [{"user": "emma"}], "content": {"title": "Shipped", "body": "…"}}
    )
    await expect(shop.find(".toast-text strong")).to_have_text("Shipped")
    await page.evaluate("chatpush.open('inbox')")
    await shop.find(".item-options").click()
    [item] = (await served.told("GET", "/v1/me/inbox", user="emma"))["data"]
    why = await served.told("GET", f"/v1/me/inbox/{item['delivery']}/why?locale=en", user="emma")
    await expect(shop.find(".why p")).to_have_text([reason["text"] for reason in why["reasons"]])
    await shop.find(".pane-action").last.click()
    await expect(shop.find(".inbox .empty h3")).to_be_visible()
    await shop.find(".shelf-button").click()
    await shop.find(".shelved .quiet").click()
    await page.keyboard.press("Escape")
    await expect(shop.find(".item h3")).to_have_text("Shipped")
