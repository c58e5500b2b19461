"""Every door of the real application, tried by every kind of identity.

The list is generated from the declarations, so a new operation is tried from
its first day. What is asked of an operation is nonsense on purpose: only who
gets past the door matters.
"""

import re
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from chatpush.account.keys import SCOPES
from chatpush.domain import DEFAULT_TENANT, Identity, IdentityKind, Role
from chatpush.web.http.identify import CSRF_HEADER, SESSION_COOKIE
from chatpush.web.http.operations import Operation
from chatpush.web.http.server import DECLARED
from tests.serving import EMAIL, PASSWORD, Served, serving

REFUSED = {401, 403}
SESSION_DOORS = {"/console/sign-in", "/console/sign-out"}
"""They begin and end the very session that is the key to all others; tests/console tries them."""


@dataclass(frozen=True, slots=True)
class Caller:
    """An identity with the credentials that prove it."""

    name: str
    identity: Identity
    headers: dict[str, str]


@pytest.fixture
async def served(tmp_path: Path) -> AsyncIterator[Served]:
    async with serving(tmp_path) as served:
        yield served


async def callers(served: Served) -> list[Caller]:
    """Return nobody, a page, a user, a key of each single scope, and a person of each role."""
    chatpush = served.chatpush
    anonymous = Identity(DEFAULT_TENANT, IdentityKind.ANONYMOUS)
    found = [
        Caller("nobody", anonymous, {}),
        Caller("page", anonymous, {"X-Chatpush-Key": served.publishable}),
        Caller(
            "user",
            Identity(DEFAULT_TENANT, IdentityKind.USER, "emma"),
            {"Authorization": f"Bearer {served.token('emma')}"},
        ),
    ]
    for scope in sorted(SCOPES):
        key = await chatpush.keys.issue(DEFAULT_TENANT, scope, scopes=[scope])
        identity = await chatpush.keys.find(key.plaintext)
        assert identity is not None
        found.append(Caller(f"key {scope}", identity, {"Authorization": f"Bearer {key.plaintext}"}))
    for role in Role:
        email = f"{role}@example.com"
        await chatpush.people.add(DEFAULT_TENANT, email, role, PASSWORD, role)
        opened = await chatpush.people.sign_in(DEFAULT_TENANT, email, PASSWORD, "127.0.0.1")
        session = await chatpush.sessions.find(opened.token)
        assert session is not None
        headers = {"Cookie": f"{SESSION_COOKIE}={opened.token}", CSRF_HEADER: session.csrf}
        found.append(
            Caller(f"person {role}", Identity(DEFAULT_TENANT, IdentityKind.PERSON, role=role), headers)
        )
    return found


def address(operation: Operation) -> str:
    """Return the operation's path with every parameter filled with nonsense."""
    return re.sub(r"{\w+(:[^}]*)?}", "nonsense", operation.path)


async def test_every_door_opens_for_whom_it_names_and_nobody_else(served: Served) -> None:
    operations = [
        operation
        for operation in served.chatpush.web_app()[DECLARED]
        if operation.path.startswith(("/v1/", "/console")) and operation.path not in SESSION_DOORS
    ]
    assert len(operations) > 50
    wrong = []
    for caller in await callers(served):
        for operation in operations:
            if operation.path.startswith("/console") and not caller.name.startswith("person"):
                continue
            answer = await served.http.request(
                operation.method,
                served.url + address(operation),
                headers=caller.headers,
                allow_redirects=False,
            )
            opened = answer.status not in REFUSED
            if answer.status >= 500:
                wrong.append(f"{caller.name}: {operation.method} {operation.path} → {answer.status}")
            if opened != operation.door.fits(caller.identity):
                told = "came in" if opened else f"was refused ({answer.status})"
                wrong.append(f"{caller.name} {told}: {operation.method} {operation.path}")
    assert not wrong, "\n".join(wrong)


@pytest.mark.parametrize(
    "credentials",
    [
        {"Authorization": "Bearer sk_unknown"},
        {"Authorization": "Bearer not.a.token"},
        {"Authorization": "Bearer eyJhbGciOiJub25lIn0.eyJzdWIiOiJlbW1hIn0."},
        {"X-Chatpush-Key": "pk_unknown"},
        {"Cookie": f"{SESSION_COOKIE}=unknown"},
    ],
)
async def test_wrong_credentials_are_never_taken_for_none(
    served: Served, credentials: dict[str, str]
) -> None:
    answer = await served.http.get(served.url + "/v1/me/inbox", headers=credentials)
    assert answer.status == 401
    assert (await answer.json())["code"] in {"unauthenticated", "token_expired"}


async def test_an_expired_token_says_so(served: Served) -> None:
    headers = {"Authorization": f"Bearer {served.token('emma', exp=1)}"}
    answer = await served.http.get(served.url + "/v1/me/inbox", headers=headers)
    assert (answer.status, (await answer.json())["code"]) == (401, "token_expired")


async def test_a_console_session_changes_nothing_without_its_token(served: Served) -> None:
    opened = await served.chatpush.people.sign_in(DEFAULT_TENANT, EMAIL, PASSWORD, "127.0.0.1")
    cookie = {"Cookie": f"{SESSION_COOKIE}={opened.token}"}
    body = {"to": [{"user": "emma"}], "content": {"title": "t", "body": "b"}}
    assert (await served.http.get(served.url + "/v1/messages", headers=cookie)).status == 200
    refused = await served.http.put(served.url + "/v1/users/emma", json={"locale": "en"}, headers=cookie)
    assert refused.status == 403
    assert (await served.http.post(served.url + "/v1/messages", json=body, headers=cookie)).status == 403
