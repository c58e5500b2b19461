"""Conversations: the agents' desk with its list, thread and customer.

The list, the thread and the customer are fragments that the open page asks for
again; what a person does goes through ``Desk``, which says it in the same
transaction. Reading a thread marks it read for agents.
"""

import contextlib
from typing import Any
from uuid import NAMESPACE_URL, uuid5

from aiohttp import web

from chatpush.domain import (
    VISITOR_PREFIX,
    ConversationId,
    ConversationState,
    DeliveryId,
    Event,
    ItemId,
    Role,
    Speaker,
    Turn,
    User,
    UserId,
)
from chatpush.errors import NotFound
from chatpush.notify.inbox import Inbox
from chatpush.notify.listing import Window
from chatpush.notify.messages import Messages
from chatpush.notify.users import Users
from chatpush.recommend.behaviour import Behaviour
from chatpush.recommend.catalogue import Catalogue
from chatpush.support.assistant import Assistant
from chatpush.support.conversations import Conversations
from chatpush.support.desk import Desk
from chatpush.support.promises import Promises
from chatpush.support.queue import OPEN, Queue, QueueCounts, QueueLine
from chatpush.support.turns import Conversation
from chatpush.web.console import models
from chatpush.web.console.markup import plain, safe
from chatpush.web.console.pages import Pages, Visit
from chatpush.web.console.presence import is_online
from chatpush.web.doors import Door

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
MOST_LINES = 200
MOST_TURNS = 200
EVENTS = 8
MESSAGES = 5
INTERNAL = {"delivery", "campaign", "message"}
"""Properties of chatpush's own events that tell an agent nothing."""
REFRESH = {"HX-Trigger": "desk"}


@pages.get("/console/conversations", door=LOOK)
async def list_page(visit: Visit) -> web.StreamResponse:
    """Show the list and no thread."""
    inbox = await _inbox(visit, "")
    return visit.draw("conversations.html", inbox=inbox, thread=None, customer=None)


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
    return visit.draw(
        "conversations.html",
        inbox=await _inbox(visit, conversation.id),
        thread=await _thread(visit, conversation),
        customer=await _customer(visit, conversation),
    )


@pages.get("/console/conversations/{id}/thread", door=LOOK)
async def thread_fragment(visit: Visit) -> web.StreamResponse:
    """Refresh the thread."""
    return visit.draw("conversations_thread.html", thread=await _thread(visit, await _conversation(visit)))


@pages.get("/console/conversations/{id}/customer", door=LOOK)
async def customer_fragment(visit: Visit) -> web.StreamResponse:
    """Refresh the customer."""
    customer = await _customer(visit, await _conversation(visit))
    return visit.draw("conversations_customer.html", customer=customer)


@pages.post("/console/conversations/{id}/take", door=ANSWER)
async def take(visit: Visit) -> web.StreamResponse:
    """Take a conversation over."""
    await visit.need(Desk).take_over(visit.tenant, _id(visit), visit.identity.subject, visit.identity.name)
    return _refresh()


@pages.post("/console/conversations/{id}/reply", door=ANSWER)
async def reply(visit: Visit) -> web.StreamResponse:
    """Say something as this person."""
    text = visit.form.get("text", "")
    await visit.need(Desk).reply(
        visit.tenant, _id(visit), visit.identity.subject, visit.identity.name, text
    )  # fmt: skip
    return _refresh()


@pages.post("/console/conversations/{id}/release", door=ANSWER)
async def release(visit: Visit) -> web.StreamResponse:
    """Give a conversation back to the assistant."""
    await visit.need(Desk).release(visit.tenant, _id(visit))
    return _refresh()


@pages.post("/console/conversations/{id}/close", door=ANSWER)
async def close(visit: Visit) -> web.StreamResponse:
    """Close a conversation."""
    await visit.need(Desk).close(visit.tenant, _id(visit))
    return _refresh()


def _refresh() -> web.Response:
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
    lines = await queue.lines(
        visit.tenant, SHOWN[shown], agent=me if shown == "mine" else "", limit=MOST_LINES
    )  # fmt: skip
    names = await names_of(visit, [line.conversation.user for line in lines])
    return models.Inbox(
        shown, _filters(counts, shown), tuple(_line(visit, line, names) for line in lines), chosen
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


def _line(visit: Visit, line: QueueLine, names: dict[UserId, str]) -> models.ConversationLine:
    conversation, last = line.conversation, line.last
    waits = conversation.state is ConversationState.WAITING and conversation.waiting_at
    return models.ConversationLine(
        id=conversation.id,
        user=conversation.user,
        name=names[conversation.user],
        state=conversation.state,
        last=plain(last.text, 200) if last else "",
        last_by=last.by if last else "",
        at=waits or conversation.updated_at,
        agent=conversation.agent_name if conversation.state is ConversationState.AGENT else "",
        online=is_online(visit, conversation.user),
        unread=_is_unread(line),
    )


def _is_unread(line: QueueLine) -> bool:
    """Return whether the customer said something to people that none has read."""
    conversation, last = line.conversation, line.last
    with_people = conversation.state in (ConversationState.WAITING, ConversationState.AGENT)
    said = last is not None and last.by is not Speaker.AGENT
    return with_people and said and conversation.agent_read < conversation.last_turn


async def names_of(visit: Visit, users: list[UserId]) -> dict[UserId, str]:
    """Return what to call each of these users: their name, else their id in short."""
    known = await visit.need(Users).get_many(visit.tenant, set(users))
    return {user: _name(user, known.get(user)) for user in users}


def _name(user: UserId, known: User | None) -> str:
    if known is not None and known.name:
        return known.name
    if user.startswith(VISITOR_PREFIX):
        return f"Visitor {user.removeprefix(VISITOR_PREFIX)[-5:]}"
    return user


async def _thread(visit: Visit, conversation: Conversation) -> models.Thread:
    if visit.shell.may(Role.AGENT) and conversation.agent_read < conversation.last_turn:
        await visit.need(Conversations).read(conversation, by_agent=True)
    turns = await visit.need(Conversations).turns(conversation, MOST_TURNS)
    name = (await names_of(visit, [conversation.user]))[conversation.user]
    assistant = visit.find(Assistant)
    streamed = assistant.live(conversation) if assistant else None
    shown = [turn_view(turn, name) for turn in turns]
    if isinstance(streamed, dict) and streamed.get("id") not in {turn.id for turn in turns}:
        shown.append(_streamed(visit, streamed))
    return models.Thread(
        id=conversation.id,
        user=conversation.user,
        name=name,
        state=conversation.state,
        agent=conversation.agent_name if conversation.state is ConversationState.AGENT else "",
        mine=conversation.state is ConversationState.AGENT and conversation.agent == visit.identity.subject,
        online=is_online(visit, conversation.user),
        turns=tuple(shown),
    )


def turn_view(turn: Turn, customer: str) -> models.TurnView:
    """Return a turn as the page shows it."""
    promise = turn.promise
    return models.TurnView(
        id=turn.id,
        by=turn.by,
        name=turn.name or (customer if turn.by is Speaker.USER else ""),
        html=safe(turn.text),
        at=turn.at,
        sources=tuple(models.SourceLink(s.title, _link(s.url), s.quote) for s in turn.sources),
        actions=tuple(action.get("label", "") for action in turn.actions),
        cards=tuple(turn.cards),
        promise=models.PromiseLine(str(promise.get("text", ""))) if promise else None,
    )


def _streamed(visit: Visit, payload: dict[str, Any]) -> models.TurnView:
    """Return an answer that is still being written."""
    return models.TurnView(
        id=str(payload.get("id") or uuid5(NAMESPACE_URL, "stream")),
        by=Speaker.ASSISTANT,
        name=str(payload.get("name", "")),
        html=safe(str(payload.get("text", "")) + " …"),
        at=visit.shell.now,
    )


def _link(url: str) -> str:
    return url if url.startswith(("https://", "http://", "/")) else ""


async def _customer(visit: Visit, conversation: Conversation) -> models.Customer:
    user = conversation.user
    known = await visit.need(Users).find(visit.tenant, user)
    behaviour = visit.find(Behaviour)
    events = await behaviour.recent(visit.tenant, user) if behaviour else ()
    promises = await visit.need(Promises).list(visit.tenant, user)
    attributes = {k: v for k, v in (known.attributes if known else {}).items() if k != "name"}
    return models.Customer(
        user=user,
        name=_name(user, known),
        locale=known.locale if known else conversation.language,
        timezone=known.timezone if known else "–",
        online=is_online(visit, user),
        visitor=user.startswith(VISITOR_PREFIX),
        created_at=known.created_at if known else None,
        attributes=tuple((str(key), _brief(value)) for key, value in attributes.items())[:12],
        consents=tuple((known.consents if known else {}).items()),
        summary=safe(conversation.summary) if conversation.summary else None,
        about=await _about(visit, conversation),
        events=await event_lines(visit, events[:EVENTS]),
        messages=await _messages(visit, user),
        promises=tuple(models.PromiseLine(promise.text, promise.until) for promise in promises),
    )


def _brief(value: Any) -> str:
    return str(value) if isinstance(value, str | int | float | bool) else repr(value)[:80]


async def event_lines(visit: Visit, events: tuple[Event, ...]) -> tuple[models.EventLine, ...]:
    """Return events with the title of their item, if it has one that we know."""
    catalogue = visit.find(Catalogue)
    shelf = (await catalogue.shelf(visit.tenant)).items if catalogue else {}
    return tuple(_event_line(event, shelf) for event in events)


def _event_line(event: Event, shelf: Any) -> models.EventLine:
    item = shelf.get(event.item) if event.item else None
    subject = item.title if item else (event.item or "")
    told = [
        f"{key} {value}"
        for key, value in event.properties.items()
        if key not in INTERNAL and isinstance(value, str | int | float) and value != ""
    ]
    detail = ", ".join(told[:3])
    return models.EventLine(event.type, subject, event.at, detail[:120])


async def _messages(visit: Visit, user: UserId) -> tuple[models.MessageLine, ...]:
    messages, inbox = visit.find(Messages), visit.find(Inbox)
    if messages is None:
        return ()
    listed = await messages.recent_deliveries(visit.tenant, Window(MESSAGES), user=user)
    lines = []
    for report in listed.data:
        title = ""
        if inbox is not None and report.sent_at is not None:
            with contextlib.suppress(NotFound):  # the inbox keeps the latest ones only
                title = str((await inbox.item(visit.tenant, user, report.id)).get("title") or "")
        if not title:
            message = await messages.get(visit.tenant, report.message)
            title = message.template or message.category
        state = "clicked" if report.clicked_at else "seen" if report.seen_at else report.state
        lines.append(models.MessageLine(report.message, title, state, report.due_at))
    return tuple(lines)


async def _about(visit: Visit, conversation: Conversation) -> models.About | None:
    """Return the item or message a conversation began with, if it is still there."""
    about = conversation.about
    try:
        if about.get("item") and (catalogue := visit.find(Catalogue)):
            item = await catalogue.get(visit.tenant, ItemId(about["item"]))
            price = f"{item.price} {item.currency}".strip() if item.price is not None else ""
            return models.About("item", item.title, price, image=_link(item.image), url=_link(item.url))
        if about.get("delivery") and (messages := visit.find(Messages)):
            report = await messages.delivery(visit.tenant, DeliveryId(about["delivery"]))
            message = await messages.get(visit.tenant, report.message)
            return models.About(
                "message", message.template or message.category, href=f"/console/deliveries/{message.id}"
            )  # fmt: skip
    except NotFound:
        return None
    return None
