"""Events reach chatpush in order, once confirmed and not before."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from examples.shop.push import Push, PushError
from examples.shop.reports import Reports
from examples.shop.storage import Storage
from tests.examples.fake_chatpush import FakeChatpush
from tests.waiting import until


@pytest.fixture
async def reports(tmp_path: Path, push: Push) -> AsyncIterator[Reports]:
    reports = Reports(Storage(tmp_path / "shop.db"))
    sending = asyncio.create_task(reports.send_for_ever(push))
    yield reports
    sending.cancel()


async def test_events_arrive_with_the_shops_key(reports: Reports, chatpush: FakeChatpush) -> None:
    reports.behaviour("emma", "view", "85123A")
    await until(lambda: reports.waiting() == 0)
    (body,) = chatpush.sent("/v1/events")
    assert body["events"][0]["user"] == "emma"
    assert body["events"][0]["at"].endswith("Z")
    assert chatpush.keys == {"Bearer sk_shop"}


async def test_what_is_refused_is_sent_again_under_its_id(reports: Reports, chatpush: FakeChatpush) -> None:
    chatpush.refusals = 1
    reports.behaviour("emma", "cart", "85123A")
    reports.behaviour("emma", "cart", "22423")
    await until(lambda: chatpush.refusals == 0)
    assert reports.waiting() == reports.held() == 2
    await until(lambda: reports.waiting() == 0)
    reports.behaviour("emma", "view", "85123A")
    assert (reports.waiting(), reports.held()) == (1, 0), "what is only on its way is not called held"
    await until(lambda: reports.waiting() == 0)
    ids = [event["id"] for body in chatpush.sent("/v1/events") for event in body["events"]]
    assert len(ids) == len(set(ids)) == 3


async def test_a_refusal_says_what_chatpush_said(push: Push, chatpush: FakeChatpush) -> None:
    chatpush.refusals = 1
    with pytest.raises(PushError, match="503 come back later"):
        await push.events([])


async def test_picks_and_messages(push: Push, chatpush: FakeChatpush) -> None:
    chatpush.answers["/v1/recommendations"] = {"picks": [{"item": {"id": "1"}}]}
    chatpush.answers["/v1/messages"] = {"id": "msg_1"}
    assert await push.picks("emma", 5, "en") == [{"item": {"id": "1"}}]
    assert await push.message({"template": "promotion"}, "key") == "msg_1"
