"""A customer and a member of staff at a real browser, and whatever the browser complained about."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any, TypeVar

from playwright.async_api import Browser, BrowserContext, ConsoleMessage, Locator, Page, expect

from tests.journeys.premises import Premises
from tests.waiting import until

PATIENCE_MS = 20_000
WIDE = {"width": 1280, "height": 800}
# Runs before the page's own scripts: what the widget tells the page about its connection.
LISTEN = """
window.chatpush = window.chatpush || function () { (chatpush.q = chatpush.q || []).push(arguments) };
window.heard = [];
chatpush('on', 'connection', (now) => heard.push(now));
"""
# What the browser notes by itself when a server is away, which is part of some stories.
OUTAGE = ("Failed to load resource", "WebSocket connection to")

V = TypeVar("V", bound="Visit")

expect.set_options(timeout=PATIENCE_MS)


@dataclass
class Visit:
    """Someone's browser profile; ``page`` is the page that stays open."""

    premises: Premises
    context: BrowserContext
    page: Page
    outage: bool = False
    problems: list[str] = field(default_factory=list)

    def watch(self, page: Page) -> None:
        """Remember errors and warnings of a page, breaches of its content policy among them."""
        page.on("pageerror", lambda error: self.problems.append(f"uncaught: {error}"))
        page.on("console", self._said)

    def _said(self, message: ConsoleMessage) -> None:
        if message.type not in ("error", "warning") or (self.outage and message.text.startswith(OUTAGE)):
            return
        self.problems.append(f"{message.type}: {message.text} ({message.location['url']})")

    async def another(self) -> Page:
        """Open another tab of the same profile."""
        page = await self.context.new_page()
        self.watch(page)
        return page


class Customer(Visit):
    """A customer with the shop open; the widget is in ``page``."""

    async def sign_in(self, who: str, transport: str = "websocket") -> None:
        """Sign in, and stay on the home page until the widget is connected."""
        await self.page.goto(f"{self.premises.shop}/sign-in")
        await self.page.locator(f"button[name=customer][value={who}]").click()
        await self.page.wait_for_url(f"{self.premises.shop}/")
        await self.connected(transport)

    async def connected(self, transport: str = "websocket") -> None:
        """Wait until the widget of the open page is connected, and how."""

        async def there() -> bool:
            last = await self.page.evaluate("window.heard.at(-1) || {}")
            return bool(last == {"state": "connected", "transport": transport})

        await until(there)

    async def buy(self) -> str:
        """Buy the first thing on the home page in another tab, and return the order's number."""
        tab = await self.another()
        await tab.goto(f"{self.premises.shop}/")
        await tab.locator("main a[href^='/items/']").first.click()
        await tab.locator("form.buy button.button").first.click()
        await tab.locator("form[action='/checkout'] button").click()
        await tab.wait_for_url("**/orders/*")
        order = tab.url.rpartition("/")[2].partition("?")[0]
        await tab.close()
        return order

    def find(self, selector: str, text: str | None = None) -> Locator:
        """Find something in the widget of the open page, perhaps by a text in it."""
        return self.page.locator(f"chatpush-widget {selector}", has_text=text)

    @property
    def answers(self) -> Locator:
        """What the assistant said, oldest first."""
        return self.find(".turn.by-assistant .bubble")

    async def open(self, tab: str) -> None:
        """Open the widget at a tab, and wait until the tab has loaded."""
        if not await self.find(".panel").is_visible():
            await self.find(".launcher").click()
        await self.find(f"#tab-{tab}").click()
        there = {"chat": ".chat .turn, .chat .hero h3", "inbox": ".inbox .item, .inbox h3"}
        await expect(self.find(there[tab]).first).to_be_visible()

    async def say(self, text: str) -> None:
        """Write in the chat and see it stand there."""
        said = self.find(".turn.by-user")
        before = await said.count()
        await self.find(".composer textarea").fill(text)
        await self.page.keyboard.press("Enter")
        await expect(said).to_have_count(before + 1)
        await expect(said.last).to_contain_text(text)

    async def ask(self, text: str) -> Locator:
        """Write in the chat and return the finished answer: the assistant's turn behind it."""
        await self.say(text)
        answer = self.find(".turn.by-assistant:not(.streaming):last-child")
        await expect(answer).to_be_visible()
        return self.find(f"[data-turn='{await answer.get_attribute('data-turn')}']")


class Staff(Visit):
    """Someone signed in at the console, or at the shop's back office."""

    async def sign_in(self, path: str = "") -> None:
        """Sign in at the console and open one of its pages."""
        await self.go("/sign-in")
        await self.page.get_by_label("Email").fill(self.premises.prepared.email)
        await self.page.get_by_label("Password").fill(self.premises.prepared.password)
        await self.page.keyboard.press("Enter")
        await expect(self.page.locator("#main")).to_be_visible()
        await self.go(path)

    async def go(self, path: str) -> None:
        """Open a page of the console."""
        await self.page.goto(self.premises.console + path)

    async def advance(self, order: str, step: str) -> None:
        """Press an order's next button in the shop's back office, in another tab."""
        tab = await self.another()
        await tab.goto(f"{self.premises.shop}/office")
        await tab.locator(f"form[action='/office/orders/{order}/{step}'] button").click()
        await expect(tab.locator(".said.good")).to_contain_text(order)
        await tab.close()


@asynccontextmanager
async def visiting(kind: type[V], browser: Browser, premises: Premises, **options: Any) -> AsyncIterator[V]:
    """Open a fresh profile; at its end anything the browser complained about is a failure."""
    context = await browser.new_context(**{"viewport": WIDE, "locale": "en-GB", **options})
    context.set_default_timeout(PATIENCE_MS)
    await context.add_init_script(LISTEN)
    visit = kind(premises, context, await context.new_page())
    visit.watch(visit.page)
    yield visit
    await context.close()
    assert not visit.problems, "\n".join(visit.problems)
