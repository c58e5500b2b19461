"""Show an agent whom they talk to: profile, promises, what happened, other conversations, what can be looked up."""

import contextlib
from typing import Any

from aiohttp import web

from chatpush.domain import VISITOR_PREFIX, ConversationId, DeliveryId, Event, ItemId, Role, User, UserId
from chatpush.errors import ChatpushError, InvalidInput, NotFound
from chatpush.notify.audience.consents import CHOOSABLE
from chatpush.notify.audience.users import Users
from chatpush.notify.listing import Window
from chatpush.notify.messages.messages import Messages
from chatpush.notify.reading.inbox import Inbox
from chatpush.plugins.host import Plugins
from chatpush.recommend.behaviour.behaviour import Behaviour
from chatpush.recommend.catalogue import Catalogue
from chatpush.schedule.campaigns import Campaigns
from chatpush.support.assistant.promises import Promises
from chatpush.support.assistant.tools import Toolbox, example_of, needs_account, slot_label, sources_in
from chatpush.support.conversations.conversations import Conversations
from chatpush.support.conversations.turns import Conversation
from chatpush.support.people.labels import Labels
from chatpush.support.people.letters import Letters
from chatpush.support.people.ratings import Ratings
from chatpush.support.retrieval.language import pick
from chatpush.web.console import models
from chatpush.web.console.markup import safe
from chatpush.web.console.pages import Pages, Visit
from chatpush.web.console.presence import is_online, name_of
from chatpush.web.console.thread import link
from chatpush.web.http.doors import Door

pages = Pages()
LOOK = Door(role=Role.VIEWER)
ANSWER = Door(role=Role.AGENT)
EVENTS = 8
MESSAGES = 5
OTHERS = 8
LOOK_UPS = 6
LONGEST_ARGUMENT = 200
INTERNAL = {"delivery", "campaign", "message"}
"""Properties of chatpush's own events that tell an agent nothing."""


@pages.get("/console/conversations/{id}/customer", door=LOOK)
async def customer_fragment(visit: Visit) -> web.StreamResponse:
    """Refresh the customer."""
    conversation = await visit.need(Conversations).get(visit.tenant, ConversationId(visit.path["id"]))
    return visit.draw("conversations_customer.html", customer=await customer_of(visit, conversation))


@pages.post("/console/conversations/{id}/look-up/{tool}", door=ANSWER)
async def look_up(visit: Visit) -> web.StreamResponse:
    """Ask a tool that only reads, as the customer, and show what it says to the agent alone."""
    conversation = await visit.need(Conversations).get(visit.tenant, ConversationId(visit.path["id"]))
    toolbox = _toolbox(visit)
    tool = toolbox.get(visit.path["tool"])
    if tool is None or not _only_reads(tool):
        raise NotFound(f"no look-up {visit.path['tool'][:60]!r}")
    declared = tool.parameters.get("properties", {})
    given = {name: visit.form.get(name, "").strip()[:LONGEST_ARGUMENT] for name in declared}
    missing = [name for name in tool.parameters.get("required", ()) if not given.get(name)]
    if missing:
        raise InvalidInput(f"{', '.join(missing)}: needed")
    arguments = {name: value for name, value in given.items() if value}
    try:
        result = await toolbox.call(tool, visit.tenant, conversation.user, arguments)
    except ChatpushError as error:
        return visit.draw("conversations_looked_up.html", html=None, problem=error.message, sources=())
    sources = tuple(
        models.SourceLink(s.title, link(s.url), s.quote) for s in sources_in(result, visit.shell.language)
    )
    text = safe(pick(result.text, visit.shell.language))
    return visit.draw("conversations_looked_up.html", html=text, problem="", sources=sources)


async def customer_of(visit: Visit, conversation: Conversation) -> models.Customer:
    """Return everything the right pane shows."""
    user = conversation.user
    known = await visit.need(Users).find(visit.tenant, user)
    behaviour = visit.find(Behaviour)
    events = await behaviour.recent(visit.tenant, user) if behaviour else ()
    promises = await visit.need(Promises).list(visit.tenant, user)
    attributes = {k: v for k, v in (known.attributes if known else {}).items() if k != "name"}
    labels = visit.need(Labels)
    tags = await labels.tags(visit.tenant, [conversation.id])
    rating = await visit.need(Ratings).latest(conversation)
    return models.Customer(
        user=user,
        name=name_of(user, known),
        locale=known.locale if known else conversation.language,
        timezone=known.timezone if known else "–",
        online=is_online(visit, user),
        visitor=user.startswith(VISITOR_PREFIX),
        created_at=known.created_at if known else None,
        attributes=tuple((str(k), _brief(v)) for k, v in (conversation.prechat | attributes).items())[:12],
        consents=_consents(known) if known else (),
        summary=safe(conversation.summary) if conversation.summary else None,
        about=await _about(visit, conversation),
        events=await event_lines(visit, events[:EVENTS]),
        messages=await _messages(visit, user),
        promises=tuple(models.PromiseLine(promise.text, promise.until) for promise in promises),
        conversation=conversation.id,
        subject=conversation.subject,
        tags=tags.get(conversation.id, ()),
        known_tags=tuple(await labels.known(visit.tenant)),
        contact=conversation.contact,
        may_mail=visit.need(Letters).possible,
        score=rating.score if rating else None,
        comment=rating.comment if rating else "",
        others=await _others(visit, conversation),
        look_ups=_look_ups(visit, user),
    )


def _consents(known: User) -> tuple[models.ConsentLine, ...]:
    """Return what the customer said of each category, on all channels and on single ones."""
    return tuple(
        models.ConsentLine(category.value, known.consents.get(category), tuple(own.items()))
        for category in CHOOSABLE
        if (own := known.channel_consents.get(category, {})) or category in known.consents
    )


def _brief(value: Any) -> str:
    return str(value) if isinstance(value, str | int | float | bool) else repr(value)[:80]


async def _others(visit: Visit, conversation: Conversation) -> tuple[models.OtherConversation, ...]:
    found = await visit.need(Conversations).of_user(visit.tenant, conversation.user, OTHERS + 1)
    return tuple(
        models.OtherConversation(one.id, one.state, one.updated_at, one.subject)
        for one in found
        if one.id != conversation.id
    )[:OTHERS]


def _toolbox(visit: Visit) -> Toolbox:
    plugins = visit.find(Plugins)
    return Toolbox(plugins.tools() if plugins else [])


def _only_reads(tool: Any) -> bool:
    return getattr(tool, "risk", "read") == "read"


def _look_ups(visit: Visit, user: UserId) -> tuple[models.LookUp, ...]:
    """Return the tools that only read, of an account or not, as far as this user has one."""
    visitor = user.startswith(VISITOR_PREFIX)
    found = []
    for tool in _toolbox(visit).all():
        if not _only_reads(tool) or (visitor and needs_account(tool)):
            continue
        properties = tool.parameters.get("properties", {})
        fields = tuple((name, slot_label(tool, name, visit.shell.language)) for name in properties)
        found.append(models.LookUp(tool.name, example_of(tool, visit.shell.language), fields))
    return tuple(found[:LOOK_UPS])


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


async def _about(visit: Visit, conversation: Conversation) -> tuple[models.About, ...]:
    """Return the item a conversation began with, and the message it was seen in, as far as they are there."""
    about, found = conversation.about, []
    if about.get("item") and (catalogue := visit.find(Catalogue)):
        with contextlib.suppress(NotFound):
            item = await catalogue.get(visit.tenant, ItemId(about["item"]))
            price = f"{item.price} {item.currency}".strip() if item.price is not None else ""
            found.append(models.About("item", item.title, price, image=link(item.image), url=link(item.url)))
    if about.get("delivery") and (messages := visit.find(Messages)):
        with contextlib.suppress(NotFound):
            report = await messages.delivery(visit.tenant, DeliveryId(about["delivery"]))
            message = await messages.get(visit.tenant, report.message)
            title, page = message.template or message.category, f"/console/deliveries/{message.id}"
            found.append(models.About("message", title, await _campaign(visit, report.campaign), href=page))
    return tuple(found)


async def _campaign(visit: Visit, campaign: str) -> str:
    """Return what a campaign is called; empty if it was none, or is gone."""
    campaigns = visit.find(Campaigns)
    if campaigns is None or not campaign:
        return ""
    with contextlib.suppress(NotFound):
        return (await campaigns.get(visit.tenant, campaign)).definition.name
    return ""
