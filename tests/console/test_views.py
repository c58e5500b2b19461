"""Every page over HTTP with real services behind it, and what its buttons do."""

import re

import pytest

from chatpush.domain import DEFAULT_TENANT, ConversationState, Identity, IdentityKind, Role, Speaker
from chatpush.notify.listing import Window
from chatpush.notify.sending.dead_letters import letter
from chatpush.support.people.teams import TeamDraft
from chatpush.web.console.pages import POLICY
from chatpush.web.console.wiring import declared
from tests.console.whole import Client, Whole, post, sign_in
from tests.support.house import ADA

HTMX = {"HX-Request": "true"}
DAILY = {
    "name": "Morning picks", "template": "order_paid", "category": "marketing", "recommend": "0",
    "audience": "users", "users": "ada\nnoah", "trigger": "cron", "cron": "0 9 * * *", "timezone": "Europe/London",
}  # fmt: skip


NOWHERE = "/console/{rest:.+}"


async def _paths(whole: Whole) -> dict[str, str]:
    """Return what to put in the place of each path's parameter."""
    conversation = await whole.house.conversation(ADA)
    messages = await whole.room.messages.recent_deliveries(DEFAULT_TENANT, Window(1))
    campaign = await whole.campaigns.create(
        DEFAULT_TENANT,
        {
            "name": "Daily",
            "template": "order_paid",
            "to": [{"all": True}],
            "trigger": {"kind": "cron", "cron": "0 9 * * *"},
        },
    )
    one = messages.data[0]
    delivery = {"id": one.id, "message": one.message, "stage": 0}
    dead = letter(DEFAULT_TENANT, delivery, "email", "refused", 1, whole.clock.now())
    await whole.room.database.write(lambda tx: tx.insert("dead_letter", dead))
    team = await whole.house.people.staff.teams.put(DEFAULT_TENANT, TeamDraft("Help"))
    return {
        "teams": team.id,
        "agents": "psn_x",
        "candidates": "cnd_x",
        "canned": "hello",
        "conversations": conversation.id,
        "dead-letters": dead["id"],
        "deliveries": one.message,
        "campaigns": campaign.id,
        "templates": "order_paid",
        "static": "css/tokens.css",
        "keys": "key_x",
        "people": "psn_x",
    }


def _filled(path: str, found: dict[str, str]) -> str:
    part = next((name for name in found if f"/{name}/{{" in path), "")
    return re.sub(r"{[^}]+}", found.get(part, "") or ("no-such-page" if path == NOWHERE else ""), path)


async def test_every_door_opens_for_its_roles_only(whole: Whole, client: Client) -> None:
    found = await _paths(whole)
    nobody = Identity(DEFAULT_TENANT, IdentityKind.ANONYMOUS)
    emails = {role: await whole.person(role) for role in Role}
    for role in (None, *Role):
        client.session.cookie_jar.clear()
        if role is not None:
            await sign_in(client, emails[role])
        who = Identity(DEFAULT_TENANT, IdentityKind.PERSON, role=role) if role else nobody
        for page in declared():
            path = _filled(page.path, found)
            answer = await client.request(page.method, path, headers=HTMX, allow_redirects=False)
            if not page.door.fits(who):
                assert answer.status == (403 if role else 401), (role, page.method, path)
            elif page.path == NOWHERE:
                assert answer.status == 404, (role, path)
            elif page.method == "GET":
                assert answer.status in (200, 303, 204), (role, path, await answer.text())
            else:  # the door is open, the missing token stops it
                assert answer.status == 403, (role, path)
            assert answer.headers["Content-Security-Policy"] == POLICY


async def test_every_page_draws_with_real_services(whole: Whole, client: Client) -> None:
    await sign_in(client, await whole.person(Role.ADMIN))
    found = await _paths(whole)
    for language in ("en", "zh-CN"):
        for page in declared():
            if page.method != "GET":
                continue
            answer = await client.get(f"{_filled(page.path, found)}?language={language}")
            expected = 404 if page.path == NOWHERE else 200
            assert answer.status == expected, (page.path, await answer.text())


async def test_the_overview_counts(whole: Whole, client: Client) -> None:
    await sign_in(client, await whole.person(Role.VIEWER))
    await whole.house.desk.hand_over(await whole.house.conversation(ADA))
    page = await (await client.get("/console")).text()
    counters = dict(
        re.findall(r'counter-name">([^<]+)</span>\s*<span class="counter-value number">([^<]+)', page)
    )
    assert counters["Messages today"] == "1"
    assert counters["Open conversations"] == "1"
    assert counters["Waiting for a person"] == "1"
    assert "Ada Lovelace" in page
    assert "asks for a person" in page
    assert "Free trial" in page
    columns = await (await client.get("/console/overview/chart?range=hour")).json()
    assert [len(column) for column in columns] == [60] * 4
    assert (await (await client.get("/console/waiting")).text()).count("1</span>") == 1


async def test_an_agent_takes_over_answers_and_gives_back(whole: Whole, client: Client) -> None:
    conversation = await whole.house.conversation(ADA)
    base = f"/console/conversations/{conversation.id}"
    await sign_in(client, await whole.person(Role.AGENT))
    page = await (await client.get(base)).text()
    assert "Order 1001 is shipped." in page
    assert "Take over" in page
    assert (await post(client, f"{base}/take")).status == 303
    assert (await whole.house.conversation(ADA)).state is ConversationState.AGENT
    assert (await post(client, f"{base}/reply", text="It comes **tomorrow**.")).status == 303
    last = (await whole.house.turns())[-1]
    assert (last.by, last.text, last.name) == (Speaker.AGENT, "It comes **tomorrow**.", "Grace Hopper")
    fragment = await (await client.get(f"{base}/thread", headers=HTMX)).text()
    assert "It comes <strong>tomorrow</strong>." in fragment
    assert 'data-mine="yes"' in fragment
    mine = await (await client.get("/console/conversations?show=mine")).text()
    assert "Ada Lovelace" in mine
    assert (await post(client, f"{base}/reply", text="  ")).status == 422
    assert (await post(client, f"{base}/release")).status == 303
    assert (await whole.house.conversation(ADA)).state is ConversationState.ASSISTANT
    assert (await post(client, f"{base}/release")).status == 409
    assert (await post(client, f"{base}/close")).status == 303
    assert (await client.get("/console/conversations/cnv_none")).status == 404


async def test_deliveries_show_states_and_reasons(whole: Whole, client: Client) -> None:
    await sign_in(client, await whole.person(Role.VIEWER))
    page = await (await client.get("/console/deliveries")).text()
    assert "order_paid@1" in page
    assert ">ada<" in page
    link = re.search(r'href="(/console/deliveries/msg_[^"]+)"', page)
    assert link
    detail = await (await client.get(link[1])).text()
    assert "Transactional" in detail
    assert (await client.get("/console/deliveries/msg_none")).status == 404


async def test_a_campaign_is_made_tried_run_and_paused(whole: Whole, client: Client) -> None:
    await sign_in(client, await whole.person(Role.EDITOR))
    made = await post(client, "/console/campaigns", **DAILY)
    assert made.status == 303
    address = made.headers["Location"]
    page = await (await client.get(address)).text()
    assert "Morning picks" in page
    assert "Europe/London" in page
    dry = await (await client.get(f"{address}/dry-run", headers=HTMX)).text()
    assert "2 users" in dry
    assert "Thank you, Ada Lovelace" in dry or "order" in dry
    assert (await post(client, f"{address}/run")).status == 303
    assert "Running" in await (await client.get("/console/campaigns/live")).text()
    assert (await post(client, f"{address}/pause")).status == 303
    assert "Paused" in await (await client.get(address)).text()
    assert (await post(client, f"{address}/run")).status == 409
    assert (await post(client, f"{address}/resume")).status == 303


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("name", ""), ("cron", "61 * * * *"), ("timezone", "Mars/Base"), ("template", "nowhere"), ("users", ""),
        ("recommend", "many"),
    ],
)  # fmt: skip
async def test_a_wrong_campaign_comes_back_with_what_was_typed(
    whole: Whole, client: Client, field: str, value: str
) -> None:
    await sign_in(client, await whole.person(Role.EDITOR))
    answer = await post(client, "/console/campaigns", **{**DAILY, field: value})
    page = await answer.text()
    assert answer.status == 422
    assert 'role="alert"' in page
    assert field == "name" or 'value="Morning picks"' in page


@pytest.mark.parametrize(
    "more",
    [
        {"trigger": "interval", "every": "30"},
        {"trigger": "date", "date": "2030-01-01T09:00", "date_timezone": "Asia/Shanghai"},
        {"trigger": "event", "event": "order.paid"},
        {"audience": "all"},
        {"recommend": "3"},
    ],
)
async def test_every_kind_of_campaign_can_be_made(whole: Whole, client: Client, more: dict[str, str]) -> None:
    await sign_in(client, await whole.person(Role.EDITOR))
    made = await post(client, "/console/campaigns", **{**DAILY, **more})
    assert made.status == 303, await made.text()
    assert (await client.get(made.headers["Location"])).status == 200
    assert (await client.get("/console/campaigns")).status == 200


async def test_recommendations_come_with_reasons(whole: Whole, client: Client) -> None:
    await sign_in(client, await whole.person(Role.VIEWER))
    known = await (await client.get("/console/recommendations?user=ada")).text()
    assert "Picks for Ada Lovelace" in known
    assert "Party Bunting" in known
    unknown = await (await client.get("/console/recommendations?user=stranger")).text()
    assert "don&#39;t know this user" in unknown


async def test_keys_are_shown_once_and_revoked(whole: Whole, client: Client) -> None:
    await sign_in(client, await whole.person(Role.ADMIN))
    assert (await post(client, "/console/settings/keys", name="", kind="sk")).status == 422
    issued = await (
        await post(client, "/console/settings/keys", name="Shop", kind="sk", scopes="messages:write")
    ).text()
    secret = re.search(r'id="secret">(sk_[^<]+)<', issued)
    assert secret
    later = await (await client.get("/console/settings/keys")).text()
    assert secret[1] not in later
    revoke = re.search(r'action="(/console/settings/keys/[^"]+/revoke)"', later)
    assert revoke
    assert (await post(client, revoke[1])).status == 303
    assert "Revoked" in await (await client.get("/console/settings/keys")).text()


async def test_people_are_added_changed_and_removed(whole: Whole, client: Client) -> None:
    await sign_in(client, await whole.person(Role.ADMIN))
    alan = {"name": "Alan Turing", "email": "alan@shop.example", "password": "short", "role": "agent"}
    short = await post(client, "/console/settings/people", **alan)
    assert short.status == 422
    assert 'value="alan@shop.example"' in await short.text()
    assert (
        await post(client, "/console/settings/people", **{**alan, "password": "long enough 42"})
    ).status == 303
    listed = await whole.people.list(DEFAULT_TENANT)
    added = next(person for person in listed if person.name == "Alan Turing")
    base = f"/console/settings/people/{added.id}"
    assert (await post(client, f"{base}/role", role="editor")).status == 303
    assert (await post(client, f"{base}/role", role="king")).status == 422
    assert (await post(client, f"{base}/remove")).status == 303
    me = next(person for person in listed if person.role is Role.ADMIN)
    assert (await post(client, f"/console/settings/people/{me.id}/role", role="viewer")).status == 409


async def test_templates_preview_and_questions_are_tried(whole: Whole, client: Client) -> None:
    await sign_in(client, await whole.person(Role.VIEWER))
    preview = "/console/settings/templates/order_paid/preview"
    good = await (await post(client, preview, locale="en", data='{"order": "42"}')).text()
    assert "Thank you, Emma" in good
    assert "order 42" in good
    for data in '{"order"', "[]", "{}":
        assert 'class="note bad"' in await (await post(client, preview, locale="en", data=data)).text()
    send = "/console/settings/templates/order_paid/test-send"
    assert (await post(client, send, locale="en", data="{}", user="ada")).status == 403
    await sign_in(client, await whole.person(Role.EDITOR))
    sent = await (await post(client, send, locale="en", data='{"order": "42"}', user="ada")).text()
    assert "On its way to ada" in sent
    for wrong in ({"data": "{}", "user": "ada"}, {"data": '{"order": "1"}', "user": "a b"}, {"user": ""}):
        assert 'class="note bad"' in await (await post(client, send, locale="en", **wrong)).text()
    tried = await (
        await client.get("/console/settings/knowledge/try?question=How+long+does+delivery+take%3F")
    ).text()
    assert "Delivery costs and times" in tried
    chinese = await (await client.get("/console/settings/knowledge/try?question=退款")).text()
    assert "退货与退款" in chinese


async def test_settings_hide_secrets(whole: Whole, client: Client) -> None:
    await sign_in(client, await whole.person(Role.VIEWER))
    page = await (await client.get("/console/settings")).text()
    assert "server.max_body_bytes" in page
    assert "writer.api_key" in page


async def test_a_fragment_is_sent_again_only_when_it_changed(whole: Whole, client: Client) -> None:
    await sign_in(client, await whole.person(Role.VIEWER))
    path = "/console/conversations/list"
    first = await client.get(path, headers=HTMX)
    have = {**HTMX, "X-Have": first.headers["X-Fragment"]}
    assert (await client.get(path, headers=have)).status == 204
    await whole.house.say("One more thing")
    again = await client.get(path, headers=have)
    assert (again.status, again.headers["X-Fragment"] == have["X-Have"]) == (200, False)


async def test_files_are_kept_by_browsers(client: Client) -> None:
    page = await (await client.get("/console/sign-in")).text()
    sheet = re.search(r'href="(/console/static/css/tokens.css\?v=[^"]+)"', page)
    assert sheet
    answer = await client.get(sheet[1])
    assert "immutable" in answer.headers["Cache-Control"]
    again = await client.get(sheet[1], headers={"If-None-Match": answer.headers["ETag"]})
    assert again.status == 304
    for path in ("/console/static/vendor/README.md", "/console/static/nothing.css"):
        assert (await client.get(path)).status == 404
    outside = await client.get("/console/static/../render.py")  # is /console/render.py: no page, and a door
    assert outside.status == 401
    assert "import" not in await outside.text()
