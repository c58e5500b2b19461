"""A model helps who takes over, under the guards of every answer; without it there is always something."""

from collections.abc import AsyncIterator, Sequence

import pytest

from chatpush.domain import DEFAULT_TENANT, Speaker
from chatpush.store.database import Database
from chatpush.store.vault import Vault
from chatpush.support.conversations.conversations import Conversations
from chatpush.support.model.colleague import Colleague
from chatpush.support.model.redaction import Redaction
from chatpush.support.model.summaries import Summaries
from chatpush.support_settings import Support
from chatpush.writer_settings import Writer as WriterSettings
from tests.clocks import StillClock
from tests.support.house import ADA, House, build
from tests.support.scripted_model import Refuse, Script, ScriptedModel, scripted_model, text
from tests.waiting import until

QUESTION = "How long do refunds take?"
PASSAGE = "The refund reaches your card within 5 working days"


@pytest.fixture
async def model() -> AsyncIterator[ScriptedModel]:
    """A scripted model that is down unless told otherwise."""
    async with scripted_model() as model:
        yield model


@pytest.fixture
async def house(
    model: ScriptedModel, database: Database, vault: Vault, still_clock: StillClock
) -> AsyncIterator[House]:
    """A room with a model, whose chat a person has."""
    settings = WriterSettings(base_url=model.url, api_key="k", model="m", answer_cache_hours=0)
    house = await build(database, vault, still_clock, writer_settings=settings)
    await house.desk.take_over(DEFAULT_TENANT, (await house.conversation()).id, "per_1", "Grace")
    await house.say(QUESTION)
    yield house
    await house.close()


def colleague(house: House, *, modelled: bool = True) -> Colleague:
    """Return who stands at the agent's side."""
    assert house.modelling is not None
    writer = house.modelling.writer if modelled else None
    return Colleague(house.retrieval, Support(), house.modelling.prompts, Redaction(), writer)


async def draft(house: House, *, modelled: bool = True) -> str:
    """Return a draft for the chat as it stands."""
    conversation = await house.conversation()
    turns = await house.conversations.turns(conversation)
    return await colleague(house, modelled=modelled).suggestion(conversation, turns, "Grace")


async def test_a_draft_comes_from_the_model_and_rests_on_sources(house: House, model: ScriptedModel) -> None:
    model.will(text("Your refund reaches your card ", "within 5 working days [1]."))
    assert await draft(house) == "Your refund reaches your card within 5 working days."
    system, asked = model.requests[-1]["messages"]
    assert PASSAGE in system["content"]
    assert "Grace" in system["content"]
    assert asked["content"].endswith(f"CUSTOMER: {QUESTION}")
    assert "tools" not in model.requests[-1]


UNSOUND: dict[str, Script] = {
    "a figure nobody gave": text("You get 80 pounds within 2 days."),
    "the rules recited": text(
        "You draft an answer for a colleague of customer service, Grace, who reads it."
    ),
    "nothing": text(" "),
    "a model that is down": Refuse(500),
    "a model that refuses": Refuse(400),
}


@pytest.mark.parametrize("what", list(UNSOUND))
async def test_what_does_not_hold_is_replaced_by_the_passage(
    house: House, model: ScriptedModel, what: str
) -> None:
    model.will(*[UNSOUND[what]] * 3)
    assert PASSAGE in await draft(house)


async def test_a_link_nobody_gave_loses_its_address(house: House, model: ScriptedModel) -> None:
    model.will(text("See [our page](https://evil.example/x) for refunds."))
    assert "evil" not in await draft(house)


async def test_without_a_model_the_passage_is_the_draft(house: House, model: ScriptedModel) -> None:
    before = len(model.requests)
    assert PASSAGE in await draft(house, modelled=False)
    assert len(model.requests) == before


async def test_a_draft_is_paid_from_the_customers_budget(
    model: ScriptedModel, database: Database, vault: Vault, still_clock: StillClock
) -> None:
    settings = WriterSettings(
        base_url=model.url, api_key="k", model="m", daily_tokens_per_user=40, answer_cache_hours=0
    )
    house = await build(database, vault, still_clock, writer_settings=settings)
    await house.desk.take_over(DEFAULT_TENANT, (await house.conversation()).id, "per_1", "Grace")
    await house.say(QUESTION)
    model.will(text("It takes a little.", total=50), text("It takes a little."))
    assert await draft(house) == "It takes a little."
    assert PASSAGE in await draft(house)  # 50 of 40 tokens are spent
    assert len(model.requests) == 1
    await house.close()


def summaries(house: House) -> Summaries:
    """Watch the house's chats."""
    return Summaries(house.conversations, house.promises, colleague(house))


async def released(house: House, lines: Sequence[str]) -> None:
    """Give the chat back to the assistant and let the user say something there."""
    await house.desk.release(DEFAULT_TENANT, (await house.conversation()).id)
    for line in lines:
        await house.conversations.ask(await house.conversation(), line, "en")


async def test_the_models_summary_replaces_the_one_that_is_there_at_once(
    house: House, model: ScriptedModel
) -> None:
    await released(house, ["My lantern of order 1001 is broken"])
    watching = summaries(house)
    model.will(text("- Wants a refund of order 1001\n- Asked how long refunds take"))
    handed = await house.desk.hand_over(await house.conversation())
    assert "My lantern of order 1001 is broken" in handed.summary

    async def better() -> bool:
        return "Wants a refund" in (await house.conversation()).summary

    await until(better)
    hint = house.channels.on("console:activity", "conversation")[-1]
    assert hint["id"] == handed.id
    assert "COLLEAGUE" not in model.requests[-1]["messages"][1]["content"]
    # Who takes it over finds it made.
    asked = len(model.requests)
    taken = await house.desk.take_over(DEFAULT_TENANT, handed.id, "per_2", "Linus")
    assert "Wants a refund" in taken.summary
    assert len(model.requests) == asked
    await watching.stop()


async def test_a_summary_with_a_figure_nobody_said_is_not_kept(house: House, model: ScriptedModel) -> None:
    await released(house, ["My lantern is broken"])
    watching = summaries(house)
    model.will(text("- Wants 500 pounds by 3 May"))
    handed = await house.desk.hand_over(await house.conversation())
    await until(lambda: model.requests and not watching._tasks)
    assert (await house.conversation()).summary.count("500") == 0
    assert "My lantern is broken" in handed.summary
    await watching.stop()


async def test_a_chat_that_was_given_back_meanwhile_gets_no_summary(
    house: House, model: ScriptedModel, monkeypatch: pytest.MonkeyPatch
) -> None:
    await released(house, ["My lantern is broken"])
    watching = summaries(house)
    model.will(text("- Wants a new lantern"))
    plain = Conversations.change

    async def late(self: Conversations, *args: object, **more: object) -> object:
        """Let the agent give it back before the summary is stored."""
        monkeypatch.setattr(Conversations, "change", plain)
        await house.desk.release(DEFAULT_TENANT, (await house.conversation()).id)
        return await plain(self, *args, **more)  # type: ignore[arg-type]

    monkeypatch.setattr(Conversations, "change", late)
    await house.desk.hand_over(await house.conversation())
    await until(lambda: model.requests and not watching._tasks)
    assert (await house.conversation()).summary == ""
    assert (await house.turns(ADA))[-1].by is Speaker.SYSTEM
    await watching.stop()
