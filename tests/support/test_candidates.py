"""Questions people answered are offered, and used only after a yes."""

import pytest

from chatpush.domain import DEFAULT_TENANT, ConversationId, Speaker, TenantId, Turn, TurnId
from chatpush.errors import Conflict, NotFound
from chatpush.store.database import Database
from chatpush.store.vault import Vault
from chatpush.support.conversations.erasure import erasing
from chatpush.support.knowledge.candidates import Candidates, answered
from tests.clocks import StillClock
from tests.support.house import ADA, House, build

REPLY = "You can return goods within 30 days, the refund reaches your card within 5 working days."


@pytest.fixture
def database(any_database: Database) -> Database:
    """Both kinds of database."""
    return any_database


async def handed(house: House, question: str, reply: str) -> None:
    """Let Ada ask for a person about something, who replies."""
    conversation = await house.conversation()
    await house.desk.hand_over(conversation)
    await house.say(question)
    await house.desk.reply(DEFAULT_TENANT, conversation.id, "per_1", "Ben", reply)
    await house.desk.reply(DEFAULT_TENANT, conversation.id, "per_1", "Ben", "Anything else?")


def candidates_of(house: House, database: Database, vault: Vault, clock: StillClock) -> Candidates:
    """Return the service over a house."""
    return Candidates(database, vault, clock, house.conversations, house.knowledge, house.retrieval)


async def test_an_answered_question_waits_for_a_yes_and_is_then_known(
    database: Database, vault: Vault, still_clock: StillClock
) -> None:
    house = await build(database, vault, still_clock)
    candidates = candidates_of(house, database, vault, still_clock)
    await handed(house, "my parents dislike the lampshade, what now?", REPLY)
    assert await candidates.look(DEFAULT_TENANT) == 1
    assert await candidates.look(DEFAULT_TENANT) == 0
    (found,) = await candidates.page(DEFAULT_TENANT)
    assert (found.question, found.reply) == ("my parents dislike the lampshade, what now?", REPLY)
    assert found.article == "return"
    assert (await house.knowledge.draft(DEFAULT_TENANT, "return")).questions == ()

    taken = await candidates.approve(
        DEFAULT_TENANT, found.id, "Eve", question="somebody dislikes a lampshade"
    )
    assert (taken.state, taken.decided_by) == ("approved", "Eve")
    assert (await house.knowledge.draft(DEFAULT_TENANT, "return")).questions == (
        "somebody dislikes a lampshade",
    )
    again = await house.retrieval.search(DEFAULT_TENANT, "she dislikes the lampshade", "en")
    assert again.passages[0].article == "return"
    with pytest.raises(Conflict):
        await candidates.approve(DEFAULT_TENANT, found.id, "Eve")
    await house.close()


async def test_a_reply_like_no_article_becomes_one(
    database: Database, vault: Vault, still_clock: StillClock
) -> None:
    house = await build(database, vault, still_clock)
    candidates = candidates_of(house, database, vault, still_clock)
    await handed(
        house, "is the oak table solid wood", "Every tabletop is solid oak from Latvia, oiled by hand."
    )
    await candidates.look(DEFAULT_TENANT)
    (found,) = await candidates.page(DEFAULT_TENANT)
    assert found.article == ""
    with pytest.raises(NotFound):
        await candidates.approve(DEFAULT_TENANT, found.id, "Eve", article="nowhere")
    taken = await candidates.approve(DEFAULT_TENANT, found.id, "Eve")
    assert taken.article == f"answered:{found.id}"
    again = await house.retrieval.search(DEFAULT_TENANT, "is that table solid oak wood", "en")
    assert again.passages[0].text.startswith("Every tabletop")
    await house.close()


async def test_what_was_rejected_is_not_proposed_again_and_nothing_lies_open(
    database: Database, vault: Vault, still_clock: StillClock
) -> None:
    house = await build(database, vault, still_clock)
    candidates = candidates_of(house, database, vault, still_clock)
    await handed(house, "is the oak table solid wood", "It is.")
    await candidates.look(DEFAULT_TENANT)
    (found,) = await candidates.page(DEFAULT_TENANT)
    await candidates.reject(DEFAULT_TENANT, found.id, "Eve")
    await house.say("Is the oak  table solid wood")
    conversation = await house.conversation()
    await house.desk.reply(DEFAULT_TENANT, conversation.id, "per_1", "Ben", "Yes, it is.")
    assert await candidates.look(DEFAULT_TENANT) == 0
    assert await candidates.page(DEFAULT_TENANT) == []
    for row in await database.read("SELECT * FROM knowledge_candidate"):
        assert b"oak" not in bytes(row["content_sealed"])
    with pytest.raises(NotFound):
        await candidates.get(DEFAULT_TENANT, "cnd_none")
    await house.close()


def test_thanks_and_what_a_person_adds_are_no_questions(still_clock: StillClock) -> None:
    def turn(number: int, by: Speaker, text: str) -> Turn:
        return Turn(TurnId(f"trn_{number}"), ConversationId("cnv_1"), by, text, still_clock.now())

    turns = [
        turn(1, Speaker.USER, "where can I buy spare shades"),
        turn(2, Speaker.AGENT, "In the shop."),
        turn(3, Speaker.AGENT, "Second floor."),
        turn(4, Speaker.USER, "ok"),
        turn(5, Speaker.AGENT, "Have a nice day."),
    ]
    assert answered(turns, {"trn_2", "trn_3", "trn_5"}) == [("where can I buy spare shades", "In the shop.")]
    assert answered(turns, {"trn_5"}) == []


async def test_a_users_questions_go_with_the_user(
    database: Database, vault: Vault, still_clock: StillClock
) -> None:
    async def forget(tenant: TenantId, channel: str) -> None:
        assert tenant == DEFAULT_TENANT
        assert channel

    house = await build(database, vault, still_clock)
    candidates = candidates_of(house, database, vault, still_clock)
    await handed(house, "is the oak table solid wood", "It is.")
    await candidates.look(DEFAULT_TENANT)
    await erasing(database, forget)(DEFAULT_TENANT, ADA)
    assert await candidates.page(DEFAULT_TENANT) == []
    await house.close()
