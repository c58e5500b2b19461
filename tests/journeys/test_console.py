"""The console shows all of it: who is there, what was sent and read, talks, what comes next, the bill so far."""

import re

import pytest
from playwright.async_api import Locator, expect

from tests.journeys.browsing import Customer, Staff

pytestmark = pytest.mark.asyncio(loop_scope="module")
PAGES = ("", "/conversations", "/deliveries", "/campaigns", "/recommendations", "/plugins", "/settings")


def counter(staff: Staff, name: str) -> Locator:
    """Return a number of the overview."""
    return staff.page.locator(".counter", has_text=name).locator(".counter-value")


async def test_the_overview_is_live_and_knows_everything(emma: Customer, staff: Staff) -> None:
    await staff.sign_in()
    await expect(counter(staff, "Connections")).to_have_text("1")
    await expect(counter(staff, "Users online")).to_have_text("1")
    order = await emma.buy()
    await emma.open("chat")
    await emma.ask("where is my order?")
    await expect(counter(staff, "Messages today")).to_have_text("1")
    await expect(counter(staff, "Open conversations")).to_have_text("1")
    await expect(staff.page.locator(".states")).to_contain_text("Delivered")
    await expect(staff.page.locator("#activity")).to_contain_text("Emma Clarke")
    runs = staff.page.locator("#plans section", has_text="Next campaign runs")
    await expect(runs).to_contain_text("Weekly picks")
    await expect(runs.locator("time").first).to_have_attribute("datetime", re.compile(r"^20\d\d-"))
    bill = staff.page.locator("#plans section", has_text="Usage and bill so far")
    used = bill.locator(".usage li", has_text="Messages")
    await expect(used).to_contain_text(re.compile(r"\D1 / 10,000"))
    await staff.go("/conversations")
    line = staff.page.locator("#lines [data-line]", has_text="Emma Clarke")
    await line.click()
    await expect(staff.page.locator("#turns")).to_contain_text(f"Your order {order}")


async def test_a_page_that_goes_away_is_counted_no_more(emma: Customer, staff: Staff) -> None:
    await staff.sign_in()
    await expect(counter(staff, "Connections")).to_have_text("1")
    await emma.page.close()
    await expect(counter(staff, "Connections")).to_have_text("0")


@pytest.mark.parametrize("language", ["en", "zh-CN"])
async def test_every_page_opens_without_a_complaint(staff: Staff, language: str) -> None:
    await staff.sign_in()
    for path in PAGES:
        await staff.go(f"{path}?language={language}")
        await expect(staff.page.locator("html")).to_have_attribute("lang", language)
        await expect(staff.page.locator("h1").first).to_be_visible()
