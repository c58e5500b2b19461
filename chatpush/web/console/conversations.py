"""Conversations: the agents' desk with its list, thread and customer, and what agents do there.

The list, the thread and the customer are fragments that the open page asks for
again when the activity channel says so; what a person does goes through
``Desk``, which says it in the same transaction. Reading a thread marks it read
for agents.
"""

from aiohttp import web

from chatpush.account.people import People
from chatpush.domain import ConversationId, ConversationState, Role, Speaker, TurnId
from chatpush.errors import ChatpushError, NotFound
from chatpush.support.assistant.trail import Trails
from chatpush.support.conversations.conversations import Conversations
from chatpush.support.conversations.turns import Conversation
from chatpush.support.model.colleague import Colleague
from chatpush.support.people.canned import CannedAnswers
from chatpush.support.people.deadlines import Deadlines, ServiceClock
from chatpush.support.people.desk import Desk
from chatpush.support.people.labels import Labels
from chatpush.support.people.merging import Merging
from chatpush.support.people.notes import Notes
from chatpush.support.people.queue import OPEN, Queue, QueueCounts, QueueLine
from chatpush.support.people.search import ConversationSearch
from chatpush.support.people.search_backfill import SearchBackfill
from chatpush.support.people.teams import Teams
from chatpush.web.console import models
from chatpush.web.console.customers import customer_of
from chatpush.web.console.markup import plain
from chatpush.web.console.pages import Pages, Visit
from chatpush.web.console.presence import is_online, names_of
from chatpush.web.console.thread import deadlines_of, step_view, thread_of
from chatpush.web.http.doors import Door

pages = Pages()
LOOK = Door(role=Role.VIEWER)
ANSWER = Door(role=Role.AGENT)
SHOWN: dict[str, tuple[ConversationState, ...]] = {
    "open": OPEN,
    "waiting": (ConversationState.WAITING,),
    "mine": (ConversationState.AGENT,),
    "assistant": (ConversationState.ASSISTANT,),
    "closed": (ConversationState.CLOSED,),
}
PAGE_LINES = 50
MOST_LINES = 200
HITS = 30
REFRESH = {"HX-Trigger": "desk"}


@pages.get("/console/conversations", door=LOOK)
async def list_page(visit: Visit) -> web.StreamResponse:
    """Show the list and no thread."""
    inbox = await _inbox(visit, "")
    return visit.draw("conversations.html", inbox=inbox, thread=None, customer=None, canned_locale="")


@pages.get("/console/conversations/list", door=LOOK)
async def list_fragment(visit: Visit) -> web.StreamResponse:
    """Refresh the list."""
    return visit.draw("conversations_list.html", inbox=await _inbox(visit, visit.query("chosen")))


@pages.get("/console/waiting", door=LOOK)
async def waiting_badge(visit: Visit) -> web.StreamResponse:
    """Say how many wait for a person, for the badge in the side bar."""
    counts = await visit.need(Queue).counts(visit.tenant)
    return visit.draw("waiting.html", waiting=counts.of(ConversationState.WAITING))


@pages.get("/console/conversations/{id}", door=LOOK)
async def thread_page(visit: Visit) -> web.StreamResponse:
    """Show a conversation between the list and the customer."""
    conversation = await _conversation(visit)
    if conversation.merged_into:
        return visit.go(f"/console/conversations/{conversation.merged_into}")
    return visit.draw(
        "conversations.html",
        inbox=await _inbox(visit, conversation.id),
        thread=await thread_of(visit, conversation),
        customer=await customer_of(visit, conversation),
    )


@pages.get("/console/conversations/{id}/thread", door=LOOK)
async def thread_fragment(visit: Visit) -> web.StreamResponse:
    """Refresh the thread."""
    return visit.draw("conversations_thread.html", thread=await thread_of(visit, await _conversation(visit)))


@pages.get("/console/conversations/{id}/trail/{turn}", door=LOOK)
async def trail_fragment(visit: Visit) -> web.StreamResponse:
    """Show what the assistant did for an answer, and why."""
    turn = TurnId(visit.path["turn"])
    trails = await visit.need(Trails).of(await _conversation(visit))
    found = next((trail for trail in trails if trail.turn == turn), None)
    steps = tuple(step_view(step) for step in found.steps) if found else ()
    return visit.draw("conversations_trail.html", steps=steps)


@pages.get("/console/conversations/{id}/canned", door=ANSWER)
async def canned_fragment(visit: Visit) -> web.StreamResponse:
    """List ready answers whose shortcut fits what was typed."""
    conversation = await _conversation(visit)
    found = await visit.need(CannedAnswers).matching(
        visit.tenant, visit.query("start")[:40], conversation.language
    )
    return visit.draw("conversations_canned.html", conversation=conversation.id, answers=found)


@pages.get("/console/conversations/{id}/canned/{shortcut}", door=ANSWER)
async def canned_text(visit: Visit) -> web.StreamResponse:
    """Return a ready answer as it reads here, as plain text for the composer."""
    try:
        text = await visit.need(CannedAnswers).render(
            await _conversation(visit), visit.path["shortcut"], visit.identity.name
        )
    except NotFound:
        text = ""
    return web.Response(text=text, content_type="text/plain")


@pages.get("/console/conversations/{id}/suggestion", door=ANSWER)
async def suggestion(visit: Visit) -> web.StreamResponse:
    """Return a draft of an answer to the user's last words, as plain text."""
    conversation = await _conversation(visit)
    turns = await visit.need(Conversations).turns(conversation, PAGE_LINES)
    text = await visit.need(Colleague).suggestion(conversation, turns, visit.identity.name)
    return web.Response(text=text, content_type="text/plain")


@pages.post("/console/conversations/{id}/take", door=ANSWER)
async def take(visit: Visit) -> web.StreamResponse:
    """Take a conversation over."""
    await visit.need(Desk).take_over(visit.tenant, _id(visit), visit.identity.subject, visit.identity.name)
    return _refresh(visit)


@pages.post("/console/conversations/{id}/assign", door=ANSWER)
async def assign(visit: Visit) -> web.StreamResponse:
    """Give a conversation to a colleague."""
    person = visit.form.get("person", "")
    people = await visit.need(People).list(visit.tenant)
    found = next((one for one in people if one.id == person and one.role.covers(Role.AGENT)), None)
    if found is None:
        raise NotFound("there is no such colleague")
    await visit.need(Desk).take_over(visit.tenant, _id(visit), found.id, found.name)
    return _refresh(visit)


@pages.post("/console/conversations/{id}/reply", door=ANSWER)
async def reply(visit: Visit) -> web.StreamResponse:
    """Say something as this person; or leave a note that only colleagues see."""
    text, me = visit.form.get("text", ""), visit.identity
    if visit.form.get("as") == "note":
        await visit.need(Notes).write(await _conversation(visit), me.subject, me.name, text)
    else:
        once = visit.form.get("client_id", "")[:64]
        await visit.need(Desk).reply(visit.tenant, _id(visit), me.subject, me.name, text, once)
    return _refresh(visit)


@pages.post("/console/conversations/{id}/notes/{note}/delete", door=ANSWER)
async def delete_note(visit: Visit) -> web.StreamResponse:
    """Take a note away."""
    await visit.need(Notes).delete(await _conversation(visit), visit.path["note"])
    return _refresh(visit)


@pages.post("/console/conversations/{id}/typing", door=ANSWER)
async def typing(visit: Visit) -> web.StreamResponse:
    """Show the user that this person is writing."""
    await visit.need(Conversations).typing(await _conversation(visit), Speaker.AGENT, visit.identity.name)
    return web.Response(status=204)


@pages.post("/console/conversations/{id}/labels", door=ANSWER)
async def label(visit: Visit) -> web.StreamResponse:
    """Give a conversation its subject and tags."""
    conversation, labels = await _conversation(visit), visit.need(Labels)
    await labels.tag(conversation, visit.form.get("tags", "").replace("，", ",").split(","))
    await labels.rename(conversation, visit.form.get("subject", ""))
    return _refresh(visit)


@pages.post("/console/conversations/{id}/merge", door=ANSWER)
async def merge(visit: Visit) -> web.StreamResponse:
    """Let another conversation of the user go on in this one."""
    other = ConversationId(visit.form.get("other", ""))
    await visit.need(Merging).merge(visit.tenant, other, _id(visit))
    return _refresh(visit)


@pages.post("/console/conversations/{id}/transcript", door=ANSWER)
async def transcript(visit: Visit) -> web.StreamResponse:
    """Mail the conversation to an address."""
    await visit.need(Desk).send_transcript(await _conversation(visit), visit.form.get("email", ""))
    return _refresh(visit)


@pages.post("/console/conversations/{id}/release", door=ANSWER)
async def release(visit: Visit) -> web.StreamResponse:
    """Give a conversation back to the assistant."""
    await visit.need(Desk).release(visit.tenant, _id(visit))
    return _refresh(visit)


@pages.post("/console/conversations/{id}/close", door=ANSWER)
async def close(visit: Visit) -> web.StreamResponse:
    """Close a conversation."""
    await visit.need(Desk).close(visit.tenant, _id(visit))
    return _refresh(visit)


@pages.get("/console/conversations/{id}/colleagues", door=ANSWER)
async def colleagues(visit: Visit) -> web.StreamResponse:
    """List who else could answer, and whether they are there."""
    people = await visit.need(People).list(visit.tenant)
    agents = {agent.person: agent for agent in await visit.need(Teams).agents(visit.tenant)}
    now = visit.shell.now
    found = [
        (person.id, person.name, person.id in agents and agents[person.id].on_duty(now))
        for person in people
        if person.role.covers(Role.AGENT) and person.id != visit.identity.subject
    ]
    return visit.draw("conversations_colleagues.html", conversation=_id(visit), people=found)


def _refresh(visit: Visit) -> web.Response:
    """Have the page ask for its parts again; one whose scripts have not come yet is opened again."""
    if not visit.fragment:
        return visit.go(f"/console/conversations/{_id(visit)}")
    return web.Response(status=204, headers=REFRESH)


def _id(visit: Visit) -> ConversationId:
    return ConversationId(visit.path["id"])


async def _conversation(visit: Visit) -> Conversation:
    return await visit.need(Conversations).get(visit.tenant, _id(visit))


async def _inbox(visit: Visit, chosen: str) -> models.Inbox:
    shown = visit.query("show", "open")
    shown = shown if shown in SHOWN else "open"
    me = visit.identity.subject
    queue = visit.need(Queue)
    counts = await queue.counts(visit.tenant, me)
    query = visit.query("q").strip()
    if query:
        return await _found(visit, query, models.Inbox(shown, _filters(counts, ""), (), chosen, query=query))
    asked, after = visit.query("lines"), visit.query("after")[:80]
    limit = (
        min(max(int(asked), PAGE_LINES), MOST_LINES) if asked.isdecimal() and len(asked) < 6 else PAGE_LINES
    )
    lines = await queue.lines(
        visit.tenant, SHOWN[shown], agent=me if shown == "mine" else "", after=after, limit=limit + 1
    )  # fmt: skip
    more, lines = len(lines) > limit, lines[:limit]
    names = await names_of(visit, [line.conversation.user for line in lines])
    ids = [line.conversation.id for line in lines]
    tags = await visit.need(Labels).tags(visit.tenant, ids)
    clocks = await visit.need(Deadlines).running(visit.tenant, ids)
    drawn = tuple(
        _line(
            visit, line, names[line.conversation.user], tags.get(line.conversation.id, ()),
            clocks.get(line.conversation.id, []),
        )
        for line in lines
    )  # fmt: skip
    return models.Inbox(shown, _filters(counts, shown), drawn, chosen, limit, more, after)


async def _found(visit: Visit, query: str, inbox: models.Inbox) -> models.Inbox:
    problem, found = "", []
    try:
        found = await visit.need(ConversationSearch).find(visit.tenant, query, HITS)
    except ChatpushError as error:
        problem = error.message
    names = await names_of(visit, [one.conversation.user for one in found])
    hits = tuple(
        models.Hit(
            one.conversation.id, names[one.conversation.user], one.conversation.state, plain(one.excerpt, 200),
            one.turn.at if one.turn else one.conversation.updated_at,
        )
        for one in found
    )  # fmt: skip
    progress = await visit.need(SearchBackfill).progress(visit.tenant)
    return models.Inbox(
        inbox.shown, inbox.filters, (), inbox.chosen, query=query, hits=hits, problem=problem,
        indexed=f"{progress.share:.0%}" if progress is not None else "",
    )  # fmt: skip


def _filters(counts: QueueCounts, shown: str) -> tuple[models.Choice, ...]:
    numbers = {
        "open": counts.of(*OPEN),
        "waiting": counts.of(ConversationState.WAITING),
        "mine": counts.mine,
        "assistant": counts.of(ConversationState.ASSISTANT),
        "closed": None,
    }
    return tuple(models.Choice(key, number, key == shown) for key, number in numbers.items())


def _line(
    visit: Visit, line: QueueLine, name: str, tags: tuple[str, ...], clocks: list[ServiceClock]
) -> models.ConversationLine:
    conversation, last = line.conversation, line.last
    waits = conversation.state is ConversationState.WAITING and conversation.waiting_at
    deadlines = deadlines_of(clocks, visit.shell.now)
    return models.ConversationLine(
        id=conversation.id,
        user=conversation.user,
        name=name,
        state=conversation.state,
        last=plain(last.text, 200) if last else "",
        last_by=last.by if last else "",
        at=waits or conversation.updated_at,
        agent=conversation.agent_name if conversation.state is ConversationState.AGENT else "",
        online=is_online(visit, conversation.user),
        unread=_is_unread(line),
        subject=conversation.subject,
        tags=tags[:3],
        deadline=deadlines[0] if deadlines else None,
        place=line.place,
    )


def _is_unread(line: QueueLine) -> bool:
    """Return whether the customer said something to people that none has read."""
    conversation, last = line.conversation, line.last
    with_people = conversation.state in (ConversationState.WAITING, ConversationState.AGENT)
    said = last is not None and last.by is not Speaker.AGENT
    return with_people and said and conversation.agent_read < conversation.last_turn
