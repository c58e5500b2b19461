"""Overview: what is happening right now, what comes next, and what it costs so far."""

from datetime import datetime, timedelta
from decimal import Decimal

from aiohttp import web

from chatpush.account.billing import Billing
from chatpush.account.plans import Bill, Line
from chatpush.domain import ConversationState, Role
from chatpush.errors import ChatpushError
from chatpush.notify.listing import Window
from chatpush.notify.messages.messages import Messages
from chatpush.notify.reporting.figures import Figures
from chatpush.realtime.hub import Hub
from chatpush.schedule.campaigns import Campaigns
from chatpush.support.conversations.announcing import ACTIVITY
from chatpush.support.people.assigning import PERSON_PREFIX
from chatpush.support.people.queue import OPEN, Queue
from chatpush.web.console import models
from chatpush.web.console.deliveries import HELD, states
from chatpush.web.console.markup import plain
from chatpush.web.console.pages import Pages, Visit, visit_text
from chatpush.web.console.presence import names_of
from chatpush.web.http.doors import Door

pages = Pages()
LOOK = Door(role=Role.VIEWER)
ACTIVITIES = 12
NEXT_RUNS = 5
CAMPAIGNS = 200
TEXT_CHARS = 120
RANGES = {"hour": (timedelta(minutes=1), 60), "day": (timedelta(hours=1), 24)}
TONES = {
    "delivered": "ok", "seen": "ok", "clicked": "ok", "sent": "accent", "failed": "bad", "suppressed": "warn",
    "expired": "warn",
}  # fmt: skip
SYMBOLS = {"USD": "$", "EUR": "€", "GBP": "£", "CNY": "¥"}


@pages.get("/console", door=LOOK)
async def overview_page(visit: Visit) -> web.StreamResponse:
    """Show the whole overview."""
    overview = models.Overview(
        counters=await _counters(visit),
        states=states(await _today(visit)),
        next_runs=await _next_runs(visit),
        bill=await _bill(visit),
        activity=await _activity(visit),
    )
    return visit.draw("overview.html", overview=overview)


@pages.get("/console/overview/counters", door=LOOK)
async def counters_fragment(visit: Visit) -> web.StreamResponse:
    """Refresh the counters."""
    overview = models.Overview(await _counters(visit), states(await _today(visit)), (), None, ())
    return visit.draw("overview_counters.html", overview=overview)


@pages.get("/console/overview/activity", door=LOOK)
async def activity_fragment(visit: Visit) -> web.StreamResponse:
    """Refresh the latest activity."""
    overview = models.Overview((), (), (), None, await _activity(visit))
    return visit.draw("overview_activity.html", overview=overview)


@pages.get("/console/overview/plans", door=LOOK)
async def plans_fragment(visit: Visit) -> web.StreamResponse:
    """Refresh the next runs and the bill."""
    overview = models.Overview((), (), await _next_runs(visit), await _bill(visit), ())
    return visit.draw("overview_plans.html", overview=overview)


@pages.get("/console/overview/chart", door=LOOK)
async def chart(visit: Visit) -> web.StreamResponse:
    """Return the chart's columns: seconds, sent, delivered, seen."""
    step, steps = RANGES.get(visit.query("range"), RANGES["hour"])
    series = await visit.need(Figures).series(visit.tenant, visit.shell.now, step, steps)
    seconds = [int(at.timestamp()) for at in series.at]
    return web.json_response([seconds, series.sent, series.delivered, series.seen])


async def _today(visit: Visit) -> dict[str, int]:
    midnight = visit.shell.now.replace(hour=0, minute=0, second=0, microsecond=0)
    return await visit.need(Figures).totals(visit.tenant, midnight)


async def _counters(visit: Visit) -> tuple[models.Counter, ...]:
    connections, users, channels = _here(visit)
    today = await _today(visit)
    queue = await visit.need(Queue).counts(visit.tenant, visit.identity.subject)
    waiting = queue.of(ConversationState.WAITING)
    waited = visit.shell.now - queue.waiting_since if queue.waiting_since else timedelta()
    sent = sum(
        count for state, count in today.items() if state in ("sent", "delivered", "queued", "failed", *HELD)
    )
    return (
        models.Counter("connections", connections, note=channels),
        models.Counter("users", users, note=await visit.need(Figures).users(visit.tenant)),
        models.Counter("messages", sent, href="/console/deliveries", note=today.get("seen", 0)),
        models.Counter(
            "conversations", queue.of(*OPEN), href="/console/conversations",
            note=queue.of(ConversationState.AGENT),
        ),
        models.Counter(
            "waiting", waiting, tone="warn" if waiting else "", href="/console/conversations?show=waiting",
            note=int(waited / timedelta(minutes=1)) if waiting else None,
        ),
    )  # fmt: skip


def _here(visit: Visit) -> tuple[int, int, int]:
    """Return connections, users and channels without those of the console's own people."""
    hub = visit.need(Hub)
    live = hub.counts()
    listening = hub.active_channels(visit.tenant, ACTIVITY).get(ACTIVITY, 0)
    people = sum(user.startswith(PERSON_PREFIX) for _, user in hub.online())
    # Each person has a personal channel, and all of them share one.
    channels = live.channels - people - bool(listening)
    return max(live.connections - listening, 0), max(live.users - people, 0), max(channels, 0)


async def _next_runs(visit: Visit) -> tuple[models.NextRun, ...]:
    listed = await visit.need(Campaigns).list(visit.tenant, Window(CAMPAIGNS))
    coming = [
        models.NextRun(campaign.id, campaign.definition.name, campaign.next_at)
        for campaign in listed.data
        if campaign.next_at is not None and campaign.state == "active"
    ]
    return tuple(sorted(coming, key=lambda run: run.at)[:NEXT_RUNS])


async def _bill(visit: Visit) -> models.Bill | None:
    billing = visit.find(Billing)
    if billing is None:
        return None
    try:
        bill = await billing.bill(visit.tenant)
    except ChatpushError:
        return None  # a tenant without a plan has no bill
    return models.Bill(
        plan=bill.plan,
        total=money(bill.total, bill.currency),
        since=None,
        until=datetime.combine(bill.period.last, datetime.min.time(), visit.shell.now.tzinfo),
        lines=tuple(_usage(line, bill) for line in bill.lines if line.kind is not None),
    )


def _usage(line: Line, bill: Bill) -> models.UsageLine:
    amount = money(line.amount, bill.currency) if line.amount else ""
    return models.UsageLine(line.kind or "", line.quantity, line.included or None, amount)


def money(amount: Decimal, currency: str) -> str:
    """Return an amount with its currency, as people write it."""
    symbol = SYMBOLS.get(currency)
    return f"{symbol}{amount:,.2f}" if symbol else f"{amount:,.2f} {currency}"


async def _activity(visit: Visit) -> tuple[models.Activity, ...]:
    entries = [*await _talk(visit), *await _sent(visit)]
    return tuple(sorted(entries, key=lambda entry: entry.at, reverse=True)[:ACTIVITIES])


async def _talk(visit: Visit) -> list[models.Activity]:
    """Return what was said last in the open conversations."""
    lines = await visit.need(Queue).lines(visit.tenant, OPEN, limit=ACTIVITIES)
    names = await names_of(visit, [line.conversation.user for line in lines])
    found = []
    for line in lines:
        conversation, last = line.conversation, line.last
        waits = conversation.state is ConversationState.WAITING
        text = (
            visit_text(visit, "activity.waiting") if waits else plain(last.text, TEXT_CHARS) if last else ""
        )
        found.append(
            models.Activity(
                kind="handover" if waits else "turn",
                who=names[conversation.user],
                text=text,
                at=conversation.updated_at,
                href=f"/console/conversations/{conversation.id}",
                tone="warn" if waits else "accent",
            )
        )
    return found


async def _sent(visit: Visit) -> list[models.Activity]:
    """Return the latest deliveries."""
    messages = visit.need(Messages)
    listed = await messages.recent_deliveries(visit.tenant, Window(ACTIVITIES))
    names = await names_of(visit, [report.user for report in listed.data])
    found = []
    for report in listed.data:
        message = await messages.get(visit.tenant, report.message)
        state = "clicked" if report.clicked_at else "seen" if report.seen_at else report.state
        moments = (report.clicked_at, report.seen_at, report.delivered_at, report.sent_at)
        at = next((moment for moment in moments if moment), message.accepted_at)
        found.append(
            models.Activity(
                kind="delivery",
                who=names[report.user],
                text=visit_text(
                    visit, "activity.delivery",
                    template=message.template or visit_text(visit, "deliveries.direct"),
                    state=visit_text(visit, f"state.{state}"),
                ),
                at=at,
                href=f"/console/deliveries/{report.message}",
                tone=TONES.get(state, ""),
            )
        )  # fmt: skip
    return found
