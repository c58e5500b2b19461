"""Erasing a user leaves no trace of what they said, did or were: not in a file, not on a channel."""

from pathlib import Path
from typing import Any

from tests.serving import serving
from tests.waiting import until

CANARY = "canary-7f3a"


def plaintext_in(directory: Path, text: str) -> list[str]:
    """Return the files below a directory in which a text stands readable."""
    return [
        file.name for file in directory.rglob("*") if file.is_file() and text.encode() in file.read_bytes()
    ]


async def test_what_is_sealed_is_never_readable_and_erasure_is_final(tmp_path: Path) -> None:
    async with serving(tmp_path) as served:
        profile = {
            "attributes": {"name": CANARY},
            "locale": "en",
            "consents": {"marketing": True},
            "channel_consents": {"marketing": {"inbox": True}},
            "consent_text": CANARY,
            "endpoints": {"email": [f"{CANARY}@example.com"]},
        }
        await served.told("PUT", "/v1/users/emma", profile)
        message = {"to": [{"user": "emma"}], "content": {"title": "T", "body": CANARY}}
        await served.told("POST", "/v1/messages", message)
        event = {"user": "emma", "type": "view", "item": "A1", "properties": {"note": CANARY}}
        await served.told("POST", "/v1/events", event)
        conversation = await served.told("POST", "/v1/me/conversations", {}, user="emma")
        path = f"/v1/me/conversations/{conversation['id']}"
        await served.told("POST", f"{path}/turns", {"text": CANARY, "client_id": "c"}, user="emma")

        async def arrived() -> Any:
            inbox = await served.told("GET", "/v1/me/inbox", user="emma")
            turns = (await served.told("GET", path, user="emma"))["turns"]
            return inbox["data"] and len(turns) > 2

        await until(arrived)
        assert plaintext_in(tmp_path, CANARY) == []
        assert len((await served.told("GET", "/v1/users/emma/consents"))["data"]) == 2
        await served.told("DELETE", "/v1/users/emma")
        assert (await served.ask("GET", "/v1/users/emma")).status == 404
        assert (await served.ask("GET", f"/v1/conversations/{conversation['id']}")).status == 404
        rows: dict[str, Any] = {}
        for table in ("event", "turn", "conversation", "promise", "inbox_item", "endpoint", "consent_entry"):
            rows[table] = await served.chatpush.database.read(f"SELECT * FROM {table}")
        assert not any(rows.values()), rows
        history = {"channel": "user:emma", "limit": 10}
        told = await served.http.post(
            served.url + "/api/history", json=history, headers={"X-API-Key": "server-api-key"}
        )
        assert not (await told.json())["result"].get("publications")
    assert plaintext_in(tmp_path, CANARY) == []
