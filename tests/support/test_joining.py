"""What a visitor said and did becomes the signed-in user's, by the proof of both tokens and no other way."""

from pathlib import Path
from typing import Any

from tests.serving import Served, serving
from tests.waiting import until


async def as_visitor(served: Served) -> tuple[str, dict[str, str]]:
    """Make a visitor; return their id and the headers that prove it."""
    made = await served.http.post(served.url + "/v1/visitors", json={})
    visitor = await made.json()
    return visitor["user"], {"Authorization": f"Bearer {visitor['token']}"}


async def said(served: Served, headers: dict[str, str], text: str) -> str:
    """Say something in a new conversation as a visitor, wait for the answer, return the conversation's id."""
    opened = await served.http.post(served.url + "/v1/me/conversations", json={}, headers=headers)
    path = f"/v1/me/conversations/{(await opened.json())['id']}"
    await served.http.post(
        f"{served.url}{path}/turns", json={"text": text, "client_id": "c"}, headers=headers
    )

    async def answered() -> bool:
        turns = (await (await served.http.get(served.url + path, headers=headers)).json())["turns"]
        return turns[-1]["by"] == "assistant" and any(turn["text"] == text for turn in turns)

    await until(answered)
    return path


async def rows_of(served: Served, user: str) -> dict[str, int]:
    """Return, for every table that knows users, how many rows are this user's."""
    database = served.chatpush.database
    tables = await database.read("SELECT name FROM sqlite_master WHERE type = 'table'")
    found: dict[str, int] = {}
    for table in [row["name"] for row in tables]:
        columns = {row["name"] for row in await database.read(f"PRAGMA table_info({table})")}
        name = "user_id" if "user_id" in columns else "id" if table == "app_user" else ""
        if name:
            rows = await database.read(f"SELECT COUNT(*) AS n FROM {table} WHERE {name} = :u", u=user)
            found |= {table: rows[0]["n"]} if rows[0]["n"] else {}
    return found


async def test_a_visitor_who_signs_in_keeps_conversations_and_events(tmp_path: Path) -> None:
    """Readable under the user's own key, under the visitor's no more, and the visitor is gone."""
    async with serving(tmp_path) as served:
        visitor, headers = await as_visitor(served)
        path = await said(served, headers, "Do you ship to Norway?")
        event = {"type": "view", "item": "A1", "properties": {"from": "search"}}
        await served.http.post(served.url + "/v1/me/events", json=event, headers=headers)
        token = {"visitor_token": headers["Authorization"].removeprefix("Bearer ")}
        joined = await served.told("POST", "/v1/me/join", token, user="emma")
        assert joined == {"conversations": 1, "events": 1}
        turns = (await served.told("GET", path, user="emma"))["turns"]
        assert [turn["text"] for turn in turns if turn["by"] == "user"] == ["Do you ship to Norway?"]
        assert all(turn["text"] for turn in turns)
        recent = await served.chatpush.behaviour.recent(_tenant(), _user("emma"))
        assert [(one.type, dict(one.properties)) for one in recent] == [("view", {"from": "search"})]
        assert (await served.http.get(served.url + path, headers=headers)).status == 404
        assert await rows_of(served, visitor) == {}
        again = await served.told("POST", "/v1/me/join", token, user="emma")
        assert again == {"conversations": 0, "events": 0}
        await served.told("POST", f"{path}/turns", {"text": "And to Sweden?", "client_id": "d"}, user="emma")


async def test_nobody_takes_what_is_not_proven(tmp_path: Path) -> None:
    """A forged token, another user's, an expired one, and a visitor who wants another visitor's past."""
    async with serving(tmp_path) as served:
        _, headers = await as_visitor(served)
        path = await said(served, headers, "Hello?")
        good = headers["Authorization"].removeprefix("Bearer ")
        forged = good[:-4] + ("AAAA" if good[-4:] != "AAAA" else "BBBB")
        wrong = {
            "forged": forged,
            "nonsense": "abc",
            "a user's": served.token("emma"),
            "expired": served.token("visitor_1", exp=1),
        }
        for name, token in wrong.items():
            answer = await served.ask("POST", "/v1/me/join", {"visitor_token": token}, user="mallory")
            assert answer.status == 403, name
        _, others = await as_visitor(served)
        answer = await served.http.post(
            served.url + "/v1/me/join", json={"visitor_token": good}, headers=others
        )
        assert answer.status == 403
        bare = await served.http.post(served.url + "/v1/me/join", json={"visitor_token": good})
        assert bare.status == 401
        assert (await served.http.get(served.url + path, headers=headers)).status == 200


async def test_a_promise_given_twice_is_kept_once(tmp_path: Path) -> None:
    """The same promise to visitor and user: the visitor's is taken back, the user's stays."""
    async with serving(tmp_path) as served:
        visitor, headers = await as_visitor(served)
        path = await said(served, headers, "Hello?")
        mine = await served.told("POST", "/v1/me/conversations", {}, user="emma")
        database, vault = served.chatpush.database, served.chatpush.vault
        await vault.ready(_tenant(), visitor, "emma")
        pairs = ((visitor, path.rsplit("/", 1)[1]), ("emma", mine["id"]))
        for number, (user, conversation) in enumerate(pairs):
            content = {"match": {}, "text": f"text {number}", "done": "done", "locale": "en"}
            sealed = vault.seal_json(_tenant(), user, "promise", "content_sealed", f"prm_{number}", content)
            row: dict[str, Any] = {
                "tenant": "default", "id": f"prm_{number}", "conversation": conversation, "user_id": user,
                "event_type": "order.delivered", "same": "the same", "state": "pending",
                "content_sealed": sealed, "until_at": 4_000_000_000_000, "made_at": 0,
            }  # fmt: skip
            await database.write(lambda tx, row=row: tx.insert("promise", row))  # type: ignore[misc]
        token = {"visitor_token": headers["Authorization"].removeprefix("Bearer ")}
        await served.told("POST", "/v1/me/join", token, user="emma")
        promises = await served.told("GET", "/v1/me/promises", user="emma")
        assert [one["id"] for one in promises["data"]] == ["prm_1"]


def _tenant() -> Any:
    return "default"


def _user(name: str) -> Any:
    return name
