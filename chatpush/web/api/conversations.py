"""Conversations for the people who answer: read, take over, reply, give back, close."""

from typing import ClassVar

from pydantic import BaseModel, Field

from chatpush.domain import ConversationId, ConversationState, IdentityKind, Role, Speaker, iso
from chatpush.errors import InvalidInput
from chatpush.support.conversations.conversations import Conversations
from chatpush.support.conversations.turns import Conversation, turn_payload
from chatpush.support.people.desk import MAX_REPLY_CHARS, Desk
from chatpush.support.people.labels import Labels
from chatpush.support.people.standing import Standings
from chatpush.web.api.shapes import OfficeOut, RatingOut, ReadOut, TurnPayload
from chatpush.web.http.doors import Door
from chatpush.web.http.moments import Moment
from chatpush.web.http.operations import Body, Call, Operations, PageQuery

routes = Operations("conversations")
READ = Door(scope="conversations:read", role=Role.AGENT)
WRITE = Door(scope="conversations:write", role=Role.AGENT)
NAMELESS = "Support"


class ConversationQuery(PageQuery):
    """Which conversations."""

    state: ConversationState | None = None


class AgentIn(Body):
    """Who takes over; a console person is always themselves."""

    agent: str = Field("", max_length=64)
    name: str = Field("", max_length=100)


class ReplyIn(AgentIn):
    """What a person says."""

    text: str = Field(min_length=1, max_length=MAX_REPLY_CHARS)
    client_id: str = Field("", max_length=64, description="The same one speaks once.")


class AgentTyping(AgentIn):
    """Whether this person is writing right now."""

    typing: bool


class AgentRead(Body):
    """Up to which turn; left out: everything there is."""

    optional: ClassVar[bool] = True
    turn: str = Field("", max_length=64)


class DeskConversation(BaseModel):
    """A conversation as agents see it."""

    id: str
    channel: str
    user: str
    state: ConversationState
    language: str
    agent: str | None
    agent_name: str | None
    about: dict[str, str] | None
    prechat: dict[str, str] = Field(description="What its user filled in before it began.")
    summary: str
    last: str
    unread_turns: int
    waiting_since: Moment | None
    read: ReadOut
    position: int | None
    office: OfficeOut
    may_rate: bool
    rating: RatingOut | None
    subject: str
    tags: list[str]
    team: str | None
    contact: str | None = Field(description="The address its user left while nobody was there.")
    merged_into: str | None
    created_at: Moment
    updated_at: Moment
    turns: list[TurnPayload] | None = None


class DeskPage(BaseModel):
    """A page of conversations, newest first."""

    data: list[DeskConversation]
    has_more: bool


class Said(BaseModel):
    """The turn a person said."""

    turn: TurnPayload


@routes.get("/v1/conversations", door=READ)
async def list_conversations(call: Call, query: ConversationQuery) -> DeskPage:
    """List conversations, newest first."""
    if query.ending_before:
        raise InvalidInput("conversations are listed from new to old only", param="ending_before")
    found = await call.need(Conversations).page(
        call.identity.tenant, query.limit + 1, query.state or "", query.starting_after
    )
    data = [await shown(call, conversation) for conversation in found[: query.limit]]
    return DeskPage(data=data, has_more=len(found) > query.limit)


@routes.get("/v1/conversations/{id}", door=READ)
async def get_conversation(call: Call) -> DeskConversation:
    """Return one conversation with its turns and, when handed over, its summary."""
    return await shown(call, await found_in(call), whole=True)


@routes.post("/v1/conversations/{id}/turns", door=WRITE, status=201)
async def reply_to_conversation(call: Call, body: ReplyIn) -> Said:
    """Answer as a person, taking the conversation over if need be."""
    agent, name = agent_of(call, body)
    turn = await call.need(Desk).reply(
        call.identity.tenant, ConversationId(call.path["id"]), agent, name, body.text, body.client_id
    )
    return Said(turn=turn_payload(turn))


@routes.post("/v1/conversations/{id}/assign", door=WRITE)
async def assign_conversation(call: Call, body: AgentIn) -> DeskConversation:
    """Take a conversation over; the assistant keeps quiet from here on."""
    agent, name = agent_of(call, body)
    taken = await call.need(Desk).take_over(
        call.identity.tenant, ConversationId(call.path["id"]), agent, name
    )
    return await shown(call, taken, whole=True)


@routes.post("/v1/conversations/{id}/release", door=WRITE)
async def release_conversation(call: Call) -> DeskConversation:
    """Give a conversation back to the assistant."""
    found = await found_in(call)
    return await shown(call, await call.need(Desk).release(found.tenant, found.id))


@routes.post("/v1/conversations/{id}/close", door=WRITE)
async def close_conversation(call: Call) -> DeskConversation:
    """End a conversation; the user opens it again by writing."""
    found = await found_in(call)
    return await shown(call, await call.need(Desk).close(found.tenant, found.id))


@routes.post("/v1/conversations/{id}/read", door=WRITE, status=204)
async def read_conversation(call: Call, body: AgentRead) -> None:
    """Note that an agent has read everything up to a turn; the user sees it."""
    await call.need(Conversations).read(await found_in(call), by_agent=True, turn=body.turn)


@routes.post("/v1/conversations/{id}/typing", door=WRITE, status=204)
async def type_in_conversation(call: Call, body: AgentTyping) -> None:
    """Show the user that a person is writing; say it again every few seconds."""
    found = await found_in(call)
    if body.typing:
        _, name = agent_of(call, body)
        await call.need(Conversations).typing(found, Speaker.AGENT, name)


def agent_of(call: Call, body: AgentIn) -> tuple[str, str]:
    """Return who speaks: the person signed in, or whom a key's owner names."""
    identity = call.identity
    if identity.kind is IdentityKind.PERSON:
        return identity.subject, identity.name or NAMELESS
    return body.agent or identity.subject, body.name or NAMELESS


async def found_in(call: Call) -> Conversation:
    return await call.need(Conversations).get(call.identity.tenant, ConversationId(call.path["id"]))


async def shown(call: Call, conversation: Conversation, *, whole: bool = False) -> DeskConversation:
    conversations = call.need(Conversations)
    turns = await conversations.turns(conversation, 200 if whole else 1)
    tags = await call.need(Labels).tags(conversation.tenant, [conversation.id])
    return DeskConversation(
        id=conversation.id,
        channel=conversation.channel,
        user=conversation.user,
        state=conversation.state,
        language=conversation.language,
        agent=conversation.agent or None,
        agent_name=conversation.agent_name or None,
        about=conversation.about or None,
        prechat=conversation.prechat,
        summary=conversation.summary,
        last=turns[-1].text[:140] if turns else "",
        unread_turns=await conversations.unread(conversation, for_agent=True),
        waiting_since=iso(conversation.waiting_at) if conversation.waiting_at else None,
        read=ReadOut(user=conversation.user_read or None, agent=conversation.agent_read or None),
        **await call.need(Standings).told(conversation),
        tags=list(tags.get(conversation.id, ())),
        team=conversation.team or None,
        contact=conversation.contact or None,
        merged_into=conversation.merged_into or None,
        created_at=iso(conversation.created_at),
        updated_at=iso(conversation.updated_at),
        turns=[turn_payload(turn, files="/v1/conversations") for turn in turns] if whole else None,
    )
