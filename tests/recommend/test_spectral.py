"""The directions found are the real ones, and an earlier fit shortens a later one."""

import numpy as np
from scipy import sparse

from chatpush.recommend.rankers.spectral import orthonormal, spectrum
from chatpush.recommend.training.footprints import History
from tests.recommend.crowds import crowd


def test_directions_agree_with_an_exact_decomposition() -> None:
    pairs = crowd()
    users, items = (np.asarray(pairs.sum(axis=axis)).ravel() for axis in (1, 0))
    exact = np.linalg.svd(pairs.toarray() / np.sqrt(np.outer(users, items)), compute_uv=False)
    found = spectrum(pairs, 6)
    assert np.allclose(found.strength, exact[:6], atol=2e-3)
    assert np.allclose(found.vectors.T @ found.vectors, np.eye(6), atol=1e-3)


def test_one_round_from_earlier_directions_is_as_good_as_three_from_chance() -> None:
    pairs = crowd()
    cold = spectrum(pairs, 8)
    warm = spectrum(pairs, 8, start=cold.vectors, rounds=1)
    assert (warm.strength >= cold.strength - 1e-3).all()


def test_one_user_and_many_get_the_same_scores() -> None:
    pairs = crowd()
    found = spectrum(pairs, 8)
    many = found.scores(found.directions(pairs[:3]), 1.0)
    for number in range(3):
        row = pairs[number]
        place = found.place(row.indices.astype(np.int64), row.data)
        assert np.allclose(found.scores(place, 1.0), many[number], atol=1e-4)
        own = row.indices.astype(np.int64)
        rest = found.scores(place, 1.0)
        rest[own] = 0.0
        assert np.isclose(found.length(place, own), np.linalg.norm(rest), rtol=1e-3)


def test_fewer_people_than_directions_and_columns_nobody_has() -> None:
    pairs = sparse.csr_matrix(np.array([[1, 0, 0, 1], [1, 0, 0, 0]], dtype=np.float32))
    found = spectrum(pairs, 10)
    assert found.vectors.shape == (4, 2)
    assert np.isfinite(found.vectors).all()
    nobody = History(np.array([1], dtype=np.int64), np.ones(1, dtype=np.float32), ("view",))
    assert np.isfinite(found.scores(found.place(nobody.items, nobody.weights), 1.0)).all()


def test_a_basis_is_solved_in_slices() -> None:
    columns = np.random.default_rng(2).standard_normal((3000, 5), dtype=np.float32)
    basis = orthonormal(columns.copy())
    assert np.allclose(basis.T @ basis, np.eye(5), atol=1e-4)
    assert np.allclose(basis @ (basis.T @ columns), columns, atol=1e-3)


def test_columns_that_depend_on_each_other_become_a_basis() -> None:
    columns = np.ones((20, 3), dtype=np.float32)
    assert np.isfinite(orthonormal(columns)).all()
