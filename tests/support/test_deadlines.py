"""The clocks of service: what starts and stops them, who is warned, what the report counts."""

from datetime import timedelta

import pytest

from chatpush.domain import DEFAULT_TENANT, ConversationState
from chatpush.store.database import Database
from chatpush.support.people.teams import Targets, TeamDraft
from tests.clocks import StillClock
from tests.support.house import ADA, BOB, House, delivered


@pytest.fixture
def database(any_database: Database) -> Database:
    """Both kinds of database."""
    return any_database


async def running(house: House) -> dict[str, bool]:
    """Return the running clocks of Ada's conversation, and whether each is overdue."""
    clocks = await house.people.staff.deadlines.of(await house.conversation())
    return {clock.kind: clock.breached for clock in clocks}


async def test_what_starts_and_stops_a_clock(house: House, still_clock: StillClock) -> None:
    id_ = (await house.conversation()).id
    assert await running(house) == {}
    await house.desk.hand_over(await house.conversation())
    assert set(await running(house)) == {"first", "resolution"}
    await house.desk.reply(DEFAULT_TENANT, id_, "per_1", "Grace", "Hello")
    assert set(await running(house)) == {"resolution"}
    still_clock.forward(timedelta(seconds=1))
    await house.say("And then?")
    await house.say("Hello?")  # one clock, from the first of them
    assert set(await running(house)) == {"next", "resolution"}
    await house.desk.reply(DEFAULT_TENANT, id_, "per_1", "Grace", "This.")
    await house.desk.release(DEFAULT_TENANT, id_)
    assert await running(house) == {}


async def test_warned_once_told_once(house: House, still_clock: StillClock) -> None:
    deadlines = house.people.staff.deadlines
    targets = Targets(first=100, next=50, resolution=1000)
    team = await house.people.staff.teams.put(DEFAULT_TENANT, TeamDraft("Help", targets=targets))
    conversation = await house.desk.hand_over(await house.conversation())
    still_clock.forward(timedelta(seconds=79))
    assert await deadlines.sweep() == 0
    still_clock.forward(timedelta(seconds=2))
    assert (await deadlines.sweep(), await deadlines.sweep()) == (1, 0)
    still_clock.forward(timedelta(seconds=20))
    assert (await deadlines.sweep(), await deadlines.sweep()) == (1, 0)
    told = house.people.told
    assert [(kind, data["clock"], data["team"]) for kind, data in told] == [
        ("conversation.due_soon", "first", team.id), ("conversation.overdue", "first", team.id)
    ]  # fmt: skip
    hints = house.channels.on("console:activity", "deadline")
    assert [(hint["conversation"], hint["over"]) for hint in hints] == [
        (conversation.id, False), (conversation.id, True)
    ]  # fmt: skip
    assert await running(house) == {"first": True, "resolution": False}
    await house.desk.close(DEFAULT_TENANT, conversation.id)
    assert await running(house) == {}


async def test_the_report_counts_it_all(house: House, still_clock: StillClock) -> None:
    figures = house.people.staff.figures
    began = still_clock.now()
    await house.people.staff.teams.put(DEFAULT_TENANT, TeamDraft("Help", targets=Targets(first=10)))
    await house.conversation(BOB)
    still_clock.forward(timedelta(seconds=1))
    await house.say("How long do refunds take?", BOB)  # the assistant does that
    for text in ("where is my order 1001", "yes"):
        await house.say(text, ADA)
    await house.promises.on_event(delivered())
    ada = await house.desk.hand_over(await house.conversation(ADA))
    still_clock.forward(timedelta(seconds=30))
    await house.desk.reply(DEFAULT_TENANT, ada.id, "per_1", "Grace", "Hello")
    report = await figures.report(DEFAULT_TENANT, began - timedelta(days=2), still_clock.now())
    assert (report.conversations, report.handed_over, report.contained, report.resolved) == (2, 1, 0.5, 0.5)
    first = report.clocks["first"]
    assert (first.count, first.median, first.breached, first.with_target) == (1, 30.0, 1, 1)
    assert (report.promises, report.kept, report.ratings, report.score) == ({"kept": 1}, 1.0, 0, None)
    await house.desk.close(DEFAULT_TENANT, ada.id)
    still_clock.forward(timedelta(seconds=1))
    await house.people.staff.ratings.rate(await house.conversation(ADA), 4)
    report = await figures.report(DEFAULT_TENANT, began - timedelta(days=2), still_clock.now())
    assert (report.resolved, report.score, report.satisfied, report.scores[4]) == (1.0, 4.0, 1.0, 1)
    assert [day.conversations for day in report.days] == [0, 0, 2]
    assert report.days[-1].first_response == 30.0


async def test_an_empty_report_divides_by_nothing(house: House, still_clock: StillClock) -> None:
    report = await house.people.staff.figures.report(
        DEFAULT_TENANT, still_clock.now() - timedelta(days=1), still_clock.now()
    )
    assert (report.contained, report.resolved, report.kept, report.satisfied) == (None, None, None, None)
    assert report.clocks["first"].median is None


async def test_a_person_may_begin(house: House) -> None:
    taken = await house.desk.take_over(DEFAULT_TENANT, (await house.conversation()).id, "per_1", "Grace")
    assert taken.state is ConversationState.AGENT
    assert set(await running(house)) == {"first", "resolution"}
