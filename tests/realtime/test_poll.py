"""The long-poll over a real loopback server."""

import asyncio
import json
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from aiohttp import ClientSession

from chatpush.clock import SystemClock
from chatpush.domain import TenantId, UserId
from chatpush.realtime.moves import Chosen
from chatpush.realtime.polls.grants import decode_cursor
from chatpush.realtime.polls.looking import Looking
from chatpush.realtime.protocol.codes import FORCE_DISCONNECT, Disconnect
from chatpush.web.transports.poll import PollIn, asking
from tests.clocks import StillClock
from tests.realtime.node import RealtimeNode, realtime_node, serving
from tests.waiting import until

TENANT = TenantId("default")


class Poller:
    """A client of the long-poll."""

    def __init__(self, node: RealtimeNode, http: ClientSession, url: str) -> None:
        self.node, self.http, self.url = node, http, url
        self.status = 0
        self.headers: Mapping[str, str] = {}

    async def __call__(self, **body: Any) -> dict[str, Any]:
        async with self.http.post(self.url, json=body) as response:
            self.status, self.headers = response.status, response.headers
            return dict(await response.json())

    async def waiting(self, count: int = 1) -> None:
        """Wait until this many polls are held."""
        await until(lambda: self.node.hub.counts().connections == count)


@asynccontextmanager
async def polling(node: RealtimeNode) -> AsyncIterator[Poller]:
    async with serving(node) as address, ClientSession() as http:
        yield Poller(node, http, f"http://{address}/connection/poll")


@pytest.fixture
async def poll(tmp_path: Path) -> AsyncIterator[Poller]:
    async with (
        realtime_node(tmp_path, SystemClock(), allowed_origins=["https://shop.example"]) as node,
        polling(node) as poll,
    ):
        yield poll


def data(reply: dict[str, Any]) -> list[Any]:
    return [publication["data"] for publication in reply["publications"]]


async def test_the_first_poll_only_takes_its_place(poll: Poller) -> None:
    token = await poll.node.token("emma")
    await poll.node.hub.publish(TENANT, "news:a", "before")
    first = await poll(token=token, channels=[{"channel": "news:a"}])
    assert (poll.status, first["publications"], first["gaps"]) == (200, [], [])
    await poll.node.hub.publish(TENANT, "news:a", "after")
    await poll.node.hub.publish(TENANT, "user:emma", "personal")
    second = await poll(grant=first["grant"], cursor=first["cursor"], channels=[{"channel": "news:a"}])
    assert sorted((p["channel"], p["offset"], p["data"]) for p in second["publications"]) == [
        ("news:a", 2, "after"), ("user:emma", 1, "personal"),
    ]  # fmt: skip
    assert second["client"] == first["client"]


async def test_a_held_poll_wakes_at_once(poll: Poller) -> None:
    ask = {"token": await poll.node.token("emma"), "channels": [{"channel": "news:a"}]}
    place = await poll(**ask)
    held = asyncio.create_task(poll(**ask, cursor=place["cursor"]))
    await poll.waiting()
    assert poll.node.hub.is_online(TENANT, UserId("emma"))
    await poll.node.hub.publish(TENANT, "news:a", "one", tags={"n": "1"})
    reply = await held
    assert [(p["data"], p["tags"]) for p in reply["publications"]] == [("one", {"n": "1"})]
    await poll.waiting(0)
    assert poll.node.hub.is_online(TENANT, UserId("emma")), "between two polls a user is still there"


async def test_what_is_published_within_one_turn_comes_together(poll: Poller) -> None:
    ask = {"token": await poll.node.token("emma"), "channels": [{"channel": "open:a"}]}
    place = await poll(**ask)
    held = asyncio.create_task(poll(**ask, cursor=place["cursor"]))
    await poll.waiting()
    for number in range(3):
        await poll.node.hub.publish(TENANT, "open:a", number)
    assert data(await held) == [0, 1, 2]


async def test_a_lost_reply_is_repeated(poll: Poller) -> None:
    ask = {"token": await poll.node.token("emma"), "channels": [{"channel": "news:a"}]}
    place = await poll(**ask)
    for number in range(5):
        await poll.node.hub.publish(TENANT, "news:a", number)
    replies = [await poll(**ask, cursor=place["cursor"]) for _ in range(2)]
    assert data(replies[0]) == data(replies[1]) == [0, 1, 2, 3, 4]
    assert replies[0]["cursor"] == replies[1]["cursor"]


async def test_a_limit_leaves_the_rest_for_the_next(poll: Poller) -> None:
    ask = {"token": await poll.node.token("emma"), "limit": 2}
    ask["channels"] = [{"channel": "news:a"}, {"channel": "news:b"}]
    cursor = (await poll(**ask))["cursor"]
    found: list[Any] = []
    for number in range(3):
        await poll.node.hub.publish(TENANT, "news:a", number)
        await poll.node.hub.publish(TENANT, "news:b", number)
    for _ in range(3):
        reply = await poll(**ask, cursor=cursor)
        assert len(reply["publications"]) == 2
        found += [(p["channel"], p["data"]) for p in reply["publications"]]
        cursor = reply["cursor"]
    assert sorted(found) == [(f"news:{c}", n) for c in "ab" for n in range(3)]


async def test_a_gap_is_told_per_channel(poll: Poller) -> None:
    ask = {
        "token": await poll.node.token("emma"),
        "channels": [{"channel": "short:a"}, {"channel": "news:a"}],
    }
    place = await poll(**ask)
    for number in range(5):
        await poll.node.hub.publish(TENANT, "short:a", number)
        await poll.node.hub.publish(TENANT, "news:a", number)
    reply = await poll(**ask, cursor=place["cursor"])
    assert (reply["gaps"], data(reply)) == (["short:a"], [0, 1, 2, 3, 4])
    await poll.node.hub.publish(TENANT, "short:a", "live")
    assert data(await poll(**ask, cursor=reply["cursor"])) == ["live"]


async def test_an_empty_hold_ends_in_time(poll: Poller) -> None:
    ask = {"token": await poll.node.token("emma")}
    place = await poll(**ask)
    reply = await poll(**ask, cursor=place["cursor"], timeout=0.01)
    assert (reply["publications"], reply["gaps"], reply["cursor"]) == ([], [], place["cursor"])


async def test_overlapping_polls_settle(poll: Poller) -> None:
    place = await poll(token=await poll.node.token("emma"))
    ask = {"grant": place["grant"], "cursor": place["cursor"]}
    first = asyncio.create_task(poll(**ask))
    await poll.waiting()
    second = asyncio.create_task(poll(**ask))
    assert data(await first) == []
    await poll.waiting()
    await poll.node.hub.publish(TENANT, "user:emma", 1)
    assert data(await second) == [1]


async def test_a_client_that_leaves_is_let_go(poll: Poller, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("chatpush.web.transports.poll.LOOK_SECONDS", 0.02)
    ask = {"token": await poll.node.token("emma")}
    place = await poll(**ask)
    held = asyncio.create_task(poll(**ask, cursor=place["cursor"]))
    await poll.waiting()
    held.cancel()
    await asyncio.gather(held, return_exceptions=True)
    await poll.waiting(0)


async def test_passing_publications_reach_a_held_poll(poll: Poller) -> None:
    ask = {"token": await poll.node.token("emma"), "channels": [{"channel": "news:a"}]}
    place = await poll(**ask)
    held = asyncio.create_task(poll(**ask, cursor=place["cursor"]))
    await poll.waiting()
    await poll.node.hub.publish(TENANT, "news:a", "piece", skip_history=True)
    reply = await held
    assert [(p["offset"], p["data"]) for p in reply["publications"]] == [(0, "piece")]


async def test_draining_answers_held_polls(poll: Poller) -> None:
    ask = {"token": await poll.node.token("emma")}
    place = await poll(**ask)
    held = asyncio.create_task(poll(**ask, cursor=place["cursor"]))
    await poll.waiting()
    await poll.node.hub.drain()
    assert data(await held) == []
    assert (await poll(**ask, cursor=place["cursor"]))["code"] == "unavailable"
    assert (poll.status, 1 <= int(poll.headers["Retry-After"]) <= 10) == (503, True)


@pytest.mark.parametrize(
    ("code", "answer"), [(3503, "dismissed"), (4500, "dismissed"), (3004, ""), (4100, "")]
)
async def test_a_disconnected_user_is_sent_away_from_held_polls(poll: Poller, code: int, answer: str) -> None:
    token = await poll.node.token("emma")
    place = await poll(token=token)
    other = await poll(token=await poll.node.token("lin"))
    again = {"grant": place["grant"], "cursor": place["cursor"]}
    held = asyncio.create_task(poll(**again))
    theirs = asyncio.create_task(poll(grant=other["grant"], cursor=other["cursor"]))
    await poll.waiting(2)
    disconnect, moves = Disconnect(code, "goodbye"), poll.node.hub.moves
    emma = Chosen(user=UserId("emma"))
    assert await moves.disconnect(TENANT, Chosen(user=UserId("emma"), session="s"), disconnect) == 0
    assert await moves.disconnect(TENANT, emma, disconnect, (place["client"],)) == 0
    assert await moves.disconnect(TenantId("other"), emma, disconnect) == 0
    assert await moves.disconnect(TENANT, emma, disconnect) == 1
    assert data(await held) == []
    await poll.waiting(1)
    reply = await poll(**again, timeout=0)
    assert (poll.status, reply["code"]) == (401, answer or "grant_expired")
    reply = await poll(**again, token=token, timeout=0)
    assert reply.get("code", "") == answer
    assert "cursor" in await poll(token=token, cursor=place["cursor"], timeout=0), "who begins anew may"
    await poll.node.hub.publish(TENANT, "user:lin", "still here")
    assert data(await theirs) == ["still here"]


async def test_one_polling_client_is_sent_away_by_its_id_or_told_to_bring_its_token(poll: Poller) -> None:
    token = await poll.node.token("emma")
    for expired in (False, True):
        place = await poll(token=token)
        again = {"grant": place["grant"], "cursor": place["cursor"]}
        held = asyncio.create_task(poll(**again))
        await poll.waiting(1)
        one, moves = Chosen(client=place["client"]), poll.node.hub.moves
        if expired:
            assert await moves.refresh(TENANT, one, expired=True) == 1
        else:
            assert await moves.disconnect(TENANT, one, FORCE_DISCONNECT) == 1
        assert data(await held) == []
        assert (await poll(**again))["code"] == ("grant_expired" if expired else "dismissed")
    assert await poll.node.hub.moves.disconnect(TENANT, Chosen(everyone=True), FORCE_DISCONNECT) == 0


async def test_grants_spare_the_token_for_a_while(tmp_path: Path, still_clock: StillClock) -> None:
    async with realtime_node(tmp_path, still_clock, insecure=False) as node, polling(node) as poll:
        token = await node.token("emma")
        place = await poll(token=token, channels=[{"channel": "news:a"}])
        grant, cursor = place["grant"], place["cursor"]
        ask = {"grant": grant, "cursor": cursor, "timeout": 0}
        assert "publications" in await poll(**ask, channels=[{"channel": "news:a"}])
        assert (await poll(**ask, channels=[{"channel": "news:b"}]))["code"] == "unauthenticated"
        assert "publications" in await poll(**ask, token=token, channels=[{"channel": "news:b"}])
        for broken in ("nonsense", ("A" if grant[0] != "A" else "B") + grant[1:], grant[:10], "é"):
            reply = await poll(grant=broken, cursor=cursor)
            assert (poll.status, reply["code"] in ("unauthenticated", "grant_expired")) == (401, True)
        still_clock.forward(timedelta(minutes=6))
        assert (await poll(**ask))["code"] == "grant_expired"
        assert poll.status == 401
        assert "publications" in await poll(**ask, token=token)


async def test_who_may_poll_what(poll: Poller) -> None:
    emma = await poll.node.token("emma")
    good = await poll.node.sub_token("emma", "private:a")
    theirs = await poll.node.sub_token("lin", "private:a")
    expired = await poll.node.sub_token("emma", "private:a", timedelta(seconds=-1))
    assert "cursor" in await poll(token=emma, channels=[{"channel": "private:a", "token": good}])
    refused = [
        {"channel": "private:a"}, {"channel": "private:a", "token": theirs}, {"channel": "user:lin"},
        {"channel": "private:a", "token": expired}, {"channel": "private:b", "token": good},
    ]  # fmt: skip
    for channel in refused:
        reply = await poll(token=emma, channels=[channel])
        assert (poll.status, reply["code"]) == (403, "forbidden"), channel
    await poll(token=emma, channels=[{"channel": "nowhere:a"}])
    assert poll.status == 404
    await poll(token="nonsense")
    assert poll.status == 401
    await poll(token=emma, channels=[{"channel": f"news:{n}"} for n in range(200)])
    assert poll.status == 429


@pytest.mark.parametrize(
    "body",
    [b"", b"{}", b"[", b"[]", b'{"channels":"a"}', b'{"channels":[{"name":"a"}]}', b'{"limit":0}', b'{"limit":"x"}',
     b'{"timeout":-1}', b'{"timeout":1e999}', b'{"cursor":"nonsense"}', b'{"cursor":"e30"}1', b"\xff", b"[" * 20_000],
)  # fmt: skip
async def test_bad_polls_are_problems(poll: Poller, body: bytes) -> None:
    async with poll.http.post(poll.url, data=body) as response:
        assert response.status == 422
        assert (await response.json())["code"] == "invalid_input"


async def test_a_poll_by_query(poll: Poller) -> None:
    query = [("channel", "news:a"), ("channel", "private:a")]
    query += [("channel_token", ""), ("channel_token", await poll.node.sub_token("emma", "private:a"))]
    headers = {"Authorization": f"Bearer {await poll.node.token('emma')}"}
    async with poll.http.get(poll.url, params=query, headers=headers) as response:
        place = await response.json()
    await poll.node.hub.publish(TENANT, "private:a", 1)
    again = [*query, ("grant", place["grant"]), ("cursor", place["cursor"]), ("limit", "5"), ("timeout", "1")]
    async with poll.http.get(poll.url, params=again) as response:
        assert data(await response.json()) == [1]


async def test_other_sites(poll: Poller) -> None:
    preflight = {"Access-Control-Request-Method": "POST", "Access-Control-Request-Headers": "content-type"}
    ask = {"channels": [{"channel": "news:a"}]}
    for origin, allowed in (("https://shop.example", True), ("https://evil.example", False)):
        headers = {"Origin": origin}
        async with poll.http.options(poll.url, headers=headers | preflight) as response:
            assert (response.headers.get("Access-Control-Allow-Origin") == origin) is allowed
        async with poll.http.post(poll.url, json=ask, headers=headers) as response:
            assert response.status == (200 if allowed else 403)
            assert (response.headers.get("Access-Control-Allow-Origin") == origin) is allowed


async def test_cursors_survive_a_restart(tmp_path: Path) -> None:
    ask: dict[str, Any] = {"channels": [{"channel": "news:a"}]}
    async with realtime_node(tmp_path, SystemClock()) as node, polling(node) as poll:
        ask["token"] = await node.token("emma")
        cursor = (await poll(**ask))["cursor"]
        await node.hub.publish(TENANT, "news:a", "before")
    async with realtime_node(tmp_path, SystemClock()) as node, polling(node) as poll:
        await node.hub.publish(TENANT, "news:a", "after")
        assert data(await poll(**ask, cursor=cursor)) == ["before", "after"]


async def test_a_stream_of_publications_comes_whole(poll: Poller) -> None:
    ask = {"token": await poll.node.token("emma"), "channels": [{"channel": "news:a"}]}
    cursor = (await poll(**ask))["cursor"]
    found: list[Any] = []

    async def publish() -> None:
        for number in range(60):
            await poll.node.hub.publish(TENANT, "news:a", number)

    publishing = asyncio.create_task(publish())
    while len(found) < 60:
        reply = await poll(**ask, cursor=cursor)
        found += data(reply)
        cursor = reply["cursor"]
    await publishing
    assert found == list(range(60))


async def test_a_hold_is_drawn_between_25_and_55_seconds(poll: Poller) -> None:
    polling = poll.node.hub.polling
    holds = [asking(polling, PollIn()).seconds for _ in range(500)]
    assert 25 <= min(holds) < 30
    assert 50 < max(holds) <= 55
    assert len(set(holds)) > 400
    assert {asking(polling, PollIn(timeout=3)).seconds for _ in range(20)} == {3}


async def test_a_long_reply_is_compressed_for_who_wants_it(poll: Poller) -> None:
    ask = {"token": await poll.node.token("emma"), "channels": [{"channel": "news:a"}]}
    ask["cursor"] = (await poll(**ask))["cursor"]
    await poll.node.hub.publish(TENANT, "news:a", "x" * 5000)
    for encoding, packed in (("gzip", "gzip"), ("identity", None)):
        headers = {"Accept-Encoding": encoding}
        async with poll.http.post(poll.url, json=ask, headers=headers) as response:
            assert response.headers.get("Content-Encoding") == packed
            assert data(await response.json()) == ["x" * 5000]


async def test_a_look_that_the_end_overtakes_is_given_up(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The log closes after the hub; a poll's look into the file must not come after that."""
    looks = 0
    forever = asyncio.Event()

    async def collect(*_: Any) -> Any:
        nonlocal looks
        looks += 1
        await forever.wait()

    async with realtime_node(tmp_path, SystemClock()) as node, polling(node) as poll:
        ask = {"token": await node.token("emma"), "channels": [{"channel": "news:a"}]}
        ask["cursor"] = (await poll(**ask))["cursor"]
        monkeypatch.setattr(Looking, "at_hand", lambda *_: None)
        monkeypatch.setattr(Looking, "collect", collect)
        held = asyncio.ensure_future(poll(**ask))
        await until(lambda: looks)
        (looking,) = node.hub.polling._looking
    assert looking.cancelled()
    await asyncio.gather(held, return_exceptions=True)


# -- tag filters -----------------------------------------------------------------

LARGE = {"key": "size", "cmp": "eq", "val": "L"}


async def placed(poll: Poller, **more: Any) -> dict[str, Any]:
    """Return what the next poll of a filtered channel asks."""
    ask = {"token": await poll.node.token("emma"), "channels": [{"channel": "tagged:a", "tf": LARGE}], **more}
    first = await poll(**ask)
    return {**ask, "cursor": first["cursor"], "grant": first["grant"]}


async def put(poll: Poller, number: int, **more: Any) -> None:
    await poll.node.hub.publish(TENANT, "tagged:a", number, tags={"size": "L" if number % 2 else "S"}, **more)


async def test_a_filtered_poll_gets_what_it_wants_and_sleeps_through_the_rest(poll: Poller) -> None:
    ask = await placed(poll, limit=2)
    for number in range(6):
        await put(poll, number)
    found: list[Any] = []
    while len(found) < 3:
        reply = await poll(**ask)
        found += data(reply)
        ask["cursor"] = reply["cursor"]
    assert found == [1, 3, 5]
    held = asyncio.ensure_future(poll(**ask))
    await poll.waiting()
    for number in (6, 8, 10, 12):
        await put(poll, number)
    await put(poll, 14, skip_history=True)
    assert not held.done()
    await put(poll, 15)
    reply = await held
    assert (data(reply), reply["gaps"]) == ([15], [])
    assert (await poll(**ask | {"timeout": 0}))["publications"] == reply["publications"]


async def test_a_filtered_poll_moves_on_past_what_it_does_not_want(poll: Poller) -> None:
    """So that its cursor does not fall behind what is kept."""
    ask = await placed(poll)
    held = asyncio.ensure_future(poll(**ask, timeout=0.5))
    await poll.waiting()
    await put(poll, 2)
    reply = await held
    assert reply["publications"] == []
    assert decode_cursor(reply["cursor"])["tagged:a"].offset == 1


async def test_polls_with_other_filters_wait_apart(poll: Poller) -> None:
    ask = await placed(poll)
    other = {**ask, "grant": "", "channels": [{"channel": "tagged:a"}]}
    plain = asyncio.ensure_future(poll(**other))
    filtered = asyncio.ensure_future(poll(**ask))
    await poll.waiting(2)
    await put(poll, 0)
    assert data(await plain) == [0]
    await put(poll, 1)
    assert data(await filtered) == [1]


async def test_a_filter_by_query(poll: Poller) -> None:
    ask = await placed(poll)
    for number in range(2):
        await put(poll, number)
    query = [
        ("token", ask["token"]), ("channel", "news:a"), ("channel", "tagged:a"), ("channel_tf", ""),
        ("channel_tf", json.dumps(LARGE)), ("cursor", ask["cursor"]),
    ]  # fmt: skip
    async with poll.http.get(poll.url, params=query) as response:
        assert data(await response.json()) == [1]


@pytest.mark.parametrize(
    ("channel", "tf", "status"),
    [
        ("news:a", LARGE, 403), ("tagged:a", {"cmp": "eq"}, 422), ("tagged:a", {"op": "xor"}, 422),
        ("tagged:a", {"key": 1}, 422), ("unknown:a", LARGE, 404),
        ("tagged:a", {"op": "or", "nodes": [LARGE] * 100}, 422),
    ],
)  # fmt: skip
@pytest.mark.parametrize("standing", [True, False])
async def test_filters_that_can_not_be(
    poll: Poller, channel: str, tf: dict[str, Any], status: int, standing: bool
) -> None:
    ask = await placed(poll) if standing else {"token": await poll.node.token("emma")}
    await poll(**ask | {"channels": [{"channel": channel, "tf": tf}]})
    assert poll.status == status
