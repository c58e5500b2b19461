"""The console in a real Chromium: signing in, taking over by keyboard, live counters, a phone."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

import pytest
from playwright.async_api import Browser, Page, Route, async_playwright, expect

from chatpush.domain import DEFAULT_TENANT, ConversationState, Role, Speaker
from chatpush.notify.listing import Window
from tests.console.axe import violations
from tests.console.whole import PASSWORD, Client, Whole
from tests.support.house import ADA, BOB
from tests.waiting import until
from tests.widget.conftest import ARGS, browser_path

WIDE = {"width": 1280, "height": 800}
PHONE = {"width": 390, "height": 844}


@dataclass
class Tab:
    """A page and what went wrong in it, violations of the policy among it."""

    page: Page
    address: str
    problems: list[str] = field(default_factory=list)

    async def go(self, path: str) -> None:
        """Open a page of the console."""
        await self.page.goto(self.address + path)

    async def sign_in(self, email: str, path: str = "/console") -> None:
        """Sign in on the way to a page."""
        await self.go(path)
        await self.page.get_by_label("Email").fill(email)
        await self.page.get_by_label("Password").fill(PASSWORD)
        await self.page.keyboard.press("Enter")
        await self.listens("#main")

    async def listens(self, part: str) -> None:
        """Wait until the page that shows a part hears the keyboard."""
        await self.page.wait_for_selector(f"html[data-ready] {part}")

    async def sees(self, text: str) -> None:
        """Wait until the page shows a text."""
        await self.page.wait_for_function("text => document.body.innerText.includes(text)", arg=text)


@pytest.fixture
async def browser() -> AsyncIterator[Browser]:
    """A running Chromium."""
    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(executable_path=browser_path(), args=ARGS)
        yield browser
        await browser.close()


@asynccontextmanager
async def tab(browser: Browser, client: Client, size: dict[str, int] | None = None) -> AsyncIterator[Tab]:
    """Open a tab; anything the browser complains about fails the test."""
    context = await browser.new_context(viewport=size or WIDE, locale="en-GB")  # type: ignore[arg-type]
    page = await context.new_page()
    opened = Tab(page, str(client.make_url("")).rstrip("/"))
    page.on("pageerror", lambda error: opened.problems.append(str(error)))
    page.on("console", lambda said: opened.problems.append(said.text) if said.type == "error" else None)
    yield opened
    # A page that asks for a sign-in answers 401, and the browser notes that.
    assert [problem for problem in opened.problems if "401" not in problem] == []
    await context.close()


async def _second_conversation(whole: Whole) -> None:
    await whole.house.say("I want to talk to a person", BOB)


async def test_an_agent_answers_by_keyboard_and_the_thread_is_live(
    whole: Whole, client: Client, browser: Browser
) -> None:
    email = await whole.person(Role.AGENT)
    await _second_conversation(whole)
    async with tab(browser, client) as agent:
        page = agent.page
        await agent.sign_in(email, "/console/conversations")
        assert await page.locator("#lines [data-line]").first.inner_text() != ""
        await page.keyboard.press("j")  # the one that waits stands first
        await agent.listens("#turns")
        await agent.sees("I want to talk to a person")
        assert await page.locator("#reply").is_disabled()
        await page.keyboard.press("t")
        await page.wait_for_selector('.thread-head[data-mine="yes"]')
        await page.wait_for_function("!document.getElementById('reply').disabled")
        await page.keyboard.press("r")
        await page.keyboard.type("Hello, how can I help?")
        await page.keyboard.press("Enter")
        await page.wait_for_selector(".turn.agent >> text=Hello, how can I help?")
        assert await page.locator("#reply").input_value() == ""
        bob = await whole.house.conversation(BOB)
        assert bob.state is ConversationState.AGENT
        await whole.house.say("My lamp is broken", BOB)
        await page.wait_for_selector(".turn.user >> text=My lamp is broken")
        assert (await whole.house.turns(BOB))[-1].by is Speaker.USER  # the assistant keeps quiet
        await page.keyboard.press("Escape")
        await page.get_by_role("button", name="Back to assistant").click()
        await page.wait_for_selector('.thread-head[data-state="assistant"]')
        assert await page.locator("#reply").is_disabled()


async def test_what_is_typed_survives_a_live_refresh(whole: Whole, client: Client, browser: Browser) -> None:
    email = await whole.person(Role.AGENT)
    conversation = await whole.house.conversation(ADA)
    async with tab(browser, client) as agent:
        page = agent.page
        await agent.sign_in(email, f"/console/conversations/{conversation.id}")
        await page.keyboard.press("t")
        await page.wait_for_selector('.thread-head[data-mine="yes"]')
        await page.locator("#reply").fill("Let me look")
        first = await page.locator(".turn.user").first.element_handle()
        await whole.house.say("Are you there?")
        await page.wait_for_selector(".turn.user >> text=Are you there?")
        assert await page.locator("#reply").input_value() == "Let me look"
        assert first is not None
        assert await first.evaluate("node => node.isConnected")  # the same node: nothing flashed
        await page.reload()
        assert await page.locator("#reply").input_value() == "Let me look"


async def test_the_overview_moves_by_itself(whole: Whole, client: Client, browser: Browser) -> None:
    email = await whole.person(Role.VIEWER)
    async with tab(browser, client) as viewer:
        page = viewer.page
        await viewer.sign_in(email)
        await page.wait_for_selector(".chart canvas")
        waiting = page.locator(".counter", has_text="Waiting for a person").locator(".counter-value")
        assert await waiting.inner_text() == "0"
        await _second_conversation(whole)
        await page.wait_for_function(
            "() => [...document.querySelectorAll('.counter.warn .counter-value')].some(n => n.innerText === '1')"
        )
        await page.wait_for_selector(".nav .badge >> text=1")


async def test_a_campaign_is_made_in_the_form(whole: Whole, client: Client, browser: Browser) -> None:
    email = await whole.person(Role.EDITOR)
    async with tab(browser, client) as editor:
        page = editor.page
        await editor.sign_in(email, "/console/campaigns/new")
        await page.get_by_label("Name").fill("Evening picks")
        await expect(page.locator(".when:visible")).to_have_count(
            1
        )  # the schedule's; to everybody needs no more
        await page.get_by_role("radio", name="Segment").check()
        await expect(page.locator("#f-segment")).to_be_visible()
        await page.get_by_role("radio", name="Users").check()
        await expect(page.locator("#f-segment")).to_be_hidden()
        await page.locator("#f-users").fill("ada")
        await page.get_by_role("radio", name="Interval").check()
        assert not await page.locator("#f-cron").is_visible()
        await page.get_by_role("button", name="Create campaign").click()
        await page.wait_for_selector("h1 >> text=Evening picks")
        await page.get_by_role("button", name="Dry run").click()
        await page.wait_for_selector("#dry-run .preview")
        await page.get_by_role("button", name="Run now").click()
        await page.wait_for_selector(".tag >> text=Running")
        listed = await whole.runs.of_campaign(DEFAULT_TENANT, page.url.rpartition("/")[2], Window(5))
        assert len(listed.data) == 1


@pytest.mark.parametrize("size", [WIDE, PHONE], ids=["wide", "phone"])
async def test_a_campaigns_page_advises_its_author(
    whole: Whole, client: Client, browser: Browser, size: dict[str, int]
) -> None:
    email = await whole.person(Role.EDITOR)
    sale = {
        "name": "Sale", "to": [{"all": True}], "category": "transactional",
        "content": {
            "title": "Summer sale, only today and only for you, on everything there is in the shop",
            "body": "Everything half price, shop now! 全网最低价，立即抢购！",
        },
        "trigger": {"kind": "cron", "cron": "0 9 * * fri", "timezone": "UTC"},
    }  # fmt: skip
    campaign = await whole.campaigns.create(DEFAULT_TENANT, sale)
    async with tab(browser, client, size) as author:
        await author.sign_in(email, f"/console/campaigns/{campaign.id}")
        card = author.page.locator("#advice section")
        await card.wait_for()
        shown = await card.inner_text()
        for words in (
            "Most opened at",
            "This reads like marketing",
            "a lock screen shows about 50",
            "全网最",
        ):
            assert words in shown
        assert await author.page.evaluate("document.documentElement.scrollWidth") <= size["width"]
        assert await violations(author.page) == []


async def without_token(route: Route) -> None:
    """Send a form as a page does that was open for too long: what refreshes the page brings its token back."""
    headers = {name: value for name, value in route.request.headers.items() if name != "x-csrf-token"}
    await route.continue_(headers=headers, post_data="")


async def test_a_page_says_that_it_is_not_renewed(whole: Whole, client: Client, browser: Browser) -> None:
    email = await whole.person(Role.VIEWER)
    async with tab(browser, client) as viewer:
        page = viewer.page
        await viewer.sign_in(email, "/console/deliveries")
        lost = page.locator("#lost")
        await expect(lost).to_be_hidden()
        await page.route("**/console/deliveries/live*", lambda route: route.abort())
        await expect(lost).to_contain_text("Trying again", timeout=10_000)
        await page.unroute("**/console/deliveries/live*")
        await expect(lost).to_be_hidden(timeout=10_000)
        viewer.problems = [problem for problem in viewer.problems if "ERR_FAILED" not in problem]


async def test_a_refused_button_says_why(whole: Whole, client: Client, browser: Browser) -> None:
    email = await whole.person(Role.AGENT)
    conversation = await whole.house.conversation(ADA)
    async with tab(browser, client) as agent:
        page = agent.page
        await agent.sign_in(email, f"/console/conversations/{conversation.id}")
        await page.route("**/take", without_token)
        await page.get_by_role("button", name="Take over").click()
        await page.wait_for_selector("#toast:not([hidden]) >> text=This form has expired")
        agent.problems = [problem for problem in agent.problems if "403" not in problem]


async def test_the_desk_works_on_a_phone(whole: Whole, client: Client, browser: Browser) -> None:
    email = await whole.person(Role.AGENT)
    async with tab(browser, client, PHONE) as phone:
        page = phone.page
        await phone.sign_in(email, "/console/conversations")
        await page.locator("#lines [data-line]").first.click()
        await page.wait_for_selector("#turns")
        wide = await page.evaluate("document.documentElement.scrollWidth")
        assert wide <= PHONE["width"]
        await page.get_by_label("Back to the list").click()
        await page.wait_for_selector("#lines")
        await page.get_by_role("button", name="Menu").click()
        await page.get_by_role("link", name="Deliveries").click()
        await until(lambda: page.url.endswith("/console/deliveries"))
