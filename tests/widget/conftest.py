"""A real Chromium, a scripted server, and a page with the widget on it."""

from __future__ import annotations

import json
import shutil
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlencode

import pytest
import pytest_asyncio
from aiohttp import web
from playwright.async_api import Browser, BrowserContext, Locator, Page, async_playwright

from tests.waiting import until
from tests.widget.mock import MockServer, token_for

ARGS = [
    "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking",
    "--disable-component-update", "--disable-sync",
]  # fmt: skip
NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")


def browser_path() -> str:
    """Return the installed Chromium; without one these tests fail, because nothing else shows what they show."""
    for name in NAMES:
        path = shutil.which(name)
        if path:
            return path
    pytest.fail("the widget's tests need Chromium on the PATH: apt-get install chromium fonts-noto-cjk")


@dataclass
class Tab:
    """A page with the widget, and what went wrong in it."""

    page: Page
    server: MockServer
    problems: list[str] = field(default_factory=list)
    # Whether failed requests are part of the story: the browser logs each of them.
    expects_failures: bool = False

    def find(self, selector: str) -> Locator:
        """Find something inside the widget."""
        return self.page.locator(f"chatpush-widget {selector}")

    async def open(
        self, user: str = "emma", *, attributes: str = "", host: str = "", policy: str = "", **boot: Any
    ) -> None:
        """Load the page, booted as a user; with `attributes` by the script tag alone."""
        query = {"attributes": attributes, "host": host, "policy": policy}
        if not attributes:
            query["boot"] = json.dumps({"token": token_for(user), "locale": "en", **boot})
        await self.page.goto(f"{self.server.host}/plain?{urlencode(query)}")

    async def call(self, *args: Any) -> Any:
        """Call the global function of the widget."""
        return await self.page.evaluate("args => { chatpush(...args) }", list(args))

    async def heard(self, name: str) -> list[Any]:
        """Return what the page heard of an event."""
        script = "name => heard.filter(([one]) => one === name).map(([, value]) => value)"
        found: list[Any] = await self.page.evaluate(script, name)
        return found

    async def connected(self, transport: str = "websocket") -> None:
        """Wait until the widget is connected and has loaded."""

        async def there() -> bool:
            states = await self.heard("connection")
            return bool(states) and states[-1] == {"state": "connected", "transport": transport}

        await until(there)
        await until(lambda: self.server.asked("GET", "/v1/me/inbox"))


@pytest_asyncio.fixture(scope="package", loop_scope="package")
async def browser() -> AsyncIterator[Browser]:
    """One Chromium for all of these tests."""
    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(executable_path=browser_path(), args=ARGS)
        yield browser
        await browser.close()


@pytest_asyncio.fixture(loop_scope="package")
async def server() -> AsyncIterator[MockServer]:
    """A scripted server on a free port."""
    server = MockServer()
    runner = web.AppRunner(server.app(), shutdown_timeout=0.5)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    server.host = f"http://127.0.0.1:{runner.addresses[0][1]}"
    yield server
    await runner.cleanup()


@pytest_asyncio.fixture(loop_scope="package")
async def context(browser: Browser) -> AsyncIterator[BrowserContext]:
    """A fresh profile."""
    context = await browser.new_context(locale="en-GB", timezone_id="Europe/London", color_scheme="light")
    context.set_default_timeout(10_000)
    yield context
    await context.close()


@pytest_asyncio.fixture(loop_scope="package")
async def tab(context: BrowserContext, server: MockServer) -> AsyncIterator[Tab]:
    """An empty tab that fails its test when the page logs an error, throws, or breaks its content policy."""
    tab = Tab(await context.new_page(), server)
    tab.page.on("pageerror", lambda error: tab.problems.append(f"uncaught: {error}"))
    tab.page.on(
        "console",
        lambda said: (
            tab.problems.append(said.text)
            if said.type == "error"
            and not (
                tab.expects_failures
                and said.text.startswith(("Failed to load resource", "WebSocket connection"))
            )
            else None
        ),
    )
    yield tab
    assert tab.problems == []
