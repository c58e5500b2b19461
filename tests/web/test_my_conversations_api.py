"""A user's own conversations over HTTP."""

from collections.abc import AsyncIterator
from typing import Any

import pytest

from chatpush.store.database import Database
from chatpush.store.vault import Vault
from tests.clocks import StillClock
from tests.support.house import House, build, delivered
from tests.web.harness import NOBODY, Client
from tests.web.supporting import supporting

ADA = {"X-As": "user:ada"}
BOB = {"X-As": "user:bob"}


@pytest.fixture
async def house(database: Database, vault: Vault, still_clock: StillClock) -> AsyncIterator[House]:
    """The room without a model."""
    house = await build(database, vault, still_clock)
    yield house
    await house.close()


@pytest.fixture
async def client(house: House) -> AsyncIterator[Client]:
    """A client that has no identity but the header's."""
    async with supporting(house, NOBODY) as client:
        yield client


async def told(
    client: Client, method: str, path: str, body: Any = None, who: Any = ADA, status: int = 200
) -> Any:
    """Return the JSON of an answer with a status."""
    async with client.request(method, path, json=body, headers=who) as answer:
        assert answer.status == status, await answer.text()
        return await answer.json() if answer.status != 204 else None


async def test_open_ask_answer(client: Client, house: House) -> None:
    opened = await told(client, "POST", "/v1/me/conversations", {}, status=201)
    assert opened["channel"] == f"conversation:{opened['id']}"
    assert opened["token"] == f"token ada {opened['channel']}"
    assert (opened["state"], opened["about"], opened["turns"][0]["by"]) == ("assistant", None, "assistant")

    path = f"/v1/me/conversations/{opened['id']}"
    said = {"text": "where is my order 1001?", "client_id": "c-1"}
    taken = await told(client, "POST", f"{path}/turns", said, status=202)
    assert (taken["turn"]["by"], taken["turn"]["client_id"]) == ("user", "c-1")
    assert await told(client, "POST", f"{path}/turns", said, status=202) == taken
    await house.assistant.idle()
    whole = await told(client, "GET", path)
    answer = whole["turns"][-1]
    assert "Order 1001 is shipped." in answer["text"]
    assert answer["sources"] == [{"title": "Order 1001", "url": "https://shop.example/orders/1001"}]
    assert {action["id"] for action in answer["actions"]} == {"yes", "no"}
    assert set(answer) == {
        "id", "by", "name", "text", "at", "sources", "actions", "cards", "promise", "streaming", "client_id",
        "attachments",
    }  # fmt: skip

    await told(client, "POST", f"{path}/turns", {"text": "yes"}, status=202)
    await house.assistant.idle()
    promises = (await told(client, "GET", "/v1/me/promises"))["data"]
    assert [promise["text"] for promise in promises] == ["I'll tell you when order 1001 arrives."]
    await house.promises.on_event(delivered())
    turns = (await told(client, "GET", path))["turns"]
    assert [turn["promise"]["state"] for turn in turns if turn["promise"]] == ["kept"]
    assert house.channels.on(opened["channel"], "promise")[0]["promise"]["state"] == "kept"
    listed = (await told(client, "GET", "/v1/me/conversations"))["data"]
    assert listed[0]["last"] == "Your order 1001 has arrived."
    assert listed[0]["unread_turns"] == 2
    assert listed[0]["turns"] is None
    await told(client, "POST", f"{path}/read", status=204)
    assert (await told(client, "GET", path))["unread_turns"] == 0


async def test_a_promise_is_cancelled(client: Client, house: House) -> None:
    opened = await told(client, "POST", "/v1/me/conversations", {}, status=201)
    for text in ("where is my order 1001?", "yes"):
        await told(client, "POST", f"/v1/me/conversations/{opened['id']}/turns", {"text": text}, status=202)
        await house.assistant.idle()
    promise = (await told(client, "GET", "/v1/me/promises"))["data"][0]
    await told(client, "DELETE", f"/v1/me/promises/{promise['id']}", who=BOB, status=404)
    await told(client, "DELETE", f"/v1/me/promises/{promise['id']}", status=204)
    assert (await told(client, "GET", "/v1/me/promises"))["data"] == []


async def test_a_conversation_about_an_item(client: Client) -> None:
    body = {"about": {"item": "85123A"}, "locale": "zh-CN"}
    opened = await told(client, "POST", "/v1/me/conversations", body, status=201)
    assert opened["about"] == {"item": "85123A"}
    assert "White heart lantern" in opened["turns"][0]["text"]
    assert "您正在看" in opened["turns"][0]["text"]
    assert opened["turns"][0]["cards"][0]["price"] == "2.55"


async def test_hand_over_and_stop(client: Client) -> None:
    opened = await told(client, "POST", "/v1/me/conversations", {}, status=201)
    path = f"/v1/me/conversations/{opened['id']}"
    assert (await told(client, "POST", f"{path}/handover", status=202))["state"] == "waiting"
    assert await told(client, "POST", f"{path}/stop", status=202) == {"stopped": False}


@pytest.mark.parametrize(
    ("method", "tail"),
    [("GET", ""), ("POST", "/turns"), ("POST", "/handover"), ("POST", "/stop"), ("POST", "/read")],
)
async def test_anothers_conversation_does_not_exist(client: Client, method: str, tail: str) -> None:
    opened = await told(client, "POST", "/v1/me/conversations", {}, status=201)
    body = {"text": "hello"} if tail == "/turns" else None
    path = f"/v1/me/conversations/{opened['id']}{tail}"
    problem = await told(client, method, path, body, who=BOB, status=404)
    assert problem["code"] == "not_found"
    assert (await told(client, "GET", "/v1/me/conversations", who=BOB))["data"] == []


@pytest.mark.parametrize(
    ("path", "body", "status"),
    [
        ("", {"about": {"item": "nothing"}}, 404),
        ("", {"about": {"colour": "red"}}, 422),
        ("/{id}/turns", {}, 422),
        ("/{id}/turns", {"text": ""}, 422),
        ("/{id}/turns", {"text": "   "}, 422),
        ("/{id}/turns", {"text": "x" * 4001}, 422),
        ("/{id}/turns", {"text": 5}, 422),
        ("/cnv_none/turns", {"text": "x"}, 404),
    ],
)
async def test_bad_input_is_told(client: Client, path: str, body: Any, status: int) -> None:
    opened = await told(client, "POST", "/v1/me/conversations", {}, status=201)
    full = "/v1/me/conversations" + path.replace("{id}", opened["id"])
    problem = await told(client, "POST", full, body, status=status)
    assert problem["detail"]


async def test_nobody_has_no_conversations(client: Client) -> None:
    await told(client, "GET", "/v1/me/conversations", who={}, status=401)
