"""Queues that empty themselves: assignment, taking back, presence; on both kinds of database."""

from datetime import timedelta

import pytest

from chatpush.domain import DEFAULT_TENANT, ConversationState, UserId
from chatpush.errors import InvalidInput, NotFound
from chatpush.store.database import Database
from chatpush.support.people.assigning import GONE_AFTER, console_user
from chatpush.support.people.teams import Agent, Assignment, Team, TeamDraft
from tests.clocks import StillClock
from tests.support.house import ADA, BOB, House

EVE = UserId("eve")


@pytest.fixture
def database(any_database: Database) -> Database:
    """Both kinds of database."""
    return any_database


async def team_of(house: House, how: Assignment = Assignment.ROUND_ROBIN, capacity: int = 2) -> Team:
    """Make a team of Grace and Linus, both on duty."""
    teams = house.people.staff.teams
    team = await teams.put(DEFAULT_TENANT, TeamDraft("Help", assignment=how))
    for person in ("per_1", "per_2"):
        await teams.put_agent(DEFAULT_TENANT, Agent(person, teams=(team.id,), capacity=capacity))
        house.people.online.add(console_user(person))
    await house.people.staff.assigning.turn()
    return team


async def hand_over(house: House, *users: UserId) -> None:
    for user in users:
        await house.desk.hand_over(await house.conversation(user))
        house.clock.forward(timedelta(seconds=1))


async def test_what_waits_is_given_by_turns_within_capacity(house: House) -> None:
    await team_of(house, capacity=1)
    await hand_over(house, ADA, BOB, EVE)
    await house.people.staff.assigning.turn()
    given = [(await house.conversation(user)).agent_name for user in (ADA, BOB, EVE)]
    assert sorted(given[:2]) == ["Grace", "Linus"]
    assert (await house.conversation(EVE)).state is ConversationState.WAITING
    await house.desk.close(DEFAULT_TENANT, (await house.conversation(ADA)).id)
    await house.people.staff.assigning.turn()
    assert (await house.conversation(EVE)).agent_name == given[0]
    agents = await house.people.staff.teams.agents(DEFAULT_TENANT)
    assert [agent.load for agent in agents] == [1, 1]


async def test_who_is_away_or_gone_gets_nothing(house: House, still_clock: StillClock) -> None:
    await team_of(house)
    await house.people.staff.teams.set_away(DEFAULT_TENANT, "per_1", away=True)
    house.people.online.clear()
    still_clock.forward(timedelta(seconds=46))
    await hand_over(house, ADA)
    await house.people.staff.assigning.turn()
    assert (await house.conversation(ADA)).state is ConversationState.WAITING
    house.people.online.update({console_user("per_1"), console_user("per_2")})
    await house.people.staff.assigning.turn()
    assert (await house.conversation(ADA)).agent_name == "Linus"


async def test_a_manual_team_gives_nothing_away(house: House) -> None:
    team = await team_of(house, Assignment.MANUAL)
    await hand_over(house, ADA)
    await house.people.staff.assigning.turn()
    ada = await house.conversation(ADA)
    assert (ada.state, ada.team) == (ConversationState.WAITING, team.id)


async def test_what_a_vanished_agent_owes_goes_to_another(house: House, still_clock: StillClock) -> None:
    await team_of(house)
    await hand_over(house, ADA)
    await house.people.staff.assigning.turn()
    first = (await house.conversation(ADA)).agent
    house.people.online.remove(console_user(first))
    still_clock.forward(GONE_AFTER + timedelta(seconds=1))
    await house.people.staff.assigning.turn()
    after = await house.conversation(ADA)
    assert after.agent == ({"per_1", "per_2"} - {first}).pop()
    texts = [turn.text for turn in await house.turns()]
    assert any("had to leave" in text for text in texts)


async def test_what_owes_nothing_stays_with_its_agent(house: House, still_clock: StillClock) -> None:
    await team_of(house)
    await hand_over(house, ADA)
    await house.people.staff.assigning.turn()
    ada = await house.conversation(ADA)
    await house.desk.reply(DEFAULT_TENANT, ada.id, ada.agent, ada.agent_name, "Done.")
    house.people.online.clear()
    still_clock.forward(GONE_AFTER * 2)
    await house.people.staff.assigning.turn()
    assert (await house.conversation(ADA)).agent == ada.agent
    await house.say("One more question", ADA)
    await house.people.staff.assigning.turn()
    assert (await house.conversation(ADA)).state is ConversationState.WAITING


async def test_the_assistant_keeps_quiet_for_whom_was_assigned(house: House) -> None:
    await team_of(house)
    await hand_over(house, ADA)
    await house.people.staff.assigning.turn()
    last = await house.say("How long do refunds take?")
    assert (last.by, last.text) == ("user", "How long do refunds take?")


async def test_teams_are_changed_and_deleted(house: House) -> None:
    teams = house.people.staff.teams
    team = await team_of(house)
    await hand_over(house, ADA)
    changed = await teams.put(DEFAULT_TENANT, TeamDraft("Support", skills=("VIP ", "vip")), team.id)
    assert (changed.name, changed.skills) == ("Support", ("vip",))
    await teams.delete(DEFAULT_TENANT, team.id)
    assert await teams.list(DEFAULT_TENANT) == []
    assert (await teams.agent(DEFAULT_TENANT, "per_1")).teams == ()
    assert (await house.conversation(ADA)).team == ""
    for call in (teams.delete(DEFAULT_TENANT, team.id), teams.put(DEFAULT_TENANT, TeamDraft("x"), team.id)):
        with pytest.raises(NotFound):
            await call
    with pytest.raises(InvalidInput):
        await teams.put_agent(DEFAULT_TENANT, Agent("per_1", teams=("tem_none",)))
