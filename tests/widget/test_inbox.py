"""The widget in a real browser: what arrives, what is seen, and what is told about it."""

from __future__ import annotations

import json
from typing import Any

import pytest
from playwright.async_api import expect

from tests.waiting import until
from tests.widget.conftest import Tab
from tests.widget.mock import MockServer, now, token_for

pytestmark = pytest.mark.asyncio(loop_scope="package")


async def test_a_visitor_needs_only_the_script_tag(tab: Tab, server: MockServer) -> None:
    """The tag's key makes a visitor, who is the same one after a reload."""
    await tab.open(attributes='data-key="pk_test"')
    await tab.connected()
    assert server.visitors == 1
    await tab.page.reload()
    await until(lambda: server.connected == 1 and len(server.asked("GET", "/v1/me/inbox")) == 2)
    assert server.visitors == 1
    assert await tab.find(".launcher").bounding_box() is not None


async def test_a_message_shows_live_and_its_receipts_come_back(tab: Tab, server: MockServer) -> None:
    """A message to a closed widget: toast, badge, delivered, and seen after a second on screen."""
    await tab.open("emma")
    await tab.connected()
    sent = await server.send("emma", title="Your parcel is on its way", body="It arrives <b>tomorrow</b>.")
    await expect(tab.find(".toast-text strong")).to_have_text("Your parcel is on its way")
    await expect(tab.find(".toast-text > span")).to_have_text("It arrives <b>tomorrow</b>.")
    await expect(tab.find(".badge")).to_have_text("1")
    await until(lambda: (sent["delivery"], "delivered") in server.receipts)
    await until(lambda: (sent["delivery"], "seen") in server.receipts)
    await expect(tab.find(".badge")).to_be_hidden()
    assert [item["title"] for item in await tab.heard("message")] == ["Your parcel is on its way"]
    await tab.find(".toast-open").click()
    await expect(tab.find(".item h3")).to_have_text("Your parcel is on its way")


async def test_only_what_is_on_screen_counts_as_seen(tab: Tab, server: MockServer) -> None:
    """An inbox longer than the panel: those below stay unread until they are scrolled to."""
    server.inbox = [server.item(title=f"Message {n}", body="Text. " * 30, at=now(n)) for n in range(12)]
    await tab.open("emma")
    await tab.connected()
    await expect(tab.find(".badge")).to_have_text("12")
    assert not [one for one in server.receipts if one[1] == "seen"]
    await tab.call("open", "inbox")
    first, last = server.inbox[0]["delivery"], server.inbox[-1]["delivery"]
    await until(lambda: (first, "seen") in server.receipts)
    assert (last, "seen") not in server.receipts
    await tab.find(".item").last.scroll_into_view_if_needed()
    await until(lambda: (last, "seen") in server.receipts)
    assert len(server.receipts) == len(set(server.receipts)), "a receipt was told twice"


async def test_click_dismiss_and_read_all(tab: Tab, server: MockServer) -> None:
    """A click is told and followed, a dismissed message goes, and all can be marked read."""
    picks = [
        {
            "id": "sku1",
            "title": "Lantern",
            "price": 24,
            "currency": "GBP",
            "url": "/plain?item",
            "reason": "Popular",
        }
    ]
    server.inbox = [
        server.item(title="Picks", format="recommendation", data={"items": picks}, at=now(1)),
        server.item(title="Old", at=now(2)),
    ]
    await tab.open("emma")
    await tab.connected()
    await expect(tab.find(".badge")).to_have_text("2")
    await tab.call("open", "inbox")
    await expect(tab.find(".card-price")).to_have_text("£24.00")
    await expect(tab.find(".card-reason")).to_have_text("Popular")
    await tab.page.evaluate(
        # `true`: a function as the result would be called, and that is the unsubscribe.
        "stop = chatpush.on('click', (one) => { heard.push(['held', one.item]); one.preventDefault() }); true"
    )
    await tab.find(".card-title").click()
    assert await tab.heard("held") == ["sku1"]
    await until(lambda: (server.inbox[0]["delivery"], "clicked") in server.receipts)
    await tab.page.evaluate("stop()")
    await tab.find(".item-dismiss").last.click()
    await expect(tab.find(".item")).to_have_count(1)
    await until(lambda: (server.inbox[1]["delivery"], "dismissed") in server.receipts)
    await server.send("emma", title="Another")
    await expect(tab.find(".item")).to_have_count(2)
    await expect(tab.find(".tabs .count")).to_have_count(0)  # what is shown says itself what is new
    await tab.call("open", "chat")
    await server.send("emma", title="And another")
    await expect(tab.find("#tab-inbox .count")).to_be_visible()
    await tab.page.evaluate(
        "document.querySelector('chatpush-widget').shadowRoot.querySelector('.bar .quiet').click()"
    )
    await until(lambda: server.asked("POST", "/v1/me/inbox/read-all"))
    await expect(tab.find("#tab-inbox .count")).to_have_count(0)
    await tab.call("open", "inbox")
    await tab.find(".card-title").click()
    await tab.page.wait_for_url("**/plain?item")


async def test_messages_sent_while_the_connection_was_cut_are_not_lost(tab: Tab, server: MockServer) -> None:
    """A cut WebSocket comes back by itself and recovers what it missed."""
    await tab.open("emma")
    await tab.connected()
    tab.expects_failures = True
    server.websocket = "refuse"
    await server.drop_sockets()
    await server.send("emma", title="While away")
    server.websocket = "ok"
    await expect(tab.find(".toast-text strong")).to_have_text("While away")
    await expect(tab.find(".badge")).to_have_text("1")


@pytest.mark.parametrize("how", ["refuse", "hang"])
async def test_long_poll_takes_over_where_websocket_is_blocked(
    tab: Tab, server: MockServer, how: str
) -> None:
    """Refused at once, or never answered: messages and turns arrive by long-poll all the same."""
    tab.expects_failures = True
    server.websocket = how  # type: ignore[assignment]
    await tab.open("emma")
    await tab.connected("poll")
    await server.send("emma", title="By long-poll")
    await expect(tab.find(".badge")).to_have_text("1")
    await tab.call("open", "chat")
    await tab.find("textarea").fill("Hello")
    await tab.page.keyboard.press("Enter")
    await until(
        lambda: any(turn["by"] == "user" for one in server.conversations.values() for turn in one["turns"])
    )
    cid = next(iter(server.conversations))
    await until(lambda: any(body["channels"] for body in server.asked("POST", "/connection/poll")))
    await server.say(cid, "assistant", "Answered by long-poll")
    await expect(tab.find(".by-assistant .bubble")).to_have_text("Answered by long-poll")
    granted = [body for body in server.asked("POST", "/connection/poll") if body.get("grant")]
    assert granted, "the grant was never sent back"
    assert all("token" not in body for body in granted)


async def test_a_dead_server_leaves_the_page_alone(tab: Tab, server: MockServer) -> None:
    """Nothing answers: the page works, the widget says so, and it comes to life with the server."""
    tab.expects_failures = True
    server.failing = {"/v1/", "/connection/"}
    await tab.open(attributes='data-key="pk_test"')
    await expect(tab.find(".launcher")).to_be_visible()
    await tab.page.locator("#before").click()
    await tab.find(".launcher").click()
    await expect(tab.find(".net")).to_be_visible()
    await tab.find("#tab-inbox").click()
    await expect(tab.find(".inbox .empty h3")).to_have_text("Couldn't load your messages")
    server.failing = set()
    server.inbox = [server.item(title="Back again")]
    await expect(tab.find(".item h3")).to_have_text("Back again")
    await expect(tab.find(".net")).to_be_hidden()


async def test_an_unreachable_server_leaves_the_page_alone(tab: Tab) -> None:
    """Not even a connection: the same."""
    tab.expects_failures = True
    await tab.open("emma", host="")
    await tab.connected()
    await tab.page.evaluate(
        "host => { chatpush('boot', { host, key: 'pk_x' }); chatpush('open') }", "http://127.0.0.1:9"
    )
    await expect(tab.find(".net")).to_be_visible()
    await tab.page.locator("#before").click()


async def test_another_user_sees_nothing_of_the_last_one(tab: Tab, server: MockServer) -> None:
    """Switching accounts in one page, and logging out."""
    server.inbox = [server.item(title="For Emma's eyes")]
    await tab.open("emma")
    await tab.connected()
    await tab.call("open", "inbox")
    await expect(tab.find(".item")).to_have_count(1)
    server.inbox = []
    await tab.page.evaluate("token => chatpush('boot', { token })", token_for("noah"))
    await until(lambda: server.subscribers("user:noah") == 1 and server.subscribers("user:emma") == 0)
    await tab.call("open", "inbox")
    await expect(tab.find(".inbox .empty h3")).to_be_visible()
    await expect(tab.find(".item")).to_have_count(0)
    await tab.call("shutdown")
    await until(lambda: server.connected == 0)
    assert await tab.page.locator("chatpush-widget").count() == 0
    kept = await tab.page.evaluate("[...Object.keys(localStorage), ...Object.keys(sessionStorage)]")
    assert [name for name in kept if name.startswith("chatpush:")] == []


async def test_an_expired_token_is_replaced_by_the_page(tab: Tab, server: MockServer) -> None:
    """getToken is asked for a fresh one, and everything goes on as the same user."""
    stale = token_for("emma", 1)
    server.refused_tokens.add(stale)
    tab.expects_failures = True
    await tab.page.add_init_script(f"window.fresh = {json.dumps(token_for('emma', 2))}")
    await tab.open("emma")
    await until(lambda: _has_error(tab, "refused"))
    await tab.page.evaluate("token => chatpush('boot', { token, getToken: async () => fresh })", stale)
    await until(lambda: server.subscribers("user:emma") == 1)
    await tab.call("open", "inbox")
    await expect(tab.find(".inbox .empty h3")).to_have_text("You're all caught up")


async def test_preferences_are_saved_as_they_are_changed(tab: Tab, server: MockServer) -> None:
    """Marketing off, quiet hours on, and Chinese from now on."""
    await tab.open("emma")
    await tab.connected()
    await tab.call("open", "inbox")
    await tab.find(".head .icon-button").first.click()
    await tab.find("[data-name='prefs.marketing']").click()
    await until(lambda: server.preferences["categories"]["marketing"] is False)
    await tab.find("[data-name='prefs.quiet']").click()
    await tab.find(".times input").first.fill("23:30")
    await until(lambda: server.preferences["quiet_hours"] == {"start": "23:30", "end": "08:00"})
    await tab.find("[data-locale='zh-CN']").click()
    await until(lambda: server.preferences["locale"] == "zh-CN")
    await expect(tab.find(".pane h2")).to_have_text("偏好设置")
    await tab.page.keyboard.press("Escape")
    await expect(tab.find("#tab-inbox")).to_have_text("消息")
    assert server.preferences["timezone"] == "Europe/London"


async def open_preferences(tab: Tab, **boot: Any) -> None:
    await tab.open("emma", **boot)
    await tab.connected()
    await tab.call("open", "inbox")
    await tab.find(".head .icon-button").first.click()
    await expect(tab.find("[data-name='prefs.marketing']")).to_be_visible()


async def test_only_what_was_changed_is_saved(tab: Tab, server: MockServer) -> None:
    """Who sets quiet hours has said nothing about offers."""
    await open_preferences(tab)
    await tab.find("[data-name='prefs.quiet']").click()
    await until(lambda: server.preferences["quiet_hours"])
    (saved,) = server.asked("PUT", "/v1/me/preferences")
    assert saved == {"quiet_hours": {"start": "22:00", "end": "08:00"}, "timezone": "Europe/London"}


@pytest.mark.parametrize(
    ("locale", "label", "names", "text"),
    [
        ("en", "Offers and news: How they reach you", ["Inbox", "Email", "pager"],
         "Offers and news: Promotions, new arrivals and ideas. (Email)"),
        ("zh-CN", "优惠与资讯: 接收方式", ["站内信", "邮件", "pager"],
         "优惠与资讯: 促销活动、新品上架与灵感推荐。 (邮件)"),
    ],
)  # fmt: skip
async def test_each_category_comes_by_the_channels_that_were_chosen_by_keyboard(
    tab: Tab, server: MockServer, locale: str, label: str, names: list[str], text: str
) -> None:
    """Email closed with Tab and Space; what holds is read out, and the words go along as the proof."""
    await open_preferences(tab, locale=locale)
    group = tab.page.get_by_role("group", name=label)
    await expect(group.locator("button")).to_have_text(names)
    await tab.find("[data-name='prefs.marketing']").focus()
    for _ in range(2):
        await tab.page.keyboard.press("Tab")
    email = group.get_by_role("button", name=names[1])
    await expect(email).to_be_focused()
    await expect(email).to_have_attribute("aria-pressed", "true")
    await tab.page.keyboard.press("Space")
    await expect(email).to_have_attribute("aria-pressed", "false")
    await until(lambda: not server.preferences["channels"]["marketing"]["email"])
    (saved,) = server.asked("PUT", "/v1/me/preferences")
    assert (saved["channels"], "categories" in saved) == ({"marketing": {"email": False}}, False)
    assert server.consent_texts == [text]
    await expect(email).to_be_focused()
    alerts = tab.find("[data-name^='alert.']")
    assert [await one.get_attribute("aria-pressed") for one in await alerts.all()] == [
        "true",
        "false",
        "true",
    ]


async def test_the_last_channel_switches_the_category_off_and_its_switch_brings_them_back(
    tab: Tab, server: MockServer
) -> None:
    """Nobody is left with a category that is on and comes by nothing."""
    await open_preferences(tab)
    toggle, row = tab.find("[data-name='prefs.marketing']"), server.preferences["channels"]["marketing"]
    for channel in ("inbox", "email", "pager"):
        await tab.find(f"[data-name='marketing.{channel}']").click()
    await expect(toggle).to_have_attribute("aria-checked", "false")
    await expect(tab.find("[data-name^='marketing.']")).to_have_count(0)
    await expect(toggle).to_be_focused()  # and not a channel of the next category, under the same finger
    await until(lambda: server.preferences["categories"]["marketing"] is False)
    assert row == {"inbox": False, "email": False, "pager": False}
    await toggle.click()
    await expect(tab.find("[data-name^='marketing.']")).to_have_count(3)
    await until(lambda: server.preferences["categories"]["marketing"] is True)
    await expect(toggle).to_have_attribute("aria-checked", "true")


async def test_a_switch_opens_channels_that_were_closed_by_themselves(tab: Tab, server: MockServer) -> None:
    """All letters and pages were closed elsewhere, as by a link in a letter: the switch is off, and opens them."""
    server.preferences["channels"]["marketing"] = dict.fromkeys(("inbox", "email"), False)
    await open_preferences(tab)
    toggle = tab.find("[data-name='prefs.marketing']")
    await expect(toggle).to_have_attribute("aria-checked", "false")
    await toggle.click()
    await until(lambda: server.preferences["channels"]["marketing"] == {"inbox": True, "email": True})
    await expect(tab.find("[data-name^='marketing.']")).to_have_count(2)


@pytest.mark.parametrize(
    "leave", ["root.querySelector('.pane .icon-button').click()", "chatpush.close()", "chatpush.open('chat')"]
)
async def test_what_is_changed_just_before_leaving_is_saved(tab: Tab, server: MockServer, leave: str) -> None:
    """Withdrawing and leaving at once is withdrawing, by whichever way one leaves."""
    await open_preferences(tab)
    await tab.page.evaluate(
        f"""() => {{
          const root = document.querySelector('chatpush-widget').shadowRoot;
          root.querySelector('[data-name="prefs.marketing"]').click();
          {leave};
        }}"""
    )
    await until(lambda: server.preferences["categories"]["marketing"] is False)


async def _has_error(tab: Tab, code: str) -> bool:
    return any(error["code"] == code for error in await tab.heard("error"))
