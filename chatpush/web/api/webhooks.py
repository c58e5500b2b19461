"""Let a tenant's own servers be told what happens."""

from typing import Any

from pydantic import BaseModel, Field

from chatpush.channels.webhooks import TYPES, Webhook, Webhooks
from chatpush.domain import Role, iso
from chatpush.notify.listing import Window
from chatpush.web.http.doors import Door
from chatpush.web.http.moments import Moment
from chatpush.web.http.operations import Body, Call, Operations, PageQuery

routes = Operations("webhooks")
READERS = Door(scope="messages:read", role=Role.VIEWER)
WRITERS = Door(scope="messages:write", role=Role.ADMIN)


class WebhookIn(Body):
    """Whom to tell, and of what."""

    url: str = Field(max_length=2048, description="An https address.")
    types: list[str] = Field(
        default_factory=list, max_length=50, description=f"Of these alone; none: all. {', '.join(TYPES)}."
    )


class WebhookOut(BaseModel):
    """A webhook."""

    id: str
    url: str
    types: list[str]
    enabled: bool
    problem: str | None
    created_at: Moment


class WebhookMade(WebhookOut):
    """A new webhook with its secret, which is shown only now."""

    secret: str


class WebhookList(BaseModel):
    """All webhooks."""

    data: list[WebhookOut]


class WebhookChange(Body):
    """What to change."""

    enabled: bool


class Secret(BaseModel):
    """A new secret; the old one holds for a day."""

    secret: str


class AttemptOut(BaseModel):
    """One try of a call."""

    status: int | None
    error: str | None
    milliseconds: int


class CallOut(BaseModel):
    """One event for one webhook."""

    id: str
    type: str
    state: str
    next_at: Moment | None
    created_at: Moment
    attempts: list[AttemptOut]


class CallPage(BaseModel):
    """A page of calls."""

    data: list[CallOut]
    has_more: bool


@routes.post("/v1/webhooks", door=WRITERS, status=201)
async def create_webhook(call: Call, body: WebhookIn) -> WebhookMade:
    """Tell an address what happens; requests are signed per Standard Webhooks."""
    made, secret = await call.need(Webhooks).create(call.identity.tenant, body.url, body.types)
    return WebhookMade(**_out(made), secret=secret)


@routes.get("/v1/webhooks", door=READERS)
async def list_webhooks(call: Call) -> WebhookList:
    """List all webhooks, newest first."""
    found = await call.need(Webhooks).list(call.identity.tenant)
    return WebhookList(data=[WebhookOut(**_out(one)) for one in found])


@routes.put("/v1/webhooks/{id}", door=WRITERS, status=204)
async def change_webhook(call: Call, body: WebhookChange) -> None:
    """Switch a webhook on or off."""
    await call.need(Webhooks).enable(call.identity.tenant, call.path["id"], enabled=body.enabled)


@routes.delete("/v1/webhooks/{id}", door=WRITERS)
async def delete_webhook(call: Call) -> None:
    """Forget a webhook."""
    await call.need(Webhooks).delete(call.identity.tenant, call.path["id"])


@routes.post("/v1/webhooks/{id}/rotate", door=WRITERS)
async def rotate_webhook_secret(call: Call) -> Secret:
    """Make a new secret; the old one signs beside it for a day."""
    return Secret(secret=await call.need(Webhooks).rotate(call.identity.tenant, call.path["id"]))


@routes.post("/v1/webhooks/{id}/test", door=WRITERS, status=202)
async def test_webhook(call: Call) -> None:
    """Send a test event."""
    await call.need(Webhooks).test(call.identity.tenant, call.path["id"])


@routes.get("/v1/webhooks/{id}/calls", door=READERS)
async def list_webhook_calls(call: Call, query: PageQuery) -> CallPage:
    """List what was told, newest first, with every attempt."""
    window = Window(query.limit, query.starting_after, query.ending_before)
    page = await call.need(Webhooks).calls(call.identity.tenant, call.path["id"], window)
    data = [
        CallOut(
            id=one.id,
            type=one.type,
            state=one.state,
            next_at=iso(one.due_at) if one.state == "pending" else None,
            created_at=iso(one.created_at),
            attempts=[
                AttemptOut(status=tried.status, error=tried.error or None, milliseconds=tried.milliseconds)
                for tried in one.attempts
            ],
        )
        for one in page.data
    ]
    return CallPage(data=data, has_more=page.has_more)


@routes.post("/v1/webhooks/{id}/calls/{call}/replay", door=WRITERS, status=202)
async def replay_webhook_call(call: Call) -> None:
    """Tell it again, under the same webhook-id."""
    await call.need(Webhooks).replay(call.identity.tenant, call.path["id"], call.path["call"])


def _out(webhook: Webhook) -> dict[str, Any]:
    return {
        "id": webhook.id,
        "url": webhook.url,
        "types": list(webhook.types),
        "enabled": webhook.enabled,
        "problem": webhook.problem or None,
        "created_at": iso(webhook.created_at),
    }
