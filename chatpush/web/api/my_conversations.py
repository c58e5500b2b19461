"""A user's own conversations and promises, for the widget.

The user is the one of the token; an id of somebody else's conversation does not
exist here.
"""

from typing import Any

from pydantic import BaseModel, Field

from chatpush.domain import ConversationId, PromiseId, Turn, iso
from chatpush.errors import InvalidInput
from chatpush.support.assistant import Assistant
from chatpush.support.conversations import Conversations
from chatpush.support.desk import Desk
from chatpush.support.promises import Promises
from chatpush.support.turns import Conversation, turn_payload
from chatpush.web.doors import Door
from chatpush.web.operations import Body, Call, Operations

routes = Operations("my conversations")
MINE = Door(user=True)
LISTED = 20


class About(Body):
    """What a conversation is about: an item or a message the user got."""

    item: str = Field("", max_length=200)
    delivery: str = Field("", max_length=64)


class ConversationIn(Body):
    """A conversation to open."""

    about: About | None = None
    locale: str = Field("", max_length=35, description="Language of the greeting; the user's own if empty.")


class TurnIn(Body):
    """What the user says. The same client id is taken in once."""

    text: str = Field(min_length=1, max_length=20_000)
    client_id: str = Field("", max_length=64)


class TurnOut(BaseModel):
    """The turn as it was taken in; the answer comes on the channel."""

    turn: dict[str, Any]


class ConversationOut(BaseModel):
    """A conversation with its turns and the token of its channel."""

    id: str
    channel: str
    token: str | None = None
    state: str
    agent: str | None
    about: dict[str, str] | None
    turns: list[dict[str, Any]] | None = None
    last: str
    unread_turns: int
    created_at: str
    updated_at: str


class ConversationsOut(BaseModel):
    """A user's conversations, newest first."""

    data: list[ConversationOut]


class PromiseOut(BaseModel):
    """What the assistant has promised to tell."""

    id: str
    conversation: str
    text: str
    until: str
    made_at: str


class PromisesOut(BaseModel):
    """A user's open promises."""

    data: list[PromiseOut]


class Stopped(BaseModel):
    """Whether there was a stream to stop."""

    stopped: bool


@routes.get("/v1/me/conversations", door=MINE)
async def list_mine(call: Call) -> ConversationsOut:
    """List the user's conversations."""
    found = await call.need(Conversations).of_user(call.identity.tenant, call.identity.user, LISTED)
    return ConversationsOut(data=[await _brief(call, conversation) for conversation in found])


@routes.post("/v1/me/conversations", door=MINE, status=201)
async def open_mine(call: Call, body: ConversationIn) -> ConversationOut:
    """Open a conversation, about an item or a message if there is one."""
    about = {key: value for key, value in (body.about.model_dump() if body.about else {}).items() if value}
    if len(about) > 1:
        raise InvalidInput("a conversation is about an item or a delivery, not both", param="about")
    assistant = call.need(Assistant)
    conversation = await assistant.open(call.identity.tenant, call.identity.user, about, body.locale)
    return await _whole(call, conversation)


@routes.get("/v1/me/conversations/{id}", door=MINE)
async def get_mine(call: Call) -> ConversationOut:
    """Return one conversation with its turns, an answer under way among them."""
    return await _whole(call, await _own(call))


@routes.post("/v1/me/conversations/{id}/turns", door=MINE, status=202)
async def say_mine(call: Call, body: TurnIn) -> TurnOut:
    """Say something; the answer comes on the conversation's channel."""
    turn = await call.need(Assistant).ask(await _own(call), body.text, body.client_id or None)
    return TurnOut(turn=turn_payload(turn))


@routes.post("/v1/me/conversations/{id}/handover", door=MINE, status=202)
async def hand_over_mine(call: Call) -> ConversationOut:
    """Ask for a person."""
    return await _brief(call, await call.need(Desk).hand_over(await _own(call)))


@routes.post("/v1/me/conversations/{id}/stop", door=MINE, status=202)
async def stop_mine(call: Call) -> Stopped:
    """Stop the answer that is being written; what was written stays."""
    return Stopped(stopped=call.need(Assistant).interrupt(await _own(call)))


@routes.post("/v1/me/conversations/{id}/read", door=MINE)
async def read_mine(call: Call) -> ConversationOut:
    """Note that the user has read everything up to now."""
    conversation = await _own(call)
    await call.need(Conversations).read(conversation)
    return await _brief(call, await _own(call))


@routes.get("/v1/me/promises", door=MINE)
async def list_promises(call: Call) -> PromisesOut:
    """List what the assistant has promised to tell the user."""
    found = await call.need(Promises).list(call.identity.tenant, call.identity.user)
    return PromisesOut(
        data=[
            PromiseOut(
                id=promise.id, conversation=promise.conversation, text=promise.text,
                until=iso(promise.until), made_at=iso(promise.made_at),
            )
            for promise in found
        ]
    )  # fmt: skip


@routes.delete("/v1/me/promises/{id}", door=MINE)
async def cancel_promise(call: Call) -> None:
    """Take back a promise."""
    promise = PromiseId(call.path["id"])
    await call.need(Promises).cancel(call.identity.tenant, call.identity.user, promise)


async def _own(call: Call) -> Conversation:
    """Return the user's own conversation of the path; another's is not found."""
    id_ = ConversationId(call.path["id"])
    return await call.need(Conversations).get(call.identity.tenant, id_, call.identity.user)


async def _brief(call: Call, conversation: Conversation, last: Turn | None = None) -> ConversationOut:
    conversations = call.need(Conversations)
    latest = [last] if last is not None else await conversations.turns(conversation, 1)
    return ConversationOut(
        id=conversation.id,
        channel=conversation.channel,
        state=conversation.state,
        agent=conversation.agent_name or None,
        about=conversation.about or None,
        last=latest[0].text[:140] if latest else "",
        unread_turns=await conversations.unread(conversation),
        created_at=iso(conversation.created_at),
        updated_at=iso(conversation.updated_at),
    )


async def _whole(call: Call, conversation: Conversation) -> ConversationOut:
    conversations = call.need(Conversations)
    turns = await conversations.turns(conversation)
    brief = await _brief(call, conversation, turns[-1] if turns else None)
    payloads = [turn_payload(turn) for turn in turns]
    made = [payload["promise"] for payload in payloads if payload["promise"]]
    states = await call.need(Promises).states(conversation.tenant, [promise["id"] for promise in made])
    for promise in made:
        promise["state"] = states.get(promise["id"], "pending")
    live = call.need(Assistant).live(conversation)
    if isinstance(live, dict) and all(payload["id"] != live["id"] for payload in payloads):
        payloads.append(live)
    return brief.model_copy(update={"token": await conversations.token(conversation), "turns": payloads})
