"""Two people at two browsers at once, and a server that dies: nothing is doubled, lost or shown to the wrong one."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from dataclasses import dataclass
from functools import partial

import pytest
import pytest_asyncio
from playwright.async_api import Browser, Page, expect

from tests.journeys.browsing import Customer, Staff, visiting
from tests.journeys.premises import Premises, opened
from tests.support.scripted_model import DONE, Gate, ScriptedModel, Step, chunk, scripted_model, text
from tests.waiting import until

pytestmark = pytest.mark.asyncio(loop_scope="module")
BEGINNING = "First the parcel has to come back to us. "
END = "Then the money goes to the card it came from."
WHOLE = BEGINNING + END
HELLO = "Hello, this is a person."


@dataclass
class Telling:
    """A model that has begun to answer and goes on when it is told to."""

    script: list[Step]
    go_on: asyncio.Event


def telling() -> Telling:
    """Return an answer that stops in the middle until it is let go on."""
    go_on = asyncio.Event()
    pieces = [f"{word} " for word in WHOLE.split()]
    begun = len(BEGINNING.split())
    return Telling(
        [
            *(chunk({"content": one}) for one in pieces[:begun]),
            Gate(go_on),
            *(chunk({"content": one}) for one in pieces[begun:]),
            chunk({}, "stop"),
            DONE,
        ],
        go_on,
    )


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def model() -> AsyncIterator[ScriptedModel]:
    """A model whose every word is scripted."""
    async with scripted_model() as model:
        yield model


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def premises(model: ScriptedModel, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Premises]:
    """A fresh demo with that model."""
    async with AsyncExitStack() as stack:
        folder = tmp_path_factory.mktemp("two") / "kept"
        yield await stack.enter_async_context(opened(folder, model=model.url))


async def begun(customer: Customer, model: ScriptedModel, question: str) -> Telling:
    """Ask, and wait until half of the answer stands in the page."""
    half = telling()
    model.will(half.script)
    await customer.open("chat")
    await customer.say(question)
    await expect(customer.find(".turn.by-assistant.streaming .bubble")).to_contain_text("come back")
    return half


async def latest_of(premises: Premises, user: str) -> str:
    """Return a user's latest conversation."""
    listed = await premises.told("GET", "/v1/conversations")
    return next(str(one["id"]) for one in listed["data"] if one["user"] == user)


async def kept_turns(premises: Premises, user: str) -> tuple[str, list[tuple[str, str]]]:
    """Return the state of a user's latest conversation, and who said what in it, as stored."""
    latest = await premises.told("GET", f"/v1/conversations/{await latest_of(premises, user)}")
    return latest["state"], [(turn["by"], turn["text"]) for turn in latest["turns"]]


async def shown_turns(page: Page) -> list[str]:
    """Return the bubbles of a customer's page."""
    return [
        " ".join(one.split()) for one in await page.locator("chatpush-widget .turn .bubble").all_inner_texts()
    ]


async def open_at_desk(staff: Staff, name: str) -> None:
    """Open a customer's conversation at the desk."""
    await staff.go("/conversations")
    await staff.page.locator("#lines [data-line]", has_text=name).first.click()
    await expect(staff.page.locator("#turns")).to_be_visible()


async def test_a_person_who_takes_over_in_mid_sentence_has_the_floor(
    emma: Customer, staff: Staff, model: ScriptedModel, premises: Premises
) -> None:
    half = await begun(emma, model, "What happens to my money when I send something back?")
    await staff.sign_in()
    await open_at_desk(staff, "Emma Clarke")
    await staff.page.get_by_role("button", name="Take over").click()
    await expect(emma.find(".banner")).to_have_attribute("data-state", "agent")
    half.go_on.set()
    await expect(emma.find(".turn.streaming")).to_have_count(0)
    await staff.page.locator("#reply").fill(HELLO)
    await staff.page.keyboard.press("Enter")
    await expect(emma.find(".turn.by-agent .bubble").last).to_have_text(HELLO)
    state, turns = await kept_turns(premises, "emma")
    assert state == "agent"
    assert turns[-1] == ("agent", HELLO)
    await expect(staff.page.locator("#turns")).to_contain_text(HELLO)
    desk, shown = await staff.page.locator("#turns").inner_text(), await shown_turns(emma.page)
    assert (desk.count(HELLO), shown.count(HELLO)) == (1, 1)
    assert "First the parcel" not in desk + await emma.find(".panel").inner_text()
    assert all("First the parcel" not in said for _, said in turns)
    await emma.page.reload()  # the panel comes back as it was
    await expect(emma.find(".turn.by-agent .bubble").last).to_have_text(HELLO)
    assert await shown_turns(emma.page) == shown
    await staff.page.get_by_role("button", name="Back to assistant").click()
    await expect(emma.find(".banner")).to_have_attribute("data-state", "assistant")


async def test_an_answer_cut_off_by_a_kill_comes_once_and_whole(
    linxiao: Customer, browser: Browser, model: ScriptedModel, premises: Premises
) -> None:
    """Half of it stands in two tabs when the process dies; after the restart it stands there once."""
    half = await begun(linxiao, model, "寄回商品后，钱怎么退？")
    second = await linxiao.another()
    await second.goto(f"{premises.shop}/")
    await second.locator("chatpush-widget .launcher").click()
    await second.locator("chatpush-widget #tab-chat").click()
    await expect(second.locator("chatpush-widget .turn.by-assistant .bubble").last).to_contain_text(
        "come back"
    )
    linxiao.outage = True
    model.will(text(WHOLE))
    await premises.kill_chatpush()
    half.go_on.set()
    await premises.start_chatpush()
    for page in (linxiao.page, second):
        last = page.locator("chatpush-widget .turn.by-assistant:not(.streaming) .bubble").last
        await expect(last).to_have_text(WHOLE)
    _, turns = await kept_turns(premises, "linxiao")
    assert [said for _, said in turns].count(WHOLE) == 1
    assert sum("First the parcel" in said for _, said in turns) == 1
    for page in (linxiao.page, second):
        assert sum("First the parcel" in said for said in await shown_turns(page)) == 1
    shown = await shown_turns(linxiao.page)
    await linxiao.page.reload()
    await expect(linxiao.answers.last).to_have_text(WHOLE)
    assert await shown_turns(linxiao.page) == shown


async def test_who_signs_in_while_anothers_answer_is_streamed_sees_none_of_it(
    browser: Browser, model: ScriptedModel, premises: Premises
) -> None:
    async with visiting(Customer, browser, premises) as shared, visiting(Customer, browser, premises) as own:
        await shared.sign_in("jonas")
        half = await begun(shared, model, "Is my money safe on its way back?")
        await shared.page.locator("details.who summary").click()
        await shared.page.locator("form[action='/sign-out'] button").click()
        await shared.sign_in("zhouning")
        await shared.open("chat")
        half.go_on.set()
        await own.sign_in("jonas")
        await own.open("chat")
        await expect(own.answers.last).to_have_text(WHOLE)
        heard = await shared.find(".panel").inner_text()
        assert heard.strip()
        assert "First the parcel" not in heard
        assert "Is my money safe" not in heard
        await expect(shared.find(".turn.by-user")).to_have_count(0)
        _, turns = await kept_turns(premises, "jonas")
        assert [said for _, said in turns].count(WHOLE) == 1


async def test_giving_back_while_the_customer_asks_for_a_person_ends_in_one_state(
    emma: Customer, staff: Staff, premises: Premises
) -> None:
    """Whichever comes first: customer, agent and store agree, each word stands once, and the queue goes on."""
    await staff.sign_in()
    await emma.open("chat")
    banner = emma.find(".banner")
    for number in range(3):
        if await banner.get_attribute("data-state") == "assistant":
            await emma.find(".banner .person").click()
        await expect(banner).not_to_have_attribute("data-state", "assistant")
        await open_at_desk(staff, "Emma Clarke")
        if await banner.get_attribute("data-state") == "waiting":
            await staff.page.get_by_role("button", name="Take over").click()
        await expect(staff.page.locator('.thread-head[data-mine="yes"]')).to_be_visible()
        await expect(banner).to_have_attribute("data-state", "agent")
        said = f"Can I have a person please? {number}"
        await emma.find("textarea").fill(said)
        await asyncio.gather(
            staff.page.get_by_role("button", name="Back to assistant").click(),
            emma.find(".send").click(),
        )
        await expect(emma.find(".turn.by-user").last).to_contain_text(said)
        await until(partial(agree, emma, staff, premises))
        _, turns = await kept_turns(premises, "emma")
        assert [text for _, text in turns].count(said) == 1
        assert (await shown_turns(emma.page)).count(said) == 1


async def agree(customer: Customer, staff: Staff, premises: Premises) -> bool:
    """Return whether customer, agent and store hold the same of a conversation, and it has moved on."""
    state, turns = await kept_turns(premises, "emma")
    shown = await customer.find(".banner").get_attribute("data-state")
    desk = await staff.page.locator(".thread-head").get_attribute("data-state")
    released = sum("talking to the assistant again" in said for _, said in turns)
    return released > 0 and state == shown == desk
