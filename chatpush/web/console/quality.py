"""How good the recommender is over time, what its messages are worth, and what campaigns achieved."""

from collections.abc import Sequence
from datetime import timedelta

from aiohttp import web

from chatpush.domain import Role, TenantId
from chatpush.notify.listing import Window
from chatpush.recommend.timing.calibration import Bin, Calibration
from chatpush.recommend.timing.restraint import Restraint
from chatpush.recommend.training.learning import Learning
from chatpush.recommend.training.models import Trained
from chatpush.recommend.words.copies import Copies
from chatpush.schedule.campaigns import Campaign, Campaigns
from chatpush.schedule.results import SIGNIFICANT, STEPS, CampaignResults, VariantResult
from chatpush.web.console.models import recommending
from chatpush.web.console.pages import Pages, Visit
from chatpush.web.http.doors import Door

pages = Pages()
LOOK = Door(role=Role.VIEWER)
LINES = 20
MOST_WORDS = 60
CAMPAIGNS = 25
WINDOWS = (24, 72, 168, 720)
LOOK_BACK = timedelta(days=90)
CONVERSION = "purchase"
WIDTH, HEIGHT, MARGIN = 600.0, 160.0, 10.0
SIDE = 160.0


@pages.get("/console/recommendations/quality", door=LOOK)
async def quality_page(visit: Visit) -> web.StreamResponse:
    """Show each training's metrics, what writing is worth, and the words tried."""
    learning = visit.need(Learning)
    past = await learning.models.history(visit.tenant)
    serving, named = await learning.take_up(visit.tenant), await learning.models.serving(visit.tenant)
    page = recommending.QualityPage(
        models=tuple(
            recommending.ModelLine(
                one.id, one.id == serving, one.id == named != serving, one.method, one.events, one.seconds,
                one.recall, one.ndcg, one.created_at,
            )
            for one in reversed(past[-LINES:])
        ),
        picture=picture(past),
        gains=await _gains(visit),
        words=await _words(visit),
        calibration=calibration(await visit.need(Calibration).of(visit.tenant)),
    )  # fmt: skip
    return visit.draw("recommender_quality.html", about=page)


@pages.get("/console/recommendations/results", door=LOOK)
async def results_page(visit: Visit) -> web.StreamResponse:
    """Show how far campaigns' messages came and who bought within a window after them."""
    asked = visit.query("hours")
    hours = int(asked) if asked.isdigit() and int(asked) in WINDOWS else WINDOWS[2]
    listed = await visit.need(Campaigns).list(visit.tenant, Window(CAMPAIGNS))
    results = visit.need(CampaignResults)
    cards = [await _card(visit.tenant, results, campaign, hours) for campaign in listed.data]
    shown = tuple(card for card in cards if card.steps[0].count)
    return visit.draw("recommender_results.html", about=recommending.ResultsPage(hours, WINDOWS, shown))


def picture(past: Sequence[Trained]) -> recommending.Picture | None:
    """Return recall and NDCG of trainings as lines; None with fewer than two trainings."""
    if len(past) < 2:
        return None
    most = max(max(one.recall, one.ndcg) for one in past) or 1.0

    def place(number: int, value: float) -> tuple[float, float]:
        x = MARGIN + (WIDTH - 2 * MARGIN) * number / (len(past) - 1)
        return round(x, 1), round(HEIGHT - MARGIN - (HEIGHT - 2 * MARGIN) * value / most, 1)

    recall = [place(number, one.recall) for number, one in enumerate(past)]
    ndcg = [place(number, one.ndcg) for number, one in enumerate(past)]
    dots = tuple(
        (x, high, low, f"{one.created_at:%Y-%m-%d %H:%M} · recall {one.recall:.4f} · NDCG {one.ndcg:.4f}")
        for (x, high), (_, low), one in zip(recall, ndcg, past, strict=True)
    )
    return recommending.Picture(_points(recall), _points(ndcg), dots, f"{most:.3f}", f"{most / 2:.3f}")


def calibration(bins: Sequence[Bin]) -> tuple[recommending.CalibrationDot, ...]:
    """Return dots of a square picture: what was said to the right, what came upwards."""
    side = SIDE - 2 * MARGIN
    return tuple(
        recommending.CalibrationDot(
            round(MARGIN + side * one.said, 1), round(SIDE - MARGIN - side * one.opened, 1),
            100 * one.said, 100 * one.opened, one.messages,
        )
        for one in bins
    )  # fmt: skip


def _points(places: Sequence[tuple[float, float]]) -> str:
    return " ".join(f"{x},{y}" for x, y in places)


async def _gains(visit: Visit) -> tuple[recommending.GainLine, ...]:
    groups = await visit.need(Restraint).groups(visit.tenant)
    return tuple(
        recommending.GainLine(
            one.kind[0], one.kind[1], one.written[0], one.held_out[0], 100 * one.gain, 100 * one.low,
            100 * one.high, one.spared,
        )
        for one in groups
    )  # fmt: skip


async def _words(visit: Visit) -> tuple[recommending.WordsLine, ...]:
    compared = await visit.need(Copies).compared(visit.tenant)
    return tuple(
        recommending.WordsLine(
            one.copy.arm, one.copy.locale, " · ".join(one.copy.texts.values()), one.copy.seen, one.copy.clicked,
            100 * one.copy.rate, one.p_value,
        )
        for one in compared[:MOST_WORDS]
    )  # fmt: skip


async def _card(
    tenant: TenantId, results: CampaignResults, campaign: Campaign, hours: int
) -> recommending.ResultCard:
    found = await results.of(tenant, campaign.id, CONVERSION, timedelta(hours=hours), LOOK_BACK)
    counts = [("users", found.total.users), *((step, getattr(found.total, step)) for step in STEPS)]
    steps = tuple(
        recommending.StepBar(name, count, 100 * count / max(found.total.users, 1)) for name, count in counts
    )
    card = recommending.ResultCard(
        campaign.id, campaign.definition.name, steps, tuple(_variant(one) for one in found.variants)
    )
    held = found.holdout
    if held is None:
        return card
    low, high = held.interval or (held.difference, held.difference)
    return recommending.ResultCard(
        card.id, card.name, card.steps, card.variants, held.held.users,
        None if held.lift is None else 100 * held.lift, 100 * held.difference, 100 * low, 100 * high,
        held.p_value is not None and held.p_value < SIGNIFICANT,
    )  # fmt: skip


def _variant(one: VariantResult) -> recommending.VariantLine:
    values = [p for p in (one.click_p_value, one.conversion_p_value) if p is not None]
    counts = one.counts
    return recommending.VariantLine(
        one.name, counts.users, counts.clicked, 100 * counts.click_rate, counts.converted,
        100 * counts.conversion_rate, min(values, default=None), bool(values) and min(values) < SIGNIFICANT,
    )  # fmt: skip
