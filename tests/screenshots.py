"""Take docs/images/ anew: ``python -m tests.screenshots [FOLDER]``.

A fresh demo is opened with an hour behind it, four customers walk the story in
a real Chromium, somebody answers from the console, and each page is pictured.
"""

import asyncio
import shutil
import sys
import tempfile
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

from playwright.async_api import Browser, Locator, Page, async_playwright, expect

from examples.shop.catalogue import Catalogue
from examples.shop.demo import Addresses
from examples.shop.preparation import Prepared
from tests.journeys.afternoon import live_through
from tests.journeys.browsing import Customer, Staff, visiting
from tests.journeys.premises import Premises, opened
from tests.widget import shots
from tests.widget.conftest import ARGS, browser_path

IMAGES = Path(__file__).parents[1] / "docs" / "images"
PHONE = {"width": 390, "height": 844}
WIDE = {"width": 1440, "height": 900}
AGENT = ("grace@hearth-and-lantern.example", "Grace Miller")
CHINESE = {"locale": "zh-CN", "timezone_id": "Asia/Shanghai"}
ENGLISH = {"locale": "en-GB", "timezone_id": "Europe/London"}
QUIET_MS = 900
IN_SIGHT_LOADED = """
() => [...document.images].every((image) => {
  const { top, left, height } = image.getBoundingClientRect();
  return image.complete || !height || top > innerHeight || left > innerWidth;
})
"""


class Album:
    """Where the pictures go."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        folder.mkdir(parents=True, exist_ok=True)

    async def take(self, page: Page, name: str) -> None:
        """Take a picture when everything has loaded and come to rest."""
        await page.wait_for_load_state("networkidle") if "/console" not in page.url else None
        await page.evaluate("document.fonts.ready.then(() => true)")
        await page.wait_for_function(IN_SIGHT_LOADED)
        await page.mouse.move(2, 2)
        await page.wait_for_timeout(QUIET_MS)  # transitions
        await page.screenshot(path=self._folder / f"{name}.png", caret="hide")
        print(f"{name}.png", flush=True)


async def order_and_ask(customer: Customer, staff: Staff, question: str) -> Locator:
    """Buy, have it sent, and ask where it is; return the assistant's answer."""
    order = await customer.buy()
    await staff.advance(order, "shipped")
    await expect(customer.find(".toast")).to_contain_text(order)
    await customer.open("chat")
    return await customer.ask(question)


async def agree(customer: Customer, answer: Locator) -> None:
    """Take the offer to be told."""
    await answer.locator(".reply").first.click()
    await expect(customer.find(".promise")).to_be_visible()


async def shop_pages(album: Album, browser: Browser, premises: Premises, staff: Staff) -> None:
    """Picture the shop with the widget, in two languages, in the dark and on a phone."""
    async with visiting(Customer, browser, premises, **ENGLISH) as emma:
        await emma.sign_in("emma")
        await album.take(emma.page, "shop-home")
        await emma.open("inbox")
        await album.take(emma.page, "widget-inbox")
        await emma.find(".launcher").click()
        answer = await order_and_ask(emma, staff, "Where is my order?")
        await album.take(emma.page, "widget-chat")
        await agree(emma, answer)
    async with visiting(Customer, browser, premises, **CHINESE) as linxiao:
        await linxiao.sign_in("linxiao")
        await album.take(linxiao.page, "shop-home-zh")
        answer = await order_and_ask(linxiao, staff, "我的快递到哪了")
        await album.take(linxiao.page, "widget-chat-zh")
        await agree(linxiao, answer)
    async with visiting(Customer, browser, premises, **ENGLISH, color_scheme="dark") as emma:
        await emma.sign_in("emma")
        await emma.open("chat")
        await album.take(emma.page, "widget-dark")
    phone = {"viewport": PHONE, "has_touch": True, "is_mobile": True, "device_scale_factor": 2}
    async with visiting(Customer, browser, premises, **(ENGLISH | phone)) as emma:
        await emma.sign_in("emma")
        await emma.open("chat")
        await album.take(emma.page, "widget-phone")
    async with visiting(Customer, browser, premises, **(CHINESE | phone)) as linxiao:
        await linxiao.sign_in("linxiao")
        await linxiao.open("chat")
        await album.take(linxiao.page, "widget-phone-zh")


@asynccontextmanager
async def hand_overs(browser: Browser, premises: Premises, staff: Staff) -> AsyncIterator[None]:
    """Let one customer talk to a person and another wait for one, with their pages open."""
    async with (
        visiting(Customer, browser, premises, **ENGLISH) as jonas,
        visiting(Customer, browser, premises, **CHINESE) as zhouning,
    ):
        await jonas.sign_in("jonas")
        await order_and_ask(jonas, staff, "Where is my order?")
        await jonas.ask("Can you engrave my daughter's name on a lantern?")
        await staff.go("/conversations?show=waiting")
        await staff.page.locator("#lines [data-line]", has_text="Jonas Becker").click()
        await staff.page.get_by_role("button", name="Take over").click()
        await expect(staff.page.locator("#reply")).to_be_enabled()
        for said, reply in (
            (
                "Hello Jonas, this is Grace. Yes, we can engrave up to 20 letters on the wooden ones.",
                "Lovely! It is “Mathilda”. Can it still go out this week?",
            ),
            (
                "It can: engraving takes one day, so it leaves us tomorrow. It is £4.50 more.",
                "Then please do!",
            ),
        ):
            await staff.page.locator("#reply").fill(said)
            await staff.page.keyboard.press("Enter")
            await expect(jonas.find(".turn.by-agent").last).to_contain_text(said)
            await jonas.say(reply)
            await expect(staff.page.locator(".turn.user").last).to_contain_text(reply)
        await zhouning.sign_in("zhouning")
        await zhouning.open("chat")
        await zhouning.ask("能在灯笼上刻名字吗？")
        await staff.go("/conversations")
        yield


async def on_a_phone(album: Album, page: Page, name: str) -> None:
    """Picture a page as narrow as a phone, and make it wide again."""
    wide = page.viewport_size
    await page.set_viewport_size(PHONE)  # type: ignore[arg-type]
    await album.take(page, name)
    await page.set_viewport_size(wide or WIDE)  # type: ignore[arg-type]


async def console_pages(album: Album, browser: Browser, premises: Premises, staff: Staff) -> None:
    """Picture the console."""
    async with visiting(Staff, browser, premises, **ENGLISH) as stranger:
        await stranger.go("/sign-in")
        await album.take(stranger.page, "console-signin")
    async with hand_overs(browser, premises, staff):
        await staff.page.locator("#lines [data-line]", has_text="Jonas Becker").click()
        await expect(staff.page.locator(".desk-customer")).to_contain_text("Jonas")
        await album.take(staff.page, "console-conversations")
        desk = staff.page.url.partition("/console")[2].partition("?")[0]
        await on_a_phone(album, staff.page, "console-conversations-phone")
        await staff.go(f"{desk}?language=zh-CN")
        await album.take(staff.page, "console-conversations-zh")
        await on_a_phone(album, staff.page, "console-conversations-phone-zh")
        await staff.go("?language=en")
        await expect(staff.page.locator("[data-chart] canvas")).to_be_visible()
        await album.take(staff.page, "console-overview")
        for path, name in (
            ("/deliveries", "console-deliveries"),
            ("/campaigns", "console-campaigns"),
            ("/recommendations?user=emma", "console-recommendations"),
            ("/settings/teams", "console-teams"),
            ("/settings/knowledge", "console-knowledge"),
        ):
            await staff.go(path)
            await album.take(staff.page, name)
        await staff.go("?language=zh-CN")
        await expect(staff.page.locator("[data-chart] canvas")).to_be_visible()
        await album.take(staff.page, "console-overview-zh")


async def filled(prepared: Prepared, addresses: Addresses, catalogue: Catalogue) -> None:
    """Give the shop its past."""
    await live_through(prepared, addresses, catalogue, dict([AGENT]))


STATES = {
    "files": "widget-files", "files-zh": "widget-files-zh", "rating": "widget-rating",
    "rating-phone": "widget-rating-phone-zh", "prechat": "widget-prechat", "prechat-phone": "widget-prechat-phone-zh",
    "message": "widget-message", "message-phone": "widget-message-phone-zh", "inbox-ar": "widget-phone-ar",
}  # fmt: skip


async def widget_states(folder: Path) -> None:
    """Picture what a short story does not come by, on the scripted server of the widget's tests."""
    with tempfile.TemporaryDirectory() as kept:
        await shots.main(Path(kept), list(STATES))
        for state, name in STATES.items():
            shutil.copy(Path(kept) / f"{state}.png", folder / f"{name}.png")
            print(f"{name}.png", flush=True)


async def main(folder: Path) -> None:
    """Take every picture."""
    album = Album(folder)
    await widget_states(folder)
    with tempfile.TemporaryDirectory() as kept:
        async with opened(Path(kept) / "demo", past=filled) as premises, async_playwright() as playwright:
            premises.prepared = replace(premises.prepared, email=AGENT[0])
            browser = await playwright.chromium.launch(executable_path=browser_path(), args=ARGS)
            async with visiting(Staff, browser, premises, **ENGLISH) as staff:
                await staff.sign_in()
                await shop_pages(album, browser, premises, staff)
                await console_pages(album, browser, premises, staff)
            await browser.close()


if __name__ == "__main__":
    arguments: Sequence[Any] = sys.argv[1:]
    asyncio.run(main(Path(arguments[0]) if arguments else IMAGES))
