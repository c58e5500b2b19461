"""Teams, agents and the report over HTTP."""

from collections.abc import AsyncIterator
from typing import Any

import pytest

from chatpush.domain import Role
from chatpush.store.database import Database
from chatpush.store.vault import Vault
from tests.clocks import StillClock
from tests.support.house import House, build
from tests.web.harness import Client, person
from tests.web.supporting import supporting

TEAM = {
    "name": "Help", "skills": ["Refund"], "languages": ["en"], "assignment": "least_load",
    "hours": {"zone": "Europe/London", "week": {"mon": ["09:00-17:00"]}, "holidays": ["2026-12-25"]},
    "targets": {"first": 60, "next": 120, "resolution": 3600},
}  # fmt: skip


@pytest.fixture
async def house(database: Database, vault: Vault, still_clock: StillClock) -> AsyncIterator[House]:
    """The room without a model."""
    house = await build(database, vault, still_clock)
    yield house
    await house.close()


@pytest.fixture
async def client(house: House) -> AsyncIterator[Client]:
    """An administrator's client."""
    async with supporting(house, person(Role.ADMIN)) as client:
        yield client


async def told(client: Client, method: str, path: str, body: Any = None, status: int = 200) -> Any:
    """Return the JSON of an answer with a status."""
    async with client.request(method, path, json=body) as answer:
        assert answer.status == status, await answer.text()
        return await answer.json() if answer.status != 204 else None


async def test_a_team_and_its_agents(client: Client) -> None:
    team = await told(client, "POST", "/v1/teams", TEAM, 201)
    assert {name: team[name] for name in TEAM} == {**TEAM, "skills": ["refund"]}
    changed = await told(client, "PUT", f"/v1/teams/{team['id']}", {"name": "Support"})
    assert (changed["name"], changed["assignment"], changed["hours"]["week"]) == ("Support", "manual", {})
    settings = {"teams": [team["id"]], "languages": ["zh"], "capacity": 3}
    agent = await told(client, "PUT", "/v1/agents/per_1", settings)
    assert (agent["teams"], agent["capacity"], agent["presence"]) == ([team["id"]], 3, "offline")
    assert (await told(client, "PUT", "/v1/agents/per_1/presence", {"away": False}))["presence"] == "online"
    assert (await told(client, "PUT", "/v1/agents/per_1/presence", {"away": True}))["presence"] == "away"
    assert [one["person"] for one in (await told(client, "GET", "/v1/agents"))["data"]] == ["per_1"]
    await told(client, "DELETE", f"/v1/teams/{team['id']}", status=204)
    assert (await told(client, "GET", "/v1/teams"))["data"] == []


@pytest.mark.parametrize(
    ("method", "path", "body", "status"),
    [
        ("POST", "/v1/teams", {"name": ""}, 422),
        ("POST", "/v1/teams", {"name": "x", "hours": {"zone": "Mars/Olympus"}}, 422),
        ("POST", "/v1/teams", {"name": "x", "assignment": "lottery"}, 422),
        ("POST", "/v1/teams", {"name": "x", "targets": {"first": -1}}, 422),
        ("PUT", "/v1/teams/tem_none", {"name": "x"}, 404),
        ("DELETE", "/v1/teams/tem_none", None, 404),
        ("PUT", "/v1/agents/per_1", {"teams": ["tem_none"]}, 422),
        ("PUT", "/v1/agents/per_1", {"capacity": 101}, 422),
        ("GET", "/v1/service?days=93", None, 422),
    ],
)
async def test_bad_input_is_told(client: Client, method: str, path: str, body: Any, status: int) -> None:
    await told(client, method, path, body, status)


async def test_the_report_over_http(client: Client, house: House) -> None:
    await house.say("How long do refunds take?")
    report = await told(client, "GET", "/v1/service?days=1")
    assert set(report["clocks"]) == {"first", "next", "resolution"}
    assert len(report["days"]) == 2


async def test_agents_look_but_do_not_manage(house: House) -> None:
    async with supporting(house, person(Role.AGENT)) as client:
        await told(client, "GET", "/v1/teams")
        await told(client, "POST", "/v1/teams", {"name": "x"}, 403)
