"""Users, topics and segments over HTTP."""

from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from chatpush.domain import iso
from chatpush.store.database import Database
from chatpush.store.vault import Vault
from tests.clocks import StillClock
from tests.serving import serving
from tests.waiting import until
from tests.web.notifying import notifying, problem


async def test_users_are_made_changed_listed_and_erased(
    database: Database, vault: Vault, still_clock: StillClock
) -> None:
    async with notifying(database, vault, still_clock) as (client, _):
        body = {
            "locale": "zh_cn", "timezone": "Asia/Shanghai", "attributes": {"name": "小林", "age": 30},
            "consents": {"marketing": True}, "topics": ["vip"], "quiet_hours": {"start": "22:00", "end": "08:00"},
            "endpoints": {"email": ["lin@example.com"]},
        }  # fmt: skip
        made = await (await client.put("/v1/users/lin", json=body)).json()
        assert made["locale"] == "zh-CN"
        assert (made["topics"], made["endpoints"]) == (["vip"], {"email": 1})
        changed = await client.put(
            "/v1/users/lin",
            json={
                "attributes": {"age": None, "city": "成都"},
                "consents": {"marketing": False},
                "consent_text": "不再接收",
                "consent_address": "203.0.113.7",
                "quiet_hours": None,
            },
        )
        found = await changed.json()
        assert found["attributes"] == {"name": "小林", "city": "成都"}
        assert (found["timezone"], found["quiet_hours"]) == ("Asia/Shanghai", None)
        ledger = await (await client.get("/v1/users/lin/consents")).json()
        assert [(one["granted"], one["via"], one["text"], one["address"]) for one in ledger["data"]] == [
            (True, "api", None, None), (False, "api", "不再接收", "203.0.113.7"),
        ]  # fmt: skip
        (sealed,) = await database.read("SELECT * FROM consent_entry WHERE evidence_sealed IS NOT NULL")
        assert b"203.0.113.7" not in bytes(sealed["evidence_sealed"])
        listed = await (await client.get("/v1/users")).json()
        assert [one["id"] for one in listed["data"]] == ["lin"]
        assert (await client.delete("/v1/users/lin")).status == 204
        assert (await problem(await client.get("/v1/users/lin"), 404))[0] == "not_found"
        assert (await problem(await client.delete("/v1/users/lin"), 404))[0] == "not_found"
        stored = await database.read("SELECT address_sealed FROM endpoint")
        assert stored == []


@pytest.mark.parametrize(
    ("body", "status", "param"),
    [
        ({"timezone": "Mars/Olympus"}, 422, "timezone"),
        ({"timezone": "../etc/passwd"}, 422, "timezone"),
        ({"locale": "!"}, 422, "locale"),
        ({"attributes": []}, 422, "attributes"),
        ({"attributes": {f"k{n}": 1 for n in range(101)}}, 413, "attributes"),
        ({"attributes": {"x": "y" * 40_000}}, 413, "attributes"),
        ({"consents": {"marketing": "yes please"}}, 422, "consents.marketing"),
        ({"consents": {"transactional": False}}, 422, "consents.transactional"),
        ({"consents": {"spam": True}}, 422, "consents.spam"),
        ({"quiet_hours": {"start": "25:00", "end": "08:00"}}, 422, "quiet_hours"),
        ({"quiet_hours": {"start": "08:00", "end": "08:00"}}, 422, "quiet_hours"),
        ({"topics": ["has space"]}, 422, "topics.0"),
        ({"nickname": "x"}, 422, "nickname"),
    ],
)
async def test_bad_users_name_the_field(
    database: Database, vault: Vault, still_clock: StillClock, body: dict[str, Any], status: int, param: str
) -> None:
    async with notifying(database, vault, still_clock) as (client, _):
        assert (await problem(await client.put("/v1/users/lin", json=body), status))[1] == param


async def test_bad_user_ids(database: Database, vault: Vault, still_clock: StillClock) -> None:
    async with notifying(database, vault, still_clock) as (client, _):
        for name in ("a%20b", "a%23b", "x" * 129):
            assert (await problem(await client.put(f"/v1/users/{name}", json={}), 422))[1] == "id"


async def test_topics_gain_and_lose_members(
    database: Database, vault: Vault, still_clock: StillClock
) -> None:
    async with notifying(database, vault, still_clock) as (client, _):
        assert (await client.put("/v1/topics/vip/members", json={"users": ["emma", "lin"]})).status == 204
        assert (await client.delete("/v1/topics/vip/members/emma")).status == 204
        again = await client.delete("/v1/topics/vip/members/emma")
        assert (await problem(again, 404))[1] == "user"
        members = await (await client.get("/v1/topics/vip/members")).json()
        assert members == {"data": ["lin"], "has_more": False}
        listed = await (await client.get("/v1/topics")).json()
        assert [(one["name"], one["members"]) for one in listed["data"]] == [("vip", 1)]
        bad = await client.put("/v1/topics/vip/members", json={"users": ["a b"]})
        assert (await problem(bad, 422))[1] == "users[0]"
        assert (await problem(await client.get("/v1/topics/none/members"), 404))[1] == "name"


async def test_segments_are_checked_and_counted(
    database: Database, vault: Vault, still_clock: StillClock
) -> None:
    async with notifying(database, vault, still_clock) as (client, _):
        for name, country in (("emma", "GB"), ("lin", "CN")):
            await client.put(f"/v1/users/{name}", json={"attributes": {"country": country}})
        assert (await client.put("/v1/segments/gb", json={"where": 'country = "GB"'})).status == 200
        found = await (await client.get("/v1/segments/gb")).json()
        assert (found["where"], found["users"]) == ('country = "GB"', 1)
        bad = await client.put("/v1/segments/gb", json={"where": "country ="})
        body = await bad.json(content_type="application/problem+json")
        assert (body["param"], body["detail"]) == (
            "where", 'position 10: expected a value: "text", a number, true or false, found the end',
        )  # fmt: skip
        assert [one["name"] for one in (await (await client.get("/v1/segments")).json())["data"]] == ["gb"]
        assert (await client.delete("/v1/segments/gb")).status == 204
        assert (await problem(await client.get("/v1/segments/gb"), 404))[0] == "not_found"


async def test_a_segment_asks_what_users_did_and_how_long_ago(tmp_path: Path) -> None:
    async with serving(tmp_path) as served:
        now = served.chatpush.clock.now()
        people = {"emma": ("GB", 10), "lin": ("GB", 40), "noah": ("US", 5), "mia": ("GB", None)}
        for user, (country, days) in people.items():
            await served.told("PUT", f"/v1/users/{user}", {"attributes": {"country": country}})
            if days is not None:
                bought = {
                    "user": user, "type": "purchase", "item": "i1", "at": iso(now - timedelta(days=days))
                }  # fmt: skip
                await served.told("POST", "/v1/events", {"events": [bought]})

        async def members(where: str) -> int:
            await served.told("PUT", "/v1/segments/s", {"where": where})
            return int((await served.told("GET", "/v1/segments/s"))["users"])

        assert await members('country = "GB" and last_purchase > 30 days') == 1
        assert await members("not last_purchase exists") == 1
        assert await members("last_purchase < 30 days") == 2
        assert await members('country = "GB" and last_purchase < 30 days') == 1
        body = {"content": {"title": "Thanks"}, "to": [{"segment": "s"}]}
        sent = (await served.told("POST", "/v1/messages", body))["id"]

        async def done() -> bool:
            return bool((await served.told("GET", f"/v1/messages/{sent}"))["status"] == "completed")

        await until(done)
        listed = (await served.told("GET", f"/v1/messages/{sent}/deliveries"))["data"]
        assert [one["user"] for one in listed] == ["emma"]
