"""The chat in a real browser: streams, sources, promises, hand-over, keyboard and languages."""

from __future__ import annotations

import asyncio

import pytest
from playwright.async_api import Browser, expect

from tests.waiting import until
from tests.widget.conftest import Tab
from tests.widget.mock import MockServer, token_for

pytestmark = pytest.mark.asyncio(loop_scope="package")


async def ready(tab: Tab, user: str = "emma", **boot: str) -> None:
    """Boot, connect and open the chat."""
    await tab.open(user, **boot)
    await tab.connected()
    await tab.call("open", "chat")
    await expect(tab.find("textarea")).to_be_focused()


async def conversation(server: MockServer) -> str:
    """Wait until the widget reads its conversation, and return its id."""
    await until(lambda: any(server.subscribers(one["channel"]) for one in server.conversations.values()))
    return next(iter(server.conversations))


async def test_a_streamed_answer_arrives_in_order_whatever_happens(tab: Tab, server: MockServer) -> None:
    """Pieces out of order and twice, then the whole turn with its sources."""
    await ready(tab)
    await tab.find("textarea").fill("Where is my order?")
    await tab.page.keyboard.press("Enter")
    cid = await conversation(server)
    channel = f"conversation:{cid}"
    await expect(tab.find(".by-user .bubble")).to_have_text("Where is my order?")
    await expect(tab.find(".dots")).to_be_visible()
    turn = server.turn("assistant", "", streaming=True)
    await server.publish(channel, {"type": "turn", "turn": turn})
    for seq, text in ((1, "It is "), (3, "way"), (2, "on its **"), (2, "on its **"), (4, "**.")):
        await server.publish(channel, {"type": "turn.delta", "turn": turn["id"], "seq": seq, "text": text})
    bubble = tab.find(".by-assistant .bubble")
    await expect(bubble).to_have_text("It is on its way.")
    await expect(bubble.locator("strong")).to_have_text("way")
    await expect(tab.find(".send")).to_have_attribute("aria-label", "Stop answering")
    whole = {**turn, "streaming": False, "text": "It is on its **way**, says the carrier."}
    whole["sources"] = [
        {"title": "Tracking", "url": "/help", "quote": "On its way"},
        {"title": "Memo", "url": None},
    ]
    await server.publish(channel, {"type": "turn", "turn": whole})
    await expect(bubble).to_have_text("It is on its way, says the carrier.")
    await expect(tab.find("a.source")).to_have_attribute("href", f"{server.host}/help")
    await expect(tab.find("span.source")).to_contain_text("Memo")
    await expect(tab.find(".turn")).to_have_count(2)
    await expect(tab.find(".send")).to_have_attribute("aria-label", "Send")
    assert [one["turn"]["text"] for one in await tab.heard("turn") if one["turn"]["by"] == "assistant"] == [
        whole["text"]
    ]


async def test_what_was_streamed_can_be_taken_back(tab: Tab, server: MockServer) -> None:
    """A person takes over in the middle of an answer: an empty turn replaces it, and it is gone."""
    made = server.conversation()
    await ready(tab)
    await conversation(server)
    turn = server.turn("assistant", "", streaming=True)
    await server.publish(made["channel"], {"type": "turn", "turn": turn})
    await server.publish(
        made["channel"], {"type": "turn.delta", "turn": turn["id"], "seq": 1, "text": "You ar"}
    )
    await expect(tab.find(".by-assistant .bubble")).to_have_text("You ar")
    await server.publish(made["channel"], {"type": "turn", "turn": {**turn, "streaming": False}})
    await expect(tab.find(".turn")).to_have_count(0)


async def refetching(tab: Tab, server: MockServer, path: str) -> asyncio.Event:
    """Make the page fetch a conversation anew; the answer comes when the returned event is set."""
    server.slow = asyncio.Event()
    tab.expects_failures = True
    server.forget()
    await server.drop_sockets()
    await until(lambda: len(server.asked("GET", path)) == 3)
    return server.slow


async def test_a_turn_said_during_a_fetch_is_not_lost(tab: Tab, server: MockServer) -> None:
    """The fetched conversation is older than what came on the channel meanwhile: both are shown."""
    made = server.conversation()
    await ready(tab)
    await conversation(server)
    path = f"/v1/me/conversations/{made['id']}"
    await until(lambda: len(server.asked("GET", path)) == 2)
    fetched = await refetching(tab, server, path)
    await server.say(made["id"], "assistant", "Said meanwhile")
    await expect(tab.find(".by-assistant .bubble")).to_have_text("Said meanwhile")
    fetched.set()
    await server.say(made["id"], "assistant", "And after")
    await expect(tab.find(".by-assistant .bubble")).to_have_text(["Said meanwhile", "And after"])


async def test_a_hand_over_told_during_a_fetch_holds(tab: Tab, server: MockServer) -> None:
    """The fetched conversation was still the assistant's; it waits for a person meanwhile."""
    made = server.conversation()
    await ready(tab)
    await conversation(server)
    path = f"/v1/me/conversations/{made['id']}"
    await until(lambda: len(server.asked("GET", path)) == 2)
    made["turns"].append(server.turn("assistant", "Only the fetch has this"))
    fetched = await refetching(tab, server, path)
    await server.publish(made["channel"], {"type": "state", "state": "waiting", "agent": None})
    banner = tab.find(".banner")
    await expect(banner).to_have_attribute("data-state", "waiting")
    fetched.set()
    await expect(tab.find(".by-assistant .bubble").last).to_have_text("Only the fetch has this")
    await server.say(made["id"], "agent", "Here I am")
    await expect(tab.find(".by-agent .bubble")).to_have_text("Here I am")
    await expect(banner).to_have_attribute("data-state", "waiting")


async def test_an_answer_under_way_goes_on_after_a_reload(tab: Tab, server: MockServer) -> None:
    """The conversation is fetched with the words so far and their number; the rest follows once."""
    made = server.conversation()
    turn = server.turn("assistant", "It left ", streaming=True, seq=2)
    made["turns"].append(turn)
    await ready(tab)
    await conversation(server)
    await expect(tab.find(".by-assistant .bubble")).to_have_text("It left")
    for seq, text in ((2, "left "), (3, "this "), (4, "morning")):
        await server.publish(
            made["channel"], {"type": "turn.delta", "turn": turn["id"], "seq": seq, "text": text}
        )
    await expect(tab.find(".by-assistant .bubble")).to_have_text("It left this morning")
    # The text so far comes whole now and then, for pages elsewhere: here it changes nothing.
    so_far = {**turn, "text": "It left this morning", "seq": 4}
    await server.publish(made["channel"], {"type": "turn", "turn": so_far})
    await server.publish(
        made["channel"], {"type": "turn.delta", "turn": turn["id"], "seq": 5, "text": " by van"}
    )
    await expect(tab.find(".by-assistant .bubble")).to_have_text("It left this morning by van")


async def test_a_hostile_answer_is_only_text(tab: Tab, server: MockServer) -> None:
    """Markup, scripts, picture beacons and script links do nothing."""
    made = server.conversation()
    text = (
        "<img src=x onerror=alert(1)> <script>alert(1)</script>\n\n[tap](javascript:alert(1)) ![pixel](https://evil.example/p.png)"
        "\n\n[ok](https://example.com/a?b=1) `<b>` https://example.com/路径?x=1。"
        "\n\n| a | b |\n|---|---|\n| 1 | 2 |\n\n1. one\n   - inner\n2. two"
    )
    made["turns"] = [server.turn("assistant", text, sources=[{"title": "x", "url": "javascript:alert(1)"}])]
    await ready(tab)
    bubble = tab.find(".by-assistant .bubble")
    await expect(bubble).to_contain_text("<script>alert(1)</script>")
    assert await bubble.locator("img, script, b").count() == 0
    links = await bubble.locator("a").evaluate_all(
        "all => all.map((one) => [one.getAttribute('href'), one.rel])"
    )
    assert [href for href, _ in links] == [
        "https://evil.example/p.png", "https://example.com/a?b=1", "https://example.com/%E8%B7%AF%E5%BE%84?x=1",
    ]  # fmt: skip
    assert all("noopener" in rel for _, rel in links)
    await expect(bubble.locator("td")).to_have_text(["1", "2"])
    await expect(bubble.locator("ol > li > ul > li")).to_have_text("inner")
    assert await tab.find("a.source").count() == 0


ATTACKS = [
    "<svg onload=boom()>",
    "<iframe srcdoc='<script>boom()</script>'>",
    "<a href='javascript:boom()'>x</a>",
    "[x](javascript:boom())",
    "[x](JaVaScRiPt:boom())",
    "[x](java\nscript:boom())",
    "[x](data:text/html,<script>boom()</script>)",
    "[x](vbscript:boom())",
    "[x](&#106;avascript:boom())",
    "[x](//evil.example/%0d%0ajavascript:boom())",
    "![x](x onerror=boom())",
    "![x](javascript:boom())",
    "[<img src=x onerror=boom()>](https://example.com)",
    "`<img src=x onerror=boom()>`",
    "```html\n<script>boom()</script>\n```",
    "> <img src=x onerror=boom()>",
    "| <img src=x onerror=boom()> | b |\n|---|---|\n| <svg/onload=boom()> | 2 |",
    "- <img src=x onerror=boom()>",
    "# <img src=x onerror=boom()>",
    "**<img src=x onerror=boom()>**",
    '<https://example.com/"onmouseover=boom()>',
    '[x](https://example.com/"onmouseover="boom())',
    "\\<img src=x onerror=boom()>",
    "&lt;script&gt;boom()&lt;/script&gt;",
    "{{constructor.constructor('boom()')()}}",
    "\u202e<script>boom()</script>",
]


async def test_no_attack_by_words_gets_through(tab: Tab, server: MockServer) -> None:
    """In every place that shows words from elsewhere: answers, names, sources, cards, messages, actions, files."""
    made = server.conversation()
    script = "javascript:boom()"
    for attack in ATTACKS:
        source = {"title": attack, "url": script, "quote": attack}
        card = {"id": "1", "title": attack, "url": script, "image": script, "reason": attack}
        made["turns"] += [
            server.turn("assistant", attack, name=attack, sources=[source]),
            server.turn("agent", attack, cards=[card]),
            server.turn("system", attack),
        ]
        action = {"id": "a", "label": attack, "url": script}
        message = {"title": attack, "body": attack, "url": script, "image": script}
        server.inbox.append(server.item(**message, actions=[action]))
    made["turns"].append(
        server.turn("assistant", "?", actions=[{"id": "a", "label": ATTACKS[0], "url": script}])
    )
    await ready(tab)
    await tab.page.evaluate("window.booms = 0; window.boom = () => { booms += 1 }; true")
    await expect(tab.find(".turn")).to_have_count(len(made["turns"]))
    await tab.call("open", "inbox")
    await expect(tab.find(".item")).to_have_count(20)
    found = await tab.page.evaluate(
        """() => {
          const all = [...document.querySelector('chatpush-widget').shadowRoot.querySelectorAll('*')];
          const wrong = all.filter((one) =>
            ['SCRIPT', 'IFRAME', 'OBJECT', 'EMBED', 'BASE', 'META', 'LINK'].includes(one.tagName)
            || [...one.attributes].some(({ name, value }) => name.startsWith('on') || name === 'srcdoc'
              || (['href', 'src', 'action'].includes(name) && !/^(https?:|mailto:|tel:|blob:)/.test(value))));
          return wrong.map((one) => one.outerHTML);
        }"""
    )
    assert found == []
    assert await tab.page.evaluate("booms") == 0


async def test_a_turn_that_failed_is_sent_again_and_said_once(tab: Tab, server: MockServer) -> None:
    """The same client id goes again, and the echo on the channel is not a second turn."""
    tab.expects_failures = True
    made = server.conversation()
    await ready(tab)
    await conversation(server)
    server.failing = {f"/v1/me/conversations/{made['id']}/turns"}
    await tab.find("textarea").fill("Are you there?")
    await tab.page.keyboard.press("Enter")
    await expect(tab.find(".not-sent")).to_contain_text("Not sent")
    server.failing = set()
    await tab.find(".not-sent button").click()
    await expect(tab.find(".not-sent")).to_have_count(0)
    await until(lambda: len(made["turns"]) == 1)
    await expect(tab.find(".turn")).to_have_count(1)
    ids = {body["client_id"] for body in server.asked("POST", f"/v1/me/conversations/{made['id']}/turns")}
    assert len(ids) == 1


async def test_an_offer_becomes_a_promise_that_can_be_taken_back(tab: Tab, server: MockServer) -> None:
    """Quick reply, promise chip, cancel."""
    made = server.conversation()
    yes = {"id": "yes", "label": "Yes, tell me", "value": "yes please"}
    made["turns"] = [server.turn("assistant", "Shall I tell you when it arrives?", actions=[yes])]
    await ready(tab)
    await conversation(server)
    await tab.find(".reply").click()
    await until(lambda: made["turns"][-1]["text"] == "yes please")
    await expect(tab.find(".reply")).to_have_count(0)
    promise = {"id": "prm_1", "text": "when order 1042 arrives", "until": "2030-01-02T10:00:00Z"}
    server.promises = [promise]
    await server.say(made["id"], "assistant", "I will.", promise=promise)
    await expect(tab.find(".promise")).to_contain_text("when order 1042 arrives")
    await expect(tab.find(".promise small")).to_contain_text("2 January")
    await tab.find(".promise button").click()
    await until(lambda: server.promises == [])
    await expect(tab.find(".promise")).to_contain_text("Cancelled")


async def test_a_promise_is_seen_to_be_kept_wherever_it_was_read(tab: Tab, server: MockServer) -> None:
    """Fetched while it was open, its end is told on the channel; what is fetched late changes nothing."""
    promise = {"id": "prm_1", "text": "when order 1042 arrives", "until": "2030-01-02T10:00:00Z"}
    pending = {**promise, "state": "pending"}
    made = server.conversation(turns=[server.turn("assistant", "I will.", promise=pending)])
    server.promises = [promise]
    await ready(tab)
    await expect(tab.find(".promise")).to_have_attribute("data-state", "open")
    await until(lambda: server.subscribers(made["channel"]))
    server.promises = []
    kept = {"type": "promise", "promise": {"id": "prm_1", "state": "kept"}}
    await server.publish(made["channel"], kept)
    await expect(tab.find(".promise")).to_have_attribute("data-state", "kept")
    await server.say(made["id"], "assistant", "It has arrived.")
    await expect(tab.find(".by-assistant .bubble").last).to_have_text("It has arrived.")
    await expect(tab.find(".promise")).to_contain_text("Done")


async def test_a_person_takes_over(tab: Tab, server: MockServer) -> None:
    """Asking for a person, waiting, and being answered by one."""
    made = server.conversation()
    await ready(tab)
    cid = await conversation(server)
    await tab.find(".person").click()
    await until(lambda: made["state"] == "waiting")
    await expect(tab.find(".banner")).to_contain_text("A person will be with you shortly")
    await server.publish(made["channel"], {"type": "state", "state": "agent", "agent": "Mia"})
    await server.publish(made["channel"], {"type": "typing", "by": "agent"})
    await expect(tab.find(".banner")).to_contain_text("Mia is with you")
    await expect(tab.find(".dots")).to_have_attribute("aria-label", "Mia is typing")
    await server.say(cid, "agent", "Hello, Mia here.", name="Mia")
    await expect(tab.find(".by-agent .name")).to_have_text("Mia")
    await expect(tab.find(".dots")).to_be_hidden()
    await expect(tab.find(".sr")).to_have_text("Mia: Hello, Mia here.")
    await expect(tab.find(".person")).to_have_count(0)


async def test_an_answer_to_a_closed_widget_shows_on_the_launcher(tab: Tab, server: MockServer) -> None:
    """The hint on the personal channel makes badge and toast; opening leads to the words."""
    made = server.conversation()
    await tab.open("emma")
    await tab.connected()
    made["turns"].append(server.turn("assistant", "Your parcel has arrived."))
    made["unread_turns"] = 1
    hint = {
        "type": "conversation",
        "id": made["id"],
        "state": "assistant",
        "unread_turns": 1,
        "last": "Your parcel has arrived.",
    }
    await server.publish("user:emma", hint)
    await expect(tab.find(".badge")).to_have_text("1")
    await tab.find(".toast-open").click()
    await expect(tab.find(".by-assistant .bubble")).to_have_text("Your parcel has arrived.")
    await expect(tab.find(".tabs .count")).to_have_count(0)
    await until(lambda: made["unread_turns"] == 0)


async def test_asking_about_a_message_tells_the_server_which(tab: Tab, server: MockServer) -> None:
    """The conversation is opened about the delivery, and says so."""
    server.inbox = [server.item(title="Your parcel is on its way")]
    await tab.open("emma")
    await tab.connected()
    await tab.call("open", "inbox")
    await tab.find(".item .pill.soft").click()
    await until(lambda: server.asked("POST", "/v1/me/conversations"))
    assert server.asked("POST", "/v1/me/conversations") == [
        {"about": {"delivery": server.inbox[0]["delivery"]}, "locale": "en"}
    ]
    await expect(tab.find(".about strong")).to_have_text("Your parcel is on its way")


async def test_the_keyboard_alone_is_enough(tab: Tab, server: MockServer) -> None:
    """Open, write on two lines, send, close by Escape, and be back where one was."""
    await tab.open("emma")
    await tab.connected()
    launcher = tab.find(".launcher")
    await launcher.focus()
    await expect(launcher).to_have_attribute("aria-expanded", "false")
    await tab.page.keyboard.press("Enter")
    await expect(launcher).to_have_attribute("aria-expanded", "true")
    await expect(tab.find("textarea")).to_be_focused()
    await tab.page.keyboard.type("one")
    await tab.page.keyboard.press("Shift+Enter")
    await tab.page.keyboard.type("two")
    await tab.page.keyboard.press("Enter")
    await until(
        lambda: any(
            turn["text"] == "one\ntwo" for one in server.conversations.values() for turn in one["turns"]
        )
    )
    await expect(tab.find("textarea")).to_have_value("")
    await tab.page.keyboard.press("Escape")
    await expect(launcher).to_have_attribute("aria-expanded", "false")
    await expect(launcher).to_be_focused()
    assert [name for name in ("opened", "closed") if await tab.heard(name)] == ["opened", "closed"]


async def test_enter_that_chooses_a_word_does_not_send(tab: Tab, server: MockServer) -> None:
    """While an input method composes, Enter belongs to it."""
    await ready(tab, locale="zh-CN")
    field = tab.find("textarea")
    await field.fill("退款")
    await field.dispatch_event("keydown", {"key": "Enter", "isComposing": True, "bubbles": True})
    await expect(field).to_have_value("退款")
    await tab.page.keyboard.press("Enter")
    await expect(field).to_have_value("")


async def test_it_speaks_the_language_of_the_browser(browser: Browser, server: MockServer) -> None:
    """A Chinese browser is greeted in Chinese, a dark one is dark, and a phone gets the whole screen."""
    context = await browser.new_context(
        locale="zh-CN", color_scheme="dark", viewport={"width": 390, "height": 780}, has_touch=True
    )
    page = await context.new_page()
    await page.goto(f"{server.host}/?token={token_for('xiaoyu')}")
    launcher = page.locator("chatpush-widget .launcher")
    await expect(launcher).to_have_attribute("aria-label", "打开消息与客服")
    await launcher.tap()
    await expect(page.locator("chatpush-widget #tab-chat")).to_have_text("客服")
    panel = page.locator("chatpush-widget .panel")
    await expect(panel).to_have_attribute("aria-modal", "true")
    await until(lambda: _fills(panel.bounding_box()))
    await expect(page.locator("chatpush-widget .root")).to_have_attribute("data-theme", "dark")
    assert await panel.evaluate("one => getComputedStyle(one).backgroundColor") == "rgb(23, 26, 33)"
    await context.close()


async def _fills(box: object) -> bool:
    found = await box  # type: ignore[misc]
    return bool(found) and found == {"x": 0, "y": 0, "width": 390, "height": 780}


async def test_calls_made_before_it_loads_are_not_lost(tab: Tab, server: MockServer) -> None:
    """The queue is replayed, `on` can be undone, and nonsense does not throw into the page."""
    await tab.open("emma")
    await tab.connected()
    assert [one["user"] for one in await tab.heard("ready")] == ["emma"]
    await tab.page.evaluate("off = chatpush.on('opened', () => heard.push(['mine', 1])); off()")
    await tab.call("open")
    await until(lambda: asyncio.ensure_future(tab.heard("opened")))
    assert await tab.heard("mine") == []
    await tab.call("close")
    await tab.call("nonsense")
    assert tab.problems == ['chatpush: there is no method "nonsense"']
    tab.problems.clear()
