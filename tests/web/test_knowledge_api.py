"""Knowledge over HTTP and from the command line."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from chatpush.cli.knowledge import knowledge
from chatpush.cli.remote import Refused
from chatpush.errors import InvalidKnowledge, Unavailable
from chatpush.store.database import Database
from chatpush.store.vault import Vault
from tests.clocks import StillClock
from tests.support.house import House, build
from tests.web.harness import Client
from tests.web.supporting import supporting

ARTICLE = {"id": "returns", "text": "# Returns\n\nSend it back within 30 days.", "tags": ["money"]}


@pytest.fixture
async def house(database: Database, vault: Vault, still_clock: StillClock) -> AsyncIterator[House]:
    """The room, knowing nothing."""
    house = await build(database, vault, still_clock, articles=[])
    yield house
    await house.close()


@pytest.fixture
async def client(house: House) -> AsyncIterator[Client]:
    """A client with a key."""
    async with supporting(house) as client:
        yield client


async def told(client: Client, method: str, path: str, body: Any = None, status: int = 200) -> Any:
    """Return the JSON of an answer with a status."""
    async with client.request(method, path, json=body) as answer:
        assert answer.status == status, await answer.text()
        return await answer.json() if answer.status != 204 else None


async def run(*arguments: str) -> Result:
    """Run the command beside the loop that serves it."""
    return await asyncio.to_thread(CliRunner().invoke, knowledge, list(arguments))


async def test_put_list_get_search_delete(client: Client) -> None:
    stored = await told(client, "POST", "/v1/knowledge", {"articles": [ARTICLE]})
    assert stored["data"] == [{"id": "returns", "status": "added", "chunks": 1}]
    assert (await told(client, "POST", "/v1/knowledge", {"articles": [ARTICLE]}))["data"][0][
        "status"
    ] == "unchanged"
    page = await told(client, "GET", "/v1/knowledge")
    assert (page["data"][0]["title"], page["data"][0]["language"], page["has_more"]) == (
        "Returns",
        "en",
        False,
    )
    assert (await told(client, "GET", "/v1/knowledge/returns"))["text"] == "Send it back within 30 days."
    found = await told(client, "POST", "/v1/knowledge/search", {"query": "may I send it back"})
    assert found["data"][0]["article"] == "returns"
    assert 0 < found["confidence"] <= 1
    await told(client, "DELETE", "/v1/knowledge/returns", status=204)
    await told(client, "DELETE", "/v1/knowledge/returns", status=404)
    assert (await told(client, "POST", "/v1/knowledge/search", {"query": "returns"}))["data"] == []


@pytest.mark.parametrize(
    ("body", "status"),
    [
        ({"articles": []}, 422),
        ({"articles": [{"id": "a"}]}, 422),
        ({"articles": [{"id": "a", "text": "---\ntitle: x\n"}]}, 422),
        ({"articles": [{"id": "a", "text": "<script>x</script>", "format": "html"}]}, 422),
        ({"articles": [{"id": "a", "text": "x", "format": "pdf"}]}, 422),
        ({"articles": [{"id": "a", "text": "x", "colour": "red"}]}, 422),
        ({"articles": "many"}, 422),
    ],
)
async def test_bad_articles_are_told(client: Client, body: Any, status: int) -> None:
    problem = await told(client, "POST", "/v1/knowledge", body, status)
    assert problem["detail"]


async def test_the_command_imports_a_folder_and_tells_what_it_left_out(
    client: Client, tmp_path: Path
) -> None:
    (tmp_path / "zh").mkdir()
    (tmp_path / "delivery.md").write_text("# Delivery\n\nTwo days.")
    (tmp_path / "zh" / "delivery.md").write_text("# 配送\n\n两天送达。", encoding="utf-8")
    (tmp_path / "page.html").write_text("<h1>Invoices</h1><p>In your account.</p>")
    (tmp_path / "notes.txt").write_bytes(b"\x00\x00")
    (tmp_path / "picture.png").write_bytes(b"\x89PNG")
    where = ["--url", str(client.make_url("/")), "--key", "sk_x"]
    result = await run("import", str(tmp_path), *where)
    assert "3 added, 0 updated, 0 unchanged, 1 left out" in result.output
    assert "notes.txt: this is a binary file" in result.output
    assert result.exit_code == 1
    assert "3 unchanged" in (await run("import", str(tmp_path), *where)).output
    listed = (await run("list", *where)).output
    assert "zh:delivery" in listed
    found = (await run("search", "配送要多久", "--locale", "zh", *where)).output
    assert "配送" in found
    assert "confidence" in found
    assert "forgot zh:delivery" in (await run("delete", "zh:delivery", *where)).output
    assert "zh:delivery" not in (await run("list", *where)).output


async def test_the_command_says_what_is_wrong(client: Client, tmp_path: Path) -> None:
    where = ["--url", str(client.make_url("/")), "--key", "sk_x"]
    assert isinstance((await run("import", str(tmp_path / "gone"), *where)).exception, InvalidKnowledge)
    assert isinstance((await run("import", str(tmp_path), *where)).exception, InvalidKnowledge)
    refused = (await run("delete", "nothing", *where)).exception
    assert isinstance(refused, Refused)
    assert "no knowledge article" in refused.message
    down = (await run("list", "--url", "http://127.0.0.1:9", "--key", "sk_x")).exception
    assert isinstance(down, Unavailable)
    wrong = await run("list", "--url", "file:///etc/passwd", "--key", "k")
    assert wrong.exit_code == 2
    assert "is not a web address" in wrong.output
    assert (await run("list")).exit_code == 2
