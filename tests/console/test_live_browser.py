"""A waiting chat always shows: hints come after what they tell of, and a page notices that it has gone deaf."""

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import pytest
from playwright.async_api import Browser, Page, Route, WebSocketRoute, async_playwright

from chatpush.domain import DEFAULT_TENANT, ConversationState, Json, Role, UserId
from chatpush.support.conversations.announcing import ACTIVITY
from chatpush.support.people.queue import Queue
from tests.console.test_browser import Tab, tab
from tests.console.whole import Client, Whole
from tests.support.house import House
from tests.waiting import until
from tests.widget.conftest import ARGS, browser_path

USERS = [UserId(f"user{number}") for number in range(30)]
SOCKET = "**/connection/websocket*"


@pytest.fixture
async def browser() -> AsyncIterator[Browser]:
    """A running Chromium."""
    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(executable_path=browser_path(), args=ARGS)
        yield browser
        await browser.close()


class Line:
    """The page's sockets: how many there were, and whether anything still comes through."""

    def __init__(self) -> None:
        self.sockets: list[WebSocketRoute] = []
        self.cut = False

    async def watch(self, page: Page) -> None:
        """Stand between the page and the server."""
        await page.route_web_socket(SOCKET, self._open)

    def _open(self, socket: WebSocketRoute) -> None:
        self.sockets.append(socket)
        server = socket.connect_to_server()
        server.on_message(lambda message: None if self.cut else socket.send(message))


async def live(whole: Whole, agent: Tab, role: Role = Role.AGENT) -> Page:
    """Sign in and hear of everything by push."""
    await agent.sign_in(await whole.person(role))
    await agent.page.wait_for_selector('html[data-live="push"]')
    return agent.page


async def test_a_hint_never_comes_before_what_it_tells_of(
    whole: Whole, monkeypatch: pytest.MonkeyPatch
) -> None:
    house: House = whole.house
    counted: list[tuple[str, int]] = []
    queue = whole.services[Queue]
    assert isinstance(queue, Queue)
    plain = house.channels.publish

    async def publish(tenant: Any, channel: str, data: Json, **more: Any) -> None:
        if channel == ACTIVITY and isinstance(data, dict) and data.get("state") == "waiting":
            counts = await queue.counts(DEFAULT_TENANT)
            lines = await queue.lines(DEFAULT_TENANT, (ConversationState.WAITING,))
            assert data["id"] in [line.conversation.id for line in lines]
            counted.append((str(data["id"]), counts.of(ConversationState.WAITING)))
        await plain(tenant, channel, data, **more)

    monkeypatch.setattr(house.channels, "publish", publish)
    conversations = [await house.conversation(user) for user in USERS]
    await asyncio.gather(*(house.desk.hand_over(one) for one in conversations))
    # Whoever looks after the last hint sees all.
    assert {id_ for id_, _ in counted} == {one.id for one in conversations}
    assert counted[-1][1] == len(USERS)


async def test_a_burst_ends_with_the_right_badge_though_looks_fail(
    whole: Whole, client: Client, browser: Browser
) -> None:
    refused = 0

    async def busy(route: Route) -> None:
        nonlocal refused
        refused += 1
        await route.fulfill(status=503, body="busy") if refused <= 2 else await route.continue_()

    async with tab(browser, client) as agent:
        page = await live(whole, agent)
        await page.route("**/console/waiting", busy)
        conversations = [await whole.house.conversation(user) for user in USERS]
        await asyncio.gather(*(whole.house.desk.hand_over(one) for one in conversations))
        await page.wait_for_selector(f".nav .badge >> text={len(USERS)}")
        assert refused > 2
        agent.problems = [problem for problem in agent.problems if "503" not in problem]


async def test_a_page_whose_line_has_gone_dead_connects_again(
    whole: Whole, client: Client, browser: Browser
) -> None:
    async with tab(browser, client) as agent:
        line = Line()
        await line.watch(agent.page)
        await agent.page.clock.install()
        page = await live(whole, agent)
        line.cut = True  # no ping, no word, and the socket stays open
        before = len(line.sockets)
        await page.clock.fast_forward(60_000)
        await page.wait_for_selector('html[data-live="ask"]', state="attached")
        line.cut = False
        await page.clock.fast_forward(60_000)
        await page.wait_for_selector('html[data-live="push"]')
        assert len(line.sockets) > before


TAKEN_OFF = '{"push":{"channel":"console:activity","unsubscribe":{"code":2500}}}'
REFUSED = '{"id":9,"error":{"code":100}}'


@pytest.mark.parametrize("word", [TAKEN_OFF, REFUSED])
async def test_a_page_that_is_taken_off_the_channel_comes_back(
    whole: Whole, client: Client, browser: Browser, word: str
) -> None:
    async with tab(browser, client) as agent:
        line = Line()
        await line.watch(agent.page)
        page = await live(whole, agent)
        before = len(line.sockets)
        line.sockets[-1].send(word)
        await until(lambda: len(line.sockets) > before)
        await page.wait_for_selector('html[data-live="push"]')


async def test_a_page_the_browser_has_kept_listens_again(
    whole: Whole, client: Client, browser: Browser
) -> None:
    async with tab(browser, client) as agent:
        page = await live(whole, agent)
        await page.evaluate(
            "() => window.dispatchEvent(new PageTransitionEvent('pagehide', { persisted: true }))"
        )
        assert await page.locator('html[data-live="ask"]').count() == 1
        await page.evaluate(
            "() => window.dispatchEvent(new PageTransitionEvent('pageshow', { persisted: true }))"
        )
        await page.wait_for_selector('html[data-live="push"]')
        await whole.house.desk.hand_over(await whole.house.conversation(USERS[0]))
        await page.wait_for_selector(".nav .badge >> text=1")
