"""Introduce users, change them, forget them."""

import json
from collections.abc import Mapping
from typing import Annotated, Any

from aiohttp import web
from pydantic import BaseModel, Field, JsonValue, StringConstraints

from chatpush.domain import QuietHours, Role, User, UserId, iso
from chatpush.errors import InvalidInput
from chatpush.notify.audience.consents import ConsentEntry, Evidence
from chatpush.notify.audience.topics import Topics
from chatpush.notify.audience.users import UserChange, Users
from chatpush.notify.deciding.consenting import INBOX, canonical
from chatpush.notify.listing import NAME, Window
from chatpush.notify.reading.disclosing import Disclosing
from chatpush.notify.sending.away import Away
from chatpush.notify.sending.endpoints import Endpoints
from chatpush.web.http.doors import Door
from chatpush.web.http.moments import Moment
from chatpush.web.http.operations import Body, Call, Operations, PageQuery

routes = Operations("users")
READERS = Door(scope="users:read", role=Role.VIEWER)
WRITERS = Door(scope="users:write", role=Role.EDITOR)
EXPORTERS = Door(scope="users:export", role=Role.ADMIN)
Name = Annotated[str, StringConstraints(pattern=f"^{NAME.pattern}$")]


class QuietHoursBody(Body):
    """A nightly window in the user's own zone; it may pass midnight."""

    start: str = Field(description="HH:MM")
    end: str = Field(description="HH:MM")


class UserIn(Body):
    """What to change; what is left out stays. Attributes are merged, null removes one."""

    locale: str | None = Field(None, max_length=35)
    timezone: str | None = Field(None, max_length=64, description="An IANA name.")
    attributes: dict[str, JsonValue] | None = Field(None, description="Anything the app knows.")
    consents: dict[str, bool] | None = Field(
        None, description="By category, on all channels: marketing, alert."
    )
    channel_consents: dict[str, dict[Name, bool]] | None = Field(
        None,
        description="By category and channel: {marketing: {email: false}}; inbox is inbox and open pages.",
    )
    consent_text: str | None = Field(None, max_length=4000, description="The words that were agreed to.")
    consent_address: str | None = Field(None, max_length=64, description="The IP address it came from.")
    quiet_hours: QuietHoursBody | None = Field(None, description="null: none of their own.")
    personalized: bool | None = None
    topics: list[Name] | None = Field(None, max_length=200, description="All topics of the user.")
    endpoints: dict[Name, list[str]] | None = Field(None, description="Addresses by channel, all of them.")


class UserOut(BaseModel):
    """A user."""

    id: str
    locale: str
    timezone: str
    attributes: dict[str, Any]
    consents: dict[str, bool]
    channel_consents: dict[str, dict[str, bool]] = Field(description="What was said of single channels.")
    quiet_hours: QuietHoursBody | None
    personalized: bool
    created_at: Moment


class UserDetail(UserOut):
    """A user with topics, and how many addresses there are by channel."""

    topics: list[str]
    endpoints: dict[str, int]


class UserPage(BaseModel):
    """A page of users."""

    data: list[UserOut]
    has_more: bool


class ConsentOut(BaseModel):
    """One line of the consent ledger."""

    category: str
    channel: str | None = Field(description="null: all channels.")
    granted: bool
    via: str
    at: Moment
    text: str | None = Field(description="The words that were agreed to, if they were told.")
    address: str | None = Field(description="The IP address it came from, if it is known.")


class Ledger(BaseModel):
    """Every consent given or withdrawn, oldest first."""

    data: list[ConsentOut]


@routes.put("/v1/users/{id}", door=WRITERS)
async def put_user(call: Call, body: UserIn) -> UserDetail:
    """Make or change a user."""
    tenant, user = call.identity.tenant, UserId(call.path["id"])
    check_channels(call, body.channel_consents, "channel_consents")
    await call.need(Users).put(tenant, user, user_change(body, body.quiet_hours))
    if body.topics is not None:
        await call.need(Topics).set_of(tenant, user, body.topics)
    if body.endpoints is not None:
        await call.need(Endpoints).set_of(tenant, user, body.endpoints)
    return await _detail(call, user)


@routes.get("/v1/users", door=READERS)
async def list_users(call: Call, query: PageQuery) -> UserPage:
    """List users by id, last first."""
    window = Window(query.limit, query.starting_after, query.ending_before)
    page = await call.need(Users).list(call.identity.tenant, window)
    return UserPage(data=[UserOut(**_user(user)) for user in page.data], has_more=page.has_more)


@routes.get("/v1/users/{id}", door=READERS)
async def get_user(call: Call) -> UserDetail:
    """Return a user."""
    return await _detail(call, UserId(call.path["id"]))


@routes.get("/v1/users/{id}/consents", door=READERS)
async def get_consents(call: Call) -> Ledger:
    """Return the user's consent ledger: what was agreed to or withdrawn, by which channel, when, in which words."""
    tenant, user = call.identity.tenant, UserId(call.path["id"])
    await call.need(Users).get(tenant, user)
    entries = await call.need(Users).ledger(tenant, user)
    return Ledger(data=[_consent(one) for one in entries])


@routes.get("/v1/users/{id}/export", door=EXPORTERS, download=True)
async def export_user(call: Call) -> web.Response:
    """Return everything that is held of a user, in the clear, as one JSON file."""
    return await _file(call, UserId(call.path["id"]))


@routes.get("/v1/me/export", door=Door(user=True), download=True)
async def export_me(call: Call) -> web.Response:
    """Take along everything that is held of me, as one JSON file."""
    return await _file(call, call.identity.user)


@routes.delete("/v1/users/{id}", door=WRITERS)
async def delete_user(call: Call) -> None:
    """Erase a user: the key that seals everything of theirs is thrown away."""
    await call.need(Users).delete(call.identity.tenant, UserId(call.path["id"]))


def user_change(body: BaseModel, quiet: QuietHoursBody | None) -> UserChange:
    """Return the fields that were sent as a change; quiet hours sent as null are cleared."""
    sent = {
        name: value
        for name in ("locale", "timezone", "attributes", "consents", "channel_consents", "personalized")
        if (value := getattr(body, name, None)) is not None
    }
    told = Evidence(getattr(body, "consent_text", None) or "", getattr(body, "consent_address", None) or "")
    return UserChange(
        **sent,
        evidence=told if told != Evidence() else None,
        quiet_hours=QuietHours(quiet.start, quiet.end) if quiet else None,
        clear_quiet_hours="quiet_hours" in body.model_fields_set and quiet is None,
    )


def channels_of(call: Call) -> list[str]:
    """Return the channels users can say something about, the inbox first."""
    return [INBOX, *sorted(call.need(Away).names)]


def check_channels(call: Call, given: Mapping[str, Mapping[str, bool]] | None, param: str) -> None:
    """Refuse what is said of a channel that is not there: a "no" with a slip in it would close nothing.

    Raises:
        InvalidInput: there is no such channel.
    """
    known = channels_of(call)
    for category, own in (given or {}).items():
        for channel in own:
            if canonical(channel) not in known:
                raise InvalidInput(
                    f"no channel {channel!r}; there are {', '.join(known)}", param=f"{param}.{category[:40]}"
                )


def _consent(entry: ConsentEntry) -> ConsentOut:
    told = entry.evidence or Evidence()
    return ConsentOut(
        category=entry.category, channel=entry.channel or None, granted=entry.granted, via=entry.via,
        at=iso(entry.at), text=told.text or None, address=told.address or None,
    )  # fmt: skip


def quiet_out(window: QuietHours | None) -> QuietHoursBody | None:
    """Return quiet hours as the API shows them."""
    return QuietHoursBody(start=window.start, end=window.end) if window else None


async def _file(call: Call, user: UserId) -> web.Response:
    found = await call.need(Disclosing).of(call.identity.tenant, user)
    headers = {"Content-Disposition": 'attachment; filename="export.json"', "Cache-Control": "no-store"}
    text = json.dumps(found, ensure_ascii=False, indent=1)
    return web.Response(text=text, content_type="application/json", headers=headers)


async def _detail(call: Call, user: UserId) -> UserDetail:
    tenant = call.identity.tenant
    found = await call.need(Users).get(tenant, user)
    return UserDetail(
        **_user(found),
        topics=await call.need(Topics).of(tenant, user),
        endpoints=await call.need(Endpoints).channels_of(tenant, user),
    )


def _user(user: User) -> dict[str, Any]:
    return {
        "id": user.id,
        "locale": user.locale,
        "timezone": user.timezone,
        "attributes": user.attributes,
        "consents": user.consents,
        "channel_consents": user.channel_consents,
        "quiet_hours": quiet_out(user.quiet_hours),
        "personalized": user.personalized,
        "created_at": iso(user.created_at),
    }
