"""Notes, tags, subjects, merging, search and ready answers over HTTP."""

from collections.abc import AsyncIterator
from typing import Any

import pytest

from chatpush.domain import DEFAULT_TENANT, Role, UserId
from chatpush.notify.audience.users import UserChange
from chatpush.store.database import Database
from chatpush.store.vault import Vault
from tests.clocks import StillClock
from tests.support.house import ADA, BOB, House, build, delivered
from tests.web.harness import Client, person
from tests.web.supporting import supporting

SECRET = "he is the mayor's brother"


@pytest.fixture
async def house(database: Database, vault: Vault, still_clock: StillClock) -> AsyncIterator[House]:
    """The room without a model."""
    house = await build(database, vault, still_clock)
    yield house
    await house.close()


@pytest.fixture
async def client(house: House) -> AsyncIterator[Client]:
    """An editor's client, or a user's if a header says so."""
    async with supporting(house, person(Role.EDITOR)) as client:
        yield client


async def told(
    client: Client, method: str, path: str, body: Any = None, status: int = 200, who: Any = None
) -> Any:
    """Return the JSON of an answer with a status."""
    async with client.request(method, path, json=body, headers=who or {}) as answer:
        assert answer.status == status, await answer.text()
        return await answer.json() if answer.status != 204 else None


async def test_a_note_never_reaches_the_user(client: Client, house: House) -> None:
    id_ = (await house.conversation()).id
    path = f"/v1/conversations/{id_}"
    note = await told(client, "POST", f"{path}/notes", {"text": f" {SECRET} "}, 201)
    assert (note["name"], note["text"]) == ("Ada", SECRET)
    await house.desk.reply(DEFAULT_TENANT, id_, "per_test", "Ada", "Hello")
    mine = {"X-As": "user:ada"}
    seen = [
        await told(client, "GET", f"/v1/me/conversations/{id_}", who=mine),
        await told(client, "GET", "/v1/me/conversations", who=mine),
        [data for channel, data in house.channels.published if channel != "console:activity"],
        [data for channel, data in house.channels.published if channel == "console:activity"],
    ]
    assert SECRET not in str(seen)
    async with client.request("GET", f"{path}/notes", headers=mine) as answer:
        assert answer.status == 403
    await house.desk.send_transcript(await house.conversation(), "ada@example.com")
    await house.people.staff.letters.turn()
    assert SECRET not in house.people.letters[0].body
    assert [one["text"] for one in (await told(client, "GET", f"{path}/notes"))["data"]] == [SECRET]
    await told(client, "DELETE", f"{path}/notes/{note['id']}", status=204)
    await told(client, "DELETE", f"{path}/notes/{note['id']}", status=404)
    for wrong in ({"text": ""}, {"text": "  "}, {"text": "x" * 5001}):
        await told(client, "POST", f"{path}/notes", wrong, 422)


async def test_tags_are_for_people_the_subject_for_everybody(client: Client, house: House) -> None:
    path = f"/v1/conversations/{(await house.conversation()).id}"
    assert await told(client, "PUT", f"{path}/tags", {"tags": ["Refund", "refund ", "VIP"]}) == {
        "tags": ["refund", "vip"]
    }
    await told(client, "PUT", f"{path}/subject", {"subject": "  A broken   lantern "})
    assert (await told(client, "GET", path))["tags"] == ["refund", "vip"]
    mine = await told(client, "GET", path.replace("/v1", "/v1/me"), who={"X-As": "user:ada"})
    assert mine["subject"] == "A broken lantern"
    assert "tags" not in mine
    for wrong in ({"tags": ["a,b"]}, {"tags": ["x" * 61]}, {"tags": [str(n) for n in range(21)]}):
        await told(client, "PUT", f"{path}/tags", wrong, 422)


async def test_two_conversations_become_one(client: Client, house: House) -> None:
    for text in ("where is my order 1001", "yes"):
        await house.say(text)
    old = await house.conversation()
    await told(client, "POST", f"/v1/conversations/{old.id}/notes", {"text": "careful"}, 201)
    house.opened.clear()
    await house.say("Hello again")
    new = await house.conversation()
    other = await house.conversation(BOB)
    path = f"/v1/conversations/{old.id}/merge"
    await told(client, "POST", path, {"into": other.id}, 422)
    await told(client, "POST", path, {"into": old.id}, 422)
    await told(client, "POST", path, {"into": "cnv_none"}, 404)
    merged = await told(client, "POST", path, {"into": new.id})
    ids = [turn["id"] for turn in merged["turns"]]
    assert ids == sorted(ids)
    assert [turn["text"] for turn in merged["turns"] if turn["by"] == "user"] == [
        "where is my order 1001", "yes", "Hello again",
    ]  # fmt: skip
    assert (await told(client, "GET", f"/v1/conversations/{new.id}/notes"))["data"][0]["text"] == "careful"
    gone = await told(client, "GET", f"/v1/conversations/{old.id}")
    assert (gone["state"], gone["merged_into"]) == ("closed", new.id)
    mine = {"X-As": "user:ada"}
    # A page that is still open goes on in the other one.
    assert (await told(client, "GET", f"/v1/me/conversations/{old.id}", who=mine))["id"] == new.id
    assert [one["id"] for one in (await told(client, "GET", "/v1/me/conversations", who=mine))["data"]] == [
        new.id
    ]
    await house.promises.on_event(delivered())
    assert "has arrived" in (await house.turns())[-1].text
    await told(client, "POST", path, {"into": new.id}, 409)


async def test_search_over_http(client: Client, house: House) -> None:
    await house.say("My parcel went to the neighbour")
    hits = (await told(client, "POST", "/v1/conversations/search", {"query": "neighbour"}))["data"]
    assert [(hit["conversation"]["user"], "neighbour" in hit["excerpt"]) for hit in hits] == [(ADA, True)]
    await told(client, "POST", "/v1/conversations/search", {"query": ""}, 422)


async def test_ready_answers_are_sandboxed_templates(client: Client, house: House) -> None:
    await house.people.users.put(DEFAULT_TENANT, UserId("ada"), UserChange(attributes={"name": "Ada L."}))
    texts = {"en": "Hello {{ user.name }}, this is {{ agent.name }}.", "zh-CN": "{{ user.name }}，您好！"}
    kept = await told(client, "PUT", "/v1/canned-answers/hello", {"locales": texts})
    assert kept["shortcut"] == "hello"
    path = f"/v1/conversations/{(await house.conversation()).id}/canned-answer"
    assert await told(client, "POST", path, {"shortcut": "/hello"}) == {"text": "Hello Ada L., this is Ada."}
    assert (await told(client, "GET", "/v1/canned-answers"))["data"][0]["used"] == 1
    await told(client, "PUT", "/v1/canned-answers/loop", {"locales": {"en": "{{ user.nothing }}"}})
    problem = await told(client, "POST", path, {"shortcut": "loop"}, 422)
    assert problem["code"] == "invalid_template"
    for text in ("{% for", "{{ ''.__class__.__mro__ }}{{", "{{ ''.__class__.__mro__[1].__subclasses__() }}"):
        await told(client, "PUT", "/v1/canned-answers/bad", {"locales": {"en": text}}, 422)
    hidden = {"en": "{{ ''['__cla' ~ 'ss__'] }}"}  # found only when it is rendered
    await told(client, "PUT", "/v1/canned-answers/escape", {"locales": hidden})
    await told(client, "POST", path, {"shortcut": "escape"}, 422)
    await told(client, "POST", path, {"shortcut": "none"}, 404)
    await told(client, "PUT", "/v1/canned-answers/Not%20One", {"locales": texts}, 422)
    await told(client, "DELETE", "/v1/canned-answers/hello", status=204)
    await told(client, "DELETE", "/v1/canned-answers/hello", status=404)
