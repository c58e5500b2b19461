"""Deliveries: what was sent, how far it came, and why some was held back."""

from datetime import datetime, timedelta

from aiohttp import web

from chatpush.domain import MessageId, Role
from chatpush.notify.listing import Window
from chatpush.notify.messages.messages import Messages
from chatpush.notify.reading.trace import TraceEntry
from chatpush.notify.reporting.figures import Figures
from chatpush.notify.reporting.reporting import DeliveryReport, Message
from chatpush.notify.sending.dead_letters import DeadLetters
from chatpush.web.console import models
from chatpush.web.console.pages import Pages, Visit, visit_text
from chatpush.web.http.doors import Door

pages = Pages()
LOOK = Door(role=Role.VIEWER)
PER_PAGE = 25
LINES = 100
MOST_WAITING = 99
FUNNEL_SPAN = timedelta(days=7)
REACHED = ("sent", "delivered")
HELD = ("suppressed", "expired", "cancelled")
ORDER = (
    "delivered",
    "sent",
    "queued",
    "scheduled",
    "accepted",
    "suppressed",
    "expired",
    "failed",
    "cancelled",
)


@pages.get("/console/deliveries", door=LOOK)
async def list_page(visit: Visit) -> web.StreamResponse:
    """Show messages, newest first, and how many dead letters wait."""
    waiting = await visit.need(DeadLetters).count(visit.tenant, MOST_WAITING + 1)
    badge = f"{MOST_WAITING}+" if waiting > MOST_WAITING else str(waiting or "")
    return visit.draw(
        "deliveries.html",
        deliveries=await _deliveries(visit),
        before=visit.query("before"),
        dead_letters=badge,
    )


@pages.get("/console/deliveries/live", door=LOOK)
async def list_fragment(visit: Visit) -> web.StreamResponse:
    """Refresh the messages."""
    return visit.draw("deliveries_live.html", deliveries=await _deliveries(visit))


@pages.get("/console/deliveries/{id}", door=LOOK)
async def message_page(visit: Visit) -> web.StreamResponse:
    """Show one message with its deliveries."""
    return visit.draw("delivery.html", message=await _detail(visit))


@pages.get("/console/deliveries/{id}/live", door=LOOK)
async def message_fragment(visit: Visit) -> web.StreamResponse:
    """Refresh one message."""
    return visit.draw("delivery_live.html", message=await _detail(visit))


def funnel(counts: dict[str, int]) -> tuple[models.FunnelStep, ...]:
    """Return sent → delivered → seen → clicked → replied of counts by state and engagement."""
    sent = sum(counts.get(state, 0) for state in REACHED)
    steps = {
        "sent": sent,
        "delivered": counts.get("delivered", 0),
        "seen": counts.get("seen", 0),
        "clicked": counts.get("clicked", 0),
        "replied": counts.get("replied", 0),
    }
    return tuple(
        models.FunnelStep(key, count, 100 * count / sent if sent else 0) for key, count in steps.items()
    )


def states(counts: dict[str, int]) -> tuple[models.Choice, ...]:
    """Return the states that occur, in the order of a delivery's life."""
    return tuple(models.Choice(state, counts[state]) for state in ORDER if counts.get(state))


async def _deliveries(visit: Visit) -> models.Deliveries:
    messages = visit.need(Messages)
    totals = await visit.need(Figures).totals(visit.tenant, visit.shell.now - FUNNEL_SPAN)
    listed = await messages.list(visit.tenant, Window(PER_PAGE, starting_after=visit.query("before")[:64]))
    singles = await visit.need(Figures).only_users(visit.tenant, [message.id for message in listed.data])
    lines = tuple(_line(visit, message, singles.get(message.id, "")) for message in listed.data)
    older = lines[-1].id if listed.has_more and lines else ""
    return models.Deliveries(funnel(totals), states(totals), lines, older)


def _line(visit: Visit, message: Message, single: str) -> models.SentMessage:
    counts = message.counts
    total = sum(counts.values())
    return models.SentMessage(
        id=message.id,
        template=message.template or visit_text(visit, "deliveries.direct"),
        audience=single or visit_text(visit, "audience.users_n", n=f"{total:,}"),
        category=message.category,
        at=message.accepted_at,
        total=total,
        delivered=counts.get("delivered", 0),
        seen=message.engagement["seen"],
        clicked=message.engagement["clicked"],
        held=sum(counts.get(state, 0) for state in HELD),
        failed=counts.get("failed", 0),
        status=_status(message, total),
    )


def _status(message: Message, total: int) -> str:
    """Return the one delivery's state, or the state of those still on their way."""
    if message.status == "cancelled":
        return "cancelled"
    if total == 1:
        reached = next((kind for kind in ("clicked", "seen") if message.engagement[kind]), "")
        return reached or next(state for state, count in message.counts.items() if count)
    if message.status == "processing":
        return next((state for state in ("scheduled", "queued") if message.counts.get(state)), "accepted")
    return ""


async def _detail(visit: Visit) -> models.MessageDetail:
    messages = visit.need(Messages)
    message = await messages.get(visit.tenant, MessageId(visit.path["id"]))
    listed = await messages.deliveries(visit.tenant, message.id, Window(LINES))
    line = _line(visit, message, listed.data[0].user if len(listed.data) == 1 else "")
    facts = {
        "campaign": message.campaign,
        "cancel_key": message.cancel_key,
        "collapse_key": message.collapse_key,
    }
    return models.MessageDetail(
        id=message.id,
        template=line.template,
        category=line.category,
        audience=line.audience,
        status=line.status,
        at=line.at,
        funnel=funnel(message.counts | message.engagement),
        states=states(message.counts),
        deliveries=await _delivery_lines(visit, message, listed.data),
        facts=tuple((name, value) for name, value in facts.items() if value),
    )


async def _delivery_lines(
    visit: Visit, message: Message, reports: list[DeliveryReport]
) -> tuple[models.DeliveryLine, ...]:
    traces = await visit.need(Figures).traces(visit.tenant, [report.id for report in reports])
    lines = []
    for report in reports:
        notes = tuple((step.step, _words(step)) for step in traces.get(report.id, []))
        lines.append(
            models.DeliveryLine(
                id=report.id,
                user=report.user,
                state=report.state,
                channel="",
                reason=_reason(visit, report.reason),
                at=report.due_at,
                trace=_trace(message, report),
                attempts=report.attempts,
                notes=notes,
            )
        )
    return tuple(lines)


def _reason(visit: Visit, reason: str) -> str:
    """Return a reason in the reader's words; what follows a colon is kept as it is."""
    code, colon, more = reason.partition(":")
    return f"{visit_text(visit, f'reason.{code}')}{colon}{more}" if code else ""


def _words(step: TraceEntry) -> str:
    return " · ".join([step.verdict, *(f"{name} {value}" for name, value in step.detail.items())])


def _trace(message: Message, report: DeliveryReport) -> tuple[models.TraceStep, ...]:
    """Return the moments of a delivery's life that have come."""
    moments: list[tuple[str, datetime | None]] = [
        ("accepted", message.accepted_at),
        ("sent", report.sent_at),
        ("delivered", report.delivered_at),
        ("seen", report.seen_at),
        ("clicked", report.clicked_at),
        ("dismissed", report.dismissed_at),
    ]
    steps = [models.TraceStep(key, at) for key, at in moments if at is not None]
    if report.state in (*HELD, "failed") or report.state in ("scheduled", "queued"):
        steps.append(models.TraceStep(report.state, report.due_at))
    return tuple(steps)
