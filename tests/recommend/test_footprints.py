"""The best of many scores are found without sorting them all."""

import numpy as np
import pytest

from chatpush.recommend.training.footprints import top, top_many


@pytest.mark.parametrize("kind", ["uniform", "sparse", "ties", "one", "nothing"])
@pytest.mark.parametrize("limit", [1, 10, 70])
def test_top_is_what_sorting_finds(kind: str, limit: int) -> None:
    chance = np.random.default_rng(limit)
    scores = chance.random(20_000, dtype=np.float32)
    if kind == "sparse":
        scores[chance.random(scores.size) < 0.999] = 0.0
    if kind == "ties":
        scores = np.round(scores, 1).astype(np.float32)
    if kind in ("one", "nothing"):
        scores[:] = 0.0
        scores[4321] = float(kind == "one")
    own = np.array([7, 8])
    expected = np.sort(np.delete(scores, own))[::-1][:limit]
    found = top(scores.copy(), limit, own)
    assert len(found) == np.count_nonzero(expected)
    highest = float(expected[0]) or 1.0
    assert [round(score, 5) for _, score in found] == [
        round(float(one) / highest, 5) for one in expected if one > 0
    ]
    assert len({number for number, _ in found}) == len(found)
    assert not {7, 8} & {number for number, _ in found}


@pytest.mark.parametrize("items", [50, 5000])
def test_the_best_of_many_users_are_each_ones_best(items: int) -> None:
    chance = np.random.default_rng(3)
    scores = np.asfortranarray(chance.random((40, items), dtype=np.float32))
    scores[1] = 0.0
    scores[2, 5:] = 0.0
    scores[3] = np.round(scores[3], 1)
    scores[4, ::16] = 0.0  # where a sample looks, there is nothing
    limits = [1 + number for number in range(40)]
    many = top_many(scores.copy(order="F"), limits)
    alone = [top(row.copy(), limit) for row, limit in zip(scores, limits, strict=True)]
    assert [[score for _, score in one] for one in many] == [[score for _, score in one] for one in alone]
    del many[3], alone[3]  # which of equals come is not said
    assert many == alone
