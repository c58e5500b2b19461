"""A kept promise is told once: in the conversation on screen, else in the inbox, too."""

import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from websockets.asyncio.client import connect

from chatpush.domain import DEFAULT_TENANT, ConversationId, UserId
from chatpush.plugins.contracts import Follow
from tests.serving import Served, serving
from tests.waiting import until

ARRIVED = {"user": "emma", "type": "order.delivered", "properties": {"order_id": "1001"}}
FOLLOW = Follow(
    event_type="order.delivered", match={"order_id": "1001"}, offer={"en": "Shall I tell you when it arrives?"},
    done={"en": "Order {order_id} has arrived."},
)  # fmt: skip


@asynccontextmanager
async def watching(served: Served, conversation: dict[str, Any]) -> AsyncIterator[None]:
    """Have the conversation open, as a page does."""
    async with connect(served.wire, proxy=None) as socket:
        await socket.send(json.dumps({"id": 1, "connect": {"token": served.token("emma")}}))
        subscribe = {"channel": conversation["channel"], "token": conversation["token"]}
        await socket.send(json.dumps({"id": 2, "subscribe": subscribe}))
        while '"id":2' not in str(await socket.recv()):
            pass
        yield


@pytest.mark.parametrize("on_screen", [True, False])
async def test_a_kept_promise_is_told_once(tmp_path: Path, on_screen: bool) -> None:
    async with serving(tmp_path) as served:
        chatpush = served.chatpush
        conversation = await served.told("POST", "/v1/me/conversations", {}, user="emma")
        opened = await chatpush.conversations.get(
            DEFAULT_TENANT, ConversationId(conversation["id"]), UserId("emma")
        )
        await chatpush.promises.make(opened, FOLLOW, "en")

        async def kept() -> bool:
            return (await chatpush.promises.counts(DEFAULT_TENANT)).get("kept", 0) == 1

        async def settled() -> bool:
            return not await chatpush.database.read("SELECT * FROM reaction")

        async def inbox() -> list[Any]:
            listed: list[Any] = (await served.told("GET", "/v1/me/inbox", user="emma"))["data"]
            return listed

        if on_screen:
            async with watching(served, conversation):
                await served.told("POST", "/v1/events", ARRIVED)
                await until(kept)
                await until(settled)
            assert await inbox() == []
        else:
            await served.told("POST", "/v1/events", ARRIVED)
            await until(inbox)
        turns = (await served.told("GET", f"/v1/me/conversations/{conversation['id']}", user="emma"))["turns"]
        assert [turn["text"] for turn in turns].count("Order 1001 has arrived.") == 1
