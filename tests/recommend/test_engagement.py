"""Small numbers lean on everybody; habits, risk and uplift come out as simulated."""

from datetime import UTC, datetime, timedelta

import numpy as np

from chatpush.recommend.timing.engagement import engagement, habit, leave_alone, uplift

NOW = datetime(2026, 11, 2, tzinfo=UTC)
DAY = timedelta(days=1)


def test_engagement_is_calibrated_on_simulated_readers() -> None:
    chance = np.random.default_rng(3)
    truth = chance.beta(2, 6, 4000)
    said = np.array(
        [
            engagement([(NOW - n * DAY, chance.random() < rate) for n in range(20)], NOW, 0.25)
            for rate in truth
        ]
    )
    did = chance.random(truth.size) < truth
    for low, high in ((0.1, 0.2), (0.2, 0.3), (0.3, 0.45)):
        among = (said >= low) & (said < high)
        assert abs(did[among].mean() - said[among].mean()) < 0.05


def test_a_new_reader_is_everybody_and_old_reactions_fade() -> None:
    assert engagement([], NOW, 0.25) == 0.25
    old = engagement([(NOW - 400 * DAY, True)] * 10, NOW, 0.1)
    assert 0.1 < old < engagement([(NOW - DAY, True)] * 10, NOW, 0.1)


def test_the_next_purchase_and_the_risk_follow_a_users_own_pace() -> None:
    monthly = habit([NOW - n * 30 * DAY for n in range(1, 9)], NOW, 60 * DAY)
    assert monthly is not None
    assert 30 * DAY < monthly.every < 40 * DAY
    assert monthly.churn == 0.0
    gone = habit([NOW - (200 + n * 30) * DAY for n in range(8)], NOW, 60 * DAY)
    assert gone is not None
    assert gone.churn > 0.9
    assert habit([], NOW, DAY) is None
    assert habit([NOW + DAY], NOW, 30 * DAY) is not None


def test_uplift_tells_whom_to_leave_alone() -> None:
    assert uplift((1000, 300), (1000, 200))[1] > 0
    assert leave_alone((5000, 400), (5000, 600))
    assert not leave_alone((5000, 600), (5000, 400))
    assert not leave_alone((50, 0), (50, 20))
