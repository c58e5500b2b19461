"""One sweep keeps thousands of connections, and forgets those that are gone."""

from datetime import timedelta
from pathlib import Path

from chatpush.domain import TenantId, UserId
from chatpush.realtime.heartbeat import TIDY_FROM
from chatpush.realtime.registry import POLL_GRACE_SECONDS, Registry
from tests.clocks import StillClock
from tests.realtime.node import RealtimeNode, realtime_node

TENANT = TenantId("default")


async def test_closed_connections_do_not_wait_for_their_expiry(node: RealtimeNode) -> None:
    for _ in range(TIDY_FROM + 10):
        client = node.raw_client()
        node.sessions.clear()
        await client.ask(connect={"token": await node.token("emma", ttl=timedelta(days=30))})
        client.session.ended()
    assert len(node.hub._heartbeat._expiries) < TIDY_FROM


async def test_everybody_is_pinged_within_the_interval(tmp_path: Path, still_clock: StillClock) -> None:
    async with realtime_node(tmp_path, still_clock, max_connections_per_user=1000) as node:
        clients = []
        for _ in range(5):
            clients += [await node.client("emma") for _ in range(20)]
            still_clock.forward(timedelta(seconds=3))
        for _ in range(300):
            still_clock.forward(timedelta(seconds=0.25))
            node.hub._heartbeat.sweep()
            for client in clients:
                await client.session.receive("{}")
        assert {client.wire.messages.count({}) for client in clients} <= {2, 3, 4}
        assert [client for client in clients if client.wire.closed] == []


def test_a_polling_user_stays_between_two_polls(still_clock: StillClock) -> None:
    registry = Registry(still_clock)
    heard: list[str] = []
    registry.on_connect.append(lambda tenant, user: heard.append(f"+{user}"))
    registry.on_disconnect.append(lambda tenant, user: heard.append(f"-{user}"))
    emma = UserId("emma")
    for _ in range(3):
        registry.hold(TENANT, emma)
        assert (registry.is_online(TENANT, emma), registry.users) == (True, 1)
        registry.let_go(TENANT, emma)
        still_clock.forward(timedelta(seconds=POLL_GRACE_SECONDS - 1))
        registry.sweep()
        assert registry.is_online(TENANT, emma)
    still_clock.forward(timedelta(seconds=2))
    registry.sweep()
    assert (heard, registry.is_online(TENANT, emma), registry.connections) == (["+emma", "-emma"], False, 0)
