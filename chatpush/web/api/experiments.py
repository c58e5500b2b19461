"""See how variants of a message or a campaign did."""

from dataclasses import asdict

from pydantic import BaseModel, Field

from chatpush.domain import MessageId, Role
from chatpush.notify.deciding.experiments import Experiments
from chatpush.notify.messages.messages import Messages
from chatpush.web.http.doors import Door
from chatpush.web.http.operations import Call, Operations

routes = Operations("experiments")
READERS = Door(scope="messages:read", role=Role.VIEWER)


class ArmOut(BaseModel):
    """One variant, or the users held out."""

    name: str
    users: int
    sent: int
    seen: int
    clicked: int
    click_rate: float
    p_value: float | None = Field(
        description="Chance of such a difference from the first variant if there were none; corrected for many."
    )


class Results(BaseModel):
    """Every variant; the first is what the others are compared with."""

    data: list[ArmOut]


@routes.get("/v1/messages/{id}/experiment", door=READERS)
async def message_experiment(call: Call) -> Results:
    """Say how a message's variants did."""
    message = MessageId(call.path["id"])
    await call.need(Messages).get(call.identity.tenant, message)
    arms = await call.need(Experiments).arms(call.identity.tenant, message=message)
    return Results(data=[ArmOut(**asdict(arm)) for arm in arms])


@routes.get("/v1/campaigns/{id}/experiment", door=READERS)
async def campaign_experiment(call: Call) -> Results:
    """Say how a campaign's variants did, over all its runs."""
    arms = await call.need(Experiments).arms(call.identity.tenant, campaign=call.path["id"])
    return Results(data=[ArmOut(**asdict(arm)) for arm in arms])
