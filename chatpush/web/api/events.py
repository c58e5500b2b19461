"""Take events: what users did and what happened to something of theirs."""

from datetime import datetime

from pydantic import BaseModel, Field, JsonValue

from chatpush.clock import Clock
from chatpush.domain import Event, ItemId, Role, TenantId, UserId
from chatpush.errors import InvalidInput
from chatpush.notify.audience.users import Users, checked_user
from chatpush.recommend.behaviour.behaviour import Behaviour, event
from chatpush.web.http.doors import Door
from chatpush.web.http.moments import Instant
from chatpush.web.http.operations import Body, Call, Operations

routes = Operations("events")
BATCH = 1000
TYPE = r"^[A-Za-z0-9][A-Za-z0-9_.:-]{0,63}$"
ID = r"^[^\s\x00-\x1f\x7f]{1,128}$"


class EventIn(Body):
    """One event."""

    user: str = Field(min_length=1, max_length=128, description="Whose it is; an unknown user is made.")
    type: str = Field(pattern=TYPE, description="view, cart, purchase, dismiss, order.paid …")
    item: str | None = Field(None, pattern=ID, description="The item it is about.")
    properties: dict[str, JsonValue] = Field(
        default_factory=dict, max_length=100, description="Anything else; templates and promises see it."
    )
    at: Instant | None = Field(None, description="When, with its offset; default: now.")
    id: str | None = Field(None, pattern=ID, description="Yours, so that sending it again changes nothing.")

    def event(self, tenant: TenantId, now: datetime, param: str) -> Event:
        """Return it as the services know it."""
        user = checked_user(self.user, param)
        item = ItemId(self.item) if self.item else None
        return event(tenant, user, self.type, self.at or now, item, dict(self.properties), self.id or "")


class EventsIn(Body):
    """One event, or up to 1,000 in ``events``."""

    user: str | None = Field(None, min_length=1, max_length=128)
    type: str | None = Field(None, pattern=TYPE)
    item: str | None = Field(None, pattern=ID)
    properties: dict[str, JsonValue] = Field(default_factory=dict, max_length=100)
    at: Instant | None = None
    id: str | None = Field(None, pattern=ID)
    events: list[EventIn] | None = Field(None, min_length=1, max_length=BATCH, description="A batch.")

    def all(self) -> list[EventIn]:
        """Return the events.

        Raises:
            InvalidInput: neither one event nor a batch, or both.
        """
        if self.events is not None:
            if self.model_fields_set != {"events"}:
                raise InvalidInput("give one event's fields or `events`, not both", param="events")
            return self.events
        for name in ("user", "type"):
            if getattr(self, name) is None:
                raise InvalidInput(f"an event needs its {name}", param=name)
        return [EventIn.model_validate(self.model_dump(exclude={"events"}))]


class EventsTaken(BaseModel):
    """What became of them: stored, known already, or dropped as noise (crawlers, double clicks)."""

    accepted: int
    duplicates: int
    dropped: int


@routes.post("/v1/events", door=Door(scope="events:write", role=Role.EDITOR), status=202)
async def record_events(call: Call, body: EventsIn) -> EventsTaken:
    """Record what users did; what follows from it happens in the background."""
    tenant, now = call.identity.tenant, call.need(Clock).now()  # type: ignore[type-abstract]
    given, batch = body.all(), body.events is not None
    found = [
        one.event(tenant, now, f"events.{index}.user" if batch else "user") for index, one in enumerate(given)
    ]
    await call.need(Users).ensure(tenant, {UserId(one.user) for one in found})
    recorded = await call.need(Behaviour).record(tenant, found)
    return EventsTaken(accepted=recorded.accepted, duplicates=recorded.duplicates, dropped=recorded.dropped)
