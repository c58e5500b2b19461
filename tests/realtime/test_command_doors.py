"""Every socket command, by every kind of identity, under every permission alone.

The table says which permission opens which command for whom. The test makes
one namespace per permission with nothing else allowed and tries everything.
"""

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from tests.clocks import StillClock
from tests.realtime.node import Client, RealtimeNode, realtime_node
from tests.realtime.test_session import code

ANONYMOUS, USER, SUBSCRIBER = "anonymous", "user", "subscriber"
WHO = (ANONYMOUS, USER, SUBSCRIBER)
OPENS: dict[str, tuple[str, set[str]]] = {
    "allow_subscribe_for_client": ("subscribe", {USER}),
    "allow_subscribe_for_anonymous": ("subscribe", {ANONYMOUS, USER}),
    "allow_publish_for_client": ("publish", {USER, SUBSCRIBER}),
    "allow_publish_for_anonymous": ("publish", {ANONYMOUS, USER, SUBSCRIBER}),
    "allow_publish_for_subscriber": ("publish", {SUBSCRIBER}),
    "allow_history_for_client": ("history", {USER, SUBSCRIBER}),
    "allow_history_for_subscriber": ("history", {SUBSCRIBER}),
    "allow_presence_for_client": ("presence", {USER, SUBSCRIBER}),
    "allow_presence_for_subscriber": ("presence", {SUBSCRIBER}),
}
COMMANDS: dict[str, dict[str, Any]] = {
    "subscribe": {},
    "publish": {"data": {}},
    "history": {"limit": 1},
    "presence": {},
    "presence_stats": {},
}
DENIED = 103


def namespace(flag: str) -> str:
    return flag.replace("_", "-")


@pytest.fixture
async def node(tmp_path: Path, still_clock: StillClock) -> AsyncIterator[RealtimeNode]:
    rules = {"durability": "memory", "history_size": 5, "presence": True}
    spaces = [{"name": namespace(flag), **rules, flag: True} for flag in OPENS] + [
        {"name": "closed", **rules}
    ]
    async with realtime_node(tmp_path, still_clock, spaces=spaces) as node:
        yield node


async def caller(node: RealtimeNode, who: str, channel: str) -> Client:
    """Return a connection of this kind; a subscriber came in with a subscription token."""
    client = await node.client("" if who == ANONYMOUS else "emma")
    if who == SUBSCRIBER:
        token = await node.sub_token("emma", channel)
        assert code(await client.ask(subscribe={"channel": channel, "token": token})) == 0
    return client


@pytest.mark.parametrize("flag", [*OPENS, "none"])
async def test_a_permission_opens_one_command_for_whom_it_names(node: RealtimeNode, flag: str) -> None:
    channel = f"{namespace(flag) if flag in OPENS else 'closed'}:a"
    opens, whom = OPENS.get(flag, ("", set()))
    wrong = []
    for who in WHO:
        for command, arguments in COMMANDS.items():
            if command == "subscribe" and who == SUBSCRIBER:
                continue
            client = await caller(node, who, channel)
            came_in = code(await client.ask(**{command: {"channel": channel, **arguments}})) != DENIED
            expected = who in whom and command.removesuffix("_stats") == opens
            if came_in != expected:
                wrong.append(f"{who} {'may' if came_in else 'may not'} {command}")
    assert wrong == []


@pytest.mark.parametrize("command", list(COMMANDS))
@pytest.mark.parametrize("who", ["", "lin"])
async def test_a_personal_channel_is_its_users_alone(node: RealtimeNode, who: str, command: str) -> None:
    client = await node.client(who)
    refused = code(await client.ask(**{command: {"channel": "user:emma", **COMMANDS[command]}}))
    assert refused in {DENIED, 108}


@pytest.mark.parametrize("command", list(COMMANDS))
async def test_nothing_is_open_before_connect(node: RealtimeNode, command: str) -> None:
    client = node.raw_client()
    await client.ask(**{command: {"channel": "closed:a", **COMMANDS[command]}})
    assert client.wire.closed is not None
    assert client.wire.closed.code == 3501
