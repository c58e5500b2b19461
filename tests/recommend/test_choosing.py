"""The choice is as good as the best of the methods, on sets it has not seen."""

import numpy as np
import pytest
from scipy import sparse

from chatpush.recommend.rankers.collaborative import Collaborative, Settings, walk_of
from chatpush.recommend.rankers.ease import ease
from chatpush.recommend.training import choosing
from chatpush.recommend.training.choosing import choose, hold_out, quality
from chatpush.recommend.training.learned import learn
from tests.recommend import retail
from tests.recommend.crowds import crowd

Matrix = sparse.csr_matrix[np.float32]


def recall_and_ndcg(model: Collaborative, known: Matrix, hidden: Matrix) -> float:
    """Return recall and NDCG at 20 added up, over all users with something hidden."""
    users = np.flatnonzero(np.diff(hidden.indptr))
    scores = model.scores_many(known[users])
    ranked = np.argsort(-scores, axis=1, kind="stable")[:, :20]
    hits = np.take_along_axis(hidden[users].toarray() > 0, ranked, 1)
    return sum(quality(hits, np.diff(hidden[users].indptr)))


def retail_pairs() -> Matrix:
    bought = retail.purchases(retail.lines())
    users = {user: n for n, user in enumerate(sorted({one.user for one in bought}))}
    items = {item: n for n, item in enumerate(sorted({one.item or "" for one in bought}))}
    pairs = sparse.csr_matrix(
        (
            np.ones(len(bought), dtype=np.float32),
            ([users[one.user] for one in bought], [items[one.item or ""] for one in bought]),
        ),
        shape=(len(users), len(items)),
    )
    pairs.data[:] = 1.0
    return pairs


def test_hiding_takes_a_share_of_everybody_and_invents_nothing() -> None:
    pairs = crowd()
    known, hidden = hold_out(pairs)
    assert abs(known + hidden - pairs).sum() == 0
    assert (np.diff(hidden.indptr) >= 1).all()
    assert 0.1 < hidden.nnz / pairs.nnz < 0.3


def test_too_small_a_shop_keeps_the_walk() -> None:
    assert choose(crowd(users=10)).settings == Settings()


@pytest.mark.parametrize("name", ["crowd", "retail"])
def test_the_choice_is_within_two_percent_of_the_best_method_on_unseen_items(name: str) -> None:
    pairs = crowd(seed=11) if name == "crowd" else retail_pairs()
    known, hidden = hold_out(pairs, seed=99)
    choice = choose(known)
    names = tuple(f"i{n}" for n in range(pairs.shape[1]))
    chosen = learn(known, names, choice).model(known, names)  # type: ignore[arg-type]
    best = max(
        recall_and_ndcg(other, known, hidden)
        for other in (
            Collaborative(Settings(), walk_of(known, Settings())),
            Collaborative(Settings(walk=0.0, ease=1.0), walk_of(known, Settings()), ease=ease(known, 100.0)),
            Collaborative(Settings(walk=0.0, ease=1.0), walk_of(known, Settings()), ease=ease(known, 300.0)),
        )
    )
    assert recall_and_ndcg(chosen, known, hidden) >= 0.98 * best
    assert {one["name"] for one in choice.report()["tried"]} >= {"walk", "walk + spectral", "ease"}


def test_the_search_never_ends_below_the_plain_walk() -> None:
    choice = choose(crowd(seed=5))
    walk = next(one for one in choice.tried if one["name"] == "walk")
    assert choice.recall + choice.ndcg >= walk["recall"] + walk["ndcg"] - 1e-4


def test_quality_of_a_perfect_and_an_empty_list() -> None:
    hits = np.zeros((2, choosing.AT), dtype=np.bool_)
    hits[0, :3] = True
    recall, ndcg = quality(hits, np.array([3, 4]))
    assert (recall, ndcg) == (0.5, 0.5)
