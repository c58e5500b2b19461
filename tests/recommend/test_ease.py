"""Every item from every other, by an inverse made of products."""

import numpy as np
import pytest
from scipy import sparse

from chatpush.recommend.rankers.ease import MOST_ITEMS, ease, inverted
from tests.recommend.crowds import crowd


@pytest.mark.parametrize("size", [1, 2, 255, 257, 700])
def test_an_inverse_by_halves_is_the_inverse(size: int) -> None:
    chance = np.random.default_rng(size)
    some = chance.standard_normal((size, 2 * size), dtype=np.float32)
    positive = some @ some.T + np.float32(size) * np.eye(size, dtype=np.float32)
    inverse = positive.copy()
    inverted(inverse)
    assert np.allclose(inverse @ positive, np.eye(size), atol=1e-3)


def test_no_item_foretells_itself_and_friends_foretell_each_other() -> None:
    pairs = crowd()
    weights = ease(pairs, 30.0).weights
    gram = (pairs.T @ pairs).toarray().astype(np.float64) + 30.0 * np.eye(pairs.shape[1])
    exact = np.linalg.inv(gram)
    exact /= -np.diag(exact)
    np.fill_diagonal(exact, 0.0)
    assert np.allclose(weights, exact, atol=1e-4)


def test_a_catalogue_too_large_is_refused() -> None:
    with pytest.raises(ValueError, match="8000 items at most"):
        ease(sparse.csr_matrix(np.zeros((2, MOST_ITEMS + 1), dtype=np.float32)), 30.0)
