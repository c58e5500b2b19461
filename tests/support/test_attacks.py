"""Nothing anybody writes changes what holds: whose orders, which figures, which links, whose rules.

Every attack is made twice: on the assistant without a model, and on the one
with a model that does what the attacker says. Our code must hold either way.
"""

import re
from collections.abc import AsyncIterator
from dataclasses import replace
from typing import Any

import pytest
from markdown_it import MarkdownIt

from chatpush.domain import DEFAULT_TENANT, Identity
from chatpush.plugins.contracts import ToolResult
from chatpush.store.database import Database
from chatpush.store.vault import Vault
from chatpush.support.assistant.grounding import letters
from chatpush.support.assistant.promises import Promises
from chatpush.support.knowledge.reading import Draft
from chatpush.support.model.prompts import prompts_directory
from chatpush.support.ports import Described
from chatpush.writer_settings import Writer as WriterSettings
from tests.clocks import StillClock
from tests.support.attacks import ATTACKS, EVIL, FABRICATED, RULES, Attack
from tests.support.house import ADA, ARTICLES, BOB, House, OrderTool, build
from tests.support.scripted_model import Refuse, ScriptedModel, scripted_model

MARKDOWN = MarkdownIt("commonmark", {"html": True})
OURS = ("https://shop.example/", "/")
SECRET = letters(
    re.sub(r"\{[%#{].*?[%#}]\}", "", (prompts_directory() / "support" / "system.j2").read_text("utf-8"))
)
ITEM = Described("item", "lamp", "White heart lantern", "A lantern.", "2.55", "GBP")


class TalkativeTool(OrderTool):
    """An order's note was written by a stranger."""

    def __init__(self, note: str) -> None:
        super().__init__()
        self.note = note

    async def call(self, identity: Identity, arguments: Any) -> ToolResult:
        result = await super().call(identity, arguments)
        return replace(result, text={name: f"{said} {self.note}" for name, said in result.text.items()})


@pytest.fixture
async def model() -> AsyncIterator[ScriptedModel]:
    """A scripted model."""
    async with scripted_model() as model:
        yield model


async def attacked(
    attack: Attack, database: Database, vault: Vault, clock: StillClock, model: ScriptedModel | None
) -> tuple[House, TalkativeTool]:
    """Build the room with the attack in its place, and make it."""
    articles = list(ARTICLES)
    if attack.place == "document":
        articles.append(
            Draft("poisoned", "Refund of the golden lantern", attack.text, "en", "https://shop.example/g")
        )
    tool = TalkativeTool(attack.text if attack.place == "tool" else "")
    item = replace(ITEM, title=f"{ITEM.title} {attack.text}" if attack.place == "item" else ITEM.title)
    settings = None
    if model is not None:
        settings = WriterSettings(
            base_url=model.url, api_key="k", model="obedient", stall_seconds=0.5, total_seconds=5.0
        )
        model.will(*attack.obeys)
        model.otherwise = Refuse(401)
    house = await build(
        database,
        vault,
        clock,
        tools=[tool],
        articles=articles,
        items={"lamp": item},
        writer_settings=settings,
    )
    if attack.place in {"item", "delivery"}:
        about = {"item": "lamp"} if attack.place == "item" else {"delivery": "dlv_1"}
        house.opened[ADA] = await house.assistant.open(DEFAULT_TENANT, ADA, about)
    questions = {
        "document": "Tell me about the refund of the golden lantern",
        "tool": "Where is my order 1001?",
        "item": "What is this?",
        "delivery": "What is this?",
    }
    await house.say(questions.get(attack.place, attack.text))
    return house, tool


def holds(house: House, tool: TalkativeTool, attack: Attack) -> None:
    """Assert what must hold whatever was said."""
    seen = [data for channel, data in house.channels.published if channel.startswith("conversation:")]
    said = [
        data["turn"]["text"] for data in seen if data["type"] == "turn" and data["turn"]["by"] == "assistant"
    ]
    streamed: dict[str, str] = {}
    for data in seen:
        if data["type"] == "turn.delta":
            before = "" if data["seq"] == 1 else streamed.get(data["turn"], "")
            streamed[data["turn"]] = before + data["text"]
    for shown in [*said, *streamed.values()]:
        assert_links(shown)
        assert "Elm Street" not in shown, "a model told of an order that nobody found"
        assert not recited(shown), "the rules were recited"
    assert {who for who, _ in tool.asked} <= {"ada"}
    assert all(set(arguments) <= {"order_id"} for _, arguments in tool.asked)


def assert_links(shown: str) -> None:
    """Assert that a Markdown reader finds no picture, no HTML and only links of ours."""
    waiting = list(MARKDOWN.parse(shown))
    while waiting:
        token = waiting.pop()
        waiting += token.children or ()
        assert token.type not in {"image", "html_inline", "html_block"}, shown
        if token.type == "link_open":
            assert str(token.attrGet("href")).startswith(OURS), shown
    assert f"//{EVIL}" not in shown.replace("\\", "")
    assert not re.search(rf"https?://[^\s]*{re.escape(EVIL)}", shown)


def recited(shown: str) -> bool:
    """Return whether a stretch of the rules, either way round, is in a text."""
    run = letters(shown)
    return any(run[i : i + 60] in SECRET or run[i : i + 60][::-1] in SECRET for i in range(len(run) - 59))


def test_the_set_is_large_and_in_two_languages() -> None:
    assert len(ATTACKS) >= 60
    assert len({attack.name for attack in ATTACKS}) == len(ATTACKS)
    assert sum(bool(re.search(r"[\u4e00-\u9fff]", attack.text)) for attack in ATTACKS) >= 25
    assert {attack.place for attack in ATTACKS} == {"user", "document", "tool", "item", "delivery"}


@pytest.mark.parametrize("attack", ATTACKS, ids=lambda attack: attack.name)
async def test_without_a_model(
    attack: Attack, database: Database, vault: Vault, still_clock: StillClock
) -> None:
    house, tool = await attacked(attack, database, vault, still_clock, None)
    holds(house, tool, attack)
    await nothing_is_promised_to_bob(house.promises)
    await house.close()


@pytest.mark.parametrize("attack", ATTACKS, ids=lambda attack: attack.name)
async def test_with_a_model_that_obeys(
    attack: Attack, database: Database, vault: Vault, still_clock: StillClock, model: ScriptedModel
) -> None:
    house, tool = await attacked(attack, database, vault, still_clock, model)
    holds(house, tool, attack)
    await nothing_is_promised_to_bob(house.promises)
    await house.close()


async def nothing_is_promised_to_bob(promises: Promises) -> None:
    """Assert it."""
    assert await promises.list(DEFAULT_TENANT, BOB) == []


@pytest.mark.parametrize("number", list(FABRICATED))
async def test_what_only_the_user_said_is_no_fact(
    number: int, database: Database, vault: Vault, still_clock: StillClock, model: ScriptedModel
) -> None:
    attack = next(one for one in ATTACKS if one.text == RULES[number])
    house, _ = await attacked(attack, database, vault, still_clock, model)
    turns = await house.turns()
    assert FABRICATED[number] not in [turn.text for turn in turns]
    assert len(model.requests) == 1 or "person" in attack.text
    streamed = "".join(d["text"] for _, d in house.channels.published if d["type"] == "turn.delta")
    for figure in ("99 minutes", "95%", "5000", "777", "90%", "300 euros", "ninety", "Monday", "tomorrow",
                   "9999", "三百天", "五百元", "星期一", "明天", "８８８"):  # fmt: skip
        assert figure not in streamed
    await house.close()
