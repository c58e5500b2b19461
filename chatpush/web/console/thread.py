"""Draw one conversation: its turns, the notes between them, and why the assistant said what it said."""

from datetime import datetime
from typing import Any
from uuid import NAMESPACE_URL, uuid5

from chatpush.domain import ConversationState, Role, Speaker, Turn
from chatpush.support.assistant.assistant import Assistant
from chatpush.support.assistant.trail import Step, Trails
from chatpush.support.conversations.conversations import Conversations
from chatpush.support.conversations.turns import Conversation
from chatpush.support.people.deadlines import Deadlines, ServiceClock
from chatpush.support.people.notes import Note, Notes
from chatpush.web.console import models
from chatpush.web.console.markup import safe
from chatpush.web.console.pages import Visit
from chatpush.web.console.presence import is_online, names_of

MOST_TURNS = 200
NOTE = "note"


async def thread_of(visit: Visit, conversation: Conversation) -> models.Thread:
    """Return a conversation as the middle pane shows it; looking at it marks it read for agents."""
    if visit.shell.may(Role.AGENT) and conversation.agent_read < conversation.last_turn:
        await visit.need(Conversations).read(conversation, by_agent=True)
    turns = await visit.need(Conversations).turns(conversation, MOST_TURNS)
    name = (await names_of(visit, [conversation.user]))[conversation.user]
    trails = visit.find(Trails)
    traced = {trail.turn for trail in await trails.of(conversation)} if trails else set()
    shown = [turn_view(turn, name, conversation, traced) for turn in turns]
    shown += [_note(visit, note) for note in await _notes(visit, conversation)]
    shown.sort(key=lambda view: view.at)
    assistant = visit.find(Assistant)
    streamed = assistant.live(conversation) if assistant else None
    if isinstance(streamed, dict) and streamed.get("id") not in {turn.id for turn in turns}:
        shown.append(_streamed(visit, streamed))
    with_agent = conversation.state is ConversationState.AGENT
    return models.Thread(
        id=conversation.id,
        user=conversation.user,
        name=name,
        state=conversation.state,
        agent=conversation.agent_name if with_agent else "",
        mine=with_agent and conversation.agent == visit.identity.subject,
        online=is_online(visit, conversation.user),
        turns=tuple(shown),
        subject=conversation.subject,
        deadlines=deadlines_of(await visit.need(Deadlines).of(conversation), visit.shell.now),
        merged_into=conversation.merged_into,
    )


def deadlines_of(clocks: list[ServiceClock], now: datetime) -> tuple[models.Deadline, ...]:
    """Return the clocks that have a target, what is due first on top."""
    return tuple(
        models.Deadline(
            clock.kind, clock.due_at, "bad" if clock.due_at <= now else "warn" if clock.warned else ""
        )
        for clock in clocks
        if clock.due_at is not None
    )


def turn_view(
    turn: Turn, customer: str, conversation: Conversation, traced: set[str] | frozenset[str] = frozenset()
) -> models.TurnView:
    """Return a turn as the page shows it."""
    promise = turn.promise
    return models.TurnView(
        id=turn.id,
        by=turn.by,
        name=turn.name or (customer if turn.by is Speaker.USER else ""),
        html=safe(turn.text),
        at=turn.at,
        sources=tuple(models.SourceLink(s.title, link(s.url), s.quote) for s in turn.sources),
        actions=tuple(action.get("label", "") for action in turn.actions),
        cards=tuple(turn.cards),
        promise=models.PromiseLine(str(promise.get("text", ""))) if promise else None,
        attachments=tuple(
            {**one, "url": f"/v1/conversations/{conversation.id}/attachments/{one['id']}"}
            for one in turn.attachments
        ),
        why=turn.id in traced,
        seen=turn.by is Speaker.AGENT and turn.id <= conversation.user_read,
    )


def step_view(step: Step) -> models.TrailStep:
    """Return one step of a trail: scalars as facts, a list of records as rows."""
    facts, rows = [], []
    for name, fact in step.items():
        if name == "kind" or fact in ("", None):
            continue
        if isinstance(fact, list):
            rows += [(name, _record(entry)) for entry in fact]
        else:
            facts.append((name, _record(fact)))
    return models.TrailStep(str(step.get("kind", "")), tuple(facts), tuple(rows))


def link(url: str) -> str:
    """Return an address a page may link to, else nothing."""
    return url if url.startswith(("https://", "http://", "/")) else ""


def _record(fact: Any) -> str:
    if isinstance(fact, dict):
        return " · ".join(
            f"{name} {_record(value)}" for name, value in fact.items() if value not in ("", None)
        )
    return f"{fact:.3f}" if isinstance(fact, float) else str(fact)


async def _notes(visit: Visit, conversation: Conversation) -> list[Note]:
    return await visit.need(Notes).of(conversation) if visit.shell.may(Role.AGENT) else []


def _note(visit: Visit, note: Note) -> models.TurnView:
    mine = note.person == visit.identity.subject
    return models.TurnView(note.id, NOTE, note.name, safe(note.text), note.at, mine=mine)


def _streamed(visit: Visit, payload: dict[str, Any]) -> models.TurnView:
    """Return an answer that is still being written."""
    return models.TurnView(
        id=str(payload.get("id") or uuid5(NAMESPACE_URL, "stream")),
        by=Speaker.ASSISTANT,
        name=str(payload.get("name", "")),
        html=safe(str(payload.get("text", "")) + " …"),
        at=visit.shell.now,
    )
