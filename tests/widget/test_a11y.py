"""Every screen of the widget passes axe, light and dark, left to right and right to left, large and small."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest
from playwright.async_api import FilePayload, expect

from tests.support.files import PNG
from tests.widget.conftest import Tab
from tests.widget.mock import MockServer, now
from tests.widget.test_people import CLOSED, FORM

pytestmark = pytest.mark.asyncio(loop_scope="package")

AXE = (Path(__file__).parent / "assets" / "axe.js").read_text("utf-8")
RUN = """
async () => {
  const options = { resultTypes: ['violations'], rules: { region: { enabled: false } } };
  const { violations } = await axe.run({ include: [['chatpush-widget']] }, options);
  const said = (one) => `${one.html} ${one.failureSummary}`;
  return violations.map(({ id, nodes }) => `${id}: ${nodes.map(said).join(' | ')}`);
}
"""
LOOKS = [("light", "en"), ("dark", "en"), ("light", "ar"), ("dark", "zh-CN")]
PICKS = [
    {
        "id": name,
        "title": f"Lantern {name}",
        "price": 24,
        "currency": "GBP",
        "url": f"/{name}",
        "reason": "Popular",
        "image": f"/img/{name}.svg",
    }
    for name in "abc"
]
MARKDOWN = (
    "# Hello\n\nIt is **here**: [see](https://example.com)\n\n| a | b |\n|---|---|\n| 1 | 2 |\n\n"
    "```\ncode\n```\n\n> quoted\n\n1. one\n2. two"
)
YES = {"id": "yes", "label": "Yes", "value": "yes"}


async def violations(tab: Tab) -> list[str]:
    """Return what axe finds wrong with the widget as it is on screen now, once it has come to rest."""
    await tab.page.evaluate(
        "Promise.all(document.querySelector('chatpush-widget').shadowRoot.getAnimations()"
        ".filter((one) => one.effect.getComputedTiming().endTime < 5000).map((one) => one.finished.catch(() => 0)))"
    )
    if not await tab.page.evaluate("Boolean(window.axe)"):
        await tab.page.evaluate(AXE)
    found: list[str] = await tab.page.evaluate(RUN)
    return found


async def ready(tab: Tab, server: MockServer, look: tuple[str, str], **standing: Any) -> dict[str, Any]:
    """Open the page in a look, with a conversation that shows everything a turn can have."""
    theme, locale = look
    server.config |= {"attachments": {"max_bytes": 9999, "types": ["image/png"], "per_turn": 3}}
    made = server.conversation(**standing)
    promise = {"id": "prm_1", "text": "when order 1042 arrives", "until": "2030-01-02T10:00:00Z"}
    server.promises = [promise]
    source = {"title": "Delivery", "url": "/help", "quote": "Two days."}
    made["turns"] = [
        server.turn("assistant", MARKDOWN, sources=[source], cards=PICKS),
        server.turn("user", "Thanks. Can a person look?"),
        server.turn("system", "Mia joined."),
        server.turn("agent", "Hello, Mia here.", name="Mia"),
        server.turn("assistant", "Shall I tell you?", promise=promise, actions=[YES]),
    ]  # fmt: skip
    server.inbox = [
        server.item(title="Your parcel is on its way", body="It arrives tomorrow.", url="/orders", at=now(1)),
        server.item(
            title="Picks", format="recommendation", category="marketing", data={"items": PICKS}, at=now(2)
        ),
        server.item(
            title="Card", format="card", image="/img/card.svg", category="alert", at=now(60 * 30), seen=True
        ),
    ]
    await tab.open("emma", theme=theme, locale=locale)
    await tab.connected()
    return made


Screen = Callable[[Tab, MockServer], Awaitable[object]]


async def _inbox(tab: Tab, server: MockServer) -> None:
    await tab.call("open", "inbox")
    await expect(tab.find(".item")).to_have_count(3)


async def _toast(tab: Tab, server: MockServer) -> None:
    await tab.call("close")
    await server.send("emma", title="Arrived", body="Your parcel has arrived.")
    await expect(tab.find(".toast")).to_be_visible()


async def _message(tab: Tab, server: MockServer) -> None:
    await _inbox(tab, server)
    await tab.find(".item-options").first.click()
    await expect(tab.find(".why")).to_be_visible()


async def _shelf(tab: Tab, server: MockServer) -> None:
    server.inbox[2]["shelf"] = "archived"
    await tab.call("open", "inbox")
    await tab.find(".shelf-button").click()
    await expect(tab.find(".shelved")).to_be_visible()


async def _preferences(tab: Tab, server: MockServer) -> None:
    server.preferences["quiet_hours"] = {"start": "22:00", "end": "08:00"}
    await tab.call("open", "inbox")
    await tab.find(".head .icon-button").first.click()
    await expect(tab.find(".pane .promise")).to_be_visible()


async def _chat(tab: Tab, server: MockServer) -> None:
    await tab.call("open", "chat")
    await expect(tab.find(".by-agent .bubble")).to_be_visible()
    await tab.find("textarea").fill("What about this?")


async def _history(tab: Tab, server: MockServer) -> None:
    await _chat(tab, server)
    await tab.find(".history-button").click()
    await expect(tab.find(".history")).to_be_visible()


async def _uploads(tab: Tab, server: MockServer) -> None:
    await _chat(tab, server)
    photo: FilePayload = {"name": "photo.png", "mimeType": "image/png", "buffer": PNG}
    program: FilePayload = {"name": "a.exe", "mimeType": "application/x-msdownload", "buffer": b"MZ"}
    await tab.find("input[type=file]").set_input_files([photo, program])
    await expect(tab.find(".upload[data-state=done]")).to_be_visible()
    await expect(tab.find(".upload[data-state=failed]")).to_be_visible()


async def _sent_files(tab: Tab, server: MockServer) -> None:
    await _chat(tab, server)
    photo: FilePayload = {"name": "photo.png", "mimeType": "image/png", "buffer": PNG}
    await tab.find("input[type=file]").set_input_files([photo])
    await expect(tab.find(".upload[data-state=done]")).to_be_visible()
    await tab.find(".send").click()
    await expect(tab.find(".picture img")).to_be_visible()


async def _transcript(tab: Tab, server: MockServer) -> None:
    await _history(tab, server)
    await tab.find(".history-entry.begin").last.click()
    await tab.find(".form .primary").click()
    await expect(tab.find(".field-note").first).not_to_be_empty()


SCREENS: dict[str, Screen] = {
    "inbox": _inbox, "toast": _toast, "message": _message, "shelf": _shelf, "preferences": _preferences,
    "chat": _chat, "history": _history, "uploads": _uploads, "files": _sent_files, "transcript": _transcript,
}  # fmt: skip


@pytest.mark.parametrize("look", LOOKS, ids=["-".join(look) for look in LOOKS])
async def test_every_screen_has_no_violations(tab: Tab, server: MockServer, look: tuple[str, str]) -> None:
    """One page after the other, each as a user would come to it."""
    found = {}
    for name, show in SCREENS.items():
        server.conversations.clear()
        await ready(tab, server, look)
        await show(tab, server)
        direction = await tab.find(".root").get_attribute("dir")
        assert direction == ("rtl" if look[1] == "ar" else "ltr")
        found[name] = await violations(tab)
    assert {name: wrong for name, wrong in found.items() if wrong} == {}


async def test_forms_of_visitors_and_of_the_night_have_no_violations(tab: Tab, server: MockServer) -> None:
    """The form before a conversation, a message left, an empty inbox, an unreachable server."""
    server.config |= {"prechat": FORM}
    await tab.open(attributes='data-key="pk_test"')
    await tab.connected()
    await tab.call("open", "inbox")
    await expect(tab.find(".inbox .empty h3")).to_be_visible()
    assert await violations(tab) == []
    await tab.call("open", "chat")
    await tab.find(".prechat .primary").click()
    assert await violations(tab) == []
    server.config |= {"prechat": None}
    await ready(tab, server, ("light", "en"), state="waiting", office=CLOSED)
    await tab.call("open", "chat")
    await tab.find(".person").click()
    await expect(tab.find(".pane .form")).to_be_visible()
    assert await violations(tab) == []


async def test_a_rating_has_no_violations(tab: Tab, server: MockServer) -> None:
    made = await ready(tab, server, ("light", "en"), state="closed", may_rate=True)
    await tab.call("open", "chat")
    await tab.find(".star input").last.check()
    await expect(tab.find(".rate-more")).to_be_visible()
    assert await violations(tab) == []
    assert made["may_rate"]


async def test_axe_finds_what_is_wrong(tab: Tab, server: MockServer) -> None:
    """A button without a name is noticed inside the widget: these tests can fail."""
    await tab.open("emma")
    await tab.connected()
    await tab.call("open", "chat")
    await tab.page.evaluate(
        "document.querySelector('chatpush-widget').shadowRoot.querySelector('.panel')"
        ".append(document.createElement('button'))"
    )
    assert any(one.startswith("button-name") for one in await violations(tab))


async def test_on_a_phone_the_keyboard_stays_in_the_panel(tab: Tab, server: MockServer) -> None:
    """The whole screen is the widget's, in either direction; Escape leads back."""
    await tab.page.set_viewport_size({"width": 390, "height": 780})
    await ready(tab, server, ("light", "ar"))
    await tab.find(".launcher").click()
    panel = tab.find(".panel")
    await expect(panel).to_have_attribute("aria-modal", "true")
    assert await violations(tab) == []
    first = tab.find(".head .icon-button").first
    await first.focus()
    await tab.page.keyboard.press("Shift+Tab")
    inside = "document.activeElement === document.querySelector('chatpush-widget')"
    assert await tab.page.evaluate(inside)
    await tab.page.keyboard.press("Tab")
    await expect(first).to_be_focused()
    box = await panel.bounding_box()
    assert box
    assert (box["x"], box["width"]) == (0, 390)
    await tab.page.keyboard.press("Escape")
    await expect(tab.find(".launcher")).to_be_focused()


async def test_nothing_moves_for_whom_it_should_not(tab: Tab, server: MockServer) -> None:
    """Reduced motion: every transition and animation is over at once."""
    await tab.page.emulate_media(reduced_motion="reduce")
    await tab.open("emma")
    await tab.connected()
    await tab.call("open", "inbox")
    longest = await tab.find(".panel").evaluate(
        "one => Math.max(...getComputedStyle(one).transitionDuration.split(',').map(parseFloat))"
    )
    assert longest <= 0.01
    slow = "one.effect.getComputedTiming().activeDuration > 10"
    moving = f"document.querySelector('chatpush-widget').shadowRoot.getAnimations().filter((one) => {slow})"
    assert await tab.page.evaluate(f"{moving}.length") == 0
