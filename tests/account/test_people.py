"""People get in with their password, and guessers lose patience first."""

import asyncio
from datetime import timedelta

import pytest

from chatpush.account.people import ATTEMPTS_PER_ACCOUNT, ATTEMPTS_PER_ADDRESS, People
from chatpush.account.sessions import Sessions
from chatpush.domain import IdentityKind, Role, TenantId
from chatpush.errors import Conflict, InvalidInput, NotFound, TooMany, Unauthenticated
from chatpush.store.database import Database
from tests.clocks import StillClock

PASSWORD = "correct horse battery"
HOME = "192.0.2.1"


async def test_a_person_signs_in_and_out(
    people: People, sessions: Sessions, tenant: TenantId, database: Database
) -> None:
    ada = await people.add(tenant, "Ada@Example.com", "Ada", PASSWORD, Role.AGENT)
    opened = await people.sign_in(tenant, " ada@example.COM ", PASSWORD, HOME)
    session = await sessions.find(opened.token)
    assert session == opened.session
    assert session.identity.kind is IdentityKind.PERSON
    assert (session.identity.subject, session.identity.role, session.identity.name) == (
        ada.id,
        Role.AGENT,
        "Ada",
    )
    assert len(session.csrf) >= 43
    everything = str(await database.read("SELECT * FROM person, person_session"))
    assert opened.token not in everything
    assert "example" not in everything
    await sessions.end(opened.token)
    assert await sessions.find(opened.token) is None


async def test_wrong_passwords_and_unknown_accounts_look_alike(people: People, tenant: TenantId) -> None:
    await people.add(tenant, "ada@example.com", "Ada", PASSWORD, Role.ADMIN)
    answers = set()
    for email, password in [("ada@example.com", "wrong password"), ("bob@example.com", PASSWORD),
                            ("ada@example.com", ""), ("ada@example.com", PASSWORD + "x" * 500), ("", "")]:  # fmt: skip
        with pytest.raises(Unauthenticated) as caught:
            await people.sign_in(tenant, email, password, HOME)
        answers.add(caught.value.message)
    assert len(answers) == 1
    with pytest.raises(Unauthenticated):
        await people.sign_in(TenantId("other"), "ada@example.com", PASSWORD, HOME)


async def test_an_account_is_closed_to_guessers_even_in_parallel(
    people: People, tenant: TenantId, still_clock: StillClock
) -> None:
    await people.add(tenant, "ada@example.com", "Ada", PASSWORD, Role.ADMIN)
    tries = [
        people.sign_in(tenant, "ada@example.com", "wrong password", f"192.0.2.{number}")
        for number in range(ATTEMPTS_PER_ACCOUNT + 3)
    ]
    outcomes = [type(outcome) for outcome in await asyncio.gather(*tries, return_exceptions=True)]
    assert outcomes.count(Unauthenticated) == ATTEMPTS_PER_ACCOUNT
    with pytest.raises(TooMany) as caught:
        await people.sign_in(tenant, "ada@example.com", PASSWORD, HOME)
    still_clock.forward(timedelta(seconds=caught.value.retry_after_seconds))
    await people.sign_in(tenant, "ada@example.com", PASSWORD, HOME)


async def test_an_address_is_closed_to_whoever_tries_many_accounts(people: People, tenant: TenantId) -> None:
    await people.add(tenant, "ada@example.com", "Ada", PASSWORD, Role.ADMIN)
    await people.sign_in(tenant, "ada@example.com", PASSWORD, HOME)
    for number in range(ATTEMPTS_PER_ADDRESS - 1):
        with pytest.raises(Unauthenticated):
            await people.sign_in(tenant, f"{number}@example.com", PASSWORD, HOME)
    with pytest.raises(TooMany):
        await people.sign_in(tenant, "ada@example.com", PASSWORD, HOME)
    await people.sign_in(tenant, "ada@example.com", PASSWORD, "192.0.2.2")


async def test_signing_in_forgives_the_account(people: People, tenant: TenantId) -> None:
    await people.add(tenant, "ada@example.com", "Ada", PASSWORD, Role.ADMIN)
    for number in range(ATTEMPTS_PER_ACCOUNT):
        await people.sign_in(tenant, "ada@example.com", PASSWORD, f"192.0.2.{number}")
    await people.sign_in(tenant, "ada@example.com", PASSWORD, "192.0.2.99")


async def test_roles_passwords_and_removal_reach_open_sessions(
    people: People, sessions: Sessions, tenant: TenantId
) -> None:
    await people.add(tenant, "ada@example.com", "Ada", PASSWORD, Role.ADMIN)
    bob = await people.add(tenant, "bob@example.com", "Bob", PASSWORD, Role.VIEWER)
    opened = await people.sign_in(tenant, "bob@example.com", PASSWORD, HOME)
    assert await sessions.find(opened.token)
    await people.change_role(tenant, bob.id, Role.EDITOR)
    session = await sessions.find(opened.token)
    assert session is not None
    assert session.identity.role is Role.EDITOR
    await people.change_password(tenant, bob.id, "another password")
    assert await sessions.find(opened.token) is None
    with pytest.raises(Unauthenticated):
        await people.sign_in(tenant, "bob@example.com", PASSWORD, HOME)
    opened = await people.sign_in(tenant, "bob@example.com", "another password", HOME)
    await people.remove(tenant, bob.id)
    assert await sessions.find(opened.token) is None
    assert [person.name for person in await people.list(tenant)] == ["Ada"]


async def test_the_last_administrator_stays(people: People, tenant: TenantId) -> None:
    ada = await people.add(tenant, "ada@example.com", "Ada", PASSWORD, Role.ADMIN)
    bob = await people.add(tenant, "bob@example.com", "Bob", PASSWORD, Role.EDITOR)
    for attempt in (people.remove(tenant, ada.id), people.change_role(tenant, ada.id, Role.EDITOR)):
        with pytest.raises(Conflict, match="last administrator"):
            await attempt
    await people.change_role(tenant, bob.id, Role.ADMIN)
    await people.remove(tenant, ada.id)


async def test_sessions_end_by_themselves(
    people: People, sessions: Sessions, tenant: TenantId, still_clock: StillClock
) -> None:
    await people.add(tenant, "ada@example.com", "Ada", PASSWORD, Role.ADMIN)
    opened = await people.sign_in(tenant, "ada@example.com", PASSWORD, HOME)
    still_clock.set(opened.session.expires_at)
    assert await sessions.find(opened.token) is None
    assert await sessions.sweep() == 1
    assert await sessions.sweep() == 0


@pytest.mark.parametrize(
    ("email", "name", "password", "param"),
    [("ada", "Ada", PASSWORD, "email"), ("@example.com", "Ada", PASSWORD, "email"),
     ("a\n@example.com", "Ada", PASSWORD, "email"), ("a" * 250 + "@example.com", "Ada", PASSWORD, "email"),
     ("ada@example.com", " ", PASSWORD, "name"), ("ada@example.com", "Ada", "short", "password"),
     ("ada@example.com", "Ada", "x" * 201, "password")],
)  # fmt: skip
async def test_bad_people_are_refused(
    people: People, tenant: TenantId, email: str, name: str, password: str, param: str
) -> None:
    with pytest.raises(InvalidInput) as caught:
        await people.add(tenant, email, name, password, Role.VIEWER)
    assert caught.value.param == param


async def test_addresses_are_taken_once_and_strangers_are_not_found(people: People, tenant: TenantId) -> None:
    await people.add(tenant, "ada@example.com", "Ada", PASSWORD, Role.ADMIN)
    with pytest.raises(Conflict):
        await people.add(tenant, "ADA@example.com", "Ada", PASSWORD, Role.ADMIN)
    for attempt in (
        people.remove(tenant, "psn_no"),
        people.change_role(tenant, "psn_no", Role.ADMIN),
        people.change_password(tenant, "psn_no", PASSWORD),
    ):
        with pytest.raises(NotFound):
            await attempt
