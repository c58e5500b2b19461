"""Look at what could not be sent, and send it again."""

from pydantic import BaseModel, Field

from chatpush.domain import Role, iso
from chatpush.notify.listing import Window
from chatpush.notify.sending.dead_letters import DeadLetter, DeadLetters
from chatpush.web.http.doors import Door
from chatpush.web.http.operations import Body, Call, Operations, PageQuery

routes = Operations("dead letters")
READERS = Door(scope="messages:read", role=Role.VIEWER)
WRITERS = Door(scope="messages:write", role=Role.EDITOR)


class DeadLetterOut(BaseModel):
    """One channel of one delivery that failed for good."""

    id: str
    delivery: str
    message: str
    user: str
    channel: str
    reason: str
    attempts: int
    at: str
    redriven_at: str | None


class DeadLetterPage(BaseModel):
    """A page of dead letters."""

    data: list[DeadLetterOut]
    has_more: bool


class DeadLetterQuery(PageQuery):
    """Filters of the list."""

    message: str = Field("", max_length=64, description="Only of this message.")
    channel: str = Field("", max_length=64, description="Only of this channel.")
    redriven: bool = Field(False, description="Also those that were sent again.")


class RedriveIn(Body):
    """What to send again: of a message, of a channel, or of both."""

    message: str = Field("", max_length=64)
    channel: str = Field("", max_length=64)


class Redriven(BaseModel):
    """How many are sent again."""

    redriven: int


@routes.get("/v1/dead-letters", door=READERS)
async def list_dead_letters(call: Call, query: DeadLetterQuery) -> DeadLetterPage:
    """List what could not be sent, newest first."""
    window = Window(query.limit, query.starting_after, query.ending_before)
    page = await call.need(DeadLetters).list(
        call.identity.tenant, window, message=query.message, channel=query.channel, redriven=query.redriven
    )
    return DeadLetterPage(data=[_out(one) for one in page.data], has_more=page.has_more)


@routes.post("/v1/dead-letters/redrive", door=WRITERS, status=202)
async def redrive_dead_letters(call: Call, body: RedriveIn) -> Redriven:
    """Send all dead letters of a message or a channel again."""
    count = await call.need(DeadLetters).redrive_many(
        call.identity.tenant, message=body.message, channel=body.channel
    )
    return Redriven(redriven=count)


@routes.post("/v1/dead-letters/{id}/redrive", door=WRITERS, status=202)
async def redrive_dead_letter(call: Call) -> Redriven:
    """Send one dead letter again."""
    await call.need(DeadLetters).redrive(call.identity.tenant, call.path["id"])
    return Redriven(redriven=1)


def _out(one: DeadLetter) -> DeadLetterOut:
    return DeadLetterOut(
        id=one.id,
        delivery=one.delivery,
        message=one.message,
        user=one.user,
        channel=one.channel,
        reason=one.reason,
        attempts=one.attempts,
        at=iso(one.at),
        redriven_at=iso(one.redriven_at) if one.redriven_at else None,
    )
