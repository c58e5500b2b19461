"""Files go up bounded and checked, down to their user and to agents alone, and away with the user."""

import json
from pathlib import Path
from typing import Any

import pytest
from aiohttp import ClientResponse

from tests.serving import Served, serving
from tests.support.files import PNG, TEXT, WHOLE
from tests.test_erasure import CANARY, plaintext_in
from tests.waiting import until


async def opened(served: Served, user: str = "emma") -> str:
    """Open a conversation; return its path."""
    made = await served.told("POST", "/v1/me/conversations", {}, user=user)
    return f"/v1/me/conversations/{made['id']}"


async def sent_up(served: Served, path: str, name: str, body: bytes, user: str = "emma") -> ClientResponse:
    """Upload a file."""
    headers = {"Authorization": f"Bearer {served.token(user)}", "Content-Type": "application/octet-stream"}
    url = f"{served.url}{path}/attachments"
    return await served.http.post(url, params={"name": name}, data=body, headers=headers)


async def taken(served: Served, path: str, name: str = "photo.png", body: bytes = PNG) -> dict[str, Any]:
    """Upload a file that must be taken."""
    answer = await sent_up(served, path, name, body)
    assert answer.status == 201, await answer.text()
    made: dict[str, Any] = await answer.json()
    return made


async def test_a_file_is_sent_with_a_turn_and_opens_for_its_user_and_for_agents(tmp_path: Path) -> None:
    async with serving(tmp_path) as served:
        path = await opened(served)
        made = await taken(served, path, "Küche 1.png")
        assert (made["name"], made["type"], made["size"]) == ("Küche 1.png", "image/png", len(PNG))
        turn = {"text": "It arrived like this", "client_id": "c", "attachments": [made["id"]]}
        told = (await served.told("POST", f"{path}/turns", turn, user="emma"))["turn"]
        assert told["attachments"] == [made]
        again = (await served.told("POST", f"{path}/turns", turn, user="emma"))["turn"]
        assert again["id"] == told["id"]
        turns = (await served.told("GET", path, user="emma"))["turns"]
        assert [one["attachments"] for one in turns if one["by"] == "user"] == [[made]]
        agent = made["url"].replace("/me/", "/")
        seen = await served.told("GET", path.replace("/me/", "/"))
        assert [file["url"] for turn in seen["turns"] for file in turn["attachments"]] == [agent]
        for url, user in ((made["url"], "emma"), (agent, "")):
            answer = await served.ask("GET", url, user=user)
            assert await answer.read() == PNG
            assert answer.content_type == "image/png"
            assert answer.headers["Content-Disposition"] == "attachment; filename*=UTF-8''K%C3%BCche%201.png"
            assert answer.headers["X-Content-Type-Options"] == "nosniff"
            assert "sandbox" in answer.headers["Content-Security-Policy"]
        other = await opened(served, "noah")
        for url in (made["url"], f"{other}/attachments/{made['id']}"):
            assert (await served.ask("GET", url, user="noah")).status == 404
        assert (await served.http.get(served.url + made["url"])).status == 401
        console = made["url"].split("/")[-3]
        assert (await served.ask("GET", f"/v1/conversations/{console}/attachments/att_none")).status == 404


@pytest.mark.parametrize("kind", list(WHOLE))
async def test_every_kind_comes_back_as_it_went(tmp_path: Path, kind: str) -> None:
    async with serving(tmp_path) as served:
        path = await opened(served)
        made = await taken(served, path, "file", WHOLE[kind])
        answer = await served.ask("GET", made["url"], user="emma")
        assert (answer.content_type, await answer.read()) == (kind, WHOLE[kind])


async def test_uploads_that_lie_or_are_too_much_are_refused(tmp_path: Path) -> None:
    """By name, by type, by size told and untold, by number; and nothing of them is kept."""
    rules = {"max_bytes": 1000, "types": ["image/png"], "per_turn": 1, "per_conversation": 2}
    async with serving(tmp_path, attachments=rules) as served:
        path = await opened(served)
        lies = {
            "a page": ("photo.png", b"<html><script>alert(1)</script></html>", 422),
            "another kind": ("photo.jpg", PNG, 422),
            "a program": ("photo.png.exe", PNG, 422),
            "not allowed": ("notes.txt", TEXT, 422),
            "with an archive": ("photo.png", PNG + b"PK\x03\x04", 422),
            "empty": ("photo.png", b"", 422),
            "too large": ("photo.png", PNG + b"\x00" * 1000, 413),
        }
        for lie, (name, body, status) in lies.items():
            answer = await sent_up(served, path, name, body)
            assert answer.status == status, lie
            assert (await answer.json())["code"], lie

        async def untold() -> Any:
            for _ in range(100):
                yield b"\x00" * 100

        headers = {"Authorization": f"Bearer {served.token('emma')}"}
        url = f"{served.url}{path}/attachments"
        assert (await served.http.post(url, data=untold(), headers=headers)).status == 413
        assert await served.chatpush.database.read("SELECT id FROM attachment") == []
        first, second = await taken(served, path), await taken(served, path)
        assert (await sent_up(served, path, "photo.png", PNG)).status == 422
        both = {"text": "two", "attachments": [first["id"], second["id"]]}
        assert (await served.ask("POST", f"{path}/turns", both, user="emma")).status == 422
        await served.told("DELETE", second["url"], user="emma")
        assert (await served.ask("GET", second["url"], user="emma")).status == 404
        once = {"text": "one", "attachments": [first["id"]]}
        await served.told("POST", f"{path}/turns", once, user="emma")
        assert (await served.ask("POST", f"{path}/turns", once, user="emma")).status == 422
        assert (await served.ask("DELETE", first["url"], user="emma")).status == 404
        assert (await served.ask("POST", f"{path}/turns", {"text": " "}, user="emma")).status == 422


async def test_uploads_can_be_off_and_the_widget_knows(tmp_path: Path) -> None:
    async with serving(tmp_path, attachments={"enabled": False}) as served:
        path = await opened(served)
        assert (await sent_up(served, path, "photo.png", PNG)).status == 422
        config = await (await served.http.get(served.url + "/v1/widget/config")).json()
        assert config["attachments"] is None


async def test_a_file_without_a_word_is_acknowledged_once(tmp_path: Path) -> None:
    """The assistant does not pretend to have looked into it."""
    async with serving(tmp_path) as served:
        path = await opened(served)
        made = await taken(served, path)
        turn = {"client_id": "c", "attachments": [made["id"]]}
        for _ in range(2):
            await served.told("POST", f"{path}/turns", turn, user="emma")
        turns = (await served.told("GET", path, user="emma"))["turns"]
        answers = [one["text"] for one in turns if one["by"] == "assistant"]
        assert [text for text in answers if "your file is here" in text] == answers[-1:]


async def test_what_was_never_sent_is_forgotten_and_erasure_takes_all(tmp_path: Path) -> None:
    """Sealed while it is there: neither its name nor its body stands readable in any file."""
    async with serving(tmp_path) as served:
        await served.told("PUT", "/v1/users/emma", {"locale": "en"})
        path = await opened(served)
        body = f"{CANARY} {json.dumps('x' * 300)}".encode()
        made = await taken(served, path, f"{CANARY}.txt", body)
        await served.told("POST", f"{path}/turns", {"attachments": [made["id"]]}, user="emma")
        await taken(served, path)
        database = served.chatpush.database
        await database.write(lambda tx: tx.execute("UPDATE attachment SET created_at = 0"))
        await served.chatpush.attachments.forget_unsent()
        kept = await database.read("SELECT id FROM attachment")
        assert [row["id"] for row in kept] == [made["id"]]
        assert plaintext_in(tmp_path, CANARY) == []
        await served.told("DELETE", "/v1/users/emma")

        async def gone() -> bool:
            return not await database.read("SELECT id FROM attachment")

        await until(gone)
    assert plaintext_in(tmp_path, CANARY) == []
