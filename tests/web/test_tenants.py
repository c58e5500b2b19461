"""A tenant never sees another's anything: not by id, not in a list, not on a channel."""

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import jwt
import pytest

from chatpush.domain import TenantId
from tests.serving import Served, serving
from tests.waiting import until

OTHER = TenantId("other")


@pytest.fixture
async def served(tmp_path: Path) -> AsyncIterator[Served]:
    async with serving(tmp_path) as served:
        await served.chatpush.tenants.create(OTHER, "Other")
        yield served


async def secret_of(served: Served, tenant: TenantId) -> str:
    return (await served.chatpush.keys.issue(tenant, "tests", scopes=["*"])).plaintext


async def fill(served: Served) -> dict[str, str]:
    """Make one of everything for the default tenant and return the addresses."""
    told = served.told
    await told("PUT", "/v1/users/emma", {"locale": "en", "attributes": {"name": "Emma"}, "topics": ["vip"]})
    await told("PUT", "/v1/segments/all-en", {"where": 'locale = "en"'})
    texts = {"locales": {"en": {"title": "T", "body": "B"}}}
    await told("PUT", "/v1/templates/hello", texts)
    message = await told("POST", "/v1/messages", {"to": [{"user": "emma"}], "template": "hello"})
    items = {"items": [{"id": "A1", "title": "Lantern"}]}
    await told("PUT", "/v1/items", items)
    trigger = {"kind": "event", "type": "order.paid"}
    campaign = await told("POST", "/v1/campaigns", {"name": "Paid", "trigger": trigger, "template": "hello"})
    article = {"articles": [{"id": "shipping", "title": "Shipping", "text": "Parcels take three days."}]}
    await told("POST", "/v1/knowledge", article)
    conversation = await told("POST", "/v1/me/conversations", {}, user="emma")

    async def sent() -> Any:
        return (await told("GET", "/v1/me/inbox", user="emma"))["data"]

    await until(sent)
    return {
        "user": "/v1/users/emma",
        "segment": "/v1/segments/all-en",
        "template": "/v1/templates/hello",
        "message": f"/v1/messages/{message['id']}",
        "item": "/v1/items/A1",
        "campaign": f"/v1/campaigns/{campaign['id']}",
        "article": "/v1/knowledge/shipping",
        "conversation": f"/v1/conversations/{conversation['id']}",
    }


async def test_another_tenants_key_finds_nothing(served: Served) -> None:
    addresses = await fill(served)
    headers = {"Authorization": f"Bearer {await secret_of(served, OTHER)}"}
    for noun, address in addresses.items():
        own = await served.ask("GET", address)
        assert own.status == 200, f"{noun}: {await own.text()}"
        foreign = await served.http.get(served.url + address, headers=headers)
        assert foreign.status == 404, noun
    for noun in (
        "users",
        "segments",
        "templates",
        "messages",
        "campaigns",
        "knowledge",
        "conversations",
        "deliveries",
    ):
        own = await (await served.ask("GET", f"/v1/{noun}")).json()
        assert own["data"], noun
        foreign = await (await served.http.get(f"{served.url}/v1/{noun}", headers=headers)).json()
        assert foreign["data"] == [], noun


async def test_the_same_user_name_elsewhere_is_somebody_else(served: Served) -> None:
    await fill(served)
    page = (await served.chatpush.keys.issue(OTHER, "pages", kind="pk")).plaintext
    secret = await served.chatpush.tenants.secret_of(OTHER)
    token = jwt.encode({"sub": "emma"}, secret, algorithm="HS256")
    headers = {"Authorization": f"Bearer {token}", "X-Chatpush-Key": page}
    inbox = await (await served.http.get(served.url + "/v1/me/inbox", headers=headers)).json()
    conversations = await (await served.http.get(served.url + "/v1/me/conversations", headers=headers)).json()
    assert (inbox["data"], conversations["data"]) == ([], [])
    mixed = {"Authorization": f"Bearer {token}"}
    assert (await served.http.get(served.url + "/v1/me/inbox", headers=mixed)).status == 401


async def test_channels_of_the_same_name_are_apart(served: Served) -> None:
    await served.chatpush.hub.publish(OTHER, "user:emma", {"type": "secret"})
    found = await served.http.post(
        served.url + "/api/history",
        json={"channel": "user:emma", "limit": 10},
        headers={"X-API-Key": served.secret},
    )
    assert (await found.json())["result"].get("publications", []) == []
