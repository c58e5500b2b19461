"""Files in the chat: chosen, dropped, pasted; their progress, what is refused, and how they are shown."""

from __future__ import annotations

import asyncio
import base64
from typing import Any

import pytest
from playwright.async_api import FilePayload, expect

from tests.support.files import PNG, png
from tests.waiting import until
from tests.widget.conftest import Tab
from tests.widget.mock import MockServer

pytestmark = pytest.mark.asyncio(loop_scope="package")

RULES = {"max_bytes": 10_000, "types": ["image/png", "text/plain"], "per_turn": 2}
PHOTO: FilePayload = {"name": "photo.png", "mimeType": "image/png", "buffer": PNG}
# A file dropped or pasted by the page's own script, as the browser hands it over.
HAND_OVER = """
([selector, type, name, body]) => {
  const target = document.querySelector('chatpush-widget').shadowRoot.querySelector(selector);
  const data = new DataTransfer();
  data.items.add(new File([Uint8Array.from(atob(body), (c) => c.charCodeAt(0))], name, { type: 'image/png' }));
  const init = { bubbles: true, cancelable: true };
  const event = type === 'paste'
    ? new ClipboardEvent(type, { ...init, clipboardData: data })
    : new DragEvent(type, { ...init, dataTransfer: data });
  return target.dispatchEvent(event);
}
"""


async def chatting(tab: Tab, server: MockServer, **boot: Any) -> dict[str, Any]:
    """Open the chat where files may be sent."""
    server.config |= {"attachments": RULES}
    made = server.conversation()
    await tab.open("emma", **boot)
    await tab.connected()
    await tab.call("open", "chat")
    await until(lambda: server.subscribers(made["channel"]))
    await expect(tab.find(".attach")).to_be_visible()
    return made


async def test_a_chosen_picture_is_sent_with_the_words_and_shown(tab: Tab, server: MockServer) -> None:
    made = await chatting(tab, server)
    await tab.find("input[type=file]").set_input_files([PHOTO])
    await expect(tab.find(".upload")).to_have_attribute("data-state", "done")
    await expect(tab.find(".composer [role=status]")).to_have_text("photo.png is ready to send")
    await tab.find("textarea").fill("It arrived like this")
    await tab.page.keyboard.press("Enter")
    await expect(tab.find(".by-user .file.picture img")).to_have_attribute("alt", "photo.png")
    await expect(tab.find(".upload")).to_have_count(0)
    [body] = server.asked("POST", f"/v1/me/conversations/{made['id']}/turns")
    assert body["attachments"] == list(server.files)
    async with tab.page.expect_download() as download:
        await tab.find(".file").click()
    assert (await download.value).suggested_filename == "photo.png"


async def test_dropped_and_pasted_files_are_taken_too(tab: Tab, server: MockServer) -> None:
    """And a file alone can be sent."""
    made = await chatting(tab, server)
    body = base64.b64encode(PNG).decode()
    assert not await tab.page.evaluate(HAND_OVER, [".scroller", "dragover", "a.png", body])
    await expect(tab.find(".scroller.dropping")).to_have_count(1)
    await tab.page.evaluate(HAND_OVER, [".scroller", "drop", "a.png", body])
    await expect(tab.find(".scroller.dropping")).to_have_count(0)
    await tab.page.evaluate(HAND_OVER, ["textarea", "paste", "b.png", body])
    await expect(tab.find(".upload[data-state=done]")).to_have_count(2)
    await tab.find("input[type=file]").set_input_files([PHOTO])
    await expect(tab.find(".snack")).to_have_text("At most 2 files at once.")
    await tab.find(".send").click()
    await expect(tab.find(".by-user .file")).to_have_count(2)
    assert server.asked("POST", f"/v1/me/conversations/{made['id']}/turns")[0]["text"] == ""


async def test_an_upload_shows_how_far_it_is_and_can_be_cancelled(tab: Tab, server: MockServer) -> None:
    """Nothing is sent while it goes on; cancelled, nothing of it is left, here or there."""
    await chatting(tab, server)
    server.stalled = asyncio.Event()
    await tab.find("input[type=file]").set_input_files([PHOTO])
    await expect(tab.find(".upload progress")).to_be_visible()
    await tab.find("textarea").fill("Wait")
    await expect(tab.find(".send")).to_be_disabled()
    await tab.find(".upload .icon-button").click()
    await expect(tab.find(".upload")).to_have_count(0)
    await expect(tab.find(".send")).to_be_enabled()
    server.stalled.set()
    server.stalled = None
    await tab.find("input[type=file]").set_input_files([PHOTO])
    await expect(tab.find(".upload")).to_have_attribute("data-state", "done")
    last = list(server.files)[-1]
    await tab.find(".upload .icon-button").click()
    await until(lambda: last not in server.files)


async def test_what_may_not_be_sent_says_why(tab: Tab, server: MockServer) -> None:
    """Too large, of another kind, refused by the server: the words stay, the rest can be sent."""
    tab.expects_failures = True
    await chatting(tab, server)
    chooser = tab.find("input[type=file]")
    large: FilePayload = {"name": "photo.png", "mimeType": "image/png", "buffer": PNG + bytes(10_000)}
    await chooser.set_input_files(large)
    await expect(tab.find(".upload-name")).to_have_text("photo.png is too large: at most 9.8 kB.")
    await tab.find(".upload .icon-button").click()
    program: FilePayload = {"name": "a.exe", "mimeType": "application/x-msdownload", "buffer": b"MZ"}
    await chooser.set_input_files(program)
    await expect(tab.find(".upload-name")).to_have_text("a.exe: files of this kind can't be sent.")
    await tab.find(".upload .icon-button").click()
    liar: FilePayload = {"name": "a.png", "mimeType": "image/png", "buffer": b"<script>"}
    await chooser.set_input_files(liar)
    await expect(tab.find(".upload-name")).to_have_text("a.png: files of this kind can't be sent.")
    await expect(tab.find(".send")).to_be_disabled()


async def test_where_files_are_not_taken_nothing_is_offered(tab: Tab, server: MockServer) -> None:
    server.config |= {"attachments": None}
    await tab.open("emma")
    await tab.connected()
    await tab.call("open", "chat")
    await expect(tab.find("textarea")).to_be_visible()
    await expect(tab.find(".attach")).to_be_hidden()


async def test_another_user_opens_none_of_the_files(tab: Tab, server: MockServer) -> None:
    """What was fetched lives with its user's widget alone."""
    made = await chatting(tab, server)
    await tab.find("input[type=file]").set_input_files([PHOTO])
    await expect(tab.find(".upload")).to_have_attribute("data-state", "done")
    await tab.find(".send").click()
    await expect(tab.find(".picture img")).to_have_count(1)
    src = await tab.find(".picture img").get_attribute("src")
    await tab.call("shutdown")
    alive = "src => fetch(src).then(() => true, () => false)"
    tab.expects_failures = True
    assert not await tab.page.evaluate(alive, src)
    tab.problems = [problem for problem in tab.problems if "blob:" not in problem]
    assert made["id"]


async def test_who_is_at_the_end_stays_there_when_a_picture_arrives(tab: Tab, server: MockServer) -> None:
    """And who has scrolled up to read is left in peace."""
    made = await chatting(tab, server)
    for number in range(12):
        await server.say(made["id"], "assistant", f"Line {number}\n\nand more of it")
    left = "one => one.scrollHeight - one.scrollTop - one.clientHeight"
    scroller = tab.find(".scroller")
    photo: FilePayload = {"name": "a.png", "mimeType": "image/png", "buffer": png(200, 200)}

    async def send() -> None:
        await tab.find("input[type=file]").set_input_files(photo)
        await expect(tab.find(".upload")).to_have_attribute("data-state", "done")
        await tab.find(".send").click()

    async def at_end() -> bool:
        return bool(await scroller.evaluate(left) < 2)

    await send()
    await expect(tab.find(".picture img")).to_have_count(1)
    await until(at_end)
    await scroller.evaluate("one => one.scrollTo(0, 0)")
    await server.say(made["id"], "assistant", "Another")
    await expect(tab.find(".by-assistant .bubble")).to_have_count(13)
    assert await scroller.evaluate("one => one.scrollTop") == 0
