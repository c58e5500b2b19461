"""The trading desk: quotes that live for a moment, and messages that must arrive."""

import asyncio
import sys
from collections.abc import AsyncIterator
from decimal import Decimal
from email.message import EmailMessage
from pathlib import Path

import aiosmtplib
import pytest
from hypothesis import given
from hypothesis import strategies as st
from playwright.async_api import Browser, async_playwright, expect

from examples.shop.push import Push
from examples.trading.demo import MARK, forget
from examples.trading.desk import CALL_BELOW, INITIAL_MARGIN, OPENING_CASH, RECOVERED_AT, Desk, Refused, Side
from examples.trading.letters import Letters
from examples.trading.market import INSTRUMENTS, SPARK_POINTS, Market
from examples.trading.page import Page
from examples.trading.telling import Telling
from tests.examples.fake_chatpush import FakeChatpush
from tests.examples.trading import Floor, floor, screen
from tests.servers import free_port
from tests.waiting import until
from tests.widget.conftest import ARGS, browser_path

ROOT = Path(__file__).parents[2]
SYMBOLS = [one.symbol for one in INSTRUMENTS]


@pytest.fixture
async def browser() -> AsyncIterator[Browser]:
    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(executable_path=browser_path(), args=ARGS)
        yield browser
        await browser.close()


@pytest.fixture
async def desk(tmp_path: Path) -> AsyncIterator[Floor]:
    async with floor(tmp_path / "desk") as opened:
        yield opened


# -- the market and the books ----------------------------------------------------


def test_the_same_seed_is_the_same_market() -> None:
    one, same, other = Market(7), Market(7), Market(8)
    for _ in range(50):
        for market in (one, same, other):
            market.step()
    assert one.board() == same.board() != other.board()
    assert all(len(points) == SPARK_POINTS for points in one.sparks().values())
    assert all(
        Decimal(quote["bid"]) < Decimal(quote["price"]) < Decimal(quote["ask"]) for quote in one.board()
    )


def test_only_what_traded_changes_between_two_boards() -> None:
    market = Market()
    before = market.board()
    market.step()
    changed = sum(old != new for old, new in zip(before, market.board(), strict=True))
    assert 1 <= changed <= 5, "so the difference between two boards is small"


@given(
    st.lists(
        st.tuples(st.sampled_from([*SYMBOLS, "NONE"]), st.sampled_from(Side), st.integers(-1, 900)),
        max_size=30,
    )
)
def test_no_order_makes_or_loses_money_or_breaks_the_margin(orders: list[tuple[str, Side, int]]) -> None:
    desk = Desk(Market())
    for symbol, side, quantity in orders:
        before = desk.standing("mara")
        try:
            desk.order("mara", symbol, side, quantity)
        except Refused:
            assert desk.standing("mara") == before
            continue
        after = desk.standing("mara")
        assert after.equity == before.equity == OPENING_CASH
        assert all(held > 0 for held in after.positions.values())
        assert side is Side.SELL or after.ratio >= INITIAL_MARGIN
    assert desk.margin_calls() == []


def test_a_margin_call_is_due_once_until_the_account_has_recovered() -> None:
    market = Market()
    desk = Desk(market)
    desk.order("mara", "RILL", Side.BUY, int(OPENING_CASH * Decimal("3.9") / market.price("RILL")))
    assert desk.margin_calls() == []
    market.shock(-0.12)
    [(user, standing)] = desk.margin_calls()
    assert (user, standing.ratio < CALL_BELOW) == ("mara", True)
    assert standing.equity + standing.missing == pytest.approx(
        standing.exposure * RECOVERED_AT, abs=Decimal("0.01")
    )
    assert desk.margin_calls() == []
    market.shock(0.10)
    assert desk.margin_calls() == [], "better, but not recovered"
    market.shock(-0.10)
    assert desk.margin_calls() == [], "so nothing is said again"
    market.shock(0.30)
    assert desk.margin_calls() == [], "recovered"
    market.shock(-0.25)
    assert len(desk.margin_calls()) == 1


def test_the_page_says_the_same_in_both_languages() -> None:
    words = Page().words
    assert set(words["en"]) == set(words["zh-CN"])
    assert all(value.strip() for one in words.values() for value in one.values())


def test_the_demo_forgets_only_what_it_made(tmp_path: Path) -> None:
    strangers = tmp_path / "photos"
    strangers.mkdir()
    (strangers / "cat.jpg").write_text("meow", encoding="utf-8")
    with pytest.raises(FileExistsError, match="--directory"):
        forget(strangers)
    (strangers / MARK).touch()
    forget(strangers)
    assert not strangers.exists()


async def test_a_confirmation_waits_until_chatpush_has_it(push: Push, chatpush: FakeChatpush) -> None:
    chatpush.refusals = 2
    telling = Telling(push, escalate_seconds=5)
    await telling.start()
    trade = Desk(Market()).order("mara", "WICK", Side.BUY, 40)
    telling.trade(trade)
    (message,) = await until(lambda: chatpush.sent("/v1/messages"))
    await telling.stop()
    assert chatpush.refusals == 0
    assert (message["to"], message["data"]["id"], message["escalate_after"]) == (
        [{"user": "mara"}],
        trade.id,
        5,
    )
    chatpush.refusals = 1
    await telling.quotes(Market())
    assert chatpush.sent("/api/publish") == [], "a quote that can't be published is not repeated"


async def test_one_command_opens_the_desk(tmp_path: Path) -> None:
    ports = ["--port", str(free_port()), "--desk-port", str(free_port()), "--mail-port", str(free_port())]
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "examples.trading.demo", "--once", "--directory", str(tmp_path / "desk"), *ports,
        cwd=ROOT, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.STDOUT,
    )  # fmt: skip
    said, _ = await asyncio.wait_for(process.communicate(), 90)
    assert process.returncode == 0, said.decode()
    assert f"http://127.0.0.1:{ports[3]}" in said.decode()


# -- the flows, in a browser -------------------------------------------------------


async def test_quotes_move_live_and_go_as_differences(desk: Floor, browser: Browser) -> None:
    async with screen(browser, desk, "mara") as mara:
        before = await mara.page.locator("#quotes [data-of=price]").all_text_contents()

        async def moved() -> bool:
            return await mara.page.locator("#quotes [data-of=price]").all_text_contents() != before

        await until(moved)
        await until(lambda: mara.deltas >= 3)
        boards = [frame for frame in mara.frames if "quotes:board" in frame and '"delta":true' in frame]
        whole = max(len(frame) for frame in mara.frames if "WICK" in frame and '"delta":true' not in frame)
        assert sorted(map(len, boards))[len(boards) // 2] < whole * 0.7
        assert mara.problems == []


async def test_a_trade_is_confirmed_on_the_page_and_the_pager_keeps_silent(
    desk: Floor, browser: Browser
) -> None:
    async with screen(browser, desk, "mara") as mara:
        await mara.page.locator("#quantity").fill("40")
        await mara.row("WICK").get_by_role("button", name="Buy").click()
        await expect(mara.widget(".toast")).to_contain_text("Bought 40 WICK at $")
        await expect(mara.row("WICK").locator(".held")).to_have_text("40")
        await expect(mara.page.locator("#trades")).to_contain_text("Bought 40 WICK")
        await mara.page.locator("#quantity").fill("41")
        await mara.row("WICK").get_by_role("button", name="Sell").click()
        await expect(mara.page.locator("#refusal")).to_have_text("You hold fewer shares than that.")
        assert mara.problems == [
            "Failed to load resource: the server responded with a status of 422 (Unprocessable Entity)"
        ]
        delivered = await until(lambda: receipts(desk))
        assert delivered, "the page's receipt came, so the chain ends"
        assert (await desk.account("mara"))["pager"] == []


async def receipts(desk: Floor) -> bool:
    """Return whether the newest message has its receipt."""
    newest = (await desk.push.call("GET", "/v1/messages"))["data"][0]
    seen = await desk.push.call("GET", f"/v1/messages/{newest['id']}")
    return [one["state"] for one in seen["deliveries"]] == ["delivered"]


async def test_without_a_page_the_confirmation_goes_to_the_pager(desk: Floor) -> None:
    assert (await desk.order("chenwei", "LUMA", 30))["status"] == 201

    async def rang() -> list[str]:
        pager: list[str] = (await desk.account("chenwei"))["pager"]
        return pager

    (said,) = await until(rang)
    assert said.startswith("买入 LUMA 30 股，成交价 US$")
    assert "流明照明 30 股" in said


async def test_who_answers_neither_page_nor_pager_gets_a_letter(desk: Floor, browser: Browser) -> None:
    trade = await desk.order("mara", "WICK", 25)
    assert trade["status"] == 201

    async def written() -> list[str]:
        letters: list[str] = (await desk.account("mara"))["letters"]
        return letters

    (letter,) = await until(written, seconds=30)
    assert "Bought 25 WICK at $" in letter
    assert (await desk.account("mara"))["pager"][0].startswith("Bought 25 WICK")
    newest = (await desk.push.call("GET", "/v1/messages"))["data"][0]
    (delivery,) = (await desk.push.call("GET", f"/v1/messages/{newest['id']}"))["deliveries"]
    why = (await desk.push.call("GET", f"/v1/deliveries/{delivery['id']}"))["trace"]
    assert [step["detail"]["channels"] for step in why if step["verdict"] == "sent"] == [
        ["ws"], ["chat_webhook"], ["email"],
    ]  # fmt: skip
    async with screen(browser, desk, "mara") as mara:
        await expect(mara.page.locator("#letters")).to_contain_text("Bought 25 WICK at $")


async def test_the_post_is_a_mail_server_with_limits() -> None:
    letters, port = Letters(), free_port()
    await letters.start("127.0.0.1", port)
    letter = EmailMessage()
    letter["From"], letter["To"], letter["Subject"] = "a@x.example", "mara@traders.example", "Kept"
    letter.set_content("first\n.second\n")
    await aiosmtplib.send(letter, hostname="127.0.0.1", port=port, start_tls=False)
    assert letters.of("mara@traders.example") == ["Kept\nfirst\n.second"]
    letter.set_content("line\n" * 60_000)
    with pytest.raises(aiosmtplib.SMTPResponseException, match="too large"):
        await aiosmtplib.send(letter, hostname="127.0.0.1", port=port, start_tls=False)
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(b"DATA\r\nNONSENSE\r\nNOOP\r\nQUIT\r\n")
    said = (await reader.read()).decode()
    assert [line[:3] for line in said.splitlines()] == ["220", "503", "503", "250", "221"]
    writer.close()
    await letters.stop()


async def test_a_margin_call_breaks_the_night_and_an_offer_does_not(desk: Floor, browser: Browser) -> None:
    await desk.clock_at("mara", 3)
    offer = {
        "to": [{"user": "mara"}], "category": "alert", "content": {"title": "New research", "body": "Read it."},
    }  # fmt: skip
    research = await desk.push.message(offer, "research")
    price = Decimal((await desk.order("mara", "RILL", 1))["trades"][0]["price"])
    quantity = int(OPENING_CASH * Decimal("3.8") / price)
    assert (await desk.order("mara", "RILL", quantity))["status"] == 201
    async with screen(browser, desk, "mara") as mara:
        await desk.move("crash")
        await expect(mara.widget(".toast").filter(has_text="Margin call")).to_be_visible()
        await mara.widget(".launcher").click()
        await mara.widget("#tab-inbox").click()
        titles = mara.widget(".item h3")
        await expect(titles.first).to_contain_text("Margin call: your own money is 1")
        assert "New research" not in await titles.all_text_contents()
        [held] = (await desk.push.call("GET", f"/v1/messages/{research}"))["deliveries"]
        assert (held["state"], held["reason"]) == ("scheduled", "quiet_hours")
        assert mara.problems == []


async def test_the_desk_is_chinese_for_who_is(desk: Floor, browser: Browser) -> None:
    async with screen(browser, desk, "chenwei", locale="zh-CN") as chenwei:
        await expect(chenwei.page.get_by_role("heading", name="账户")).to_be_visible()
        await chenwei.row("VOLT").get_by_role("button", name="买入").click()
        await expect(chenwei.widget(".toast")).to_contain_text("买入 VOLT 50 股")


@pytest.mark.parametrize(
    ("asked", "refused"),
    [
        ({"symbol": "NONE", "side": "buy", "quantity": 1}, "symbol"),
        ({"symbol": "WICK", "side": "buy", "quantity": 0}, "quantity"),
        ({"symbol": "WICK", "side": "buy", "quantity": "many"}, "quantity"),
        ({"symbol": "WICK", "side": "steal", "quantity": 1}, "quantity"),
        ({"symbol": "WICK", "side": "sell", "quantity": 1}, "holdings"),
        ({"symbol": "WICK", "side": "buy", "quantity": 100_000}, "margin"),
        ([], "quantity"),
    ],
)
async def test_bad_orders_are_refused_with_a_reason(desk: Floor, asked: object, refused: str) -> None:
    async with desk.http.post(f"{desk.demo.desk}/orders", json=asked) as answer:
        assert (answer.status, await answer.json()) == (422, {"refused": refused})


async def test_strange_requests_are_refused(desk: Floor) -> None:
    for path, body, status in (
        ("/orders", "symbol=WICK", 415),
        ("/market/crash", "", 404),
        ("/market/upside-down", "", 404),
        ("/pager/nobody", "{}", 404),
        ("/pager/mara", "{}", 400),
        ("/pager/mara", "{", 400),
    ):
        async with desk.http.post(desk.demo.desk + path, data=body) as answer:
            assert answer.status == status, path
