"""Topics that users join and leave themselves, and those they never hear of."""

from typing import Any

import pytest

from chatpush.store.database import Database
from chatpush.store.vault import Vault
from tests.clocks import StillClock
from tests.web.notifying import notifying, problem

EMMA = {"X-As": "user:emma"}


@pytest.fixture
def database(any_database: Database) -> Database:
    """The same on each kind of database."""
    return any_database


async def test_users_join_and_leave_what_is_open_to_them(
    database: Database, vault: Vault, still_clock: StillClock
) -> None:
    async with notifying(database, vault, still_clock) as (client, room):
        titles = {"en": "Garden news", "zh-CN": "园艺"}
        made = await client.put("/v1/topics/garden", json={"open": True, "titles": titles})
        assert (await made.json())["titles"] == titles
        await client.put("/v1/topics/risk-of-leaving/members", json={"users": ["emma"]})

        async def mine() -> Any:
            return (await (await client.get("/v1/me/topics", headers=EMMA)).json())["data"]

        assert await mine() == [{"name": "garden", "titles": titles, "member": False}]
        for _ in range(2):
            joined = await client.put("/v1/me/topics/garden", json={"member": True}, headers=EMMA)
            assert joined.status == 204
        assert (await mine())[0]["member"]
        await client.post("/v1/messages", json={"to": [{"topic": "garden"}], "content": {"title": "Bulbs"}})
        await room.settle()
        assert room.publisher.to("emma")[0]["title"] == "Bulbs"
        for _ in range(2):
            left = await client.put("/v1/me/topics/garden", json={"member": False}, headers=EMMA)
            assert left.status == 204
        assert not (await mine())[0]["member"]
        for name in ("risk-of-leaving", "nothing"):
            for member in (True, False):
                answer = await client.put(f"/v1/me/topics/{name}", json={"member": member}, headers=EMMA)
                assert await problem(answer, 404) == ("not_found", "name")
        await client.put("/v1/topics/garden", json={"open": False})
        assert await mine() == []
        listed = await (await client.get("/v1/topics")).json()
        assert [(one["name"], one["open"], one["members"]) for one in listed["data"]] == [
            ("risk-of-leaving", False, 1), ("garden", False, 0),
        ]  # fmt: skip


@pytest.mark.parametrize(
    ("name", "body"),
    [
        ("has space", {}),
        ("t", {"titles": {"not a locale": "x"}}),
        ("t", {"titles": {"en": ""}}),
        ("t", {"x": 1}),
    ],
)
async def test_what_can_not_be_used_is_refused(
    database: Database, vault: Vault, still_clock: StillClock, name: str, body: Any
) -> None:
    async with notifying(database, vault, still_clock) as (client, _):
        assert (await client.put(f"/v1/topics/{name}", json=body)).status == 422
