"""What the assistant can't answer goes to a person, who has the chat until giving it back."""

from collections.abc import AsyncIterator

import pytest
import pytest_asyncio
from playwright.async_api import Browser, expect

from tests.journeys.browsing import Customer, Staff, visiting
from tests.journeys.premises import Premises

pytestmark = pytest.mark.asyncio(loop_scope="module")
UNKNOWN = "Can you engrave my daughter's name on a lantern?"


@pytest_asyncio.fixture(loop_scope="module")
async def jonas(browser: Browser, premises: Premises) -> AsyncIterator[Customer]:
    """Jonas of Berlin."""
    async with visiting(Customer, browser, premises, timezone_id="Europe/Berlin") as jonas:
        await jonas.sign_in("jonas")
        yield jonas


async def test_a_person_answers_from_the_console_while_the_assistant_keeps_quiet(
    jonas: Customer, staff: Staff
) -> None:
    await jonas.open("chat")
    answer = await jonas.ask(UNKNOWN)
    await expect(answer).to_contain_text("handing you over to a colleague")
    banner = jonas.find(".banner")
    await expect(banner).to_have_attribute("data-state", "waiting")

    await staff.sign_in("/conversations")
    desk = staff.page
    line = desk.locator("#lines [data-line]", has_text="Jonas Becker")
    await expect(line).to_contain_text("Waiting")
    await line.click()
    await expect(desk.locator("#turns")).to_contain_text(UNKNOWN)
    await desk.get_by_role("button", name="Take over").click()
    await expect(desk.locator('.thread-head[data-mine="yes"]')).to_be_visible()
    await expect(banner).to_have_attribute("data-state", "agent")
    await expect(desk.locator("#reply")).to_be_enabled()
    await desk.locator("#reply").fill("We only mend **lamps**, I am afraid.")
    await desk.keyboard.press("Enter")
    await expect(jonas.find(".turn.by-agent .bubble").last).to_have_text("We only mend lamps, I am afraid.")

    said = await jonas.answers.count()
    await jonas.say("How long do refunds take?")  # the assistant would know this one
    await expect(desk.locator(".turn.user").last).to_contain_text("How long do refunds take?")
    await desk.locator("#reply").fill("Five working days.")
    await desk.keyboard.press("Enter")
    # The person's words come after the customer's; whatever the assistant had said would stand between.
    await expect(jonas.find(".turn.by-agent .bubble").last).to_have_text("Five working days.")
    assert await jonas.answers.count() == said

    await desk.get_by_role("button", name="Back to assistant").click()
    await expect(banner).to_have_attribute("data-state", "assistant")
    answer = await jonas.ask("How long do refunds take?")
    await expect(answer.locator(".source").first).to_contain_text("refund", ignore_case=True)
    await expect(desk.locator(".turn.assistant").last).to_contain_text("refund", ignore_case=True)
    assert await desk.locator("#reply").is_disabled()


async def test_a_customer_can_ask_for_a_person_at_once(emma: Customer, staff: Staff) -> None:
    await emma.open("chat")
    await emma.find(".banner .person").click()
    await expect(emma.find(".banner")).to_have_attribute("data-state", "waiting")
    await staff.sign_in()
    await expect(staff.page.locator(".nav .badge")).to_have_text("1")
    waiting = staff.page.locator(".counter", has_text="Waiting for a person").locator(".counter-value")
    await expect(waiting).to_have_text("1")
