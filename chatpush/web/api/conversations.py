"""Conversations for the people who answer: read, take over, reply, give back, close."""

from typing import Any

from pydantic import BaseModel, Field

from chatpush.domain import ConversationId, ConversationState, IdentityKind, Role, iso
from chatpush.errors import InvalidInput
from chatpush.support.conversations import Conversations
from chatpush.support.desk import MAX_REPLY_CHARS, Desk
from chatpush.support.turns import Conversation, turn_payload
from chatpush.web.doors import Door
from chatpush.web.operations import Body, Call, Operations, PageQuery

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


class DeskConversation(BaseModel):
    """A conversation as agents see it."""

    id: str
    channel: str
    user: str
    state: str
    language: str
    agent: str | None
    agent_name: str | None
    about: dict[str, str] | None
    summary: str
    last: str
    unread_turns: int
    waiting_since: str | None
    created_at: str
    updated_at: str
    turns: list[dict[str, Any]] | None = None


class DeskPage(BaseModel):
    """A page of conversations, newest first."""

    data: list[DeskConversation]
    has_more: bool


class Said(BaseModel):
    """The turn a person said."""

    turn: dict[str, Any]


@routes.get("/v1/conversations", door=READ)
async def list_conversations(call: Call, query: ConversationQuery) -> DeskPage:
    """List conversations, newest first."""
    if query.ending_before:
        raise InvalidInput("conversations are listed from new to old only", param="ending_before")
    found = await call.need(Conversations).page(
        call.identity.tenant, query.limit + 1, query.state or "", query.starting_after
    )
    data = [await _out(call, conversation) for conversation in found[: query.limit]]
    return DeskPage(data=data, has_more=len(found) > query.limit)


@routes.get("/v1/conversations/{id}", door=READ)
async def get_conversation(call: Call) -> DeskConversation:
    """Return one conversation with its turns and, when handed over, its summary."""
    return await _out(call, await _found(call), whole=True)


@routes.post("/v1/conversations/{id}/turns", door=WRITE, status=201)
async def reply(call: Call, body: ReplyIn) -> Said:
    """Answer as a person, taking the conversation over if need be."""
    agent, name = _agent(call, body)
    turn = await call.need(Desk).reply(
        call.identity.tenant, ConversationId(call.path["id"]), agent, name, body.text
    )
    return Said(turn=turn_payload(turn))


@routes.post("/v1/conversations/{id}/assign", door=WRITE)
async def assign(call: Call, body: AgentIn) -> DeskConversation:
    """Take a conversation over; the assistant keeps quiet from here on."""
    agent, name = _agent(call, body)
    taken = await call.need(Desk).take_over(
        call.identity.tenant, ConversationId(call.path["id"]), agent, name
    )
    return await _out(call, taken, whole=True)


@routes.post("/v1/conversations/{id}/release", door=WRITE)
async def release(call: Call) -> DeskConversation:
    """Give a conversation back to the assistant."""
    found = await _found(call)
    return await _out(call, await call.need(Desk).release(found.tenant, found.id))


@routes.post("/v1/conversations/{id}/close", door=WRITE)
async def close(call: Call) -> DeskConversation:
    """End a conversation; the user opens it again by writing."""
    found = await _found(call)
    return await _out(call, await call.need(Desk).close(found.tenant, found.id))


@routes.post("/v1/conversations/{id}/read", door=WRITE)
async def read(call: Call) -> DeskConversation:
    """Note that an agent has read everything up to now."""
    found = await _found(call)
    await call.need(Conversations).read(found, by_agent=True)
    return await _out(call, await _found(call))


def _agent(call: Call, body: AgentIn) -> tuple[str, str]:
    """Return who speaks: the person signed in, or whom a key's owner names."""
    identity = call.identity
    if identity.kind is IdentityKind.PERSON:
        return identity.subject, identity.name or NAMELESS
    return body.agent or identity.subject, body.name or NAMELESS


async def _found(call: Call) -> Conversation:
    return await call.need(Conversations).get(call.identity.tenant, ConversationId(call.path["id"]))


async def _out(call: Call, conversation: Conversation, *, whole: bool = False) -> DeskConversation:
    conversations = call.need(Conversations)
    turns = await conversations.turns(conversation, 200 if whole else 1)
    return DeskConversation(
        id=conversation.id,
        channel=conversation.channel,
        user=conversation.user,
        state=conversation.state,
        language=conversation.language,
        agent=conversation.agent or None,
        agent_name=conversation.agent_name or None,
        about=conversation.about or None,
        summary=conversation.summary,
        last=turns[-1].text[:140] if turns else "",
        unread_turns=await conversations.unread(conversation, for_agent=True),
        waiting_since=iso(conversation.waiting_at) if conversation.waiting_at else None,
        created_at=iso(conversation.created_at),
        updated_at=iso(conversation.updated_at),
        turns=[turn_payload(turn) for turn in turns] if whole else None,
    )
