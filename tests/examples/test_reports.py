"""Events reach chatpush in order, once confirmed and not before."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import aiohttp
import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer

from examples.shop.push import Push, PushError
from examples.shop.reports import Reports
from examples.shop.storage import Storage
from tests.waiting import until


class Chatpush:
    """Stands where chatpush would, and can be told to refuse."""

    def __init__(self) -> None:
        self.refusals = 0
        self.bodies: list[dict[str, Any]] = []
        self.keys: list[str] = []

    async def answer(self, request: web.Request) -> web.Response:
        if self.refusals:
            self.refusals -= 1
            return web.json_response({"title": "Overloaded", "detail": "come back later"}, status=503)
        self.keys.append(request.headers["Authorization"])
        self.bodies.append(await request.json() if request.can_read_body else {})
        return web.json_response({"picks": [{"item": {"id": "1"}}], "id": "msg_1"}, status=202)


@pytest.fixture
def chatpush() -> Chatpush:
    return Chatpush()


@pytest.fixture
async def push(chatpush: Chatpush) -> AsyncIterator[Push]:
    app = web.Application()
    app.router.add_route("*", "/{path:.*}", chatpush.answer)
    async with TestServer(app) as server, aiohttp.ClientSession() as session:
        yield Push(session, str(server.make_url("/")), "sk_shop")


@pytest.fixture
async def reports(tmp_path: Path, push: Push) -> AsyncIterator[Reports]:
    reports = Reports(Storage(tmp_path / "shop.db"))
    sending = asyncio.create_task(reports.send_for_ever(push))
    yield reports
    sending.cancel()


async def test_events_arrive_with_the_shops_key(reports: Reports, chatpush: Chatpush) -> None:
    reports.behaviour("emma", "view", "85123A")
    await until(lambda: reports.waiting() == 0)
    (body,) = chatpush.bodies
    assert body["events"][0]["user"] == "emma"
    assert body["events"][0]["at"].endswith("Z")
    assert chatpush.keys == ["Bearer sk_shop"]


async def test_what_is_refused_is_sent_again_under_its_id(reports: Reports, chatpush: Chatpush) -> None:
    chatpush.refusals = 1
    reports.behaviour("emma", "cart", "85123A")
    reports.behaviour("emma", "cart", "22423")
    await until(lambda: chatpush.refusals == 0)
    assert reports.waiting() == 2
    await until(lambda: reports.waiting() == 0)
    ids = [event["id"] for body in chatpush.bodies for event in body["events"]]
    assert len(ids) == len(set(ids)) == 2


async def test_a_refusal_says_what_chatpush_said(push: Push, chatpush: Chatpush) -> None:
    chatpush.refusals = 1
    with pytest.raises(PushError, match="503 come back later"):
        await push.events([])


async def test_picks_and_messages(push: Push) -> None:
    assert await push.picks("emma", 5, "en") == [{"item": {"id": "1"}}]
    assert await push.message({"template": "promotion"}, "key") == "msg_1"
