"""What agents do beside talking: notes, tags, subjects, merging, search, transcripts, ready answers."""

from typing import ClassVar

from pydantic import BaseModel, Field

from chatpush.domain import ConversationId, Role, iso
from chatpush.support.people import notes
from chatpush.support.people.canned import LONGEST, CannedAnswers
from chatpush.support.people.desk import Desk
from chatpush.support.people.labels import LONGEST_SUBJECT, MOST_TAGS, Labels
from chatpush.support.people.letters import LONGEST_ADDRESS
from chatpush.support.people.merging import Merging
from chatpush.support.people.notes import Note, Notes
from chatpush.support.people.search import LONGEST_QUERY, MOST, ConversationSearch
from chatpush.web.api.conversations import (
    READ,
    WRITE,
    AgentIn,
    DeskConversation,
    agent_of,
    found_in,
    shown,
)
from chatpush.web.http.doors import Door
from chatpush.web.http.moments import Moment
from chatpush.web.http.operations import Body, Call, Operations

routes = Operations("conversations")
EDIT = Door(scope="conversations:write", role=Role.EDITOR)


class NoteIn(AgentIn):
    """A private note."""

    text: str = Field(min_length=1, max_length=notes.LONGEST)


class NoteOut(BaseModel):
    """What a colleague left; the user never sees it."""

    id: str
    agent: str
    name: str
    text: str
    at: Moment


class NotesOut(BaseModel):
    """A conversation's notes, oldest first."""

    data: list[NoteOut]


class TagsIn(Body):
    """All tags a conversation is to have."""

    tags: list[str] = Field(max_length=MOST_TAGS)


class TagsOut(BaseModel):
    """The tags as they are kept."""

    tags: list[str]


class SubjectIn(Body):
    """What a conversation is about, in a few words."""

    subject: str = Field(max_length=LONGEST_SUBJECT)


class MergeIn(Body):
    """Which conversation of the same user it goes on in."""

    into: str = Field(min_length=1, max_length=64)


class SearchIn(Body):
    """What to look for: words that all were said, a user's or conversation's id, or ``tag:name``."""

    query: str = Field(min_length=1, max_length=LONGEST_QUERY)
    limit: int = Field(20, ge=1, le=MOST)


class FoundConversation(BaseModel):
    """A conversation, and where in it the words stand."""

    conversation: DeskConversation
    turn: str | None
    excerpt: str


class FoundPage(BaseModel):
    """What was found, the latest first."""

    data: list[FoundConversation]


class MailIn(Body):
    """Where the transcript goes; left out: to the address the user left before."""

    optional: ClassVar[bool] = True
    email: str = Field("", max_length=LONGEST_ADDRESS)


class MailOut(BaseModel):
    """Where the mail goes."""

    email: str


class CannedUse(AgentIn):
    """Which ready answer."""

    shortcut: str = Field(min_length=1, max_length=41)


class RenderedOut(BaseModel):
    """The answer as it reads in this conversation; nothing is said yet."""

    text: str


class CannedIn(Body):
    """A ready answer: a template for each locale."""

    locales: dict[str, str] = Field(
        min_length=1, max_length=20, description=f"Up to {LONGEST} characters each."
    )


class CannedOut(BaseModel):
    """A ready answer."""

    shortcut: str
    locales: dict[str, str]
    used: int


class CannedPage(BaseModel):
    """All ready answers, by shortcut."""

    data: list[CannedOut]


@routes.get("/v1/conversations/{id}/notes", door=READ)
async def list_notes(call: Call) -> NotesOut:
    """List a conversation's private notes."""
    return NotesOut(data=[_note(note) for note in await call.need(Notes).of(await found_in(call))])


@routes.post("/v1/conversations/{id}/notes", door=WRITE, status=201)
async def write_note(call: Call, body: NoteIn) -> NoteOut:
    """Leave a private note; the user never sees it."""
    agent, name = agent_of(call, body)
    return _note(await call.need(Notes).write(await found_in(call), agent, name, body.text))


@routes.delete("/v1/conversations/{id}/notes/{note}", door=WRITE)
async def delete_note(call: Call) -> None:
    """Take a private note away."""
    await call.need(Notes).delete(await found_in(call), call.path["note"])


@routes.put("/v1/conversations/{id}/tags", door=WRITE)
async def put_tags(call: Call, body: TagsIn) -> TagsOut:
    """Give a conversation its tags; agents see them, the user does not."""
    return TagsOut(tags=list(await call.need(Labels).tag(await found_in(call), body.tags)))


@routes.put("/v1/conversations/{id}/subject", door=WRITE)
async def put_subject(call: Call, body: SubjectIn) -> DeskConversation:
    """Say in a few words what a conversation is about; the user sees it, too."""
    return await shown(call, await call.need(Labels).rename(await found_in(call), body.subject))


@routes.post("/v1/conversations/{id}/merge", door=WRITE)
async def merge_conversation(call: Call, body: MergeIn) -> DeskConversation:
    """Let a conversation go on in another one of the same user."""
    found = await found_in(call)
    merged = await call.need(Merging).merge(found.tenant, found.id, ConversationId(body.into))
    return await shown(call, merged, whole=True)


@routes.post("/v1/conversations/search", door=READ)
async def search_conversations(call: Call, body: SearchIn) -> FoundPage:
    """Find conversations by what was said in them."""
    found = await call.need(ConversationSearch).find(call.identity.tenant, body.query, body.limit)
    return FoundPage(
        data=[
            FoundConversation(
                conversation=await shown(call, one.conversation),
                turn=one.turn.id if one.turn else None,
                excerpt=one.excerpt,
            )
            for one in found
        ]
    )


@routes.post("/v1/conversations/{id}/transcript", door=WRITE, status=202)
async def send_transcript(call: Call, body: MailIn) -> MailOut:
    """Mail a conversation to its user."""
    return MailOut(email=await call.need(Desk).send_transcript(await found_in(call), body.email))


@routes.post("/v1/conversations/{id}/canned-answer", door=WRITE)
async def render_canned_answer(call: Call, body: CannedUse) -> RenderedOut:
    """Return a ready answer as it reads in a conversation."""
    _, name = agent_of(call, body)
    shortcut = body.shortcut.removeprefix("/")
    return RenderedOut(text=await call.need(CannedAnswers).render(await found_in(call), shortcut, name))


@routes.get("/v1/canned-answers", door=READ)
async def list_canned_answers(call: Call) -> CannedPage:
    """List the ready answers."""
    found = await call.need(CannedAnswers).list(call.identity.tenant)
    return CannedPage(
        data=[CannedOut(shortcut=one.shortcut, locales=dict(one.locales), used=one.used) for one in found]
    )


@routes.put("/v1/canned-answers/{shortcut}", door=EDIT)
async def put_canned_answer(call: Call, body: CannedIn) -> CannedOut:
    """Keep a ready answer: sandboxed Jinja2 that sees user, agent and conversation."""
    kept = await call.need(CannedAnswers).put(call.identity.tenant, call.path["shortcut"], body.locales)
    return CannedOut(shortcut=kept.shortcut, locales=dict(kept.locales), used=kept.used)


@routes.delete("/v1/canned-answers/{shortcut}", door=EDIT)
async def delete_canned_answer(call: Call) -> None:
    """Forget a ready answer."""
    await call.need(CannedAnswers).delete(call.identity.tenant, call.path["shortcut"])


def _note(note: Note) -> NoteOut:
    return NoteOut(id=note.id, agent=note.person, name=note.name, text=note.text, at=iso(note.at))
