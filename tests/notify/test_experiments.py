"""Who gets which variant, and whether it made a difference."""

from collections import Counter

import pytest

from chatpush.errors import InvalidInput
from chatpush.notify.deciding.experiments import HOLDOUT, Variant, assign, check_variants, p_value

AB = (Variant("a", "one"), Variant("b", "two", 3.0))


def test_shares_are_kept_and_the_same_user_gets_the_same() -> None:
    users = [f"u{number}" for number in range(20_000)]
    got = Counter(assign(AB, 0.1, "cmp_1", user) for user in users)
    assert got[HOLDOUT] == pytest.approx(2000, rel=0.1)
    assert got["b"] / got["a"] == pytest.approx(3, rel=0.1)
    assert [assign(AB, 0.1, "cmp_1", user) for user in users[:50]] == [
        assign(AB, 0.1, "cmp_1", user) for user in users[:50]
    ]
    assert {assign(AB, 0.1, f"cmp_{n}", "u1") for n in range(50)} == {"a", "b", HOLDOUT}
    assert assign((), 0.0, "x", "u") == ""
    assert {assign((), 0.5, "x", user) for user in users[:50]} == {"", HOLDOUT}


def test_the_significance_is_that_of_two_proportions() -> None:
    assert p_value((100, 1000), (140, 1000)) == pytest.approx(0.005916, abs=1e-6)
    assert p_value((10, 100), (10, 100)) == 1.0
    assert p_value((0, 10), (0, 10)) == 1.0
    assert p_value((0, 0), (1, 10)) is None


@pytest.mark.parametrize(
    ("variants", "holdout"),
    [
        ([Variant("a", "x"), Variant("a", "y")], 0.0), ([Variant("holdout", "x")], 0.0), ([], 1.0),
        ([Variant("a", "x", 0.0)], 0.0), ([Variant("a", "x", float("inf"))], 0.0),
        ([Variant(str(n), "x") for n in range(11)], 0.0),
    ],
)  # fmt: skip
def test_what_is_no_experiment_is_refused(variants: list[Variant], holdout: float) -> None:
    with pytest.raises(InvalidInput):
        check_variants(variants, holdout)
