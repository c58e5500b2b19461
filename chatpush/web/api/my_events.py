"""Take what a page saw its own user do; never what only the app's backend can know."""

from pydantic import Field, JsonValue

from chatpush.clock import Clock
from chatpush.domain import ItemId
from chatpush.notify.audience.users import Users
from chatpush.recommend.behaviour.behaviour import Behaviour, event
from chatpush.web.api.events import ID, EventsTaken
from chatpush.web.http.doors import Door
from chatpush.web.http.operations import Body, Call, Operations

routes = Operations("events")
SEEN_BY_PAGES = r"^(view|cart|search|click|dismiss|impression|page\.[A-Za-z0-9_.:-]{1,58})$"


class MyEventIn(Body):
    """One event of the signed-in user. An order is paid when the backend says so, so that is not among them."""

    type: str = Field(
        pattern=SEEN_BY_PAGES, description="view, cart, search, click, dismiss, impression or page.…"
    )
    item: str | None = Field(None, pattern=ID, description="The item it is about.")
    properties: dict[str, JsonValue] = Field(default_factory=dict, max_length=50)
    id: str | None = Field(None, pattern=ID, description="Yours, so that sending it again changes nothing.")


@routes.post("/v1/me/events", door=Door(user=True), status=202)
async def record_my_event(call: Call, body: MyEventIn) -> EventsTaken:
    """Record what the signed-in user did on the page."""
    tenant, user = call.identity.tenant, call.identity.user
    now = call.need(Clock).now()  # type: ignore[type-abstract]
    await call.need(Users).ensure(tenant, {user})
    own = f"page:{user}:{body.id}" if body.id else ""
    item = ItemId(body.item) if body.item else None
    found = event(tenant, user, body.type, now, item, dict(body.properties), own)
    recorded = await call.need(Behaviour).record(tenant, [found])
    return EventsTaken(accepted=recorded.accepted, duplicates=recorded.duplicates, dropped=recorded.dropped)
