"""The desk in a real Chromium: live by push, ready answers, notes, search, a thousand conversations, axe."""

from collections.abc import AsyncIterator
from datetime import timedelta
from typing import Any

import pytest
from playwright.async_api import Browser, Page, Route, async_playwright

from chatpush.domain import DEFAULT_TENANT, ConversationState, Role, Speaker, UserId
from chatpush.support.people.teams import Targets, TeamDraft
from tests.console.axe import violations
from tests.console.test_browser import PHONE, Tab, tab
from tests.console.whole import Client, Whole
from tests.support.house import ADA, BOB
from tests.waiting import until
from tests.widget.conftest import ARGS, browser_path

MANY = 1200
NOTIFICATIONS = """
  window.told = [];
  window.Notification = class {
    constructor(title, options) { window.told.push(options.body); }
    addEventListener() {}
    static permission = "granted";
    static requestPermission = async () => "granted";
  };
"""


@pytest.fixture
async def browser() -> AsyncIterator[Browser]:
    """A running Chromium."""
    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(executable_path=browser_path(), args=ARGS)
        yield browser
        await browser.close()


async def at_desk(whole: Whole, agent: Tab, role: Role = Role.AGENT) -> Page:
    """Sign in and open Ada's conversation, hearing of everything by push."""
    email = await whole.person(role)
    await agent.sign_in(email, f"/console/conversations/{(await whole.house.conversation(ADA)).id}")
    await agent.page.wait_for_selector('html[data-live="push"]')
    return agent.page


async def take(page: Page) -> None:
    """Take the open conversation over."""
    await page.keyboard.press("t")
    await page.wait_for_function("() => !document.getElementById('reply').disabled")


async def test_what_happens_arrives_by_push(whole: Whole, client: Client, browser: Browser) -> None:
    async with tab(browser, client) as agent:
        page = await at_desk(whole, agent)
        ada = await whole.house.conversation(ADA)
        await whole.house.conversations.typing(ada, Speaker.USER)
        await page.wait_for_selector("#typing:not(:empty)")
        await whole.house.say("Are you there?", ADA)
        await page.wait_for_selector(".turn.user >> text=Are you there?")
        assert await page.locator("#typing").inner_text() == ""
        await whole.house.say("I want to talk to a person", BOB)
        await page.wait_for_selector("#lines [data-line] >> text=Waiting")
        await page.wait_for_selector(".nav .badge >> text=1")


async def test_a_button_pressed_before_the_scripts_have_come_holds(
    whole: Whole, client: Client, browser: Browser
) -> None:
    async with tab(browser, client) as agent:
        page = await at_desk(whole, agent)
        await page.route("**/*.js*", lambda route: route.abort())
        await page.reload()
        await page.locator("[data-take]").click()
        await page.wait_for_selector('.thread-head[data-mine="yes"]')
        assert (await whole.house.conversation(ADA)).state is ConversationState.AGENT
        await page.locator("[data-release]").click()
        await page.wait_for_selector("[data-take]")
        assert (await whole.house.conversation(ADA)).state is ConversationState.ASSISTANT
        ours = ("ERR_FAILED", "Transition was aborted")
        agent.problems = [one for one in agent.problems if not any(word in one for word in ours)]


async def test_a_button_that_is_being_pressed_stays_while_others_come_and_go(
    whole: Whole, client: Client, browser: Browser
) -> None:
    await whole.house.desk.hand_over(await whole.house.conversation(ADA))
    async with tab(browser, client) as agent:
        page = await at_desk(whole, agent)
        back = page.locator("[data-release]")
        await back.hover()
        held = await back.element_handle()
        await take(page)  # the button before it goes
        await page.wait_for_function("() => !document.querySelector('[data-take]')")
        assert held is not None
        assert await held.evaluate("button => button.isConnected")
        await back.click()
        await page.wait_for_selector("[data-take]")
        assert (await whole.house.conversation(ADA)).state is ConversationState.ASSISTANT


async def test_the_other_side_sees_typing_and_reading(whole: Whole, client: Client, browser: Browser) -> None:
    async with tab(browser, client) as agent:
        page = await at_desk(whole, agent)
        await take(page)
        await page.keyboard.press("r")
        await page.keyboard.type("One moment")
        channel = (await whole.house.conversation(ADA)).channel
        await until(lambda: whole.house.channels.on(channel, "typing"))
        shown = {"type": "typing", "by": "agent", "name": "Grace Hopper"}
        assert shown in whole.house.channels.on(channel, "typing")
        await page.keyboard.press("Enter")
        await page.wait_for_selector(".turn.agent >> text=One moment")
        assert await page.locator(".seen").count() == 0
        await whole.house.conversations.read(await whole.house.conversation(ADA))
        await page.wait_for_selector(".turn.agent .seen")
        assert whole.house.channels.on(channel, "read")[0]["by"] == "agent"


async def test_a_slash_brings_a_ready_answer_and_a_note_stays_inside(
    whole: Whole, client: Client, browser: Browser
) -> None:
    canned = whole.house.people.staff.canned
    await canned.put(DEFAULT_TENANT, "hello", {"en": "Hello {{ user.name }}, this is {{ agent.name }}."})
    await canned.put(DEFAULT_TENANT, "help", {"en": "How can I help?"})
    async with tab(browser, client) as agent:
        page = await at_desk(whole, agent)
        await take(page)
        await page.keyboard.press("r")
        await page.keyboard.type("/he")
        await page.wait_for_selector("#canned [role=option] >> nth=1")
        await page.keyboard.press("ArrowDown")
        await page.keyboard.press("ArrowUp")
        await page.keyboard.press("Enter")
        hello = "Hello Ada Lovelace, this is Grace Hopper."
        await page.wait_for_function("text => document.getElementById('reply').value === text", arg=hello)
        await page.keyboard.press("Enter")
        await page.wait_for_selector(f".turn.agent >> text={hello}")
        await page.keyboard.press("Escape")
        await page.keyboard.press("n")
        await page.keyboard.type("She is very patient")
        await page.keyboard.press("Enter")
        await page.wait_for_selector(".turn-note >> text=She is very patient")
        assert all("patient" not in turn.text for turn in await whole.house.turns())
        assert "patient" not in str(whole.house.channels.published)


async def test_a_lost_answer_is_sent_again_and_said_once(
    whole: Whole, client: Client, browser: Browser
) -> None:
    async def lose(route: Route) -> None:
        await route.fetch()  # the server has it, the page never hears so
        await route.abort()

    async with tab(browser, client) as agent:
        page = await at_desk(whole, agent)
        await take(page)
        await page.route("**/reply", lose, times=1)
        await page.locator("#reply").fill("Only once, please")
        await page.keyboard.press("Enter")
        await page.wait_for_selector("#toast:not([hidden])")
        await page.keyboard.press("Enter")
        await page.wait_for_function("() => document.getElementById('reply').value === ''")
        said = [turn.text for turn in await whole.house.turns()]
        assert said.count("Only once, please") == 1
        agent.problems = [
            problem for problem in agent.problems if "htmx:" not in problem and "ERR_FAILED" not in problem
        ]


async def test_search_from_the_keyboard(whole: Whole, client: Client, browser: Browser) -> None:
    await whole.house.say("我想申请退款", BOB)
    async with tab(browser, client) as agent:
        page = await at_desk(whole, agent)
        await page.keyboard.press("s")
        await page.keyboard.type("退款")
        await page.keyboard.press("Enter")
        await page.wait_for_selector(".desk-found >> text=1 found")
        await page.locator("#lines [data-line]").click()
        await page.wait_for_selector(".turn.user >> text=我想申请退款")


async def test_notifications_are_asked_for_and_name_nobody(
    whole: Whole, client: Client, browser: Browser
) -> None:
    async with tab(browser, client) as agent:
        await agent.page.add_init_script(NOTIFICATIONS)
        page = await at_desk(whole, agent)
        await whole.house.say("I want to talk to a person", BOB)
        await page.wait_for_selector(".nav .badge >> text=1")
        assert await page.evaluate("window.told") == []  # nobody has asked for them
        await page.get_by_role("button", name="Desktop notifications").click()
        await page.wait_for_selector("[data-notify][aria-pressed=true]")
        await page.evaluate("Object.defineProperty(document, 'hidden', { value: true })")
        await whole.house.desk.hand_over(await whole.house.conversation(ADA))
        await page.wait_for_function("() => window.told.length === 1")
        assert await page.evaluate("window.told") == ["Somebody waits for a person."]


async def test_the_desk_holds_more_than_a_thousand_open_conversations(
    whole: Whole, client: Client, browser: Browser
) -> None:
    house = whole.house
    for number in range(MANY):
        house.clock.forward(timedelta(milliseconds=1))
        await house.conversations.create(DEFAULT_TENANT, UserId(f"customer-{number}"), "en")
    lines = "document.querySelectorAll('#lines [data-line]').length"
    first = "document.querySelector('#lines [data-line]')?.dataset.line"
    async with tab(browser, client) as agent:
        page = await at_desk(whole, agent)
        assert await page.evaluate(lines) <= 50
        await page.wait_for_selector(f".segments >> text={MANY + 1:,}")
        while not await page.locator("#lines >> text=Ada Lovelace").count():
            before = await page.evaluate(f"[{lines}, {first}]")
            await page.wait_for_function(
                # Whose list is at its end already scrolls up a little first: what stands still is no scrolling.
                f"was => {{ const list = document.querySelector('#lines');"
                f" if ({lines} !== was[0] || {first} !== was[1]) return true;"
                " list.scrollBy(0, -40); list.scrollTo(0, 1e9); return false; }",
                arg=before, polling=200,
            )  # fmt: skip
            assert await page.evaluate(lines) <= 200  # the document does not grow
        assert await page.locator("#more").count() == 0
        await house.say("I want to talk to a person", BOB)  # and the page is still live
        await page.wait_for_selector(".nav .badge >> text=1")
        while await page.locator("#newer").count():
            before = await page.evaluate(f"[{lines}, {first}]")
            await page.evaluate("document.querySelector('#lines').scrollTo(0, 0)")
            await page.wait_for_function(f"was => {lines} !== was[0] || {first} !== was[1]", arg=before)
        await page.wait_for_selector("#lines li:first-child >> text=Waiting")


async def test_what_is_read_stays_in_sight_and_a_deep_line_opens_where_it_stands(
    whole: Whole, client: Client, browser: Browser
) -> None:
    house = whole.house
    for number in range(400):
        house.clock.forward(timedelta(milliseconds=1))
        await house.conversations.create(DEFAULT_TENANT, UserId(f"customer-{number}"), "en")
    async with tab(browser, client) as agent:
        page = await at_desk(whole, agent)
        deep = page.locator("#lines >> text=customer-120")
        while not await deep.count():
            count = await page.locator("#lines [data-line]").count()
            top = await page.evaluate("document.querySelector('#lines [data-line]').dataset.line")
            await page.evaluate("document.querySelector('#lines').scrollTo(0, 1e9)")
            await page.wait_for_function(
                "([n, top]) => { const all = document.querySelectorAll('#lines [data-line]');"
                " return all.length !== n || all[0].dataset.line !== top; }",
                arg=[count, top],
            )
        await deep.click()
        await page.wait_for_selector("#lines [aria-current] >> text=customer-120")
        chosen = page.locator("#lines [aria-current]")
        box = await chosen.bounding_box()
        assert box is not None
        assert 0 < box["y"] < 1000
        assert await page.locator("#newer").count() == 1
        await page.get_by_role("button", name="Show earlier ones").click()
        await page.wait_for_selector("#lines >> text=customer-399")


async def everything_at_once(whole: Whole) -> str:
    """Fill Ada's conversation with whatever a page can show; return its id."""
    staff, house = whole.house.people.staff, whole.house
    await staff.teams.put(DEFAULT_TENANT, TeamDraft("Help", targets=Targets(first=60, resolution=600)))
    await staff.canned.put(DEFAULT_TENANT, "hello", {"en": "Hello", "zh-CN": "您好"})
    ada = await house.desk.hand_over(await house.conversation(ADA))
    await staff.labels.tag(ada, ["refund", "vip"])
    await staff.labels.rename(ada, "A lost parcel")
    await staff.notes.write(ada, "per_1", "Linus", "Careful with this one")
    await house.desk.reply(DEFAULT_TENANT, ada.id, "per_1", "Linus", "Let me look")
    return ada.id


PAGES = (
    "", "/conversations", "/conversations/{id}", "/deliveries", "/settings", "/settings/people", "/settings/teams",
    "/settings/canned", "/settings/knowledge", "/settings/knowledge/edit?id=ship", "/settings/candidates", "/account",
)  # fmt: skip


@pytest.mark.parametrize("look", ["en-light", "zh-CN-dark", "phone"])
async def test_no_page_keeps_anybody_out(whole: Whole, client: Client, browser: Browser, look: str) -> None:
    conversation = await everything_at_once(whole)
    email = await whole.person(Role.ADMIN)
    size: Any = PHONE if look == "phone" else None
    async with tab(browser, client, size) as admin:
        await admin.sign_in(email)
        language, theme = ("zh-CN", "dark") if look == "zh-CN-dark" else ("en", "light")
        await admin.go(f"/console?language={language}&theme={theme}")
        found = {}
        for path in PAGES:
            await admin.go("/console" + path.format(id=conversation))
            await admin.listens("#main")
            await admin.page.wait_for_load_state("networkidle")
            if broken := await violations(admin.page):
                found[path] = broken
        assert found == {}
