"""Access: API keys and the people of the console. For administrators only."""

from aiohttp import web

from chatpush.account.keys import SCOPES, Keys
from chatpush.account.people import People
from chatpush.domain import Role
from chatpush.errors import ChatpushError, InvalidInput
from chatpush.web.console import models
from chatpush.web.console.pages import Pages, Visit
from chatpush.web.http.doors import Door

pages = Pages()
ADMIN = Door(role=Role.ADMIN)
KEYS, PEOPLE = "/console/settings/keys", "/console/settings/people"


@pages.get(KEYS, door=ADMIN)
async def keys_page(visit: Visit) -> web.StreamResponse:
    """Show API keys, never the keys themselves."""
    return await _draw_keys(visit)


@pages.post(KEYS, door=ADMIN)
async def issue_key(visit: Visit) -> web.StreamResponse:
    """Issue a key and show it this once."""
    kind = visit.form.get("kind", "sk")
    scopes = visit.form.get("scopes", "").split() if kind == "sk" else []
    try:
        issued = await visit.need(Keys).issue(
            visit.tenant, visit.form.get("name", ""), kind=kind, scopes=scopes, by=visit.identity
        )  # fmt: skip
    except InvalidInput as error:
        return await _draw_keys(visit, problem=error.message, status=422)
    return await _draw_keys(visit, issued=issued.plaintext)


@pages.post(KEYS + "/{id}/revoke", door=ADMIN)
async def revoke_key(visit: Visit) -> web.StreamResponse:
    """Make a key useless."""
    await visit.need(Keys).revoke(visit.tenant, visit.path["id"], by=visit.identity)
    return visit.go(KEYS)


@pages.get(PEOPLE, door=ADMIN)
async def people_page(visit: Visit) -> web.StreamResponse:
    """Show who may use the console."""
    return await _draw_people(visit)


@pages.post(PEOPLE, door=ADMIN)
async def add_person(visit: Visit) -> web.StreamResponse:
    """Let somebody in."""
    form = visit.form
    try:
        await visit.need(People).add(
            visit.tenant, form.get("email", ""), form.get("name", ""), form.get("password", ""),
            _role(form.get("role", "")), by=visit.identity,
        )  # fmt: skip
    except ChatpushError as error:
        typed = {name: value for name, value in form.items() if name != "password"}
        return await _draw_people(visit, typed, error.message)
    return visit.go(PEOPLE)


@pages.post(PEOPLE + "/{id}/role", door=ADMIN)
async def change_role(visit: Visit) -> web.StreamResponse:
    """Give a person another role."""
    role = _role(visit.form.get("role", ""))
    await visit.need(People).change_role(visit.tenant, visit.path["id"], role, by=visit.identity)
    return visit.go(PEOPLE)


@pages.post(PEOPLE + "/{id}/remove", door=ADMIN)
async def remove_person(visit: Visit) -> web.StreamResponse:
    """Take a person's access away."""
    await visit.need(People).remove(visit.tenant, visit.path["id"], by=visit.identity)
    return visit.go(PEOPLE)


def _role(name: str) -> Role:
    try:
        return Role(name)
    except ValueError as error:
        raise InvalidInput(f"role is {', '.join(Role)}", param="role") from error


async def _draw_keys(
    visit: Visit, issued: str = "", problem: str = "", status: int = 200
) -> web.StreamResponse:
    found = await visit.need(Keys).list(visit.tenant)
    lines = [
        models.KeyLine(
            key.id, key.name, key.kind, key.hint, key.scopes, key.created_at, key.used_at,
            key.revoked_at is not None,
        )
        for key in sorted(found, key=lambda key: key.revoked_at is not None)
    ]  # fmt: skip
    return visit.draw(
        "settings_keys.html", status=status, keys=lines, issued=issued, problem=problem,
        scopes=list(SCOPES.items()),
    )  # fmt: skip


async def _draw_people(
    visit: Visit, typed: dict[str, str] | None = None, problem: str = ""
) -> web.StreamResponse:
    found = await visit.need(People).list(visit.tenant)
    lines = [
        models.PersonLine(
            person.id, person.name, person.email, person.role, person.created_at,
            person.id == visit.identity.subject,
        )
        for person in found
    ]  # fmt: skip
    return visit.draw(
        "settings_people.html", status=422 if problem else 200, people=lines,
        roles=[role.value for role in Role], problem=problem, typed=typed or {},
    )  # fmt: skip
