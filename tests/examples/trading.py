"""The trading desk as visitors meet it: a running demo, and pages in a real Chromium."""

import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from aiohttp import ClientSession
from playwright.async_api import Browser, Locator, Page, WebSocket

from examples.shop.push import Push
from examples.trading.demo import Opened, opened
from tests.journeys.premises import zone_at
from tests.servers import free_port

WIDE = {"width": 1360, "height": 900}


@dataclass
class Floor:
    """A running desk and a line to its chatpush."""

    demo: Opened
    http: ClientSession
    push: Push

    async def order(self, trader: str, symbol: str, quantity: int, side: str = "buy") -> dict[str, Any]:
        """Trade without a page, as a trader with another program would."""
        asked = {"symbol": symbol, "side": side, "quantity": quantity}
        async with self.http.post(f"{self.demo.desk}/orders?as={trader}", json=asked) as answer:
            return {"status": answer.status, **await answer.json()}

    async def account(self, trader: str) -> dict[str, Any]:
        """How a trader's account stands."""
        async with self.http.get(f"{self.demo.desk}/account?as={trader}") as answer:
            account: dict[str, Any] = await answer.json()
            return account

    async def move(self, mood: str) -> None:
        """Let the market fall or rise."""
        async with self.http.post(f"{self.demo.desk}/market/{mood}", headers={"X-Desk": "demo"}) as answer:
            assert answer.status == 204

    async def clock_at(self, trader: str, hour: int) -> None:
        """Move a trader to where it is this hour now."""
        await self.push.call("PUT", f"/v1/users/{trader}", {"timezone": zone_at(hour)})


@asynccontextmanager
async def floor(folder: Path, escalate_seconds: int = 1) -> AsyncIterator[Floor]:
    """Run the demo until the block ends."""
    async with (
        opened(folder, free_port(), free_port(), free_port(), escalate_seconds=escalate_seconds) as demo,
        ClientSession() as http,
    ):
        yield Floor(demo, http, Push(http, demo.url, demo.keys.secret))


@dataclass
class Screen:
    """A trader's page; ``frames`` is what came over its connections, ``problems`` what went wrong."""

    page: Page
    frames: list[str] = field(default_factory=list)
    problems: list[str] = field(default_factory=list)

    def row(self, symbol: str) -> Locator:
        """An instrument's row."""
        return self.page.locator(f"#quotes tr[data-symbol={symbol}]")

    def widget(self, selector: str) -> Locator:
        """Something in the widget."""
        return self.page.locator(f"chatpush-widget {selector}")

    @property
    def deltas(self) -> int:
        """How many boards came as the difference to the one before."""
        return sum('"delta":true' in frame for frame in self.frames)


@asynccontextmanager
async def screen(browser: Browser, floor: Floor, trader: str, **options: Any) -> AsyncIterator[Screen]:
    """Open the desk's page as a trader, live."""
    context = await browser.new_context(**{"viewport": WIDE, **options})
    page = await context.new_page()
    seen = Screen(page)

    def listen(socket: WebSocket) -> None:
        socket.on("framereceived", lambda payload: seen.frames.append(_text(payload)))

    page.on("websocket", listen)
    page.on("pageerror", lambda error: seen.problems.append(str(error)))
    page.on("console", lambda line: seen.problems.append(line.text) if line.type == "error" else None)
    await page.goto(f"{floor.demo.desk}/?as={trader}")
    await page.wait_for_selector("#status.live")
    await page.wait_for_selector("chatpush-widget .launcher")
    yield seen
    await context.close()


def _text(payload: Any) -> str:
    return payload if isinstance(payload, str) else json.dumps(str(payload))
