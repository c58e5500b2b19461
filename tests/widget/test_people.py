"""A person at the other end: the form before, the queue, the office, typing, read, rating, transcript."""

from __future__ import annotations

from typing import Any

import pytest
from playwright.async_api import expect

from tests.waiting import until
from tests.widget.conftest import Tab
from tests.widget.mock import MockServer

pytestmark = pytest.mark.asyncio(loop_scope="package")

EMAIL = {
    "name": "email",
    "type": "email",
    "labels": {"en": "Email", "zh-CN": "邮箱"},
    "required": True,
    "options": [],
}
TOPIC = {
    "name": "topic",
    "type": "select",
    "labels": {"en": "Topic"},
    "required": False,
    "options": ["order", "gift"],
}
WORDS = {"name": "words", "type": "textarea", "labels": {"en": "More"}, "required": False, "options": []}
FORM = {"whom": "visitors", "fields": [EMAIL, TOPIC, WORDS]}
CLOSED = {"open": False, "opens_at": "2030-01-07T09:00:00Z"}


async def opened(tab: Tab, server: MockServer, **fields: Any) -> dict[str, Any]:
    """Open a conversation on screen."""
    made = server.conversation(**fields)
    await tab.open("emma")
    await tab.connected()
    await tab.call("open", "chat")
    await until(lambda: server.subscribers(made["channel"]))
    return made


async def test_a_visitor_is_asked_before_the_first_word(tab: Tab, server: MockServer) -> None:
    """What is missing says so where it is missing; the answers go with the conversation, once."""
    server.config |= {"prechat": FORM}
    await tab.open(attributes='data-key="pk_test"')
    await tab.connected()
    await tab.call("open", "chat")
    form = tab.find(".prechat form")
    await expect(form).to_be_visible()
    await expect(tab.find(".composer")).to_be_hidden()
    await form.locator("button").click()
    await expect(form.locator(".field-note").first).to_have_text("Please fill this in.")
    email = form.locator("input")
    await expect(email).to_be_focused()
    await expect(email).to_have_attribute("aria-invalid", "true")
    await email.fill("nobody")
    await tab.page.keyboard.press("Enter")
    await expect(form.locator(".field-note").first).to_have_text("Please enter an email address.")
    await email.fill("emma@example.com")
    await form.locator("select").select_option("order")
    await form.locator("button").click()
    await expect(tab.find(".composer textarea")).to_be_focused()
    [body] = server.asked("POST", "/v1/me/conversations")
    assert body["prechat"] == {"email": "emma@example.com", "topic": "order", "words": ""}


async def test_a_user_who_is_known_is_not_asked(tab: Tab, server: MockServer) -> None:
    server.config |= {"prechat": FORM}
    await tab.open("emma")
    await tab.connected()
    await tab.call("open", "chat")
    await expect(tab.find(".hero h3")).to_have_text("Hello! How can we help?")
    await expect(tab.find(".prechat")).to_have_count(0)


async def test_the_place_in_the_queue_and_then_a_person(tab: Tab, server: MockServer) -> None:
    """Position counts down; typing and reading show both ways."""
    made = await opened(tab, server, state="waiting", position=3, office={"open": True, "opens_at": None})
    state = tab.find(".banner-state")
    await expect(state).to_have_text("You are number 3 in the queue")
    office = {"open": True, "opens_at": None}
    told = {"type": "state", "state": "waiting", "agent": None, "position": 1, "office": office}
    await server.publish(made["channel"], told)
    await expect(state).to_have_text("You are number 1 in the queue")
    await server.publish(made["channel"], {**told, "state": "agent", "agent": "Mia", "position": None})
    await expect(state).to_have_text("Mia is with you")
    await server.publish(made["channel"], {"type": "typing", "by": "agent", "name": "Jonas"})
    await expect(tab.find(".dots")).to_have_attribute("aria-label", "Jonas is typing")
    await tab.find("textarea").press_sequentially("Hello there")
    typed = server.asked("POST", f"/v1/me/conversations/{made['id']}/typing")
    assert typed == [{"typing": True}], "once while it goes on"
    await tab.page.keyboard.press("Enter")
    await until(lambda: made["turns"])
    await expect(tab.find(".seen")).to_be_hidden()
    await server.publish(made["channel"], {"type": "read", "by": "agent", "turn": made["turns"][-1]["id"]})
    await expect(tab.find(".seen")).to_have_text("Seen")
    answer = await server.say(made["id"], "agent", "Hi, Jonas here.", name="Jonas")
    await expect(tab.find(".seen")).to_be_hidden()
    reads = f"/v1/me/conversations/{made['id']}/read"
    await until(lambda: {"turn": answer["id"]} in server.asked("POST", reads))


async def test_while_nobody_is_there_a_message_can_be_left(tab: Tab, server: MockServer) -> None:
    """The way to a person becomes a form; its message stands in the conversation afterwards."""
    made = await opened(tab, server, state="waiting", office=CLOSED)
    await expect(tab.find(".banner-state")).to_contain_text("We're away, back 7 Jan")
    await tab.find(".person").click()
    await expect(tab.find(".pane h2")).to_have_text("Leave a message")
    fields = tab.find(".pane .form")
    await expect(fields.locator("input")).to_be_focused()
    await fields.locator("input").fill("emma@example.com")
    server.failing = {f"/v1/me/conversations/{made['id']}/leave-message"}
    tab.expects_failures = True
    await fields.locator("textarea").fill("Please call me back")
    await fields.locator("button").click()
    await expect(tab.find(".form-note")).to_have_text("Couldn't send. Please try again.")
    server.failing = set()
    await fields.locator("button").click()
    await expect(tab.find(".pane .empty h3")).to_have_text("Thank you! We'll answer to emma@example.com.")
    await tab.page.keyboard.press("Escape")
    await expect(tab.find(".by-user .bubble")).to_have_text("Please call me back")


async def test_a_conversation_that_ended_is_rated_once(tab: Tab, server: MockServer) -> None:
    """Five radio buttons and a word, by keyboard; then thanks, and the page is told."""
    made = await opened(tab, server, state="agent", agent="Mia")
    await expect(tab.find(".rate")).to_have_count(0)
    await server.publish(
        made["channel"], {"type": "state", "state": "closed", "agent": None, "may_rate": True}
    )
    await expect(tab.find(".rate legend")).to_have_text("How was this conversation?")
    await expect(tab.find(".rate-more")).to_be_hidden()
    await tab.find(".star input").first.focus()
    await tab.page.keyboard.press("ArrowRight")
    await tab.page.keyboard.press("ArrowRight")
    await tab.find(".rate textarea").fill("Quick!")
    await tab.find(".rate .primary").click()
    await expect(tab.find(".rated")).to_have_text("Thank you for telling us!")
    assert server.asked("POST", f"/v1/me/conversations/{made['id']}/rating") == [
        {"score": 3, "comment": "Quick!"}
    ]
    assert await tab.heard("rated") == [{"conversation": made["id"], "score": 3}]


async def test_the_conversation_can_be_mailed(tab: Tab, server: MockServer) -> None:
    made = await opened(tab, server)
    await tab.find(".history-button").click()
    await tab.find(".history-entry.begin").last.click()
    await tab.find(".pane input").fill("emma@example.com")
    await tab.page.keyboard.press("Enter")
    await expect(tab.find(".pane .empty h3")).to_have_text("On its way to emma@example.com.")
    assert server.asked("POST", f"/v1/me/conversations/{made['id']}/transcript") == [
        {"email": "emma@example.com"}
    ]
    await tab.find(".pane .icon-button").first.click()
    await expect(tab.find(".history-button")).to_be_visible()
