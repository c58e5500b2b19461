"""Blocked users and revoked tokens: refused everywhere, kept over a restart, forgotten when over."""

from collections.abc import AsyncIterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import jwt
import pytest
from aiohttp import ClientSession

from chatpush.domain import TenantId, UserId
from chatpush.errors import Unauthenticated
from chatpush.realtime.identity.blocks import Blocks
from chatpush.store.database import Database
from tests.clocks import StillClock
from tests.realtime.node import API_KEY, SECRET, Client, RealtimeNode, realtime_node, serving

TENANT = TenantId("default")
EMMA = UserId("emma")


@pytest.fixture
async def call(node: RealtimeNode) -> AsyncIterator[Any]:
    """The server API of a node."""
    async with serving(node) as address, ClientSession(headers={"X-API-Key": API_KEY}) as http:

        async def call(method: str, **body: Any) -> Any:
            async with http.post(f"http://{address}/api/{method}", json=body) as response:
                return await response.json()

        yield call


async def connected(node: RealtimeNode, **claims: Any) -> Client:
    client = node.raw_client()
    await client.ask(connect={"token": jwt.encode({"sub": "emma", **claims}, SECRET)})
    return client


async def test_a_blocked_user_is_cut_off_and_stays_out(node: RealtimeNode, call: Any) -> None:
    before = await connected(node)
    assert await call("block_user", user="emma") == {"result": {}}
    after = await connected(node)
    assert [client.wire.closed.code for client in (before, after) if client.wire.closed] == [3503, 3500]
    assert (await node.client("lin")).wire.closed is None
    await call("unblock_user", user="emma")
    assert (await connected(node)).wire.closed is None


async def test_a_block_ends(node: RealtimeNode, call: Any, still_clock: StillClock) -> None:
    until = int(still_clock.now().timestamp()) + 60
    await call("block_user", user="emma", expire_at=until)
    assert (await connected(node)).wire.closed is not None
    still_clock.forward(timedelta(seconds=61))
    assert (await connected(node)).wire.closed is None


async def test_a_revoked_token(node: RealtimeNode, call: Any) -> None:
    await call("revoke_token", uid="t1")
    assert (await connected(node, jti="t1")).wire.closed is not None
    assert (await connected(node, jti="t2")).wire.closed is None


async def test_a_users_older_tokens(node: RealtimeNode, call: Any, still_clock: StillClock) -> None:
    now = int(still_clock.now().timestamp())
    await call("invalidate_user_tokens", user="emma")
    assert (await connected(node, iat=now - 5)).wire.closed is not None
    assert (await connected(node)).wire.closed is not None
    assert (await connected(node, iat=now + 1)).wire.closed is None


async def test_a_grant_does_not_outlive_a_block(node: RealtimeNode) -> None:
    grant = await node.hub.polling.admission.authorise(TENANT, await node.token("emma"), "", [])
    text = node.hub.polling.grants.sign(grant)
    await node.hub.blocks.block_user(TENANT, EMMA)
    with pytest.raises(Unauthenticated):
        await node.hub.polling.admission.authorise(TENANT, "", text, [])


@pytest.mark.parametrize(
    ("method", "body"),
    [
        ("block_user", {"user": ""}),
        ("revoke_token", {"uid": "x" * 300}),
        ("block_user", {"user": "a", "expire_at": -1}),
    ],
)
async def test_what_can_not_be_blocked(call: Any, method: str, body: dict[str, Any]) -> None:
    assert (await call(method, **body))["error"]["code"] == 107


async def test_all_of_it_outlives_a_restart(any_database: Database, still_clock: StillClock) -> None:
    blocks = Blocks(any_database, still_clock)
    soon = still_clock.now() + timedelta(minutes=1)
    await blocks.block_user(TENANT, EMMA)
    await blocks.block_user(TENANT, EMMA, soon)
    await blocks.block_user(TENANT, UserId("lin"))
    await blocks.revoke_token(TENANT, "t1", soon)
    await blocks.invalidate_user_tokens(TENANT, UserId("max"), still_clock.now())
    again = Blocks(any_database, still_clock)
    await again.start()
    for user, uid, issued_at in (("emma", "", 0), ("lin", "", 0), ("x", "t1", 0), ("max", "", 1)):
        with pytest.raises(Unauthenticated):
            again.check(TENANT, user, uid, issued_at)
    again.check(TenantId("other"), "emma", "", 0)
    still_clock.forward(timedelta(minutes=2))
    await again.sweep()
    third = Blocks(any_database, still_clock)
    await third.start()
    third.check(TENANT, "emma", "t1", 0)
    await third.unblock_user(TENANT, UserId("lin"))
    third.check_user(TENANT, "lin")


async def test_a_revoked_key_is_forgotten_when_nothing_of_it_can_hold(still_clock: StillClock) -> None:
    blocks, changes = Blocks(None, still_clock), []
    blocks.on_change.append(lambda: changes.append(blocks.changes))
    blocks.revoke_key("key_1")
    blocks.revoke_key("key_1")
    assert changes == [1]
    await blocks.sweep()
    with pytest.raises(Unauthenticated):
        blocks.check_key("key_1")
    still_clock.forward(timedelta(hours=2))
    await blocks.sweep()
    blocks.check_key("key_1")


async def test_a_blocked_user_of_another_tenant(tmp_path: Path, still_clock: StillClock) -> None:
    async with realtime_node(tmp_path, still_clock) as node:
        await node.hub.blocks.block_user(TenantId("other"), EMMA)
        assert (await connected(node)).wire.closed is None
