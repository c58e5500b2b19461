"""Take the trading desk's pictures anew: ``python -m tests.trading_screenshots [FOLDER]``.

A fresh demo is opened, two traders trade in a real Chromium, the market falls,
and each page is pictured.
"""

import asyncio
import sys
import tempfile
from pathlib import Path

from playwright.async_api import Browser, async_playwright, expect

from tests.examples.trading import Floor, Screen, floor, screen
from tests.screenshots import CHINESE, ENGLISH, IMAGES, PHONE, Album
from tests.waiting import until
from tests.widget.conftest import ARGS, browser_path


async def has_rung(desk: Floor, trader: str) -> None:
    """Wait until a trader's pager shows something."""

    async def rang() -> bool:
        return bool((await desk.account(trader))["pager"])

    await until(rang)


async def has_moved(seen: Screen, boards: int) -> None:
    """Wait until a page has got so many boards."""
    await until(lambda: seen.deltas > boards)


async def desk_pages(album: Album, browser: Browser, desk: Floor) -> None:
    """Picture the desk in two languages and on a phone."""
    for trader, language, name in (("mara", ENGLISH, "trading"), ("chenwei", CHINESE, "trading-zh")):
        await desk.order(trader, "KITE", 300)
        await has_rung(desk, trader)
        async with screen(browser, desk, trader, **language) as seen:
            await seen.page.locator("#quantity").fill("60")
            await seen.row("SILK").locator(".buy").click()
            await expect(seen.widget(".toast")).to_contain_text("SILK")
            await has_moved(seen, 20)
            await album.take(seen.page, name)
    price = float((await desk.order("mara", "OAKS", 1))["trades"][0]["price"])
    await desk.order("mara", "OAKS", int(26_000 / price))
    async with screen(browser, desk, "mara", **ENGLISH) as seen:
        await has_moved(seen, 4)
        await desk.move("crash")
        await expect(seen.widget(".toast").filter(has_text="Margin call")).to_be_visible()
        await album.take(seen.page, "trading-margin-call")
    phone = {"viewport": PHONE, "has_touch": True, "is_mobile": True, "device_scale_factor": 2}
    async with screen(browser, desk, "mara", **(ENGLISH | phone)) as seen:
        await has_moved(seen, 4)
        await album.take(seen.page, "trading-phone")


async def main(folder: Path) -> None:
    """Take every picture."""
    with tempfile.TemporaryDirectory() as kept:
        async with floor(Path(kept) / "desk") as desk, async_playwright() as playwright:
            browser = await playwright.chromium.launch(executable_path=browser_path(), args=ARGS)
            await desk_pages(Album(folder), browser, desk)
            await browser.close()


if __name__ == "__main__":
    asyncio.run(main(Path(sys.argv[1]) if len(sys.argv) > 1 else IMAGES))
