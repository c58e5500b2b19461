"""The signed-in user's own say: which categories by which channels, which hours, which language."""

from dataclasses import replace

from pydantic import BaseModel, Field

from chatpush.domain import User
from chatpush.notify.audience.consents import CHOOSABLE, Evidence
from chatpush.notify.audience.users import Users
from chatpush.notify.deciding.consenting import closed_of, takes_by_default
from chatpush.settings import Settings
from chatpush.web.api.users import Name, QuietHoursBody, channels_of, check_channels, quiet_out, user_change
from chatpush.web.http.addresses import address_of
from chatpush.web.http.doors import Door
from chatpush.web.http.operations import Body, Call, Operations

routes = Operations("preferences")
USERS = Door(user=True)


class PreferencesIn(Body):
    """What to change; what is left out stays."""

    categories: dict[str, bool] | None = Field(None, description="marketing and alert, on all channels.")
    channels: dict[str, dict[Name, bool]] | None = Field(
        None, description="By category, single channels: {marketing: {email: false}}."
    )
    consent_text: str | None = Field(None, max_length=4000, description="The words I agreed to.")
    quiet_hours: QuietHoursBody | None = Field(None, description="null: none of my own.")
    timezone: str | None = Field(None, max_length=64)
    locale: str | None = Field(None, max_length=35)
    personalized: bool | None = Field(None, description="false: nothing chosen by my behaviour.")


class Preferences(BaseModel):
    """The user's say."""

    categories: dict[str, bool] = Field(description="On channels of which I said nothing.")
    channels: dict[str, dict[str, bool]] = Field(description="Whether each category comes by each channel.")
    quiet_hours: QuietHoursBody | None
    timezone: str
    locale: str
    personalized: bool


@routes.get("/v1/me/preferences", door=USERS)
async def get_preferences(call: Call) -> Preferences:
    """Return my preferences."""
    tenant, user = call.identity.tenant, call.identity.user
    found = await call.need(Users).find(tenant, user)
    return _preferences(call, found or User(tenant, user))


@routes.put("/v1/me/preferences", door=USERS)
async def put_preferences(call: Call, body: PreferencesIn) -> Preferences:
    """Change my preferences; consents go into the ledger."""
    check_channels(call, body.channels, "channels")
    change = user_change(body, body.quiet_hours)
    if body.categories is not None or body.channels is not None:
        told = Evidence(body.consent_text or "", address_of(call.request, call.need(Settings)))
        change = replace(change, consents=body.categories, channel_consents=body.channels, evidence=told)
    user = await call.need(Users).put(call.identity.tenant, call.identity.user, change, via="preferences")
    return _preferences(call, user)


def _preferences(call: Call, user: User) -> Preferences:
    """Return what the policy would make of what the user said."""
    needed, channels = call.need(Settings).notify.marketing_needs_consent, channels_of(call)
    categories, matrix = {}, {}
    for one in CHOOSABLE:
        said, own = user.consents.get(one), user.channel_consents.get(one, {})
        categories[one.value] = takes_by_default(one, consent_needed=needed) if said is None else said
        closed = closed_of(one, channels, said, own, consent_needed=needed)
        matrix[one.value] = {channel: channel not in closed for channel in channels}
    return Preferences(
        categories=categories,
        channels=matrix,
        quiet_hours=quiet_out(user.quiet_hours),
        timezone=user.timezone,
        locale=user.locale,
        personalized=user.personalized,
    )
