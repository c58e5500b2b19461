"""On simulated people with habits of their own, the hours found earn nearly what an oracle's would."""

from random import Random

import numpy as np
import pytest

from chatpush.recommend.timing.responses import THOUGHT, UNKNOWN, Told, crowd_of, responses
from tests.recommend.responders import people, simulate


@pytest.mark.parametrize("seed", [1, 2])
def test_ninety_percent_of_the_oracles_extra_opens_after_eight_weeks(seed: int) -> None:
    outcome = simulate(seed=seed)
    assert outcome.share >= 0.9
    for said, true in outcome.calibration():
        assert abs(said - true) < 0.08


def test_from_receipts_alone_it_still_gains_most() -> None:
    assert simulate(visits=0, later=0).share > 0.7


def test_a_changed_habit_is_noticed_because_other_hours_are_tried() -> None:
    told = Told.of(1)
    told.tries[0, 0, 8], told.opened[0, 0, 8] = 30, 1
    known = responses(told, UNKNOWN, ["UTC"])
    luck = Random(1)
    explored = [known.explores(0, 0.5, luck) for _ in range(2000)]
    assert 0.08 < np.mean(explored) < 0.17
    fresh = responses(Told.of(1), UNKNOWN, ["UTC"])
    assert 0.4 < np.mean([fresh.explores(0, 0.5, luck) for _ in range(2000)]) < 0.6
    hours = {int(known.tried(0, luck)[0].argmax()) for _ in range(50)}
    assert len(hours) > 5


def test_an_unknown_user_is_like_their_cohort_and_a_small_cohort_like_everybody() -> None:
    told, cohorts = Told.of(60), ["Asia/Tokyo"] * 30 + ["Europe/London"] * 30
    told.tries[:30, :, 7] = told.opened[:30, :, 7] = 10
    told.tries[30:, :, 20] = told.opened[30:, :, 20] = 10
    crowd = crowd_of(told, cohorts)
    newcomers = responses(Told.of(3), crowd, ["Asia/Tokyo", "Europe/London", "Africa/Cairo"]).chances()
    assert [int(chances[0].argmax()) for chances in newcomers[:2]] == [7, 20]
    assert np.allclose(newcomers[2], responses(Told.of(1), crowd, [""]).chances()[0])
    assert newcomers[2, 0, 7] > newcomers[2, 0, 3]


def test_before_anything_is_known_it_is_waking_hours() -> None:
    assert np.isclose(THOUGHT.sum(), 1.0)
    chances = responses(Told.of(1), crowd_of(Told.of(0), []), ["UTC"]).chances()[0, 0]
    assert chances[10:20].min() > 1.5 * chances[1:5].max()


def test_people_differ() -> None:
    assert len({int(one[0].argmax()) for one in people(100, 3)}) > 8


def test_who_looks_in_twice_a_day_is_not_written_to_in_between() -> None:
    told = Told.of(1)
    told.signs[0, 0, [8, 20]] = 6.0
    chances = responses(told, UNKNOWN, ["UTC"]).chances()[0, 0]
    assert min(chances[8], chances[20]) > 5 * chances[14]
