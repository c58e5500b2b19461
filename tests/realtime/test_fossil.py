"""Fossil deltas: what we make, an independent implementation applies."""

import json
import random

import pytest
from centrifuge.fossil import apply_delta
from hypothesis import given
from hypothesis import strategies as st

from chatpush.realtime.protocol import fossil

WORDS = st.text(alphabet="abc 新闻😀é", max_size=40)


def document(rng: random.Random, rows: int) -> list[dict[str, object]]:
    return [{"id": number, "name": f"Lantern {number}", "price": rng.random()} for number in range(rows)]


def test_a_small_change_is_a_small_delta() -> None:
    rows = document(random.Random(7), 200)
    before = json.dumps(rows).encode()
    rows[90]["price"] = 12
    rows.insert(20, {"id": "new", "name": "灯笼"})
    after = json.dumps(rows, ensure_ascii=False).encode()
    made = fossil.delta(before, after)
    assert made is not None
    assert len(made) < 200
    assert apply_delta(before, made) == after


@given(
    before=st.lists(WORDS, max_size=30),
    after=st.lists(WORDS, max_size=30),
    shared=st.lists(WORDS, max_size=20),
)
def test_any_delta_applies_and_is_text(before: list[str], after: list[str], shared: list[str]) -> None:
    source = "".join([*before, *shared]).encode()
    target = "".join([*shared, *after, *shared]).encode()
    made = fossil.delta(source, target)
    if made is not None:
        made.decode()
        assert apply_delta(source, made) == target
        assert len(made) < len(target)


@pytest.mark.parametrize(
    ("source", "target"), [(b"", b""), (b"", b"abc"), (b"abc", b""), (b"x" * 40_000, b"x")]
)
def test_no_delta_where_it_does_not_pay(source: bytes, target: bytes) -> None:
    assert fossil.delta(source, target) is None


def test_characters_are_never_cut() -> None:
    source = ("é" * 50 + "灯笼" * 50).encode()
    target = ("é" * 49 + "è" + "灯笼" * 49 + "灯龙").encode()
    made = fossil.delta(source, target)
    assert made is not None
    made.decode()
    assert apply_delta(source, made) == target
