"""Drafts, versions, includes, limits and test-sends of templates, over HTTP and from the command line."""

import asyncio
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from chatpush.cli.templates import templates
from chatpush.store.database import Database
from chatpush.store.vault import Vault
from tests.clocks import StillClock
from tests.serving import serving
from tests.waiting import until
from tests.web.harness import Client
from tests.web.notifying import notifying, problem


@pytest.fixture
def database(any_database: Database) -> Database:
    """Versions are numbered alike on each kind of database."""
    return any_database


async def put(client: Client, name: str, title: str = "t", body: str = "b", **more: Any) -> Any:
    sent = {"locales": {"en": {"title": title, "body": body}}, **more}
    answer = await client.put(f"/v1/templates/{name}", json=sent)
    assert answer.status == 200, await answer.text()
    return await answer.json()


async def title(client: Client, name: str) -> str:
    shown = await client.post(f"/v1/templates/{name}/preview", json={})
    assert shown.status == 200, await shown.text()
    return str((await shown.json())["title"])


async def test_a_draft_is_seen_by_its_version_and_used_when_published(
    database: Database, vault: Vault, still_clock: StillClock
) -> None:
    async with notifying(database, vault, still_clock) as (client, room):
        await put(client, "hi", "one")
        assert await put(client, "hi", "two", publish=False) == {"name": "hi", "version": 2, "state": "draft"}
        assert (await title(client, "hi"), await title(client, "hi@2")) == ("one", "two")
        body = {"to": [{"user": "emma"}], "template": "hi@2"}
        refused = await client.post("/v1/messages", json=body)
        assert "draft" in (await refused.json())["detail"]
        published = await client.post("/v1/templates/hi/publish", json={})
        assert await published.json() == {"name": "hi", "version": 2, "state": "published"}
        assert await title(client, "hi") == "two"
        assert (await client.post("/v1/messages", json=body)).status == 202
        await room.settle()
        assert room.publisher.to("emma")[0]["title"] == "two"


async def test_one_goes_back_to_an_older_version(
    database: Database, vault: Vault, still_clock: StillClock
) -> None:
    async with notifying(database, vault, still_clock) as (client, _):
        for text in ("one", "two", "three"):
            await put(client, "hi", text)
        await put(client, "hi", "four", publish=False)
        back = await client.post("/v1/templates/hi/publish", json={"version": 1})
        assert (await back.json())["version"] == 1
        assert await title(client, "hi") == "one"
        listed = await (await client.get("/v1/templates/hi/versions")).json()
        assert [(one["version"], one["state"]) for one in listed["data"]] == [
            (4, "draft"), (3, "published"), (2, "published"), (1, "in use"),
        ]  # fmt: skip
        page = await (await client.get("/v1/templates")).json()
        assert [(one["name"], one["version"]) for one in page["data"]] == [("hi", 1)]
        # The same text as the draft again, now to be published: no new version, and it is in use.
        assert await put(client, "hi", "four") == {"name": "hi", "version": 4, "state": "published"}
        assert await title(client, "hi") == "four"
        for wrong, status in (({"version": 9}, 404), ({"version": 0}, 422)):
            assert (await client.post("/v1/templates/hi/publish", json=wrong)).status == status
        assert (await client.get("/v1/templates/nope/versions")).status == 404


async def test_a_template_of_drafts_alone_is_not_used(
    database: Database, vault: Vault, still_clock: StillClock
) -> None:
    async with notifying(database, vault, still_clock) as (client, _):
        await put(client, "hi", publish=False)
        assert (await client.post("/v1/templates/hi/preview", json={})).status == 404
        refused = await client.post("/v1/messages", json={"to": [{"user": "emma"}], "template": "hi"})
        assert "publish" in (await refused.json())["detail"]
        page = await (await client.get("/v1/templates")).json()
        assert [(one["name"], one["state"]) for one in page["data"]] == [("hi", "draft")]


async def test_includes_share_texts_and_keep_them(
    database: Database, vault: Vault, still_clock: StillClock
) -> None:
    async with notifying(database, vault, still_clock) as (client, _):
        both = {
            "en": {"title": "x", "body": "Yours, {{ user.name }}"},
            "zh-CN": {"title": "x", "body": "此致"},
        }
        await client.put("/v1/templates/name", json={"locales": both})
        await put(client, "footer", body="-- {% include 'name' %}")
        mail = {
            "en": {"title": "Hello", "body": 'Text\n{%- include "footer" %}'},
            "zh-CN": {"title": "你好", "body": "正文 {% include 'name' %}"},
        }
        answer = await client.put("/v1/templates/mail", json={"locales": mail})
        assert answer.status == 200, await answer.text()

        async def body(locale: str) -> str:
            shown = await client.post("/v1/templates/mail/preview", json={"locale": locale})
            return str((await shown.json())["body"])

        assert (await body("en"), await body("zh-CN")) == ("Text-- Yours, Ada", "正文 此致")
        await put(client, "footer", body="changed")
        assert await body("en") == "Text-- Yours, Ada"
        assert (await (await client.put("/v1/templates/mail", json={"locales": mail})).json())["version"] == 2
        assert await body("en") == "Textchanged"
        detail = await (await client.get("/v1/templates/mail@1")).json()
        assert detail["locales"]["en"]["includes"] == ["footer", "name"]


async def test_includes_that_lead_nowhere_say_where(
    database: Database, vault: Vault, still_clock: StillClock
) -> None:
    async with notifying(database, vault, still_clock) as (client, _):

        async def refused(name: str, body: str) -> str:
            sent = {"locales": {"en": {"title": "t", "body": body}}}
            answer = await client.put(f"/v1/templates/{name}", json=sent)
            code, param = await problem(answer, 422)
            assert (code, param.rpartition(".")[0]) == ("invalid_template", "locales.en")
            return str((await answer.json())["detail"])

        assert "not there" in await refused("a", "{% include 'missing' %}")
        assert "circle: a → a" in await refused("a", "{% include 'a' %}")
        await put(client, "a", body="fine")
        await put(client, "b", body="{% include 'a' %}")
        assert "circle: a → b → a" in await refused("a", "{% include 'b' %}")
        for number in range(1, 6):
            await put(
                client, f"deep{number}", body=f"{{% include 'deep{number - 1}' %}}" if number > 1 else ""
            )
        await put(client, "deep6", body="{% include 'deep5' %}")
        assert "at most 5 deep" in await refused("deep7", "{% include 'deep6' %}")
        assert "name in quotes" in await refused("dynamic", "{% set x = 'a' %}{% include x %}")
        assert "not found" in await refused("parent", "{% extends 'a' %}")
        assert "not found" in await refused("parent", "{% import 'a' as x %}")
        for number in range(21):
            await put(client, f"s{number}", body=f"{number}")
        many = "".join(f"{{% include 's{number}' %}}" for number in range(21))
        answer = await client.put("/v1/templates/m", json={"locales": {"en": {"title": "t", "body": many}}})
        assert answer.status == 413


async def test_a_preview_says_what_channels_cut(
    database: Database, vault: Vault, still_clock: StillClock
) -> None:
    async with notifying(database, vault, still_clock) as (client, room):
        room.away._channels["push"] = type(
            "Push", (), {"name": "push", "limits": {"title": 10, "body": 100}}
        )()
        await put(client, "long", title="长长长长", body="short")
        shown = await (await client.post("/v1/templates/long/preview", json={})).json()
        assert shown["cuts"] == [{"channel": "push", "part": "title", "limit": 10, "bytes": 12}]
        await put(client, "endless", title="x" * 900, body="{{ 'y' * 30000 }}")
        shown = await (await client.post("/v1/templates/endless/preview", json={})).json()
        assert (len(shown["title"]), len(shown["body"])) == (500, 20_000)
        assert shown["title"].endswith("…")


async def test_a_draft_is_sent_to_one_user_as_a_test(
    database: Database, vault: Vault, still_clock: StillClock
) -> None:
    async with notifying(database, vault, still_clock) as (client, room):
        await put(client, "hi", "Hi {{ user.city }}", publish=False, category="marketing")
        await client.put("/v1/users/emma", json={"attributes": {"city": "York"}})
        answer = await client.post("/v1/templates/hi@1/test-send", json={"user": "emma"})
        assert answer.status == 202
        await room.settle()
        assert room.publisher.to("emma")[0]["title"] == "Hi York"
        nobody = await client.post("/v1/templates/hi@1/test-send", json={"user": "nobody"})
        assert (await problem(nobody, 404))[0] == "not_found"
        missing = await client.post("/v1/templates/hi@1/test-send", json={})
        assert (await problem(missing, 422))[1] == "user"


async def test_the_command_line_previews_and_sends(tmp_path: Path) -> None:
    async with serving(tmp_path) as served:

        async def call(*arguments: str) -> Any:
            command = [*arguments, "--url", served.url, "--key", served.secret]
            return await asyncio.to_thread(CliRunner().invoke, templates, command)

        assert "no templates yet" in (await call("list")).output
        texts = {"title": "Order {{ order }}", "body": "Thanks", "actions": [{"id": "a", "label": "Look"}]}
        await served.told("PUT", "/v1/templates/paid", {"locales": {"en": texts}})
        assert "paid" in (await call("list")).output
        shown = await call("preview", "paid", "--data", '{"order": "42"}')
        assert shown.output == "[en] Order 42\nThanks\nLook\n"
        await served.told("PUT", "/v1/users/emma", {})
        sent = await call("test-send", "paid", "--user", "emma", "--data", '{"order": "42"}')
        assert sent.output.startswith("msg_"), sent.output

        async def arrived() -> Any:
            return (await served.told("GET", "/v1/me/inbox", user="emma"))["data"]

        assert (await until(arrived))[0]["title"] == "Order 42"
        for wrong in ("[]", "{"):
            failed = await call("preview", "paid", "--data", wrong)
            assert "--data is" in str(failed.exception)
