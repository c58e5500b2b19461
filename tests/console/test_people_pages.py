"""Pages of the people side over HTTP: notes, ready answers, knowledge, candidates, teams, own password."""

import html
import re
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from chatpush.domain import DEFAULT_TENANT, Role
from chatpush.support.knowledge.candidates import Candidates
from chatpush.support.knowledge.knowledge import Knowledge
from chatpush.support.knowledge.reading import Draft
from tests.console.whole import PASSWORD, Client, Whole, post, sign_in
from tests.support.house import ADA, BOB

HTMX = {"HX-Request": "true"}
ARTICLE = {
    "id": "help/engraving", "title": "Engraving", "language": "en", "url": "", "tags": "gift",
    "text": "We engrave up to 20 letters for £4.50.", "questions": "Can you engrave a name?",
    "valid_from": "", "valid_until": "", "audience": "",
}  # fmt: skip


async def text_of(client: Client, path: str, **more: Any) -> str:
    answer = await client.get(path, **more)
    assert answer.status == 200, await answer.text()
    return await answer.text()


async def test_a_note_shows_to_agents_only(whole: Whole, client: Client) -> None:
    base = f"/console/conversations/{(await whole.house.conversation(ADA)).id}"
    await sign_in(client, await whole.person(Role.AGENT))
    sent = await post(client, f"{base}/reply", text="A **good** customer", **{"as": "note"})
    assert sent.status == 303
    assert "A <strong>good</strong> customer" in await text_of(client, f"{base}/thread", headers=HTMX)
    assert all("good" not in turn.text for turn in await whole.house.turns())
    (note,) = await whole.house.people.staff.notes.of(await whole.house.conversation(ADA))
    await sign_in(client, await whole.person(Role.VIEWER, "Vera"))
    assert "customer</p>" not in await text_of(client, f"{base}/thread", headers=HTMX)
    await sign_in(client, "agent@shop.example")
    assert (await post(client, f"{base}/notes/{note.id}/delete")).status == 303


async def test_subject_tags_and_search(whole: Whole, client: Client) -> None:
    conversation = await whole.house.conversation(ADA)
    base = f"/console/conversations/{conversation.id}"
    await sign_in(client, await whole.person(Role.AGENT))
    assert (await post(client, f"{base}/labels", subject="A lost parcel", tags="VIP，refund")).status == 303
    assert "A lost parcel" in await text_of(client, "/console/conversations")
    assert "refund, vip" in await text_of(client, base)
    found = await text_of(client, "/console/conversations?q=order")
    assert conversation.id in found
    assert conversation.id in await text_of(client, "/console/conversations?q=tag:vip")
    assert "0 found" in await text_of(client, "/console/conversations?q=helicopter")


async def test_a_ready_answer_is_kept_and_used(whole: Whole, client: Client) -> None:
    await sign_in(client, await whole.person(Role.EDITOR))
    made = await post(
        client,
        "/console/settings/canned",
        shortcut="hello",
        **{"text:en": "Hello {{ user.name }}!", "text:zh-CN": "您好！"},
        new_locale="fr-CA",
        new_text="Bonjour {{ user.name }} !",
    )
    assert made.status == 303
    bad = await post(client, "/console/settings/canned", shortcut="bad", **{"text:en": "{% for"})
    assert bad.status == 422
    assert "{% for" in await bad.text()
    base = f"/console/conversations/{(await whole.house.conversation(ADA)).id}"
    assert "/hello" in await text_of(client, f"{base}/canned?start=he", headers=HTMX)
    assert await text_of(client, f"{base}/canned/hello", headers=HTMX) == "Hello Ada Lovelace!"
    # Saved again from the form, no language is lost; a user's own is what they get.
    form = await text_of(client, "/console/settings/canned?shortcut=hello")
    fields = dict(re.findall(r'name="(text:[^"]+)"[^>]*>([^<]*)</textarea>', form))
    assert list(fields) == ["text:en", "text:zh-CN", "text:fr-CA"]
    again = {name: html.unescape(text) for name, text in fields.items()}
    await post(client, "/console/settings/canned", shortcut="hello", **again)
    canned = whole.house.people.staff.canned
    (kept,) = await canned.list(DEFAULT_TENANT)
    assert kept.locales["fr-CA"] == "Bonjour {{ user.name }} !"
    french = replace(await whole.house.conversation(ADA), language="fr")
    assert await canned.render(french, "hello", "Grace") == "Bonjour Ada Lovelace !"
    assert (await post(client, "/console/settings/canned/hello/delete")).status == 303
    assert "/hello" not in await text_of(client, "/console/settings/canned")


async def test_an_article_is_written_tried_and_deleted(whole: Whole, client: Client) -> None:
    await sign_in(client, await whole.person(Role.EDITOR))
    assert (await post(client, "/console/settings/knowledge/edit", **ARTICLE)).status == 303
    assert "Engraving" in await text_of(client, "/console/settings/knowledge")
    tried = await text_of(
        client, "/console/settings/knowledge/try?question=Can+you+engrave+a+name%3F", headers=HTMX
    )
    assert "20 letters" in tried
    page = await text_of(client, "/console/settings/knowledge/edit?id=help/engraving")
    assert "Can you engrave a name?" in page
    wrong = await post(client, "/console/settings/knowledge/edit", **{**ARTICLE, "text": " "})
    assert wrong.status == 422
    later = {**ARTICLE, "valid_from": "2999-01-01", "audience": "signed_in"}
    await post(client, "/console/settings/knowledge/edit", **later)
    listed = await text_of(client, "/console/settings/knowledge")
    assert "not today" in listed
    assert "signed_in" in listed
    groups = {"groups": "engrave, inscribe"}
    assert (await post(client, "/console/settings/knowledge/synonyms", **groups)).status == 303
    assert await whole.house.knowledge.synonyms(DEFAULT_TENANT) == ("engrave, inscribe",)
    assert (await post(client, "/console/settings/knowledge/delete", id="help/engraving")).status == 303
    assert "Engraving" not in await text_of(client, "/console/settings/knowledge")


async def test_a_candidate_is_approved_or_put_away(whole: Whole, client: Client) -> None:
    house = whole.house
    for user, question in (
        (ADA, "Do you sell helium balloons in bulk?"),
        (BOB, "Is the museum open on Monday?"),
    ):
        await house.desk.hand_over(await house.conversation(user))
        await house.say(question, user)
        conversation = await house.conversation(user)
        await house.desk.reply(DEFAULT_TENANT, conversation.id, "per_1", "Grace", f"Yes: {question}")
    await sign_in(client, await whole.person(Role.EDITOR))
    page = await text_of(client, "/console/settings/candidates")
    assert "helium balloons" in page
    candidates: Any = whole.services[Candidates]
    first, second = await candidates.page(DEFAULT_TENANT)
    approved = await post(
        client, f"/console/settings/candidates/{first.id}/approve", question=first.question, article=""
    )
    assert approved.status == 303
    assert (await post(client, f"/console/settings/candidates/{second.id}/reject")).status == 303
    assert await candidates.page(DEFAULT_TENANT) == []
    knowledge: Any = whole.services[Knowledge]
    drafts: list[Draft] = [
        await knowledge.draft(DEFAULT_TENANT, article.id)
        for article in await knowledge.page(DEFAULT_TENANT, 500)
    ]
    assert any("balloons" in draft.text for draft in drafts)


async def test_a_team_its_hours_and_agents(whole: Whole, client: Client) -> None:
    email = await whole.person(Role.ADMIN)
    await sign_in(client, email)
    form = {
        "name": "Help", "languages": "en, zh", "assignment": "round_robin", "mon": "09:00-12:30, 13:30-17:00",
        "zone": "Europe/London", "holidays": "2026-12-25", "first": "5", "next": "", "resolution": "60",
    }  # fmt: skip
    assert (await post(client, "/console/settings/teams", **form)).status == 303
    (team,) = await whole.house.people.staff.teams.list(DEFAULT_TENANT)
    assert (team.hours.week["mon"], team.targets.first) == (("09:00-12:30", "13:30-17:00"), 300)
    page = await text_of(client, f"/console/settings/teams/{team.id}")
    assert "09:00-12:30, 13:30-17:00" in page
    person = (await whole.people.list(DEFAULT_TENANT))[0]
    saved = await post(
        client, f"/console/settings/agents/{person.id}", capacity="3", teams=team.id, languages="zh"
    )
    assert saved.status == 303
    agent = await whole.house.people.staff.teams.agent(DEFAULT_TENANT, person.id)
    assert (agent.capacity, agent.teams, agent.languages) == (3, (team.id,), ("zh",))
    for wrong in ({"zone": "Mars"}, {"mon": "9-5"}, {"first": "soon"}, {"name": " "}):
        assert (await post(client, "/console/settings/teams", **{**form, **wrong})).status == 422, wrong
    assert (await post(client, f"/console/settings/teams/{team.id}/delete")).status == 303
    assert await whole.house.people.staff.teams.list(DEFAULT_TENANT) == []


async def test_going_off_duty_and_coming_back(whole: Whole, client: Client) -> None:
    await sign_in(client, await whole.person(Role.AGENT))
    assert "On duty" in await text_of(client, "/console/duty", headers=HTMX)
    assert "Away" in await (await post(client, "/console/duty", away="yes")).text()
    assert "On duty" in await (await post(client, "/console/duty", away="no")).text()


async def test_ones_own_password(whole: Whole, client: Client) -> None:
    email = await whole.person(Role.VIEWER)
    await sign_in(client, email)
    path, new = "/console/account", "a new and longer one"
    for current, first, second, words in (
        ("wrong", new, new, "current password is wrong"),
        (PASSWORD, new, "another one altogether", "differ"),
        (PASSWORD, "short", "short", "characters"),
    ):
        answer = await post(client, path, current=current, new=first, again=second)
        assert answer.status == 422
        assert words in await answer.text()
    assert (await post(client, path, current=PASSWORD, new=new, again=new)).status == 303
    assert (await client.get("/console", allow_redirects=False)).status == 401
    assert (await sign_in(client, email, PASSWORD)).status == 401
    assert (await sign_in(client, email, new)).status == 303


async def test_service_in_numbers_and_columns(whole: Whole, client: Client) -> None:
    house = whole.house
    whole.clock.forward(timedelta(seconds=1))
    ada = await house.desk.hand_over(await house.conversation(ADA))
    await house.desk.reply(DEFAULT_TENANT, ada.id, "per_1", "Grace", "Hello")
    await sign_in(client, await whole.person(Role.VIEWER))
    page = await text_of(client, "/console/overview/service?range=month", headers=HTMX)
    assert "First response of people" in page
    assert "1 handed over" in page
    columns = await (await client.get("/console/overview/service-chart?range=week")).json()
    assert [len(column) for column in columns["volume"]] == [8] * 4
    assert columns["volume"][2][-1] == 1


@pytest.mark.parametrize("path", ["assign", "merge", "transcript"])
async def test_what_an_agent_may_not_name(whole: Whole, client: Client, path: str) -> None:
    base = f"/console/conversations/{(await whole.house.conversation(ADA)).id}"
    await sign_in(client, await whole.person(Role.AGENT))
    form = {"person": "psn_none", "other": "cnv_none", "email": "nobody"}
    assert (await post(client, f"{base}/{path}", **form)).status in (404, 422)


async def test_a_search_says_how_much_of_what_is_old_it_finds(whole: Whole, client: Client) -> None:
    await sign_in(client, await whole.person(Role.AGENT))
    page = "/console/conversations/list?q=parcel"
    assert "indexing" not in await (await client.get(page)).text()
    database = whole.house.conversations._database
    row = {
        "tenant": DEFAULT_TENANT, "conversation": "", "turn": "", "upto": "z", "indexed": 2, "total": 5,
    }  # fmt: skip
    await database.write(lambda tx: tx.insert("search_backfill", row))
    assert "still being indexed: 40% can be found" in await (await client.get(page)).text()
