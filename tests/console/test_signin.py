"""Signing in and out: the right password, the wrong one, too many, and forms from elsewhere."""

import pytest

from chatpush.domain import Role
from tests.console.whole import Client, Whole, post, sign_in, token_in


async def test_the_right_password_opens_the_page_that_was_asked_for(whole: Whole, client: Client) -> None:
    email = await whole.person(Role.AGENT)
    asked = await client.get("/console/conversations?show=waiting")
    page = await asked.text()
    assert asked.status == 401
    assert 'value="/console/conversations?show=waiting"' in page
    answer = await sign_in(client, email, next="/console/conversations?show=waiting")
    assert (answer.status, answer.headers["Location"]) == (303, "/console/conversations?show=waiting")
    cookie = answer.headers.getall("Set-Cookie")
    session = next(one for one in cookie if one.startswith("chatpush_session="))
    assert "HttpOnly" in session
    assert "SameSite=Strict" in session
    assert (await client.get("/console/conversations")).status == 200


@pytest.mark.parametrize(
    "next_", ["https://evil.example", "//evil.example", "/consoles", "/console/\\evil", ""]
)
async def test_signing_in_never_leads_elsewhere(whole: Whole, client: Client, next_: str) -> None:
    answer = await sign_in(client, await whole.person(Role.VIEWER), next=next_)
    assert answer.headers["Location"] == "/console"


async def test_a_wrong_password_says_so_and_keeps_the_address(whole: Whole, client: Client) -> None:
    email = await whole.person(Role.VIEWER)
    answer = await sign_in(client, email, "wrong horse battery")
    page = await answer.text()
    assert answer.status == 401
    assert "Email or password is wrong." in page
    assert f'value="{email}"' in page
    assert (await client.get("/console")).status == 401


async def test_guessing_is_slowed(whole: Whole, client: Client) -> None:
    email = await whole.person(Role.VIEWER)
    answers = [(await sign_in(client, email, f"wrong number {n}")).status for n in range(11)]
    assert answers == [401] * 10 + [429]
    late = await sign_in(client, email)
    assert late.status == 429
    assert "Too many attempts" in await late.text()


async def test_a_form_without_the_token_is_refused(whole: Whole, client: Client) -> None:
    email = await whole.person(Role.ADMIN)
    elsewhere = await client.post("/console/sign-in", data={"email": email, "password": "x" * 12})
    assert elsewhere.status == 403
    await sign_in(client, email)
    for form in {}, {"csrf": ""}, {"csrf": "guess"}:
        answer = await client.post("/console/settings/keys", data={"name": "stolen", **form})
        assert answer.status == 403
    assert "stolen" not in await (await client.get("/console/settings/keys")).text()
    header = {"X-CSRF-Token": "guess", "HX-Request": "true"}
    assert (await client.post("/console/sign-out", headers=header)).status == 403


async def test_a_form_with_a_file_or_a_huge_field_is_refused(whole: Whole, client: Client) -> None:
    await sign_in(client, await whole.person(Role.ADMIN))
    assert (await post(client, "/console/settings/keys", name="k" * 200_000)).status == 422


async def test_signing_out_ends_the_session(whole: Whole, client: Client) -> None:
    await sign_in(client, await whole.person(Role.VIEWER))
    session = next(one.value for one in client.session.cookie_jar if one.key == "chatpush_session")
    answer = await post(client, "/console/sign-out")
    assert (answer.status, answer.headers["Location"]) == (303, "/console/sign-in")
    client.session.cookie_jar.update_cookies({"chatpush_session": session})
    assert (await client.get("/console")).status == 401


async def test_a_fragment_of_an_ended_session_reloads_the_page(client: Client) -> None:
    answer = await client.get("/console/overview/counters", headers={"HX-Request": "true"})
    assert (answer.status, answer.headers["HX-Refresh"]) == (401, "true")


async def test_language_and_theme_are_remembered(whole: Whole, client: Client) -> None:
    page = await (await client.get("/console/sign-in?language=zh-CN&theme=dark")).text()
    assert '<html lang="zh-CN" data-theme="dark">' in page
    await sign_in(client, await whole.person(Role.VIEWER))
    assert "概览" in await (await client.get("/console")).text()
    assert (
        'lang="en"'
        in await (await client.get("/console?language=xx", headers={"Accept-Language": "en"})).text()
    )


async def test_the_token_of_another_visitor_does_not_open_the_form(whole: Whole, client: Client) -> None:
    email = await whole.person(Role.VIEWER)
    token = token_in(await (await client.get("/console/sign-in")).text())
    client.session.cookie_jar.clear()
    await client.get("/console/sign-in")
    form = {"csrf": token, "email": email, "password": "correct horse battery"}
    assert (await client.post("/console/sign-in", data=form)).status == 403


@pytest.mark.parametrize(
    ("kind", "body"),
    [
        ("multipart/form-data; boundary=x", b"\xff\xfe"),
        ("application/x-www-form-urlencoded; charset=none", b"a=%ff"),
    ],
)
async def test_a_form_that_is_none_is_refused(client: Client, kind: str, body: bytes) -> None:
    answer = await client.post("/console/sign-in", data=body, headers={"Content-Type": kind})
    assert answer.status == 422


async def test_an_address_that_is_none_is_a_page_that_says_so(whole: Whole, client: Client) -> None:
    assert (await client.get("/console/nonsense")).status == 401
    await sign_in(client, await whole.person(Role.VIEWER))
    answer = await client.get("/console/nonsense/further", headers={"Accept-Language": "zh-CN"})
    page = await answer.text()
    assert (answer.status, answer.content_type) == (404, "text/html")
    assert "没有这个页面" in page
    assert 'href="/console/conversations"' in page
    assert (await client.get("/console/static/none.css")).status == 404
    assert (await client.get("/console/", allow_redirects=False)).status == 308
