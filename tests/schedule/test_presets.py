"""Every preset is a good campaign with words in both languages."""

from datetime import UTC, datetime

import pytest

from chatpush.schedule import presets
from chatpush.schedule.definition import parse
from chatpush.schedule.presets import Preset
from chatpush.web.api.campaign_bodies import CampaignIn

NOW = datetime(2026, 11, 1, tzinfo=UTC)


@pytest.mark.parametrize("preset", presets.ALL, ids=lambda one: one.name)
def test_a_preset_is_a_good_campaign(preset: Preset) -> None:
    spec = CampaignIn.model_validate(dict(preset.spec)).spec()
    definition = parse(spec, NOW)
    assert definition.template == preset.template
    assert set(preset.locales) == {"en", "zh-CN"}
    for words in preset.locales.values():
        assert words["title"]
        assert words["body"]


def test_all_the_jobs_people_schedule_are_there() -> None:
    assert set(presets.BY_NAME) == {
        "weekly_picks", "abandoned_cart", "back_in_stock", "price_drop", "win_back", "replenishment",
        "trending", "new_arrivals", "digest",
    }  # fmt: skip
