"""Rough conditions: a slow network, none at all, a long past, words that do not end, another user in the middle."""

from __future__ import annotations

import asyncio
from functools import partial
from typing import Any

import pytest
from playwright.async_api import BrowserContext, Route, expect

from tests.waiting import until
from tests.widget.conftest import Tab
from tests.widget.mock import MockServer, token_for

pytestmark = pytest.mark.asyncio(loop_scope="package")

MANY = 200


class Line:
    """A slow line: requests to a path wait until they are let through, in whatever order."""

    def __init__(self) -> None:
        self.held: list[tuple[Route, asyncio.Event]] = []

    async def hold(self, route: Route) -> None:
        """Keep a request until it is let go."""
        if route.request.method == "OPTIONS":
            await route.continue_()
            return
        event = asyncio.Event()
        self.held.append((route, event))
        await event.wait()
        await route.continue_()

    @property
    def waiting(self) -> list[int]:
        """The places of those that still wait."""
        return [place for place, (_, event) in enumerate(self.held) if not event.is_set()]

    def let(self, place: int) -> None:
        """Let one through."""
        self.held[place][1].set()


async def opened_slowly(tab: Tab) -> Line:
    """Open the chat as Emma on a line that holds her conversations back."""
    await tab.open("emma")
    await tab.connected()
    line = Line()
    await tab.page.route("**/v1/me/conversations", line.hold)
    await tab.call("open", "chat")
    await until(lambda: line.held)
    return line


def texts(server: MockServer) -> list[tuple[str, str]]:
    """Return what users said, by conversation, in the order it came in."""
    return [
        (cid, turn["text"])
        for cid, one in server.conversations.items()
        for turn in one["turns"]
        if turn["by"] == "user"
    ]


def has_heard(server: MockServer, count: int) -> bool:
    """Return whether users said so many turns."""
    return len(texts(server)) >= count


async def write(tab: Tab, *lines: str) -> None:
    """Write turns, one right after the other."""
    for line in lines:
        await tab.find("textarea").fill(line)
        await tab.page.keyboard.press("Enter")


async def test_what_is_written_before_the_chat_has_come_goes_into_it(tab: Tab, server: MockServer) -> None:
    made = server.conversation()
    made["turns"] = [server.turn("assistant", "Good evening!")]
    line = await opened_slowly(tab)
    await write(tab, "I am quick")
    await expect(tab.find(".by-user .bubble")).to_have_text("I am quick")
    line.let(0)
    await until(lambda: texts(server))
    assert texts(server) == [(made["id"], "I am quick")]
    await expect(tab.find(".turn .bubble")).to_have_text(["Good evening!", "I am quick"])
    assert len(server.conversations) == 1


async def test_what_is_written_quickly_arrives_in_order(tab: Tab, server: MockServer) -> None:
    """The requests of a slow line overtake each other; what was said must not."""
    made = server.conversation()
    made["turns"] = [server.turn("assistant", "Good evening!")]
    await tab.open("emma")
    await tab.connected()
    await tab.call("open", "chat")
    await expect(tab.find(".by-assistant .bubble")).to_be_visible()
    line = Line()
    await tab.page.route("**/turns", line.hold)
    await write(tab, "one", "two", "three")
    await expect(tab.find(".by-user .bubble")).to_have_text(["one", "two", "three"])
    for count in (1, 2, 3):  # the last that is on its way comes first
        await until(lambda: line.waiting)
        line.let(line.waiting[-1])
        await until(partial(has_heard, server, count))
    assert [text for _, text in texts(server)] == ["one", "two", "three"]
    await expect(tab.find(".by-user .bubble")).to_have_text(["one", "two", "three"])


async def test_another_user_in_the_middle_of_sending_sees_and_says_nothing(
    tab: Tab, server: MockServer
) -> None:
    """What the former user wrote is said as them or not at all; the next one's chat begins empty."""
    tab.expects_failures = True
    line = await opened_slowly(tab)
    line.let(0)
    await expect(tab.find(".chat .hero h3")).to_be_visible()
    await write(tab, "My secret")
    await until(lambda: len(line.held) > 1)
    said_by: list[str] = []

    async def note(route: Route) -> None:
        said_by.append((await route.request.header_value("authorization")) or "")
        await route.continue_()

    await tab.page.route("**/turns", note)
    visitors = server.visitors
    await tab.call("shutdown")
    await tab.call("boot", {"token": token_for("jonas"), "locale": "en"})
    for place in range(1, len(line.held)):
        line.let(place)
    await tab.page.unroute("**/v1/me/conversations")
    await until(lambda: len(server.asked("GET", "/v1/me/inbox")) > 1)
    await tab.call("open", "chat")
    await expect(tab.find("textarea")).to_be_visible()
    heard = await tab.find(".panel").inner_text()
    assert heard.strip()
    assert "My secret" not in heard
    assert not line.waiting
    await write(tab, "Mine")
    await until(lambda: "Mine" in [text for _, text in texts(server)])
    assert all(token_for("jonas") in one or token_for("emma") in one for one in said_by)
    assert [one for one in said_by if token_for("jonas") in one] == [said_by[-1]]
    assert server.visitors == visitors  # nobody became a visitor to say it


async def test_without_a_network_it_says_so_and_sends_when_it_is_back(
    tab: Tab, server: MockServer, context: BrowserContext
) -> None:
    tab.expects_failures = True
    made = server.conversation()
    made["turns"] = [server.turn("assistant", "Good evening!")]
    await tab.open("emma")
    await tab.connected()
    await tab.call("open", "chat")
    await expect(tab.find(".by-assistant .bubble")).to_be_visible()
    await context.set_offline(True)
    await server.drop_sockets()
    await write(tab, "Is anybody there?")
    await expect(tab.find(".not-sent")).to_be_visible()
    await expect(tab.find(".net")).to_contain_text("No connection")
    await server.say(made["id"], "assistant", "Said while away")
    await context.set_offline(False)
    await expect(tab.find(".net")).to_be_hidden()
    await expect(tab.find(".by-assistant .bubble").last).to_have_text("Said while away")
    await tab.find(".not-sent button").click()
    await until(lambda: texts(server))
    await expect(tab.find(".not-sent")).to_have_count(0)
    assert texts(server) == [(made["id"], "Is anybody there?")]


async def test_a_long_past_ends_at_its_end_and_is_not_read_aloud(tab: Tab, server: MockServer) -> None:
    """Two hundred turns: the last is in sight, the first is there, and only what is new is announced."""
    made = server.conversation()
    made["turns"] = [server.turn(("user", "assistant")[n % 2], f"Turn number {n}") for n in range(MANY)]
    await tab.open("emma")
    await tab.connected()
    await tab.call("open", "chat")
    turns = tab.find(".turn")
    await expect(turns).to_have_count(MANY)
    await expect(turns.last).to_be_in_viewport()
    heard = tab.find("[aria-live=polite]")
    assert "Turn number" not in " ".join(await heard.all_inner_texts())
    await server.say(made["id"], "assistant", "The newest word")
    await expect(turns.last).to_be_in_viewport()
    await until_heard(tab, "The newest word")
    await turns.first.scroll_into_view_if_needed()
    await expect(turns.first).to_be_in_viewport()
    await server.say(made["id"], "assistant", "Said while reading above")
    await expect(turns).to_have_count(MANY + 2)
    await expect(turns.first).to_be_in_viewport()  # nobody is torn away from what they read


LONG = "Donaudampfschifffahrtselektrizitätenhauptbetriebswerkbauunterbeamtengesellschaft" * 3
WIDE, DOUBLE, FOURFOLD = (
    {"width": 1280, "height": 800},
    {"width": 640, "height": 400},
    {"width": 320, "height": 256},
)
"""A window, and what is left of one at 200 and at 400 per cent (WCAG 2.2, 1.4.4 and 1.4.10)."""
OUTSIDE = """
() => {
  const root = document.querySelector('chatpush-widget').shadowRoot;
  const panel = root.querySelector('.panel').getBoundingClientRect();
  const scrolls = (one) => one.closest('.cards, pre, .table, table');
  return [...root.querySelectorAll('.panel *')].filter((one) => {
    const box = one.getBoundingClientRect();
    return box.width > 1 && !scrolls(one) && (box.right > panel.right + 1 || box.left < panel.left - 1);
  }).map((one) => `${one.tagName}.${one.className}`);
}
"""


async def talkative(tab: Tab, server: MockServer, locale: str = "en") -> None:
    """Open the page with a conversation and an inbox full of words that do not end."""
    made = server.conversation()
    actions = [{"id": "a", "label": LONG[:120], "value": "a"}, {"id": "b", "label": "Yes", "value": "yes"}]
    markdown = f"`{LONG}` **{LONG}** https://shop.example/{LONG}\n\n| {LONG} | b |\n|---|---|\n| 1 | 2 |"
    made["turns"] = [
        server.turn("agent", LONG, name=LONG),
        server.turn("user", LONG),
        server.turn(
            "assistant", markdown, sources=[{"title": LONG, "url": "/x", "quote": LONG}], actions=actions
        ),
    ]
    card = {"title": LONG, "price": 24, "currency": "GBP", "url": "/a", "reason": LONG, "image": "/img/a.svg"}
    cards = [{"id": name, **card} for name in "abcd"]
    server.inbox = [
        server.item(title=LONG, body=LONG, url="/orders", category=LONG),
        server.item(title="Picks", format="recommendation", data={"items": cards}),
    ]
    await tab.open("emma", locale=locale)
    await tab.connected()


@pytest.mark.parametrize("size", [WIDE, DOUBLE, FOURFOLD], ids=["100", "200", "400"])
@pytest.mark.parametrize("locale", ["en", "ar"])
async def test_words_without_an_end_stay_inside_at_any_zoom(
    tab: Tab, server: MockServer, size: Any, locale: str
) -> None:
    await tab.page.set_viewport_size(size)
    await talkative(tab, server, locale)
    for place, there in (("inbox", ".item"), ("chat", ".turn")):
        await tab.call("open", place)
        await expect(tab.find(there).first).to_be_attached()
        await tab.find(".panel").evaluate(
            "one => Promise.all(one.getAnimations({ subtree: true }).map((each) => each.finished))"
        )
        assert await tab.page.evaluate(OUTSIDE) == []
        assert await tab.page.evaluate("document.documentElement.scrollWidth") <= size["width"]
    # What is said keeps some room, and what is written a line.
    said = await tab.find(".chat .turns").bounding_box()
    written = await tab.find(".composer textarea").bounding_box()
    assert said
    assert written
    assert said["height"] >= 60
    assert written["y"] + written["height"] <= size["height"]


@pytest.mark.parametrize("locale", ["en", "ar"])
async def test_recommended_items_begin_and_end_with_their_message(
    tab: Tab, server: MockServer, locale: str
) -> None:
    """In either direction the row of cards scrolls within its message."""
    await tab.page.set_viewport_size({"width": 390, "height": 780})
    await talkative(tab, server, locale)
    await tab.call("open", "inbox")
    row, item = tab.find(".item .cards"), tab.find(".item").last
    await expect(row.locator("li")).to_have_count(4)
    inner, outer = await row.bounding_box(), await item.bounding_box()
    assert inner
    assert outer
    assert inner["x"] >= outer["x"] - 0.5
    assert inner["x"] + inner["width"] <= outer["x"] + outer["width"] + 0.5
    await row.locator("li").last.scroll_into_view_if_needed()
    await expect(row.locator("li").last).to_be_in_viewport(ratio=0.9)


async def test_with_forced_colours_it_shows_what_is_chosen(tab: Tab, server: MockServer) -> None:
    """Where the reader's own colours replace ours, what is on differs from what is off."""
    await tab.page.emulate_media(forced_colors="active")
    await talkative(tab, server)
    await tab.call("open", "chat")
    colour = "one => getComputedStyle(one).backgroundColor"
    tabs = [await tab.find(f"#tab-{name}").evaluate(colour) for name in ("inbox", "chat")]
    assert tabs[0] != tabs[1]
    await tab.find(".head .icon-button").first.click()
    switches = tab.find("[role=switch]:enabled")
    await expect(switches.first).to_be_visible()
    await switches.first.click()
    states: dict[str, set[str]] = {"true": set(), "false": set()}
    for one in await switches.all():
        shown = await one.locator(".switch").evaluate(colour)
        states[await one.get_attribute("aria-checked") or ""].add(shown)
    assert states["true"]
    assert states["false"]
    assert not states["true"] & states["false"]


NAMED = """
  const NAMED = (one) => one.type === 'radio' ? `radio ${one.name}`
    : `${one.className} ${one.getAttribute('aria-label') ?? one.textContent}`;
"""
REACHABLE = f"""
() => {{
  {NAMED}
  const root = document.querySelector('chatpush-widget').shadowRoot;
  const can = 'a[href], button, input, select, textarea, summary, [tabindex]';
  const seen = (one) => one.checkVisibility() && !one.closest('[inert]') && !one.disabled && one.tabIndex >= 0;
  return [...new Set([...root.querySelectorAll(can)].filter(seen).map(NAMED))];
}}
"""
FOCUSED = f"""
() => {{
  {NAMED}
  const one = document.activeElement?.shadowRoot?.activeElement;
  if (!one) return null;
  const style = getComputedStyle(one.matches('.star input') ? one.parentElement : one);
  const box = one.getBoundingClientRect();
  const around = one.closest('.composer, .item, .star');
  const marked = [one, around].filter(Boolean).map((each) => getComputedStyle(each));
  const shown = marked.some((each) => each.outlineStyle !== 'none' || each.boxShadow !== 'none');
  return [NAMED(one), box.width > 0 && shown];
}}
"""


@pytest.mark.parametrize("screen", ["inbox", "message", "preferences", "chat", "history", "rating"])
async def test_the_keyboard_reaches_all_that_can_be_pressed(
    tab: Tab, server: MockServer, screen: str
) -> None:
    """By Tab alone, each place marked while one is there; nothing is a trap, for Tab leads out again."""
    await talkative(tab, server)
    if screen == "rating":
        next(iter(server.conversations.values())).update(state="closed", may_rate=True)
        await tab.page.reload()
        await tab.connected()
    await tab.call("open", "inbox" if screen in ("inbox", "message", "preferences") else "chat")
    opener = {"message": ".item-options", "preferences": ".head .icon-button", "history": ".history-button"}
    there = {"message": ".why", "preferences": "[role=switch]", "history": ".history", "rating": ".star"}
    if screen in opener:
        await tab.find(opener[screen]).first.focus()
        await tab.page.keyboard.press("Enter")
    await expect(tab.find(there.get(screen, ".panel")).first).to_be_visible()
    await tab.find(".panel").evaluate(
        "one => Promise.all(one.getAnimations({ subtree: true }).map((each) => each.finished))"
    )
    wanted = set(await tab.page.evaluate(REACHABLE))
    assert len(wanted) > 2
    await tab.page.locator("#before").focus()
    reached, unmarked = set(), []
    for _ in range(3 * len(wanted) + 6):
        await tab.page.keyboard.press("Tab")
        found = await tab.page.evaluate(FOCUSED)
        if found:
            reached.add(found[0])
            unmarked += [found[0]] if not found[1] else []
    wanted &= set(await tab.page.evaluate(REACHABLE))  # what was new has been seen, and what said so is gone
    assert wanted - reached == set()
    assert unmarked == []
    await tab.page.locator("#before").focus()
    await tab.page.keyboard.press("Tab")
    await tab.page.keyboard.press("Shift+Tab")
    await expect(tab.page.locator("#before")).to_be_focused()


async def test_the_keyboard_stays_where_it_is_when_something_is_drawn_anew(
    tab: Tab, server: MockServer
) -> None:
    """A message changes or comes while somebody is on a button: they are still on it."""
    server.inbox = [server.item(title="One", url="/one"), server.item(title="Two", url="/two")]
    await tab.open("emma")
    await tab.connected()
    await tab.call("open", "inbox")
    held = (".shelf-button", ".item:has-text('Two') .item-options")
    for number, place in enumerate(held):
        await tab.find(place).focus()
        two = {**server.inbox[-1], "body": f"Changed {number}"}
        await server.publish("user:emma", {"type": "message.updated", **two, "unread": 1})
        await expect(tab.find(".item:has-text('Two')")).to_contain_text(f"Changed {number}")
        await expect(tab.find(place)).to_be_focused()


async def until_heard(tab: Tab, text: str) -> None:
    """Wait until a screen reader would say something."""
    await tab.page.wait_for_function(
        "text => [...document.querySelector('chatpush-widget').shadowRoot.querySelectorAll('[aria-live]')]"
        ".some((one) => one.textContent.includes(text))",
        arg=text,
    )
