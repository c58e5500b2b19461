"""Everything that is held of a user, for the user to take along; and nothing of anybody else's."""

from pathlib import Path
from typing import Any

from tests.serving import serving
from tests.waiting import until

CANARY = "canary-7f3a"


async def test_a_user_takes_everything_along(tmp_path: Path) -> None:
    async with serving(tmp_path) as served:
        profile = {
            "attributes": {"name": "Emma", "city": "York"}, "consents": {"marketing": True}, "topics": ["garden"],
            "channel_consents": {"alert": {"inbox": True}},
            "consent_text": "Offers, please.",
            "endpoints": {"email": ["emma@example.com"]},
        }  # fmt: skip
        await served.told("PUT", "/v1/users/emma", profile)
        await served.told("PUT", "/v1/users/lin", {"attributes": {"name": CANARY}})
        for user, words in (("emma", "For Emma"), ("lin", CANARY)):
            own = {"user": user, "data": {"order": words}}
            await served.told("POST", "/v1/messages", {"to": [own], "content": {"title": words}})
            event = {"user": user, "type": "view", "item": "A1", "properties": {"note": words}}
            await served.told("POST", "/v1/events", event)
        conversation = await served.told("POST", "/v1/me/conversations", {}, user="emma")
        turn = {"text": "Where is my lantern?", "client_id": "c"}
        await served.told("POST", f"/v1/me/conversations/{conversation['id']}/turns", turn, user="emma")

        async def arrived() -> Any:
            inbox = await served.told("GET", "/v1/me/inbox", user="emma")
            path = f"/v1/me/conversations/{conversation['id']}"
            return inbox["data"] and len((await served.told("GET", path, user="emma"))["turns"]) > 2

        await until(arrived)
        answer = await served.ask("GET", "/v1/me/export", user="emma")
        assert answer.headers["Content-Disposition"].startswith("attachment")
        assert answer.headers["Cache-Control"] == "no-store"
        found = await answer.json()
        assert found["user"]["attributes"] == {"name": "Emma", "city": "York"}
        assert found["endpoints"] == {"email": ["emma@example.com"]}
        assert (found["topics"], found["truncated"]) == (["garden"], [])
        assert found["user"]["channel_consents"] == {"alert": {"inbox": True}}
        consent, alone = found["consents"]
        assert (consent["category"], consent["channel"], consent["granted"]) == ("marketing", "", True)
        assert (alone["category"], alone["channel"], alone["granted"]) == ("alert", "inbox", True)
        assert consent["evidence"] == alone["evidence"] == {"text": "Offers, please.", "address": ""}
        assert found["inbox"][0]["title"] == "For Emma"
        assert found["deliveries"][0]["data"] == {"order": "For Emma"}
        assert found["events"][0]["properties"] == {"note": "For Emma"}
        said = [turn["text"] for turn in found["conversations"][0]["turns"]]
        assert "Where is my lantern?" in said
        assert CANARY not in await answer.text()
        assert "tenant" not in found["user"]
        same = await served.told("GET", "/v1/users/emma/export")
        assert {**same, "exported_at": ""} == {**found, "exported_at": ""}
        assert (await served.ask("GET", "/v1/users/nobody/export")).status == 404
        await served.told("DELETE", "/v1/users/emma")
        assert (await served.ask("GET", "/v1/users/emma/export")).status == 404
