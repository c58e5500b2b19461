"""The weekly picks: with reasons, to those who may be written to now, and a chat that knows the item."""

from typing import Any

import pytest
from playwright.async_api import expect

from examples.shop.seeding import WEEKLY_PICKS
from tests.journeys.browsing import Customer, Staff
from tests.journeys.premises import Premises
from tests.waiting import until

pytestmark = pytest.mark.asyncio(loop_scope="module")
CAP = 3  # marketing messages a day: the demo's marketing_cap
NOON, NIGHT = 12, 2


async def marketing(premises: Premises, user: str) -> list[dict[str, Any]]:
    """Return what became of the picks sent to a user, newest first."""
    campaign = await premises.push.campaign_named(WEEKLY_PICKS)
    assert campaign
    sent = await premises.told("GET", "/v1/messages", campaign=campaign)
    messages = {message["id"] for message in sent["data"]}
    deliveries = await premises.told("GET", "/v1/deliveries", user=user)
    return [one for one in deliveries["data"] if one["message"] in messages]


async def outcomes(premises: Premises, user: str, count: int) -> list[tuple[str, str | None]]:
    """Wait until this many picks for a user have been decided on, and say how."""

    async def decided() -> list[tuple[str, str | None]]:
        found = await marketing(premises, user)
        told = [(one["state"], one["reason"]) for one in found if one["state"] not in ("accepted", "queued")]
        return told if len(told) == count else []

    return await until(decided)


async def test_picks_come_with_reasons_and_a_click_opens_a_chat_that_knows_the_item(
    emma: Customer, staff: Staff, premises: Premises
) -> None:
    await premises.user_at("emma", NOON)
    await premises.user_at("linxiao", NIGHT)
    await staff.sign_in("/campaigns")
    row = staff.page.locator("tr", has_text=WEEKLY_PICKS)
    await row.get_by_role("button", name="Run now").click()
    await expect(row).to_contain_text("Finished")

    await expect(emma.find(".toast")).to_contain_text("Emma, we put these aside for you")
    await emma.open("inbox")
    item = emma.find(".item", "we put these aside for you")
    await expect(item.locator(".card")).to_have_count(3)
    await expect(item.locator(".card-reason")).to_have_count(3)
    for reason in await item.locator(".card-reason").all_inner_texts():
        assert reason.strip()
    card = item.locator(".card").first
    title = await card.locator(".card-title").inner_text()
    price = await card.locator(".card-price").inner_text()
    await card.hover()
    await card.locator(".card-ask").click()
    await expect(emma.find(".about strong")).to_have_text(title)
    await expect(emma.answers.last).to_contain_text(title)
    answer = await emma.ask("How much is it?")
    await expect(answer).to_contain_text(title)
    await expect(answer).to_contain_text(price.strip("£"))

    assert await outcomes(premises, "jonas", 1) == [("suppressed", "opted_out")]
    assert await outcomes(premises, "linxiao", 1) == [("scheduled", "quiet_hours")]
    message = (await marketing(premises, "jonas"))[0]["message"]
    await staff.go(f"/deliveries/{message}")
    held = staff.page.locator("tbody tr", has_text="jonas")
    await expect(held).to_contain_text("Held back")
    await expect(held).to_contain_text("Turned off by the user")


async def test_the_cap_holds_across_runs(emma: Customer, premises: Premises) -> None:
    campaign = await premises.push.campaign_named(WEEKLY_PICKS)
    assert campaign
    await premises.user_at("emma", NOON)
    before = len(await marketing(premises, "emma"))
    for run in range(before + 1, CAP + 2):
        await premises.push.run_campaign(campaign)
        await outcomes(premises, "emma", run)
    told = await outcomes(premises, "emma", CAP + 1)
    assert told[0] == ("scheduled", "frequency_cap")
    assert {state for state, _ in told[1:]} <= {"sent", "delivered"}
    await emma.open("inbox")
    await expect(emma.find(".item", "we put these aside for you")).to_have_count(CAP)


async def test_the_console_shows_a_customers_picks_with_reasons(staff: Staff) -> None:
    await staff.sign_in("/recommendations?user=emma")
    picks = staff.page.locator(".picks .pick")
    await expect(picks.first).to_be_visible()
    assert await picks.count() >= 3
    await expect(picks.first.locator(".tiny.soft")).not_to_be_empty()
    image = picks.first.locator("img.pick-image")
    await expect(image).to_be_visible()
    assert await image.evaluate("image => image.decode().then(() => image.naturalWidth)") > 0
