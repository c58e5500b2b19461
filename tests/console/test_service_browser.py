"""How well it went, as a marketer reads it: everything lived through, then the overview in a real browser."""

from pathlib import Path

from playwright.async_api import Locator, Page, async_playwright, expect

from chatpush.plugins.contracts import Tool
from tests.console.axe import violations
from tests.plugins.parts import plugin
from tests.serving import EMAIL, PASSWORD, Served, serving
from tests.support.house import OrderTool
from tests.support.scripted_model import ScriptedModel, call, scripted_model, text
from tests.support.talking import answer_to, opened
from tests.waiting import until
from tests.widget.conftest import ARGS, browser_path

ORDERS = {"1001": ("ada", "shipped"), "1002": ("ada", "shipped")}


def register_tools() -> list[Tool]:
    """Bring what looks into orders."""
    return [OrderTool(ORDERS)]


async def promises_and_tokens(served: Served, model: ScriptedModel) -> None:
    """Have two arrivals promised, of which one comes, with a model that takes 3,000 tokens."""
    place = await opened(served, "ada")
    for order in ORDERS:
        model.will(
            call(("order_status", {"order_id": order})), text(f"Order {order} is on its way.", total=1460)
        )
        answer = await answer_to(served, place, f"Where is my order {order}?", "ada")
        assert [one["id"] for one in answer["actions"]] == ["yes", "no"]
        assert (await answer_to(served, place, "yes", "ada"))["promise"]
    arrived = {"user": "ada", "type": "order.delivered", "properties": {"order_id": "1001"}}
    await served.told("POST", "/v1/events", arrived)

    async def kept() -> bool:
        pending = (await served.told("GET", "/v1/me/promises", user="ada"))["data"]
        return len(pending) == 1

    await until(kept)


async def a_person_helps(served: Served) -> None:
    """Have a second conversation handed over, answered, closed and rated."""
    place = await opened(served, "bob")
    await answer_to(served, place, "I want to talk to a person", "bob")
    theirs = place.replace("/me/", "/")
    reply = {"agent": "per_1", "name": "Grace", "text": "Hello Bob"}
    await served.told("POST", f"{theirs}/turns", reply)
    await served.told("POST", f"{theirs}/close")
    await served.told("POST", f"{place}/rating", {"score": 4}, user="bob")


def number(page: Page, name: str) -> Locator:
    """Return one of the numbers."""
    return page.locator(".service-number", has=page.get_by_text(name, exact=True))


async def test_the_overview_tells_how_well_it_went_and_what_it_cost(tmp_path: Path) -> None:
    price = {"model": "scripted", "input_per_million": "1000", "output_per_million": "1000"}
    async with scripted_model() as model, async_playwright() as playwright:
        writer = {"base_url": model.url, "api_key": "k", "model": "scripted", "prices": [price]}
        plugins = {"orders": plugin(register_tools)}
        async with serving(tmp_path, writer=writer, plugins=plugins) as served:
            await promises_and_tokens(served, model)
            await a_person_helps(served)
            browser = await playwright.chromium.launch(executable_path=browser_path(), args=ARGS)
            page = await browser.new_page(locale="en-GB", viewport={"width": 1280, "height": 900})
            await page.goto(f"{served.url}/console")
            await page.get_by_label("Email").fill(EMAIL)
            await page.get_by_label("Password").fill(PASSWORD)
            await page.keyboard.press("Enter")
            for name, value, note in (
                ("Resolved", "100 %", "of 2 conversations"),
                ("Answered by the assistant alone", "50 %", "1 handed over"),
                ("Rating", "4.0", "100 % satisfied of 1"),
                ("Promises kept", "100 %", "1 kept, 0 expired, 1 open"),
                ("Model tokens", "3,000", "3.00 USD"),
            ):
                await expect(number(page, name).locator(".service-value")).to_have_text(value)
                await expect(number(page, name)).to_contain_text(note)
            await expect(number(page, "First response of people")).to_contain_text("90 % within")
            await expect(page.locator("[data-service] canvas")).to_have_count(2)
            await page.get_by_role("button", name="30 days").click()
            await expect(page.get_by_role("button", name="30 days")).to_have_attribute("aria-pressed", "true")
            await expect(number(page, "Promises kept").locator(".service-value")).to_have_text("100 %")
            assert await violations(page) == []
            await page.goto(f"{served.url}/console?language=zh-CN")
            await expect(number(page, "承诺兑现")).to_contain_text("兑现 1，过期 0，进行中 1")
            await expect(number(page, "模型 token").locator(".service-value")).to_have_text("3,000")
            await browser.close()
