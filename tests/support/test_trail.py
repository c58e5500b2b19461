"""What the assistant did for an answer, and why: kept, sealed, forgotten with the user."""

from datetime import timedelta

import pytest

from chatpush.store.database import Database
from chatpush.support.assistant.trail import KEPT, following, note, noted
from tests.clocks import StillClock
from tests.support.house import ADA, House


@pytest.fixture
def database(any_database: Database) -> Database:
    """Both kinds of database."""
    return any_database


async def steps_of(house: House) -> list[dict[str, object]]:
    """Return the steps of Ada's last answer."""
    trails = await house.people.staff.trails.of(await house.conversation(ADA))
    return list(trails[-1].steps)


async def test_an_answer_from_the_knowledge_base(house: House) -> None:
    await house.say("How long do refunds take?")
    steps = await steps_of(house)
    found = next(step for step in steps if step["kind"] == "retrieval")
    assert found["query"] == "How long do refunds take?"
    hits = found["hits"]
    assert isinstance(hits, list)
    assert hits[0]["article"] == "return"
    assert hits[0]["score"] > 0
    decided = steps[-1]
    assert (decided["kind"], decided["decision"], decided["hand_over"]) == ("answer", "knowledge", "")


async def test_an_answer_from_a_tool_and_a_tool_that_failed(house: House) -> None:
    await house.say("where is my order 1001")
    tool = next(step for step in await steps_of(house) if step["kind"] == "tool")
    assert (tool["name"], tool["arguments"]) == ("order_status", {"order_id": "1001"})
    assert tool["outcome"] == {"order_id": "1001", "state": "shipped"}
    house.tool.broken = True
    await house.say("where is my order 1001")
    tool = next(step for step in await steps_of(house) if step["kind"] == "tool")
    assert "failed" in str(tool["outcome"])


async def test_each_answer_has_its_own_and_reads_nowhere(house: House, any_database: Database) -> None:
    await house.say("How long do refunds take?")
    await house.say("What does delivery cost?")
    trails = await house.people.staff.trails.of(await house.conversation())
    assert len(trails) == 2
    assert "delivery" not in str(trails[0].steps[0]["query"])
    rows = await any_database.read("SELECT content_sealed FROM answer_trail")
    assert all(b"refund" not in bytes(row["content_sealed"]) for row in rows)


async def test_old_ones_are_forgotten(house: House, still_clock: StillClock) -> None:
    await house.say("How long do refunds take?")
    still_clock.forward(KEPT - timedelta(minutes=1))
    assert await house.people.staff.trails.sweep() == 0
    still_clock.forward(timedelta(minutes=2))
    assert await house.people.staff.trails.sweep() == 1


def test_notes_are_short_few_and_go_nowhere_outside_of_an_answer() -> None:
    note("tool", name="x")
    assert noted() == []
    with following() as steps:
        for number in range(100):
            note("tool", name="x" * 1000, number=number, deep={"a": [1, None, object]})
    assert len(steps) == 60
    assert len(steps[0]["name"]) < 500
    assert noted() == []
