"""A user's own conversations and promises, for the widget.

The user is the one of the token; an id of somebody else's conversation does not
exist here.
"""

import json
from typing import ClassVar

from pydantic import BaseModel, Field

from chatpush.domain import (
    ConversationId,
    ConversationState,
    DeliveryId,
    Json,
    PromiseId,
    ReceiptKind,
    Speaker,
    Turn,
    iso,
)
from chatpush.notify.reading.receipts import Receipts
from chatpush.realtime.hub import Hub
from chatpush.support.assistant.assistant import Assistant
from chatpush.support.assistant.live import REACH, under_way
from chatpush.support.assistant.promises import Promises
from chatpush.support.conversations.attachments import Attachments
from chatpush.support.conversations.conversations import Conversations
from chatpush.support.conversations.prechat import Prechat
from chatpush.support.conversations.turns import Conversation, turn_payload
from chatpush.support.people.desk import LONGEST_MESSAGE, Desk
from chatpush.support.people.letters import LONGEST_ADDRESS
from chatpush.support.people.ratings import BEST, LONGEST_COMMENT, WORST, Ratings
from chatpush.support.people.standing import Standings
from chatpush.web.api.shapes import OfficeOut, RatingOut, ReadOut, TurnPayload
from chatpush.web.http.doors import Door
from chatpush.web.http.moments import Moment
from chatpush.web.http.operations import Body, Call, Operations

routes = Operations("my conversations")
MINE = Door(user=True)
LISTED = 20


class About(Body):
    """What a conversation is about: an item, a message the user got, or the item of a message."""

    item: str = Field("", max_length=200)
    delivery: str = Field("", max_length=64)


class ConversationIn(Body):
    """A conversation to open."""

    about: About | None = None
    locale: str = Field("", max_length=35, description="Language of the greeting; the user's own if empty.")
    prechat: dict[str, str] | None = Field(
        None, max_length=10, description="Answers to the form of GET /v1/widget/config."
    )


class TurnIn(Body):
    """What the user says. The same client id is taken in once."""

    text: str = Field("", max_length=20_000, description="May be empty where files are sent.")
    client_id: str = Field("", max_length=64)
    attachments: list[str] = Field(
        default_factory=list, max_length=20, description="Ids of files that were uploaded before."
    )


class TurnOut(BaseModel):
    """The turn as it was taken in; the answer comes on the channel."""

    turn: TurnPayload


class TypingIn(Body):
    """Whether the user is writing right now."""

    typing: bool


class ReadIn(Body):
    """Up to which turn; left out: everything there is."""

    optional: ClassVar[bool] = True
    turn: str = Field("", max_length=64)


class RatingIn(Body):
    """What the user thought of it."""

    score: int = Field(ge=WORST, le=BEST)
    comment: str = Field("", max_length=LONGEST_COMMENT)


class TranscriptIn(Body):
    """Where the transcript goes; left out: to the address the user left before."""

    optional: ClassVar[bool] = True
    email: str = Field("", max_length=LONGEST_ADDRESS)


class MessageLeft(Body):
    """What a user writes while nobody is there."""

    email: str = Field(min_length=3, max_length=LONGEST_ADDRESS)
    text: str = Field(min_length=1, max_length=LONGEST_MESSAGE)


class ConversationOut(BaseModel):
    """A conversation with its turns and the token of its channel."""

    id: str
    channel: str
    token: str | None = None
    state: ConversationState
    agent: str | None
    about: dict[str, str] | None
    turns: list[TurnPayload] | None = None
    last: str
    unread_turns: int
    read: ReadOut
    position: int | None = Field(description="Place in the queue while it waits for a person.")
    office: OfficeOut
    may_rate: bool = Field(description="Whether the user is to be asked what they thought of it.")
    rating: RatingOut | None
    subject: str
    created_at: Moment
    updated_at: Moment


class ConversationsOut(BaseModel):
    """A user's conversations, newest first."""

    data: list[ConversationOut]


class PromiseOut(BaseModel):
    """What the assistant has promised to tell."""

    id: str
    conversation: str
    text: str
    until: Moment
    made_at: Moment


class PromisesOut(BaseModel):
    """A user's open promises."""

    data: list[PromiseOut]


class Sent(BaseModel):
    """Where the mail goes."""

    email: str


class Stopped(BaseModel):
    """Whether there was a stream to stop."""

    stopped: bool


@routes.get("/v1/me/conversations", door=MINE)
async def list_my_conversations(call: Call) -> ConversationsOut:
    """List the user's conversations."""
    found = await call.need(Conversations).of_user(call.identity.tenant, call.identity.user, LISTED)
    return ConversationsOut(data=[await _brief(call, conversation) for conversation in found])


@routes.post("/v1/me/conversations", door=MINE, status=201, location="/v1/me/conversations/{id}")
async def open_my_conversation(call: Call, body: ConversationIn) -> ConversationOut:
    """Open a conversation, about an item or a message if there is one; the message then counts as replied to."""
    about = {key: value for key, value in (body.about.model_dump() if body.about else {}).items() if value}
    answers = call.need(Prechat).checked(body.prechat) if body.prechat is not None else None
    assistant = call.need(Assistant)
    tenant, user = call.identity.tenant, call.identity.user
    conversation = await assistant.open(tenant, user, about, body.locale)
    if "delivery" in about:
        replied = (DeliveryId(about["delivery"]), ReceiptKind.REPLIED)
        await call.need(Receipts).record(tenant, user, [replied])
    if answers:
        await call.need(Prechat).keep(conversation, answers)
    return await _whole(call, conversation)


@routes.get("/v1/me/conversations/{id}", door=MINE)
async def get_my_conversation(call: Call) -> ConversationOut:
    """Return one conversation with its turns, an answer under way among them."""
    return await _whole(call, await own_conversation(call))


@routes.post("/v1/me/conversations/{id}/turns", door=MINE, status=202)
async def say_in_my_conversation(call: Call, body: TurnIn) -> TurnOut:
    """Say something; the answer comes on the conversation's channel."""
    conversation, assistant = await own_conversation(call), call.need(Assistant)
    if not body.attachments:
        turn = await assistant.ask(conversation, body.text, body.client_id or None)
        return TurnOut(turn=turn_payload(turn))
    files = call.need(Attachments)
    attach = files.attaching(conversation, body.attachments)
    turn = await assistant.ask(conversation, body.text, body.client_id or None, attach)
    if not turn.text:
        await files.acknowledge(conversation, turn)
    return TurnOut(turn=turn_payload(turn))


@routes.post("/v1/me/conversations/{id}/handover", door=MINE, status=202)
async def hand_over_my_conversation(call: Call) -> ConversationOut:
    """Ask for a person."""
    return await _brief(call, await call.need(Desk).hand_over(await own_conversation(call)))


@routes.post("/v1/me/conversations/{id}/stop", door=MINE, status=202)
async def stop_my_answer(call: Call) -> Stopped:
    """Stop the answer that is being written; what was written stays."""
    return Stopped(stopped=call.need(Assistant).interrupt(await own_conversation(call)))


@routes.post("/v1/me/conversations/{id}/read", door=MINE, status=204)
async def read_my_conversation(call: Call, body: ReadIn) -> None:
    """Note that the user has read everything up to a turn; people see it."""
    await call.need(Conversations).read(await own_conversation(call), turn=body.turn)


@routes.post("/v1/me/conversations/{id}/typing", door=MINE, status=204)
async def type_in_my_conversation(call: Call, body: TypingIn) -> None:
    """Show people that the user is writing; say it again every few seconds."""
    conversation = await own_conversation(call)
    if body.typing:
        await call.need(Conversations).typing(conversation, Speaker.USER)


@routes.post("/v1/me/conversations/{id}/rating", door=MINE)
async def rate_my_conversation(call: Call, body: RatingIn) -> ConversationOut:
    """Say what the user thought of a conversation that has ended."""
    await call.need(Ratings).rate(await own_conversation(call), body.score, body.comment)
    return await _brief(call, await own_conversation(call))


@routes.post("/v1/me/conversations/{id}/transcript", door=MINE, status=202)
async def send_my_transcript(call: Call, body: TranscriptIn) -> Sent:
    """Mail the conversation to its user."""
    return Sent(email=await call.need(Desk).send_transcript(await own_conversation(call), body.email))


@routes.post("/v1/me/conversations/{id}/leave-message", door=MINE, status=202)
async def leave_message(call: Call, body: MessageLeft) -> TurnOut:
    """Leave a message while nobody is there; people answer here and by mail."""
    turn = await call.need(Desk).leave_message(await own_conversation(call), body.email, body.text)
    return TurnOut(turn=turn_payload(turn))


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


async def own_conversation(call: Call) -> Conversation:
    """Return the user's own conversation of the path; another's is not found."""
    conversations, identity = call.need(Conversations), call.identity
    found = await conversations.get(identity.tenant, ConversationId(call.path["id"]), identity.user)
    while found.merged_into:  # a page that is still open goes on in the one it was merged into
        found = await conversations.get(identity.tenant, ConversationId(found.merged_into), identity.user)
    return found


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
        read=ReadOut(user=conversation.user_read or None, agent=conversation.agent_read or None),
        **await call.need(Standings).told(conversation),
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
    live = await _under_way(call, conversation)
    if isinstance(live, dict) and all(payload["id"] != live["id"] for payload in payloads):
        payloads.append(live)
    return brief.model_copy(update={"token": await conversations.token(conversation), "turns": payloads})


async def _under_way(call: Call, conversation: Conversation) -> Json:
    """Return the answer that is being streamed, on whatever node, as far as it has come."""
    live = call.need(Assistant).live(conversation)
    if live is not None or not await call.need(Conversations).due(conversation):
        return live
    hub = call.need(Hub)
    told = await hub.history(conversation.tenant, conversation.channel, REACH, reverse=True)
    return under_way(json.loads(publication.data) for publication in reversed(told.publications))
