"""What a widget is told beside the turns: typing, read, queue, office, rating, transcript, messages left."""

from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from chatpush.domain import DEFAULT_TENANT
from chatpush.store.database import Database
from chatpush.store.vault import Vault
from chatpush.support.people.office_hours import OfficeHours
from chatpush.support.people.teams import Agent, TeamDraft
from tests.clocks import StillClock
from tests.support.house import ADA, BOB, House, build
from tests.web.harness import KEY, Client
from tests.web.supporting import supporting

AS_ADA = {"X-As": "user:ada"}
AS_BOB = {"X-As": "user:bob"}
WEEKDAYS = dict.fromkeys(("mon", "tue", "wed", "thu", "fri"), ("09:00-17:00",))


@pytest.fixture
async def house(database: Database, vault: Vault, still_clock: StillClock) -> AsyncIterator[House]:
    """The room without a model."""
    house = await build(database, vault, still_clock)
    yield house
    await house.close()


@pytest.fixture
async def client(house: House) -> AsyncIterator[Client]:
    """A client that is a secret key unless a header says otherwise."""
    async with supporting(house, KEY) as client:
        yield client


async def told(
    client: Client, method: str, path: str, body: Any = None, who: Any = AS_ADA, status: int = 200
) -> Any:
    """Return the JSON of an answer with a status."""
    async with client.request(method, path, json=body, headers=who or {}) as answer:
        assert answer.status == status, await answer.text()
        return await answer.json() if answer.status != 204 else None


async def test_typing_is_shown_to_the_other_side_and_kept_nowhere(client: Client, house: House) -> None:
    id_ = (await house.conversation()).id
    await told(client, "POST", f"/v1/me/conversations/{id_}/typing", {"typing": True}, status=204)
    await told(client, "POST", f"/v1/me/conversations/{id_}/typing", {"typing": False}, status=204)
    agent = {"typing": True, "agent": "per_1", "name": "Grace"}
    await told(client, "POST", f"/v1/conversations/{id_}/typing", agent, None, 204)
    assert house.channels.on(f"conversation:{id_}", "typing") == [
        {"type": "typing", "by": "user"},
        {"type": "typing", "by": "agent", "name": "Grace"},
    ]


async def test_both_sides_see_what_the_other_has_read(client: Client, house: House) -> None:
    await house.say("where is my order 1001?")
    turns, id_ = await house.turns(), (await house.conversation()).id
    mine, theirs = f"/v1/me/conversations/{id_}", f"/v1/conversations/{id_}"
    await told(client, "POST", f"{mine}/read", {"turn": turns[2].id}, status=204)
    await told(client, "POST", f"{mine}/read", {"turn": turns[0].id}, status=204)  # never less
    await told(client, "POST", f"{theirs}/read", {"turn": turns[1].id}, None, 204)
    read = {"user": turns[2].id, "agent": turns[1].id}
    assert (await told(client, "GET", mine))["read"] == read
    assert (await told(client, "GET", theirs, who=None))["read"] == read
    assert house.channels.on(f"conversation:{id_}", "read") == [
        {"type": "read", "by": "user", "turn": turns[2].id},
        {"type": "read", "by": "agent", "turn": turns[1].id},
    ]
    await told(client, "POST", f"{mine}/read", {"turn": "trn_none"}, status=404)


async def test_whoever_waits_knows_the_place(client: Client, house: House, still_clock: StillClock) -> None:
    paths = {}
    for user, who in ((ADA, AS_ADA), (BOB, AS_BOB)):
        paths[user] = f"/v1/me/conversations/{(await house.conversation(user)).id}"
        still_clock.forward(timedelta(seconds=1))
        answer = await told(client, "POST", f"{paths[user]}/handover", None, who, 202)
        assert answer["position"] == len(paths)
    await house.people.staff.assigning.turn()
    await house.desk.take_over(DEFAULT_TENANT, (await house.conversation()).id, "per_1", "Grace")
    assert (await told(client, "GET", paths[ADA]))["position"] is None
    await house.people.staff.assigning.turn()
    bobs = house.channels.on(f"conversation:{(await house.conversation(BOB)).id}", "state")
    assert [state["position"] for state in bobs] == [2, 1]
    assert bobs[-1]["office"] == {"open": True, "opens_at": None}


async def test_a_closed_office_takes_a_message_and_answers_by_mail(
    client: Client, house: House, still_clock: StillClock
) -> None:
    still_clock.set(datetime(2026, 3, 7, 12, tzinfo=UTC))  # a Saturday
    hours = OfficeHours("Europe/London", WEEKDAYS, ("2026-03-09",))
    await house.people.staff.teams.put(DEFAULT_TENANT, TeamDraft("Help", hours=hours))
    id_ = (await house.conversation()).id
    path = f"/v1/me/conversations/{id_}"
    handed = await told(client, "POST", f"{path}/handover", status=202)
    assert handed["office"] == {"open": False, "opens_at": "2026-03-10T09:00:00.000Z"}
    left = {"email": "ada@example.com", "text": "Please engrave it."}
    assert (await told(client, "POST", f"{path}/leave-message", left, status=202))["turn"]["by"] == "user"
    turns = await house.turns()
    assert (turns[-2].text, "ada@example.com" in turns[-1].text) == ("Please engrave it.", True)
    assert (await told(client, "GET", f"/v1/conversations/{id_}", who=None))["contact"] == "ada@example.com"
    await house.desk.reply(DEFAULT_TENANT, id_, "per_1", "Grace", "It is engraved.")
    await house.people.staff.letters.turn()
    (letter,) = house.people.letters
    assert letter.address == "ada@example.com"
    assert "It is engraved." in letter.body
    house.people.online.add("ada")  # who is here reads it here
    await house.desk.reply(DEFAULT_TENANT, id_, "per_1", "Grace", "And on its way.")
    await house.people.staff.letters.turn()
    assert len(house.people.letters) == 1
    for wrong in ({"email": "nobody", "text": "x"}, {"email": "a@b.c", "text": "  "}, {"text": "x"}):
        await told(client, "POST", f"{path}/leave-message", wrong, status=422)


async def test_an_open_office_without_anybody_on_duty_is_closed(
    client: Client, house: House, still_clock: StillClock
) -> None:
    teams = house.people.staff.teams
    team = await teams.put(DEFAULT_TENANT, TeamDraft("Help"))
    await teams.put_agent(DEFAULT_TENANT, Agent("per_1", teams=(team.id,)))
    path = f"/v1/me/conversations/{(await house.conversation()).id}"
    assert (await told(client, "GET", path))["office"] == {"open": False, "opens_at": None}
    await teams.seen(DEFAULT_TENANT, "per_1")
    assert (await told(client, "GET", path))["office"]["open"] is True
    await teams.set_away(DEFAULT_TENANT, "per_1", away=True)
    assert (await told(client, "GET", path))["office"]["open"] is False


async def test_what_has_ended_can_be_rated_once_each_time(
    client: Client, house: House, still_clock: StillClock
) -> None:
    id_ = (await house.conversation()).id
    path = f"/v1/me/conversations/{id_}"
    await told(client, "POST", f"{path}/rating", {"score": 5}, status=409)
    await house.desk.reply(DEFAULT_TENANT, id_, "per_1", "Grace", "Hello")
    assert (await told(client, "GET", path))["may_rate"] is False
    await house.desk.close(DEFAULT_TENANT, id_)
    assert house.channels.on(f"conversation:{id_}", "state")[-1]["may_rate"] is True
    still_clock.forward(timedelta(seconds=5))
    rated = await told(client, "POST", f"{path}/rating", {"score": 4, "comment": " Quick! "})
    assert (rated["rating"], rated["may_rate"]) == ({"score": 4, "comment": "Quick!"}, False)
    (kept,) = await house.people.staff.ratings.recent(DEFAULT_TENANT)
    assert (kept.agent, kept.score) == ("per_1", 4)
    await house.say("One more thing")
    await house.desk.reply(DEFAULT_TENANT, id_, "per_1", "Grace", "Yes?")
    still_clock.forward(timedelta(seconds=5))
    await house.desk.release(DEFAULT_TENANT, id_)
    assert (await told(client, "GET", path))["may_rate"] is True
    for wrong in ({"score": 0}, {"score": 6}, {"comment": "x"}, {"score": 3, "comment": "x" * 2001}):
        await told(client, "POST", f"{path}/rating", wrong, status=422)


async def test_a_transcript_goes_by_mail(client: Client, house: House) -> None:
    await house.say("where is my order 1001?")
    path = f"/v1/me/conversations/{(await house.conversation()).id}/transcript"
    assert "email" in (await told(client, "POST", path, status=409))["detail"]
    assert await told(client, "POST", path, {"email": "ada@example.com"}, status=202) == {
        "email": "ada@example.com"
    }
    await house.people.staff.letters.turn()
    (letter,) = house.people.letters
    assert "where is my order 1001?" in letter.body
    assert "Order 1001 is shipped." in letter.body
    await told(client, "POST", path, {"email": "ada"}, status=422)


async def test_without_a_mail_server_the_remedy_is_named(
    database: Database, vault: Vault, still_clock: StillClock
) -> None:
    house = await build(database, vault, still_clock, mail=False)
    async with supporting(house, KEY) as client:
        path = f"/v1/me/conversations/{(await house.conversation()).id}/transcript"
        problem = await told(client, "POST", path, {"email": "ada@example.com"}, status=409)
        assert "channels.email.host" in problem["detail"]
    await house.close()


async def test_nobody_fills_a_mailbox_through_us(client: Client, house: House) -> None:
    path = f"/v1/me/conversations/{(await house.conversation()).id}/transcript"
    for _ in range(10):
        await told(client, "POST", path, {"email": "ada@example.com"}, status=202)
    await told(client, "POST", path, {"email": "ada@example.com"}, status=429)


@pytest.mark.parametrize("tail", ["typing", "read", "rating", "transcript", "leave-message"])
async def test_anothers_conversation_does_not_exist(client: Client, house: House, tail: str) -> None:
    body = {
        "typing": {"typing": True}, "read": {}, "rating": {"score": 5}, "transcript": {"email": "b@example.com"},
        "leave-message": {"email": "b@example.com", "text": "x"},
    }[tail]  # fmt: skip
    path = f"/v1/me/conversations/{(await house.conversation()).id}/{tail}"
    await told(client, "POST", path, body, AS_BOB, 404)


async def test_a_reply_sent_twice_is_said_once(client: Client, house: House) -> None:
    path = f"/v1/conversations/{(await house.conversation()).id}/turns"
    body = {"text": "Hello", "agent": "per_1", "name": "Grace", "client_id": "c-1"}
    first = await told(client, "POST", path, body, None, 201)
    assert await told(client, "POST", path, body, None, 201) == first
    assert [turn.text for turn in await house.turns()].count("Hello") == 1
