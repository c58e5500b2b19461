"""The agents' side over HTTP."""

from collections.abc import AsyncIterator
from typing import Any

import pytest

from chatpush.domain import Role
from chatpush.store.database import Database
from chatpush.store.vault import Vault
from tests.clocks import StillClock
from tests.support.house import BOB, House, build
from tests.web.harness import Client, person
from tests.web.supporting import supporting


@pytest.fixture
async def house(database: Database, vault: Vault, still_clock: StillClock) -> AsyncIterator[House]:
    """The room without a model."""
    house = await build(database, vault, still_clock)
    yield house
    await house.close()


async def told(client: Client, method: str, path: str, body: Any = None, status: int = 200) -> Any:
    """Return the JSON of an answer with a status."""
    async with client.request(method, path, json=body) as answer:
        assert answer.status == status, await answer.text()
        return await answer.json() if answer.status != 204 else None


async def test_from_waiting_to_answered_and_back(house: House) -> None:
    await house.say("Do you rent out helicopters on Mars?")
    await house.conversation(BOB)
    async with supporting(house, person(Role.AGENT)) as client:
        waiting = (await told(client, "GET", "/v1/conversations?state=waiting"))["data"]
        assert [one["user"] for one in waiting] == ["ada"]
        assert "helicopters" in waiting[0]["summary"]
        assert waiting[0]["waiting_since"]
        path = f"/v1/conversations/{waiting[0]['id']}"
        said = await told(client, "POST", f"{path}/turns", {"text": "Sorry, we don't."}, status=201)
        assert (said["turn"]["by"], said["turn"]["name"]) == ("agent", "Ada")
        whole = await told(client, "GET", path)
        assert (whole["state"], whole["agent_name"], whole["unread_turns"]) == ("agent", "Ada", 0)
        assert whole["turns"][-1]["text"] == "Sorry, we don't."
        assert (await told(client, "POST", f"{path}/release"))["state"] == "assistant"
        assert (await told(client, "POST", f"{path}/release", status=409))["code"] == "conflict"
        assert (await told(client, "POST", f"{path}/assign", {}))["agent_name"] == "Ada"
        await told(client, "POST", f"{path}/read", status=204)
        assert (await told(client, "POST", f"{path}/close"))["state"] == "closed"
        assert (await told(client, "POST", f"{path}/turns", {"text": "x"}, status=409))["code"] == "conflict"


async def test_a_key_speaks_for_whom_it_names(house: House) -> None:
    conversation = await house.conversation()
    async with supporting(house) as client:
        body = {"text": "Hello", "agent": "crm-7", "name": "Grace"}
        said = await told(client, "POST", f"/v1/conversations/{conversation.id}/turns", body, status=201)
        assert said["turn"]["name"] == "Grace"
        assert (await told(client, "GET", f"/v1/conversations/{conversation.id}"))["agent"] == "crm-7"


async def test_pages(house: House) -> None:
    for _ in range(3):
        house.opened.clear()
        await house.conversation()
    async with supporting(house) as client:
        first = await told(client, "GET", "/v1/conversations?limit=2")
        assert first["has_more"] is True
        last = first["data"][-1]["id"]
        rest = await told(client, "GET", f"/v1/conversations?limit=2&starting_after={last}")
        assert len(rest["data"]) == 1
        assert rest["has_more"] is False
        ids = [one["id"] for one in [*first["data"], *rest["data"]]]
        assert ids == sorted(ids, reverse=True)


@pytest.mark.parametrize(
    ("method", "path", "body", "status"),
    [
        ("GET", "/v1/conversations?state=asleep", None, 422),
        ("GET", "/v1/conversations?limit=1000", None, 422),
        ("GET", "/v1/conversations?ending_before=cnv_1", None, 422),
        ("GET", "/v1/conversations/cnv_none", None, 404),
        ("POST", "/v1/conversations/cnv_none/turns", {"text": "x"}, 404),
        ("POST", "/v1/conversations/cnv_none/release", None, 404),
        ("POST", "/v1/conversations/cnv_none/turns", {"text": ""}, 422),
    ],
)
async def test_bad_input_is_told(house: House, method: str, path: str, body: Any, status: int) -> None:
    async with supporting(house) as client:
        await told(client, method, path, body, status)


async def test_viewers_stay_outside(house: House) -> None:
    async with supporting(house, person(Role.VIEWER)) as client:
        await told(client, "GET", "/v1/conversations", status=403)
