"""Each tenant's console is live by the same channel, and hears of its own tenant alone."""

import json
import re
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import jwt
import pytest
from aiohttp import ClientSession, ClientWebSocketResponse, CookieJar

from chatpush.account.keys import SHAPE
from chatpush.domain import DEFAULT_TENANT, Role, TenantId
from tests.serving import EMAIL, PASSWORD, Served, serving

OTHER, THIRD = TenantId("other"), TenantId("third")


@pytest.fixture
async def served(tmp_path: Path) -> AsyncIterator[Served]:
    async with serving(tmp_path) as served:
        for tenant in (OTHER, THIRD):
            await served.chatpush.tenants.create(tenant, tenant.title())
            await served.chatpush.people.add(tenant, EMAIL, "Ada", PASSWORD, Role.AGENT)
        yield served


async def console_of(served: Served, tenant: TenantId, session: ClientSession) -> dict[str, Any]:
    """Sign in to a tenant's console and return what its pages are told about listening."""
    page = (await served.chatpush.keys.issue(tenant, "pages", kind="pk")).plaintext
    where = f"{served.url}/console/sign-in?key={page}"
    html = await (await session.get(where)).text()
    found = re.search(r'name="csrf" value="([^"]+)"', html)
    assert found
    form = {"csrf": found[1], "email": EMAIL, "password": PASSWORD, "next": ""}
    await session.post(where, data=form)
    answer = await session.get(f"{served.url}/console/live")
    assert answer.status == 200
    return dict(await answer.json())


async def listening(served: Served, token: str, key: str = "") -> ClientWebSocketResponse:
    """Connect as an open page does."""
    socket = await served.http.ws_connect(f"{served.wire}?key={key}" if key else served.wire)
    await socket.send_str(json.dumps({"id": 1, "connect": {"token": token}}))
    return socket


async def heard(socket: ClientWebSocketResponse) -> Any:
    """Return the next thing that is no ping."""
    while True:
        line = (await socket.receive_str()).split("\n")[0]
        if line != "{}":
            return json.loads(line)


async def waiting(served: Served, tenant: TenantId) -> str:
    """Have a user of a tenant ask for a person; return the conversation."""
    page = (await served.chatpush.keys.issue(tenant, "pages", kind="pk")).plaintext
    token = jwt.encode({"sub": "emma"}, await served.chatpush.tenants.secret_of(tenant), algorithm="HS256")
    headers = {"Authorization": f"Bearer {token}", "X-Chatpush-Key": page}
    opened = await served.http.post(f"{served.url}/v1/me/conversations", json={}, headers=headers)
    conversation = str((await opened.json())["id"])
    path = f"{served.url}/v1/me/conversations/{conversation}/handover"
    answer = await served.http.post(path, json={}, headers=headers)
    assert answer.status < 300, await answer.text()
    return conversation


async def test_a_tenants_console_hears_its_own_hints_and_nobody_elses(served: Served) -> None:
    async with ClientSession(cookie_jar=CookieJar(unsafe=True)) as browser:
        told = await console_of(served, OTHER, browser)
        assert SHAPE.fullmatch(told["key"])
        socket = await listening(served, told["token"], told["key"])
        assert "console:activity" in (await heard(socket))["connect"]["subs"]
        await waiting(served, DEFAULT_TENANT)
        await waiting(served, THIRD)
        own = await waiting(served, OTHER)
        while True:
            # Whatever comes first, and all that comes: hints of the own conversation.
            hint = (await heard(socket))["push"]["pub"]["data"]
            assert hint.get("conversation", hint.get("id")) == own
            if hint.get("state") == "waiting":
                break
        await socket.close()


async def test_a_console_token_holds_in_its_tenant_alone(served: Served) -> None:
    async with (
        ClientSession(cookie_jar=CookieJar(unsafe=True)) as one,
        ClientSession(cookie_jar=CookieJar(unsafe=True)) as another,
    ):
        other, third = await console_of(served, OTHER, one), await console_of(served, THIRD, another)
        assert other["key"] != third["key"]
        for key in ("", third["key"]):
            socket = await listening(served, other["token"], key)
            refused = await socket.receive()
            assert "subs" not in str(refused.data), refused
            await socket.close()


async def test_the_key_is_one_of_the_tenants_opens_nothing_and_can_be_revoked(served: Served) -> None:
    async with ClientSession(cookie_jar=CookieJar(unsafe=True)) as browser:
        told = await console_of(served, OTHER, browser)
        again = await (await browser.get(f"{served.url}/console/live")).json()
        assert again["key"] == told["key"]
        keys = [key for key in await served.chatpush.keys.list(OTHER) if key.name == "console"]
        assert [(key.kind, key.scopes) for key in keys] == [("pk", ())]
        refused = await served.http.get(
            f"{served.url}/v1/conversations", headers={"Authorization": f"Bearer {told['key']}"}
        )
        assert refused.status in {401, 403}
        await served.chatpush.keys.revoke(OTHER, keys[0].id)
        assert await (await browser.get(f"{served.url}/console/live")).json() == {"token": None}
