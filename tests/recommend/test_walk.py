"""Where a short walk leads, and from which of the user's items."""

import numpy as np
import pytest

from chatpush.recommend.rankers import walk
from chatpush.recommend.rankers.walk import Walk
from chatpush.recommend.training.footprints import History
from tests.recommend.crowds import crowd


@pytest.mark.parametrize("cells", [1, 60, 4_000_000])
def test_what_leads_there_is_the_same_for_one_and_for_many(
    cells: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(walk, "PATH_CELLS", cells)
    pairs = crowd()
    found = Walk(pairs)
    tastes = [
        History(pairs[user].indices.astype(np.int64), pairs[user].data, ("view",) * pairs[user].nnz)
        for user in range(12)
    ]
    targets = [[(user * 3 + step) % pairs.shape[1] for step in range(user % 4)] for user in range(12)]
    alone = [found.because(taste, own) for taste, own in zip(tastes, targets, strict=True)]
    assert found.because_many(tastes, targets) == alone
    assert found.because_many([], []) == []


def test_many_users_scores_are_each_ones() -> None:
    pairs = crowd()
    found = Walk(pairs)
    many = found.scores_many(pairs[:5])
    for user in range(5):
        row = pairs[user]
        taste = History(row.indices.astype(np.int64), row.data, ("view",) * row.nnz)
        assert np.allclose(found.scores(taste), many[user], atol=1e-5)
