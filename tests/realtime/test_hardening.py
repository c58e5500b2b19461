"""One test for each abuse of the realtime doors of the whole program."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from chatpush.account.audit import Audit
from chatpush.account.keys import Keys
from chatpush.domain import DEFAULT_TENANT
from tests.serving import Served, serving
from tests.waiting import until
from tests.web.test_front import Line
from tests.web.test_polling_again import Regular


@pytest.fixture
async def served(tmp_path: Path) -> AsyncIterator[Served]:
    async with serving(tmp_path) as served:
        yield served


async def waiting_poll(served: Served) -> Regular:
    """Return a client that has polled twice by the tests' publishable key, the second time by its grant alone."""
    line = Line(*await asyncio.open_connection("127.0.0.1", served.chatpush.port))
    ask = {"token": served.token("emma"), "channels": []}
    client = Regular(line, ask, X_Chatpush_Key=served.publishable)
    await client.begin()
    for number in (1, 2):
        client.send()
        await until(lambda: served.chatpush.hub.counts().connections == 1)
        if number == 1:
            await served.chatpush.hub.publish(DEFAULT_TENANT, "user:emma", number)
            assert [one["data"] for one in (await client.hear())["publications"]] == [number]
    assert "aiohttp" not in line.head
    return client


async def its_key(served: Served) -> str:
    return next(key.id for key in await served.chatpush.keys.list(DEFAULT_TENANT) if key.name == "pages")


async def test_a_revoked_page_key_ends_its_polls_at_once(served: Served) -> None:
    client = await waiting_poll(served)
    await served.told("DELETE", f"/v1/keys/{await its_key(served)}", status=204)
    assert (await client.hear())["publications"] == []
    await served.chatpush.hub.publish(DEFAULT_TENANT, "user:emma", "not any more")
    client.send()
    assert ((await client.hear())["code"], client.status) == ("unauthenticated", 401)
    client.ask["token"] = served.token("emma")
    client.send()
    assert ((await client.hear())["code"], client.status) == ("unauthenticated", 401)
    client.line.writer.close()


async def test_a_grant_dies_with_its_key_whatever_key_it_is_shown_with(served: Served) -> None:
    client = await waiting_poll(served)
    another = await served.chatpush.keys.issue(DEFAULT_TENANT, "other pages", kind="pk")
    await served.chatpush.keys.revoke(DEFAULT_TENANT, await its_key(served))
    await client.hear()
    for client.headers in ({"X_Chatpush_Key": another.plaintext}, {}):
        client.send()
        assert (await client.hear())["code"] == "unauthenticated"
    client.ask["token"] = served.token("emma")
    client.headers = {"X_Chatpush_Key": another.plaintext}
    client.ask["timeout"] = 0
    client.send()
    assert ((await client.hear())["publications"], client.status) == ([], 200)
    client.line.writer.close()


async def test_a_page_key_revoked_by_another_process_ends_its_polls(served: Served) -> None:
    client = await waiting_poll(served)
    chatpush = served.chatpush
    elsewhere = Keys(chatpush.database, chatpush.clock, Audit(chatpush.database, chatpush.clock))
    await elsewhere.revoke(DEFAULT_TENANT, await its_key(served))
    chatpush.revocations.ring()
    assert (await client.hear())["publications"] == []
    client.send()
    assert (await client.hear())["code"] == "unauthenticated"
    client.line.writer.close()


async def test_other_keys_end_only_their_own_polls(served: Served) -> None:
    client = await waiting_poll(served)
    other = await served.chatpush.keys.issue(DEFAULT_TENANT, "other pages", kind="pk")
    await served.chatpush.keys.revoke(DEFAULT_TENANT, other.key.id)
    await served.chatpush.hub.publish(DEFAULT_TENANT, "user:emma", "still here")
    assert [one["data"] for one in (await client.hear())["publications"]] == ["still here"]
    client.line.writer.close()
