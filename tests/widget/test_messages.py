"""What a message may be: a command, uncounted, timed, changed, taken back, put away, explained."""

from __future__ import annotations

from typing import Any

import pytest
from playwright.async_api import expect

from tests.waiting import until
from tests.widget.conftest import Tab
from tests.widget.mock import MockServer, now

pytestmark = pytest.mark.asyncio(loop_scope="package")


async def inbox(tab: Tab, server: MockServer, *items: dict[str, Any]) -> None:
    """Open the inbox with these messages in it."""
    server.inbox = list(items)
    await tab.open("emma")
    await tab.connected()
    await tab.call("open", "inbox")
    await expect(tab.find(".item")).to_have_count(len(items))


async def test_a_silent_message_is_a_command_to_the_page(tab: Tab, server: MockServer) -> None:
    """No toast, no count, no row; the page hears it, and it was delivered."""
    await tab.open("emma")
    await tab.connected()
    sent = await server.send("emma", silent=True, title="", data={"refresh": "basket"})
    await until(lambda: (sent["delivery"], "delivered") in server.receipts)
    [command] = await tab.heard("command")
    assert command["data"] == {"refresh": "basket"}
    assert await tab.heard("message") == []
    await expect(tab.find(".toast")).to_have_count(0)
    await expect(tab.find(".badge")).to_be_hidden()
    await tab.call("open", "inbox")
    await expect(tab.find(".item")).to_have_count(0)


async def test_a_message_without_badge_is_shown_but_not_counted(tab: Tab, server: MockServer) -> None:
    counted = server.item(title="Counts", at=now(2))
    await inbox(tab, server, server.item(title="By the way", badge=False, at=now(1)), counted)
    await until(lambda: (counted["delivery"], "seen") in server.receipts)
    assert [one for one in await tab.heard("unread") if one < 0] == []
    await tab.call("close")
    await server.send("emma", title="Another by the way", badge=False)
    await expect(tab.find(".toast-text strong")).to_have_text("Another by the way")
    await expect(tab.find(".badge")).to_be_hidden()


async def test_a_timed_message_goes_when_its_time_is_over(tab: Tab, server: MockServer) -> None:
    """The clock of the page is moved on, not waited for."""
    await tab.page.clock.install()
    await tab.open("emma")
    await tab.connected()
    await server.send("emma", title="Sale ends soon", display_seconds=30)
    await expect(tab.find(".toast")).to_be_visible()
    await tab.page.clock.run_for(20_000)
    await expect(tab.find(".toast")).to_be_visible()
    await tab.page.clock.run_for(11_000)
    await expect(tab.find(".toast")).to_have_count(0)


async def test_a_message_that_changed_is_new_again_and_seen_again(tab: Tab, server: MockServer) -> None:
    sent = server.item(title="Arrives Monday")
    await inbox(tab, server, sent)
    await until(lambda: server.receipts.count((sent["delivery"], "seen")) == 1)
    await tab.call("close")
    sent |= {"title": "Arrives Tuesday", "seen": False}
    await server.publish("user:emma", {"type": "message.updated", **sent, "unread": 1})
    await expect(tab.find(".badge")).to_have_text("1")
    await tab.call("open", "inbox")
    await expect(tab.find(".item h3")).to_have_text("Arrives Tuesday")
    await until(lambda: server.receipts.count((sent["delivery"], "seen")) == 2)


async def test_a_message_that_is_taken_back_goes_from_list_count_and_screen(
    tab: Tab, server: MockServer
) -> None:
    await tab.open("emma")
    await tab.connected()
    sent = await server.send("emma", title="Sent by mistake")
    await expect(tab.find(".toast")).to_be_visible()
    server.inbox = []
    await server.publish("user:emma", {"type": "message.deleted", "delivery": sent["delivery"], "unread": 0})
    await expect(tab.find(".toast")).to_have_count(0)
    await expect(tab.find(".badge")).to_be_hidden()
    await tab.call("open", "inbox")
    await expect(tab.find(".inbox .empty h3")).to_be_visible()


async def test_messages_are_put_away_and_brought_back(tab: Tab, server: MockServer) -> None:
    """Archived, snoozed until tomorrow at nine; listed where they are; one comes back by itself."""
    await inbox(tab, server, server.item(title="First", at=now(1)), server.item(title="Second", at=now(2)))
    first, second = server.inbox
    await tab.find(".item-options").first.click()
    await expect(tab.find(".pane-name")).to_have_text("First")
    await (
        tab.find(
            ".pane-action",
        )
        .filter(has_text="Archive")
        .click()
    )
    await expect(tab.find(".snack")).to_have_text("Archived")
    await expect(tab.find(".item h3")).to_have_text(["Second"])
    await tab.find(".item-options").first.click()
    await tab.find(".pane-action").filter(has_text="Tomorrow morning").click()
    await expect(tab.find(".snack")).to_contain_text("Comes back")
    [body] = server.asked("POST", f"/v1/me/inbox/{second['delivery']}/snooze")
    assert body["until"].endswith(":00:00.000Z")
    await expect(tab.find(".item")).to_have_count(0)
    await tab.find(".shelf-button").click()
    await expect(tab.find(".shelved strong")).to_have_text(["Second", "First"])
    await tab.find(".shelved .quiet").last.click()
    await expect(tab.find(".shelved strong")).to_have_text(["Second"])
    await tab.page.keyboard.press("Escape")
    await expect(tab.find(".item h3")).to_have_text(["First"])
    second["shelf"] = "active"
    await server.publish("user:emma", {"type": "unread", "unread": 1, "returned": second["delivery"]})
    await expect(tab.find(".item h3")).to_have_text(["First", "Second"])
    assert first["shelf"] == "active"


async def test_a_message_says_why_it_came(tab: Tab, server: MockServer) -> None:
    """From the message itself, and from the server where that knows more; and the way to change it."""
    picks = [{"id": "a", "title": "Lantern", "reason": {"text": "You liked lamps"}}]
    await inbox(tab, server, server.item(title="Picks", category="marketing", data={"items": picks}))
    await tab.find(".item-options").click()
    told = ["You agreed to offers and news.", "The items were chosen for you: You liked lamps."]
    await expect(tab.find(".why p")).to_have_text(told)
    await tab.page.keyboard.press("Escape")
    await expect(tab.find(".item-options")).to_be_focused()
    server.reasons = [{"text": "You follow the topic lamps."}]
    await tab.find(".item-options").click()
    await expect(tab.find(".why p")).to_have_text(["You follow the topic lamps."])
    await tab.find(".pane-action").filter(has_text="Change what I get").click()
    await expect(tab.find("[data-name='prefs.marketing']")).to_be_visible()
