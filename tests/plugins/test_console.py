"""A person sees in the console in which order plugins are called, on which terms, and how they do."""

from pathlib import Path

from playwright.async_api import async_playwright, expect

from chatpush.domain import Event, OutgoingMessage
from chatpush.plugins import samples
from chatpush.plugins.contracts import Drop
from chatpush.plugins.hooks import hook
from tests.plugins.parts import plugin
from tests.serving import EMAIL, PASSWORD, serving
from tests.widget.conftest import ARGS, browser_path


async def test_the_plugins_page_shows_order_terms_scores_and_breakers(tmp_path: Path) -> None:
    def filter_message(message: OutgoingMessage) -> Drop:
        return Drop("not today")

    def on_event(event: Event) -> None:
        raise ValueError("boom")

    strict = plugin(filter_message, before=("loud",), fail_closed=True)
    vars(strict)["filter_message"] = hook(budget_milliseconds=40)(filter_message)
    plugins = {"loud": plugin(on_event), "strict": strict}
    async with serving(tmp_path, plugins=plugins) as served, async_playwright() as playwright:
        await served.chatpush.plugins.filter_message(samples.message())
        for number in range(5):
            event = {"user": f"user_{number}", "type": "view", "item": "lamp"}
            await served.told("POST", "/v1/events", event)
        browser = await playwright.chromium.launch(executable_path=browser_path(), args=ARGS)
        page = await browser.new_page(locale="en-GB", viewport={"width": 1100, "height": 800})
        await page.goto(f"{served.url}/console/plugins")
        await page.get_by_label("Email").fill(EMAIL)
        await page.get_by_label("Password").fill(PASSWORD)
        await page.keyboard.press("Enter")
        cards = page.locator(".plugins > li")
        strict_card = cards.filter(has=page.get_by_role("heading", name="strict"))
        await expect(strict_card.locator(".plugin-order")).to_have_text("1")
        await expect(strict_card.locator("tbody th")).to_have_text("filter_message fails closed")
        for column, text in enumerate(("40 ms", "1", "0", "1")):
            await expect(strict_card.locator("td").nth(column)).to_have_text(text)
        await expect(strict_card).to_contain_text("before loud")
        loud = cards.filter(has=page.get_by_role("heading", name="loud"))
        await expect(loud.locator(".tag.bad").last).to_contain_text("back in")
        await expect(loud.locator(".note.bad")).to_contain_text("on_event raised ValueError at ")
        await expect(loud.locator(".note.bad")).not_to_contain_text("boom")
        await expect(loud.locator("td").nth(2)).to_have_text("5")
        await browser.close()
