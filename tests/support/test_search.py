"""Search over encrypted words, in English and Chinese; nothing readable lies in the store."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chatpush.domain import DEFAULT_TENANT, ConversationId, UserId
from chatpush.errors import InvalidInput
from chatpush.store.database import Database
from chatpush.support.people.search import WORDS_PER_TURN, excerpt, query_words, search_words
from tests.support.house import ADA, BOB, House


@pytest.fixture
def database(any_database: Database) -> Database:
    """Both kinds of database."""
    return any_database


async def found(house: House, query: str) -> list[UserId]:
    return [one.conversation.user for one in await house.people.staff.search.find(DEFAULT_TENANT, query)]


async def test_words_find_conversations(house: House) -> None:
    await house.say("My parcels were delivered to the neighbour", ADA)
    await house.say("我想申请退款，收到的灯笼坏了", BOB)
    assert await found(house, "parcel neighbour") == [ADA]
    assert await found(house, "delivering") == [ADA]
    assert await found(house, "退款") == [BOB]
    assert await found(house, "灯笼坏了") == [BOB]
    assert await found(house, "灯") == [BOB]
    assert await found(house, "parcel 退款") == []
    assert await found(house, "helicopter") == []
    one = (await house.people.staff.search.find(DEFAULT_TENANT, "neighbour"))[0]
    assert "neighbour" in one.excerpt
    assert one.turn is not None
    assert one.turn.by == "user"


async def test_ids_and_tags_find_too(house: House) -> None:
    await house.say("Hello", ADA)
    ada = await house.conversation(ADA)
    await house.people.staff.labels.tag(ada, ["VIP"])
    assert await found(house, "ada") == [ADA]
    assert await found(house, ada.id) == [ADA]
    assert await found(house, "tag:vip") == [ADA]
    assert await found(house, "tag:none") == []


async def test_what_agents_say_is_found_what_the_house_says_is_not(house: House) -> None:
    await house.desk.reply(
        DEFAULT_TENANT, (await house.conversation()).id, "per_1", "Grace", "Use the voucher"
    )
    assert await found(house, "voucher") == [ADA]
    assert await found(house, "joined the conversation") == []


async def test_the_index_holds_no_words(house: House, any_database: Database) -> None:
    await house.say("neighbour", ADA)
    rows = await any_database.read("SELECT word FROM conversation_word")
    assert rows
    assert all(len(row["word"]) == 32 and "neighbour" not in row["word"] for row in rows)


async def test_a_long_turn_is_bounded(house: House, any_database: Database) -> None:
    conversation = await house.conversation()
    words = " ".join(f"word{number}" for number in range(2000))
    await house.desk.reply(DEFAULT_TENANT, conversation.id, "per_1", "Grace", words)
    count = "SELECT COUNT(*) AS n FROM conversation_word WHERE conversation = :c"
    before = (await any_database.read(count, c=conversation.id))[0]["n"]
    assert before <= WORDS_PER_TURN + 60  # the greeting's beside


@pytest.mark.parametrize("query", ["", "   ", "x" * 201])
async def test_what_is_refused(house: House, query: str) -> None:
    with pytest.raises(InvalidInput):
        await found(house, query)


@given(st.text(max_size=200))
def test_whatever_was_said_is_found_by_itself(text: str) -> None:
    assert set(query_words(text)) <= set(search_words(text))


def test_an_excerpt_shows_the_place() -> None:
    text = "a " * 300 + "needle " + "b " * 300
    cut = excerpt(text, ["needle"])
    assert "needle" in cut
    assert cut.startswith("… ")
    assert cut.endswith(" …")
    assert len(cut) < 200


async def test_merging_moves_the_words(house: House) -> None:
    await house.say("My parcels were delivered to the neighbour", ADA)
    old = await house.conversation(ADA)
    house.opened.clear()
    new = await house.conversation(ADA)
    await house.people.staff.merging.merge(DEFAULT_TENANT, old.id, new.id)
    hits = await house.people.staff.search.find(DEFAULT_TENANT, "neighbour")
    assert [one.conversation.id for one in hits] == [ConversationId(new.id)]
