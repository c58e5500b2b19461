"""See what a campaign achieved."""

from dataclasses import asdict
from datetime import timedelta

from pydantic import BaseModel, Field

from chatpush.domain import Role
from chatpush.schedule.results import (
    SIGNIFICANT,
    STEPS,
    CampaignResults,
    Counts,
    HoldoutResult,
    VariantResult,
)
from chatpush.web.http.doors import Door
from chatpush.web.http.operations import Call, Operations, Query

routes = Operations("campaigns")
READERS = Door(scope="campaigns:write", role=Role.VIEWER)


class ResultsQuery(Query):
    """What counts as success, and how far back to look."""

    conversion: str = Field("purchase", min_length=1, max_length=64, description="An event's type.")
    window_hours: int = Field(168, ge=1, le=24 * 90, description="How long after the message it counts.")
    days: int = Field(90, ge=1, le=366, description="How far back messages count.")


class CountsOut(BaseModel):
    """Users, each once: who was to get it, and how far it came with them."""

    users: int
    sent: int
    delivered: int
    seen: int
    clicked: int
    replied: int
    dismissed: int
    converted: int
    click_rate: float = Field(description="Clicked of sent.")
    conversion_rate: float = Field(description="Converted of users.")


class VariantOut(CountsOut):
    """One variant beside the first."""

    name: str
    click_p_value: float | None = Field(
        description="Chance of such a difference from the first variant if there were none; corrected for many."
    )
    conversion_p_value: float | None
    significant: bool = Field(description="Either p-value is below 0.05.")


class HoldoutOut(BaseModel):
    """Those who got nothing beside everybody else."""

    held: CountsOut
    others: CountsOut
    lift: float | None = Field(description="Relative to those held out; null while none of these converted.")
    difference: float = Field(description="Of the conversion rates.")
    interval: tuple[float, float] | None = Field(description="Where the difference is with 95 % probability.")
    p_value: float | None
    significant: bool


class StepOut(BaseModel):
    """One step of the funnel."""

    step: str
    users: int
    share: float = Field(description="Of those it was sent to.")


class ResultsOut(BaseModel):
    """What a campaign achieved."""

    conversion: str
    window_hours: int
    total: CountsOut
    funnel: list[StepOut]
    suppressed: dict[str, int] = Field(description="Deliveries that were not sent, by reason.")
    variants: list[VariantOut]
    holdout: HoldoutOut | None


@routes.get("/v1/campaigns/{id}/results", door=READERS)
async def campaign_results(call: Call, query: ResultsQuery) -> ResultsOut:
    """Say how far a campaign's messages came, what users did then, and how variants and the holdout compare."""
    found = await call.need(CampaignResults).of(
        call.identity.tenant, call.path["id"], query.conversion,
        timedelta(hours=query.window_hours), timedelta(days=query.days),
    )  # fmt: skip
    sent = found.total.sent
    return ResultsOut(
        conversion=found.conversion,
        window_hours=query.window_hours,
        total=_counts(found.total),
        funnel=[
            StepOut(step=step, users=users, share=users / sent if sent else 0.0)
            for step in STEPS
            for users in [getattr(found.total, step)]
        ],
        suppressed=found.suppressed,
        variants=[_variant(one) for one in found.variants],
        holdout=_holdout(found.holdout) if found.holdout is not None else None,
    )


def _counts(counts: Counts) -> CountsOut:
    return CountsOut(**asdict(counts), click_rate=counts.click_rate, conversion_rate=counts.conversion_rate)


def _variant(one: VariantResult) -> VariantOut:
    return VariantOut(
        **_counts(one.counts).model_dump(),
        name=one.name,
        click_p_value=one.click_p_value,
        conversion_p_value=one.conversion_p_value,
        significant=_significant(one.click_p_value) or _significant(one.conversion_p_value),
    )


def _holdout(one: HoldoutResult) -> HoldoutOut:
    return HoldoutOut(
        held=_counts(one.held),
        others=_counts(one.others),
        lift=one.lift,
        difference=one.difference,
        interval=one.interval,
        p_value=one.p_value,
        significant=_significant(one.p_value),
    )


def _significant(p: float | None) -> bool:
    return p is not None and p < SIGNIFICANT
