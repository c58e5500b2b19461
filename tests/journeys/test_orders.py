"""An order's whole way: told at once, asked after, promised, and kept after a ``kill -9``."""

import pytest
from playwright.async_api import expect

from tests.journeys.browsing import Customer, Staff
from tests.journeys.premises import Premises

pytestmark = pytest.mark.asyncio(loop_scope="module")


async def test_a_paid_order_is_told_on_the_open_page_and_its_receipts_reach_the_console(
    emma: Customer, staff: Staff
) -> None:
    order = await emma.buy()
    toast = emma.find(".toast")
    await expect(toast).to_contain_text(f"We have your payment of £6.90 for order {order}")
    await staff.sign_in("/deliveries")
    row = staff.page.locator("#deliveries tbody tr", has_text="order_paid").first
    await row.locator("a.title").click()
    steps = staff.page.locator(".trace li")
    await expect(steps.filter(has_text="Delivered")).to_have_count(1)
    await expect(steps.filter(has_text="Seen")).to_have_count(1)  # the card in the corner was in sight
    await expect(steps.filter(has_text="Clicked")).to_have_count(0)

    await emma.open("inbox")
    item = emma.find(".item").first
    await expect(item).to_contain_text(order)
    await item.locator("h3 a").click()
    await emma.page.wait_for_url(f"**/orders/{order}*")
    await expect(steps.filter(has_text="Clicked")).to_have_count(1)


async def test_the_same_in_chinese(linxiao: Customer) -> None:
    order = await linxiao.buy()
    await expect(linxiao.find(".toast")).to_contain_text("林晓")
    await expect(linxiao.find(".toast")).to_contain_text(order)
    await linxiao.open("inbox")
    await expect(linxiao.find("#tab-inbox")).to_contain_text("消息")
    await expect(linxiao.find(".item").first).to_contain_text(f"订单 {order}")


async def test_where_is_my_order_is_answered_promised_and_kept_after_a_kill(
    emma: Customer, linxiao: Customer, staff: Staff, premises: Premises
) -> None:
    own, foreign = await emma.buy(), await linxiao.buy()
    await staff.advance(own, "shipped")
    await expect(emma.find(".toast")).to_contain_text("on its way")
    await emma.open("chat")
    answer = await emma.ask("where is my order?")
    await expect(answer).to_contain_text(f"Your order {own} is on its way")
    await expect(answer.locator(".source")).to_contain_text([f"Order {own}"])
    assert foreign not in await answer.inner_text()
    await expect(answer.locator(".reply").first).to_have_text("Yes, tell me")
    await answer.locator(".reply").first.click()
    await expect(emma.find(".promise")).to_contain_text(own)
    turns = await emma.find(".turn").count()

    emma.outage = staff.outage = linxiao.outage = True
    await premises.kill_chatpush()
    await premises.start_chatpush()
    await staff.advance(own, "delivered")
    kept = f"Good news: your order {own} has been delivered."
    await expect(emma.answers.filter(has_text=kept)).to_have_count(1)
    await expect(emma.find(".promise")).to_have_attribute("data-state", "kept")
    assert await emma.find(".turn").count() == turns + 1  # in the same conversation, and once


async def test_somebody_elses_order_is_nobodys_business(emma: Customer, linxiao: Customer) -> None:
    foreign = await linxiao.buy()
    await emma.open("chat")
    answer = await emma.ask(f"Where is order {foreign}?")
    await expect(answer).to_contain_text("can't find that in your account")
    await linxiao.open("chat")
    answer = await linxiao.ask("我的快递到哪了")
    await expect(answer).to_contain_text(f"订单 {foreign}")
    await expect(answer.locator(".source").first).to_contain_text(f"订单 {foreign}")
