"""Look at what could not be sent, send it again or give it up."""

from typing import Annotated

from pydantic import BaseModel, Field

from chatpush.domain import Role, iso
from chatpush.notify.listing import Window
from chatpush.notify.sending.dead_letters import AT_ONCE, DeadLetter, DeadLetters, Which
from chatpush.web.http.doors import Door
from chatpush.web.http.moments import Moment
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
    reason: str = Field(description="Why, ending with what the provider said last.")
    attempts: int
    at: Moment
    redriven_at: Moment | None


class TryOut(BaseModel):
    """One attempt, and what was answered to it."""

    at: Moment
    verdict: str
    said: str


class DeadLetterDetail(DeadLetterOut):
    """A dead letter with every attempt of its channel."""

    tries: list[TryOut]


class DeadLetterPage(BaseModel):
    """A page of dead letters."""

    data: list[DeadLetterOut]
    has_more: bool


class DeadLetterQuery(PageQuery):
    """Filters of the list."""

    message: str = Field("", max_length=64, description="Only of this message.")
    channel: str = Field("", max_length=64, description="Only of this channel.")
    user: str = Field("", max_length=128, description="Only of this user.")
    redriven: bool = Field(False, description="Also those that were sent again.")


class WhichIn(Body):
    """Which are meant: by ids, of a message, of a channel, of a user, or of several of these at once."""

    ids: list[Annotated[str, Field(max_length=64)]] = Field([], max_length=AT_ONCE)
    message: str = Field("", max_length=64)
    channel: str = Field("", max_length=64)
    user: str = Field("", max_length=128)

    def which(self) -> Which:
        """Return what is named."""
        return Which(tuple(self.ids), self.message, self.channel, self.user)


class Redriven(BaseModel):
    """How many are sent again."""

    redriven: int


class Dropped(BaseModel):
    """How many were given up."""

    dropped: int


@routes.get("/v1/dead-letters", door=READERS)
async def list_dead_letters(call: Call, query: DeadLetterQuery) -> DeadLetterPage:
    """List what could not be sent, newest first."""
    window = Window(query.limit, query.starting_after, query.ending_before)
    which = Which(message=query.message, channel=query.channel, user=query.user)
    page = await call.need(DeadLetters).list(call.identity.tenant, window, which, redriven=query.redriven)
    return DeadLetterPage(data=[_out(one) for one in page.data], has_more=page.has_more)


@routes.get("/v1/dead-letters/{id}", door=READERS)
async def get_dead_letter(call: Call) -> DeadLetterDetail:
    """Return a dead letter with its attempts and what the provider answered to each."""
    letters = call.need(DeadLetters)
    one = await letters.get(call.identity.tenant, call.path["id"])
    tries = await letters.tries(call.identity.tenant, one)
    shown = [TryOut(at=iso(each.at), verdict=each.verdict, said=each.said) for each in tries]
    return DeadLetterDetail(**_out(one).model_dump(), tries=shown)


@routes.post("/v1/dead-letters/redrive", door=WRITERS, status=202)
async def redrive_dead_letters(call: Call, body: WhichIn) -> Redriven:
    """Send the dead letters of these ids, of a message, a channel or a user again."""
    count = await call.need(DeadLetters).redrive_many(call.identity.tenant, body.which())
    return Redriven(redriven=count)


@routes.post("/v1/dead-letters/drop", door=WRITERS)
async def drop_dead_letters(call: Call, body: WhichIn) -> Dropped:
    """Give the dead letters of these ids, of a message, a channel or a user up."""
    return Dropped(dropped=await call.need(DeadLetters).drop_many(call.identity.tenant, body.which()))


@routes.post("/v1/dead-letters/{id}/redrive", door=WRITERS, status=202)
async def redrive_dead_letter(call: Call) -> Redriven:
    """Send one dead letter again."""
    await call.need(DeadLetters).redrive(call.identity.tenant, call.path["id"])
    return Redriven(redriven=1)


@routes.delete("/v1/dead-letters/{id}", door=WRITERS, status=204)
async def drop_dead_letter(call: Call) -> None:
    """Give one dead letter up; it will not be sent again."""
    await call.need(DeadLetters).drop(call.identity.tenant, call.path["id"])


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
