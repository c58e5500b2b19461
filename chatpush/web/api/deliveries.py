"""Look at deliveries one by one, and ask why each went as it did."""

from datetime import datetime
from typing import Any

from pydantic import BaseModel, Field

from chatpush.domain import Category, DeliveryId, DeliveryState, Role, iso
from chatpush.notify.audience.consents import CHOOSABLE
from chatpush.notify.listing import Window
from chatpush.notify.messages.messages import Messages
from chatpush.notify.reading.explaining import Explaining
from chatpush.notify.reading.trace import Trace, TraceEntry
from chatpush.notify.reporting.reporting import MOMENTS, DeliveryReport
from chatpush.web.http.doors import Door
from chatpush.web.http.moments import Moment
from chatpush.web.http.operations import Call, Operations, PageQuery, Query

routes = Operations("deliveries")
READERS = Door(scope="messages:read", role=Role.VIEWER)


class DeliveryOut(BaseModel):
    """One message to one user; ``reason`` says why it waits or was not sent."""

    id: str
    message: str
    user: str
    state: DeliveryState
    reason: str | None
    due_at: Moment
    attempts: int
    sent_at: Moment | None
    delivered_at: Moment | None
    seen_at: Moment | None
    read_at: Moment | None
    clicked_at: Moment | None
    replied_at: Moment | None
    dismissed_at: Moment | None
    archived_at: Moment | None
    snoozed_at: Moment | None


class Step(BaseModel):
    """One step of a delivery's way: what decided, how, and on what grounds."""

    step: str
    verdict: str
    detail: dict[str, Any]
    at: Moment


class ProposedOut(BaseModel):
    """What the recommender proposed."""

    item: str
    score: float
    reason: str


class DeliveryDetail(DeliveryOut):
    """A delivery with every step of its way, and what was chosen for it."""

    campaign: str | None
    variant: str | None
    candidates: list[ProposedOut]
    trace: list[Step]


class WhyReason(BaseModel):
    """One reason in the reader's language."""

    code: str
    text: str


class ChosenOut(BaseModel):
    """An item that was chosen for the reader."""

    id: str
    title: str
    reason: str


class WhyOut(BaseModel):
    """Why the reader got a message."""

    delivery: str
    category: Category
    at: Moment
    reasons: list[WhyReason]
    items: list[ChosenOut]
    personalized: bool = Field(description="Chosen by behaviour; preferences switch that off.")
    can_stop: bool = Field(description="Preferences can stop messages of this category.")


class DeliveryPage(BaseModel):
    """A page of deliveries."""

    data: list[DeliveryOut]
    has_more: bool


class RecentQuery(PageQuery):
    """Filters of the list."""

    state: DeliveryState | None = Field(None, description="Only in this state.")
    user: str = Field("", max_length=128, description="Only of this user.")


class WhyQuery(Query):
    """How to answer."""

    locale: str = Field("", max_length=35, description="Instead of my own language.")


@routes.get("/v1/deliveries", door=READERS)
async def list_deliveries(call: Call, query: RecentQuery) -> DeliveryPage:
    """List deliveries of all messages, newest first."""
    window = Window(query.limit, query.starting_after, query.ending_before)
    page = await call.need(Messages).recent_deliveries(
        call.identity.tenant, window, query.state or "", query.user
    )
    return DeliveryPage(data=[delivery_out(report) for report in page.data], has_more=page.has_more)


@routes.get("/v1/deliveries/{id}", door=READERS)
async def get_delivery(call: Call) -> DeliveryDetail:
    """Return a delivery with the reasons for every step of its way."""
    delivery = DeliveryId(call.path["id"])
    report = await call.need(Messages).delivery(call.identity.tenant, delivery)
    trace = await call.need(Trace).of(call.identity.tenant, delivery)
    candidates = await call.need(Explaining).candidates(call.identity.tenant, delivery)
    return DeliveryDetail(
        **delivery_out(report).model_dump(),
        campaign=report.campaign or None,
        variant=report.variant or None,
        candidates=[ProposedOut(item=one.item, score=one.score, reason=one.reason) for one in candidates],
        trace=[step_out(entry) for entry in trace],
    )


@routes.get("/v1/me/deliveries/{id}/why", door=Door(user=True))
async def why_delivery(call: Call, query: WhyQuery) -> WhyOut:
    """Say in my language why I got this message."""
    return await explained(call, DeliveryId(call.path["id"]), query.locale)


async def explained(call: Call, delivery: DeliveryId, locale: str) -> WhyOut:
    """Return why the caller got a delivery, in the words of a locale or their own."""
    found = await call.need(Explaining).to_reader(call.identity.tenant, call.identity.user, delivery, locale)
    return WhyOut(
        delivery=found.delivery,
        category=found.category,
        at=iso(found.at),
        reasons=[WhyReason(code=one.code, text=one.text) for one in found.reasons],
        items=[ChosenOut(**one) for one in found.items],
        personalized=found.personalized,
        can_stop=found.category in CHOOSABLE,
    )


def delivery_out(report: DeliveryReport) -> DeliveryOut:
    """Return a report as the API shows it."""
    return DeliveryOut(
        id=report.id,
        message=report.message,
        user=report.user,
        state=report.state,
        reason=report.reason or None,
        due_at=iso(report.due_at),
        attempts=report.attempts,
        **{name: _maybe(getattr(report, name)) for name in MOMENTS},
    )


def step_out(entry: TraceEntry) -> Step:
    """Return a step as the API shows it."""
    return Step(step=entry.step, verdict=entry.verdict, detail=dict(entry.detail), at=iso(entry.at))


def _maybe(moment: datetime | None) -> str | None:
    return iso(moment) if moment is not None else None
