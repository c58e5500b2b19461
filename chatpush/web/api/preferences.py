"""The signed-in user's own say: which categories, which hours, which language."""

from dataclasses import replace

from pydantic import BaseModel, Field

from chatpush.domain import Category, User
from chatpush.notify.audience.users import Evidence, Users
from chatpush.settings import Settings
from chatpush.web.api.users import QuietHoursBody, quiet_out, user_change
from chatpush.web.http.addresses import address_of
from chatpush.web.http.doors import Door
from chatpush.web.http.operations import Body, Call, Operations

routes = Operations("preferences")
USERS = Door(user=True)


class PreferencesIn(Body):
    """What to change; what is left out stays."""

    categories: dict[str, bool] | None = Field(None, description="marketing and alert.")
    consent_text: str | None = Field(None, max_length=4000, description="The words I agreed to.")
    quiet_hours: QuietHoursBody | None = Field(None, description="null: none of my own.")
    timezone: str | None = Field(None, max_length=64)
    locale: str | None = Field(None, max_length=35)
    personalized: bool | None = Field(None, description="false: nothing chosen by my behaviour.")


class Preferences(BaseModel):
    """The user's say."""

    categories: dict[str, bool]
    quiet_hours: QuietHoursBody | None
    timezone: str
    locale: str
    personalized: bool


@routes.get("/v1/me/preferences", door=USERS)
async def get_preferences(call: Call) -> Preferences:
    """Return my preferences."""
    tenant, user = call.identity.tenant, call.identity.user
    found = await call.need(Users).find(tenant, user)
    return _preferences(found or User(tenant, user))


@routes.put("/v1/me/preferences", door=USERS)
async def put_preferences(call: Call, body: PreferencesIn) -> Preferences:
    """Change my preferences; consents go into the ledger."""
    change = user_change(body, body.quiet_hours)
    if body.categories is not None:
        told = Evidence(body.consent_text or "", address_of(call.request, call.need(Settings)))
        change = replace(change, consents=body.categories, evidence=told)
    user = await call.need(Users).put(call.identity.tenant, call.identity.user, change, via="preferences")
    return _preferences(user)


def _preferences(user: User) -> Preferences:
    return Preferences(
        categories={
            Category.MARKETING.value: user.consents.get(Category.MARKETING, False),
            Category.ALERT.value: user.consents.get(Category.ALERT, True),
        },
        quiet_hours=quiet_out(user.quiet_hours),
        timezone=user.timezone,
        locale=user.locale,
        personalized=user.personalized,
    )
