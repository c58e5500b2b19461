"""What training leaves behind survives being packed, items that come and go, and damage."""

import numpy as np
import pytest

from chatpush.domain import ItemId
from chatpush.recommend.rankers.collaborative import Settings
from chatpush.recommend.training.choosing import Choice
from chatpush.recommend.training.footprints import History
from chatpush.recommend.training.learned import DamagedModel, Learned, learn, unpacked
from tests.recommend.crowds import crowd

MIXED = Settings(spectral=0.5, directions=8, ease=0.5, penalty=30.0)
ITEMS = tuple(ItemId(f"i{n}") for n in range(120))


def mixed() -> Learned:
    return learn(crowd(), ITEMS, Choice(MIXED, 0.1, 0.1, 400))


def taste(*items: int) -> History:
    return History(np.array(items), np.ones(len(items), dtype=np.float32), ("purchase",) * len(items))


def test_packing_keeps_the_scores() -> None:
    learned, pairs = mixed(), crowd()
    again = unpacked(learned.packed())
    assert again.settings == MIXED
    before = learned.model(pairs, ITEMS).scores(taste(1, 2))
    after = again.model(pairs, ITEMS).scores(taste(1, 2))
    assert np.allclose(before, after, atol=2e-3)
    assert before[[1, 2]].tolist() == [0.0, 0.0]


def test_one_user_and_many_agree() -> None:
    pairs = crowd()
    model = mixed().model(pairs, ITEMS)
    row = pairs[7]
    alone = model.scores(taste(*row.indices.tolist()))
    assert np.allclose(alone, model.scores_many(row)[0], atol=1e-4)


def test_items_that_came_and_went_are_told_apart_by_id() -> None:
    pairs = crowd()
    order = np.concatenate((np.arange(60)[::-1], np.arange(60, 110)))
    today = (ItemId("brand-new"), *(ITEMS[n] for n in order))
    moved = np.zeros((400, len(today)), dtype=np.float32)
    moved[:, 1:] = pairs.toarray()[:, order]
    there = mixed().model(type(pairs)(moved), today).scores(taste(1 + int(np.flatnonzero(order == 3)[0])))
    assert there.size == len(today)
    assert there[0] == 0.0
    favourites = {today[n] for n in np.argsort(-there)[:5]}
    assert favourites <= set(ITEMS[:20])  # the group of item 3


@pytest.mark.parametrize("cut", [0, 10, 500])
def test_damaged_bytes_are_refused(cut: int) -> None:
    data = mixed().packed()
    for broken in (data[:cut], data[: len(data) - 40], b"PK" + bytes(100)):
        with pytest.raises(DamagedModel):
            unpacked(broken)


def test_parts_that_do_not_fit_together_are_refused() -> None:
    learned = mixed()
    other = Learned(learned.settings, ITEMS[:5], learned.vectors, learned.strength)
    with pytest.raises(DamagedModel):
        unpacked(other.packed())


def test_the_narrowed_list_of_a_big_catalogue_is_the_whole_ones_head(monkeypatch: pytest.MonkeyPatch) -> None:
    pairs = crowd(items=600, groups=6, per_user=20)
    items = tuple(ItemId(f"i{n}") for n in range(600))
    settings = Settings(spectral=0.5, directions=90)
    model = learn(pairs, items, Choice(settings, 0.1, 0.1, 400)).model(pairs, items)
    whole = model.scores(taste(1, 2, 3))
    monkeypatch.setattr("chatpush.recommend.rankers.collaborative.MANY_CELLS", 0)
    monkeypatch.setattr("chatpush.recommend.rankers.collaborative.PROMISING", 200)
    narrow = model.scores(taste(1, 2, 3))
    assert np.argsort(-narrow)[:20].tolist() == np.argsort(-whole)[:20].tolist()
    assert np.allclose(np.sort(narrow)[-20:], np.sort(whole)[-20:], atol=1e-3)
