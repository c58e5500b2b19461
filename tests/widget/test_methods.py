"""What a page calls: each method of the widget does what its page says."""

from __future__ import annotations

import pytest
from playwright.async_api import expect

from tests.waiting import until
from tests.widget.conftest import Tab
from tests.widget.mock import MockServer

pytestmark = pytest.mark.asyncio(loop_scope="package")
COUNT_OPENED = """
window.times = 0;
window.count = () => { window.times += 1; };
chatpush.on('opened', window.count);
0;
"""


async def test_open_close_and_toggle_are_told(tab: Tab) -> None:
    await tab.open("emma")
    await tab.connected()
    panel = tab.find(".panel")
    for method, shown in (("open", True), ("close", False), ("toggle", True), ("toggle", False)):
        await tab.call(method)
        await (expect(panel).to_be_visible() if shown else expect(panel).to_be_hidden())
    assert (len(await tab.heard("opened")), len(await tab.heard("closed"))) == (2, 2)


async def test_who_no_longer_listens_hears_nothing(tab: Tab) -> None:
    await tab.open("emma")
    await tab.connected()
    await tab.page.evaluate(COUNT_OPENED)
    await tab.call("open")

    async def once() -> bool:
        return bool(await tab.page.evaluate("times") == 1)

    await until(once)
    await tab.call("close")
    await tab.page.evaluate("chatpush.off('opened', count)")
    await tab.call("open")

    async def twice() -> bool:
        return len(await tab.heard("opened")) == 2

    await until(twice)  # others still hear it
    assert await tab.page.evaluate("times") == 1


async def test_the_language_changes_in_place_and_with_it_the_direction(tab: Tab) -> None:
    await tab.open("emma")
    await tab.connected()
    await tab.call("open", "chat")
    field, root = tab.find("textarea"), tab.find("[dir]").first
    await field.fill("half a sen")
    for locale, direction in (("zh-CN", "ltr"), ("ar", "rtl"), ("en", "ltr")):
        before = await field.get_attribute("placeholder")
        await tab.call("setLocale", locale)
        await expect(field).not_to_have_attribute("placeholder", str(before))
        await expect(root).to_have_attribute("dir", direction)
    await expect(field).to_have_value("half a sen")  # what was typed stays


async def test_what_is_tracked_reaches_the_server(tab: Tab, server: MockServer) -> None:
    await tab.open("emma")
    await tab.connected()
    await tab.call("track", "view", {"item": "mug", "page": "home"})
    await until(lambda: server.asked("POST", "/v1/me/events"))
    assert server.asked("POST", "/v1/me/events") == [
        {"type": "view", "item": "mug", "properties": {"page": "home"}}
    ]


async def test_the_look_follows_an_update_and_the_pages_own_variables(tab: Tab) -> None:
    await tab.open("emma")
    await tab.connected()
    launcher = tab.find(".launcher")
    accent = "element => getComputedStyle(element).getPropertyValue('--accent').trim()"
    await tab.call("update", {"accent": "#112233"})
    assert await launcher.evaluate(accent) == "#112233"
    await tab.call("update", {"position": "left"})
    box = await launcher.bounding_box()
    assert box is not None
    assert box["x"] < 100
    assert await launcher.evaluate(accent) == "#112233"  # what is not named stays
    await tab.page.evaluate("document.documentElement.style.setProperty('--chatpush-accent', '#445566')")
    assert await launcher.evaluate(accent) == "#445566"


async def test_an_answer_under_way_is_stopped_by_its_button(tab: Tab, server: MockServer) -> None:
    made = server.conversation()
    await tab.open("emma")
    await tab.connected()
    await tab.call("open", "chat")
    await until(lambda: server.subscribers(made["channel"]))
    turn = server.turn("assistant", "", streaming=True)
    await server.publish(made["channel"], {"type": "turn", "turn": turn})
    await server.publish(
        made["channel"], {"type": "turn.delta", "turn": turn["id"], "seq": 1, "text": "Let me"}
    )
    stop = tab.find(".send")
    await expect(stop).to_have_attribute("aria-label", "Stop answering")
    await stop.click()
    await until(lambda: server.asked("POST", f"/v1/me/conversations/{made['id']}/stop"))
    await server.publish(
        made["channel"], {"type": "turn", "turn": {**turn, "streaming": False, "text": "Let me"}}
    )
    await expect(stop).to_have_attribute("aria-label", "Send")
    await expect(tab.find(".by-assistant .bubble")).to_have_text("Let me")


async def test_nothing_that_is_called_wrongly_breaks_the_page(tab: Tab) -> None:
    await tab.open("emma")
    await tab.connected()
    for wrong in ("chatpush('nonsense')", "chatpush.open(7)", "chatpush.track()", "chatpush('on')"):
        assert (
            await tab.page.evaluate(f"() => {{ try {{ {wrong}; }} catch (error) {{ return 1; }} return 0; }}")
            == 0
        )
    assert await tab.page.evaluate("document.getElementById('before').click()") is None
    tab.problems = [problem for problem in tab.problems if "there is no method" not in problem]
