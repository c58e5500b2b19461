"""Made-up values of the recommender's pages."""

from datetime import UTC, datetime, timedelta

import numpy as np

from chatpush.recommend.training.models import Trained
from chatpush.web.console import models
from chatpush.web.console.models import recommending
from chatpush.web.console.quality import picture
from chatpush.web.console.recommendations import _bars

NOW = datetime(2026, 11, 24, 12, tzinfo=UTC)
CHANCES = 0.05 + 0.6 * np.exp(-0.5 * ((np.arange(24) - 19) / 2.0) ** 2)
PAST = [
    Trained(
        f"mdl_{n}", "walk + spectral", 810_000 + n, 13.2, 0.19 + n / 1000, 0.15 + n / 1500,
        NOW - timedelta(days=9 - n),
    )
    for n in range(9)
]  # fmt: skip
USER = recommending.UserPage(
    shown=models.Recommendations("emma", True, "Emma", (), ()),
    weights=(recommending.WeightLine("likeminded", 1.0, 1.0), recommending.WeightLine("popular", 0.15, 2.0)),
    exclude="22423",
    as_of="2026-11-20",
    supposing=True,
    problem="",
    outlook=recommending.OutlookCard(
        42.0, NOW, 31.0, _bars(CHANCES), _bars(CHANCES / 2), NOW + timedelta(days=12), 18.0, "no_gain"
    ),
)
QUALITY = recommending.QualityPage(
    models=tuple(
        recommending.ModelLine(
            one.id, n == 8, False, one.method, one.events, one.seconds, one.recall, one.ndcg, one.created_at
        )
        for n, one in enumerate(PAST)
    ),
    picture=picture(PAST),
    gains=(
        recommending.GainLine("keen", "few", 4210, 512, 3.2, 1.1, 5.3, False),
        recommending.GainLine("cool", "many", 3100, 401, -2.0, -3.6, -0.4, True),
    ),
    words=(
        recommending.WordsLine("template", "en", "{title} for {price}", 1200, 60, 5.0, None),
        recommending.WordsLine("written", "en", "Your mornings with {title}", 4800, 360, 7.5, 0.003),
    ),
)  # fmt: skip
STEPS = (
    ("users", 5000),
    ("sent", 4700),
    ("delivered", 4500),
    ("seen", 2400),
    ("clicked", 610),
    ("replied", 95),
    ("converted", 207),
)
RESULTS = recommending.ResultsPage(
    168,
    (24, 72, 168, 720),
    (
        recommending.ResultCard(
            "cmp_1",
            "Weekly picks",
            tuple(recommending.StepBar(name, count, count / 50) for name, count in STEPS),
            (
                recommending.VariantLine("plain", 2500, 280, 11.9, 92, 3.7, None, False),
                recommending.VariantLine("warm", 2500, 330, 14.0, 115, 4.6, 0.021, True),
            ),
            500, 24.0, 0.8, 0.1, 1.5, True,
        ),
    ),
)  # fmt: skip
