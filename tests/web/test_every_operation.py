"""Every operation of the OpenAPI document answers somebody with success, through the real front door.

One shop is walked through from its first user to its last; what is asked and
what comes back is held to the document on the way (``tests/documented.py``).
The few operations that need a peer of their own are tried where that peer is.
"""

import json
from base64 import b64encode
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from chatpush.domain import DEFAULT_TENANT
from tests.channels.peers import mailing
from tests.channels.test_web_push import Browser
from tests.documented import ELSEWHERE, Watch
from tests.serving import Served, serving
from tests.support.files import PNG
from tests.waiting import until
from tests.web.test_openapi import described

TESTS = Path(__file__).parent.parent
CAMPAIGN = {
    "name": "Winter",
    "trigger": {"kind": "cron", "cron": "0 9 * * *"},
    "to": [{"all": True}],
    "template": "offer",
    "category": "transactional",
}
USER = "emma"


class Walk:
    """Somebody who asks for everything."""

    def __init__(self, served: Served) -> None:
        self.served = served

    async def key(self, method: str, path: str, body: Any = None) -> Any:
        """Ask as the app's backend."""
        return await self.served.told(method, path, body)

    async def me(self, method: str, path: str, body: Any = None) -> Any:
        """Ask as a signed-in user."""
        return await self.served.told(method, path, body, user=USER)

    async def file(self, path: str) -> bytes:
        """Ask for a file, as a user."""
        answer = await self.served.ask("GET", path, user=USER)
        assert answer.status == 200
        return await answer.read()


async def users(walk: Walk) -> None:
    await walk.key("PUT", "/v1/users/emma", {"attributes": {"name": "Emma"}, "consents": {"marketing": True}})
    for path in ("", "/emma", "/emma/consents", "/emma/export"):
        await walk.key("GET", f"/v1/users{path}")
    await walk.key("PUT", "/v1/users/noah", {"locale": "en"})
    await walk.key("DELETE", "/v1/users/noah")
    await walk.key("PUT", "/v1/topics/news", {"titles": {"en": "News"}, "open": True})
    await walk.key("PUT", "/v1/topics/news/members", {"users": [USER]})
    for path in ("/v1/topics", "/v1/topics/news/members"):
        await walk.key("GET", path)
    await walk.me("GET", "/v1/me/topics")
    await walk.me("PUT", "/v1/me/topics/news", {"member": True})
    await walk.key("DELETE", "/v1/topics/news/members/emma")
    await walk.key("PUT", "/v1/segments/all_emmas", {"where": 'name = "Emma"'})
    for path in ("", "/all_emmas"):
        await walk.key("GET", f"/v1/segments{path}")
    await walk.key("DELETE", "/v1/segments/all_emmas")
    for method, body in ("GET", None), ("PUT", {"personalized": True}):
        await walk.me(method, "/v1/me/preferences", body)
    await walk.me("GET", "/v1/me/export")


async def messages(walk: Walk) -> None:
    for body, publish in ("News", True), ("More news", False):
        texts = {"en": {"title": "Hello {{ user.name }}", "body": body}}
        await walk.key("PUT", "/v1/templates/offer", {"locales": texts, "publish": publish})
    for path in ("", "/offer", "/offer/versions"):
        await walk.key("GET", f"/v1/templates{path}")
    await walk.key("POST", "/v1/templates/offer/publish", {"version": 2})
    await walk.key("PUT", "/v1/templates/offer/review", {"version": 2})
    await walk.key("POST", "/v1/templates/offer/preview", {"user": USER})
    await walk.key("POST", "/v1/templates/offer/test-send", {"user": USER})
    to = [{"user": USER}]
    sent = await walk.key(
        "POST", "/v1/messages", {"to": to, "content": {"title": "Hello"}, "cancel_key": "k"}
    )
    await walk.key("POST", "/v1/messages/batch", {"messages": [{"to": to, "template": "offer"}]})
    tried = {"to": to, "variants": [{"name": "a", "template": "offer"}, {"name": "b", "template": "offer"}]}
    split = await walk.key("POST", "/v1/messages", tried)
    await walk.key("GET", f"/v1/messages/{split['id']}/experiment")

    async def shown() -> Any:
        return [one for one in (await walk.me("GET", "/v1/me/inbox"))["data"] if one["message"] == sent["id"]]

    item = (await until(shown))[0]["delivery"]
    for path in ("/v1/messages", f"/v1/messages/{sent['id']}", f"/v1/messages/{sent['id']}/deliveries",
                 "/v1/deliveries", f"/v1/deliveries/{item}"):  # fmt: skip
        await walk.key("GET", path)
    for path in (f"/v1/me/deliveries/{item}/why", f"/v1/me/inbox/{item}/why"):
        await walk.me("GET", path)
    await walk.me("POST", "/v1/me/receipts", {"receipts": [{"delivery": item, "kind": "seen"}]})
    await walk.me("POST", "/v1/me/inbox/read-all")
    for verb in ("archive", "unarchive"):
        await walk.me("POST", f"/v1/me/inbox/{item}/{verb}")
    later = (walk.served.chatpush.clock.now() + timedelta(hours=1)).isoformat()
    await walk.me("POST", f"/v1/me/inbox/{item}/snooze", {"until": later})
    await walk.key("POST", f"/v1/messages/{sent['id']}/delete", {})
    await walk.key("POST", "/v1/messages/cancel", {"cancel_key": "k"})
    await walk.key("GET", "/v1/dead-letters")
    await walk.key("POST", "/v1/dead-letters/redrive", {"user": USER})
    await walk.key("POST", "/v1/dead-letters/drop", {"user": USER})


async def catalogue(walk: Walk) -> None:
    items = [{"id": f"A{n}", "title": f"Lantern {n}", "price": "3.50", "currency": "GBP"} for n in range(4)]
    await walk.key("PUT", "/v1/items", {"items": items})
    await walk.key("GET", "/v1/items")
    await walk.key("GET", "/v1/items/A1")
    await walk.key("POST", "/v1/events", {"user": USER, "type": "view", "item": "A1"})
    await walk.me("POST", "/v1/me/events", {"type": "view", "item": "A2"})
    await walk.key("GET", "/v1/recommendations?user=emma")
    await walk.me("GET", "/v1/me/recommendations")
    await walk.key("GET", "/v1/recommendations/outlook?user=emma")
    for path in ("gains", "words"):
        await walk.key("GET", f"/v1/recommendations/{path}")
    await walk.key("POST", "/v1/analysis", {"title": "Sale", "body": "Everything must go"})


async def campaigns(walk: Walk) -> None:
    made = await walk.key("POST", "/v1/campaigns", CAMPAIGN)
    path = f"/v1/campaigns/{made['id']}"
    for one in ("/v1/campaigns", "/v1/campaigns/presets", path, f"{path}/preview", f"{path}/runs",
                f"{path}/results", f"{path}/experiment"):  # fmt: skip
        await walk.key("GET", one)
    await walk.key("PUT", path, {**CAMPAIGN, "throttle": 1})
    for verb in ("pause", "resume", "dry-run"):
        await walk.key("POST", f"{path}/{verb}")
    await walk.key("POST", f"{path}/what-if", {"changes": {"category": "alert"}})
    await walk.key("POST", "/v1/campaigns/what-if", {"campaign": CAMPAIGN})
    await walk.key("PUT", "/v1/users/noah", {})
    await walk.key("PUT", "/v1/users/olga", {})
    run = await walk.key("POST", f"{path}/run")
    await walk.key("GET", f"{path}/runs/{run['id']}")
    for verb in ("pause", "resume", "cancel"):
        await walk.key("POST", f"{path}/runs/{run['id']}/{verb}")
    await walk.key("DELETE", path)


async def conversations(walk: Walk) -> None:
    mine = (await walk.me("POST", "/v1/me/conversations", {}))["id"]
    path, desk = f"/v1/me/conversations/{mine}", f"/v1/conversations/{mine}"
    await walk.me("GET", "/v1/me/conversations")
    await walk.me("GET", path)
    await walk.me("POST", f"{path}/turns", {"text": "Is anybody there?"})
    await walk.me("POST", f"{path}/typing", {"typing": True})
    for verb in ("stop", "read", "handover"):
        await walk.me("POST", f"{path}/{verb}")
    kept = []
    for _ in range(2):
        answer = await walk.served.ask("POST", f"{path}/attachments?name=a.png", user=USER, data=PNG)
        assert answer.status == 201, await answer.text()
        kept.append((await answer.json())["id"])
    await walk.me("DELETE", f"{path}/attachments/{kept[0]}")
    await walk.me("POST", f"{path}/turns", {"attachments": kept[1:]})
    await walk.file(f"{path}/attachments/{kept[1]}")
    answer = await walk.served.ask("GET", f"{desk}/attachments/{kept[1]}")
    assert answer.status == 200
    await walk.key("GET", "/v1/conversations")
    await walk.key("POST", f"{desk}/assign", {"agent": "ada", "name": "Ada"})
    await walk.key("GET", desk)
    await walk.key("POST", f"{desk}/turns", {"text": "I am."})
    await walk.key("POST", f"{desk}/read")
    await walk.key("POST", f"{desk}/typing", {"typing": True})
    note = await walk.key("POST", f"{desk}/notes", {"text": "Nice."})
    await walk.key("GET", f"{desk}/notes")
    await walk.key("DELETE", f"{desk}/notes/{note['id']}")
    await walk.key("PUT", f"{desk}/tags", {"tags": ["kind"]})
    await walk.key("PUT", f"{desk}/subject", {"subject": "Greetings"})
    await walk.key("POST", "/v1/conversations/search", {"query": "anybody"})
    await walk.key("PUT", "/v1/canned-answers/hi", {"locales": {"en": "Hello {{ user.name }}"}})
    await walk.key("GET", "/v1/canned-answers")
    await walk.key("POST", f"{desk}/canned-answer", {"shortcut": "hi"})
    await walk.key("DELETE", "/v1/canned-answers/hi")
    await walk.me("POST", f"{path}/transcript", {"email": "emma@example.com"})
    await walk.key("POST", f"{desk}/transcript", {"email": "emma@example.com"})
    await walk.key("POST", f"{desk}/release")
    await walk.key("POST", f"{desk}/assign", {"agent": "ada"})
    await walk.key("POST", f"{desk}/close")
    await walk.me("POST", f"{path}/rating", {"score": 5})
    await walk.me("GET", "/v1/me/promises")
    other = (await walk.me("POST", "/v1/me/conversations", {}))["id"]
    await walk.key("POST", f"/v1/conversations/{other}/merge", {"into": mine})


async def people(walk: Walk) -> None:
    team = await walk.key("POST", "/v1/teams", {"name": "Returns"})
    await walk.key("GET", "/v1/teams")
    await walk.key(
        "PUT", f"/v1/teams/{team['id']}", {"name": "Returns", "hours": {"week": {"mon": ["09:00-17:00"]}}}
    )
    (ada,) = await walk.served.chatpush.people.list(DEFAULT_TENANT)
    await walk.key("PUT", f"/v1/agents/{ada.id}", {"teams": [team["id"]]})
    await walk.key("PUT", f"/v1/agents/{ada.id}/presence", {"away": True})
    await walk.key("GET", "/v1/agents")
    await walk.key("GET", "/v1/service")
    await walk.key("DELETE", f"/v1/teams/{team['id']}")


async def knowledge(walk: Walk) -> None:
    for text in ("# Returns\n\nWithin 30 days.", "# Returns\n\nWithin 60 days."):
        await walk.key("POST", "/v1/knowledge", {"articles": [{"id": "returns", "text": text}]})
    for path in ("", "/returns", "/returns/versions"):
        await walk.key("GET", f"/v1/knowledge{path}")
    await walk.key("POST", "/v1/knowledge/returns/restore", {"version": 1})
    await walk.key("POST", "/v1/knowledge/search", {"query": "how long can I return it"})
    await walk.key("PUT", "/v1/knowledge-synonyms", {"groups": ["return, send back"]})
    await walk.key("GET", "/v1/knowledge-synonyms")
    content = b64encode(b"# Delivery\n\nIn two days.").decode()
    await walk.key("POST", "/v1/knowledge-files", {"name": "delivery.md", "content": content})
    await walk.key("GET", "/v1/knowledge-candidates")
    await walk.key("GET", "/v1/knowledge-imports")
    await walk.key("DELETE", "/v1/knowledge/returns")
    prompt = await walk.key("GET", "/v1/prompts/system")
    await walk.key("PUT", "/v1/prompts/system", {"source": prompt["source"]})


async def account(walk: Walk) -> None:
    key = await walk.key("POST", "/v1/keys", {"name": "another", "scopes": ["users:read"]})
    await walk.key("GET", "/v1/keys")
    await walk.key("DELETE", f"/v1/keys/{key['id']}")
    await walk.key("GET", "/v1/usage")
    hook = await walk.key("POST", "/v1/webhooks", {"url": "https://example.com/hook"})
    await walk.key("GET", "/v1/webhooks")
    await walk.key("PUT", f"/v1/webhooks/{hook['id']}", {"enabled": False})
    await walk.key("POST", f"/v1/webhooks/{hook['id']}/rotate")
    await walk.key("GET", f"/v1/webhooks/{hook['id']}/calls")
    await walk.key("DELETE", f"/v1/webhooks/{hook['id']}")
    await walk.key("GET", "/v1/widget/config")
    answer = await walk.served.http.post(f"{walk.served.url}/v1/visitors", json={})
    visitor = await answer.json()
    await walk.me("POST", "/v1/me/join", {"visitor_token": visitor["token"]})
    await walk.me("GET", "/v1/me/endpoints")
    await walk.key("GET", "/v1/widget/push-key")
    subscription = json.loads(Browser().subscription("https://push.example.com/x"))
    await walk.me("POST", "/v1/me/push-subscriptions", subscription)
    await walk.me("POST", "/v1/me/push-subscriptions/remove", subscription)


async def test_every_operation_succeeds(tmp_path: Path, watch: Watch) -> None:
    async with mailing() as (_, port):
        email = {"host": "127.0.0.1", "port": port, "security": "none", "sender": "shop@example.com"}
        push = {"contact": "mailto:shop@example.com"}
        async with serving(tmp_path, channels={"email": email, "web_push": push}) as served:
            walk = Walk(served)
            for noun in (users, messages, catalogue, campaigns, conversations, people, knowledge, account):
                await noun(walk)
    declared = {operation["operationId"] for _, operation in described()}
    assert declared - watch.succeeded == set().union(*ELSEWHERE.values())


@pytest.mark.parametrize("test", sorted(ELSEWHERE))
def test_what_is_tried_elsewhere_is(test: str) -> None:
    path, _, name = test.partition("::")
    assert f"def {name}(" in (TESTS / path).read_text(encoding="utf-8")
