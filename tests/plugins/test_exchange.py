"""What is hidden from a model comes back whole, however the answer is cut."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chatpush.plugins import exchange as exchanges
from chatpush.plugins import samples

WORDS = st.text(st.sampled_from("ab [_]1\n中"), max_size=12)


def test_one_value_has_one_placeholder_and_two_have_two() -> None:
    exchange = samples.exchange()
    assert [exchange.hide("EMAIL", value) for value in ("a@b.c", "d@e.f", "a@b.c")] == [
        "[EMAIL_A]", "[EMAIL_B]", "[EMAIL_A]",
    ]  # fmt: skip
    assert exchange.hide("PHONE", "a@b.c") == "[PHONE_A]"
    assert exchange.hidden == 3


def test_models_copy_loosely() -> None:
    exchange = samples.exchange()
    exchange.hide("EMAIL", "a@b.c")
    assert exchange.restored("[email_a], [EMAIL A], [EMAIL_B], [1]") == "a@b.c, a@b.c, [EMAIL_B], [1]"
    assert exchange.restored_json({"to": ["[EMAIL_A]"], "n": 1}) == {"to": ["a@b.c"], "n": 1}


def test_a_value_that_looks_like_a_placeholder_is_not_restored_twice() -> None:
    exchange = samples.exchange()
    exchange.hide("NAME", "[NAME_B]")
    exchange.hide("NAME", "Ann")
    assert exchange.restored("[NAME_A]") == "[NAME_B]"


def test_it_never_shows_what_it_hides() -> None:
    exchange = samples.exchange()
    exchange.hide("EMAIL", "emma@example.com")
    assert "emma@example" not in repr(exchange)


def test_names_and_numbers_are_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(exchanges, "MOST_HIDDEN", 800)
    exchange = samples.exchange()
    with pytest.raises(ValueError, match="1 to 16 letters"):
        exchange.hide("e-mail", "a@b.c")
    made = [exchange.hide("N", str(number)) for number in range(800)]
    assert len(set(made)) == 800
    assert made[25:28] == ["[N_Z]", "[N_AA]", "[N_AB]"]
    with pytest.raises(ValueError, match="at most 800"):
        exchange.hide("N", "another")


@given(
    parts=st.lists(st.one_of(WORDS, st.sampled_from(["[NAME_A]", "[NAME_B]", "[name_a]"]))), data=st.data()
)
def test_an_answer_in_pieces_is_restored_like_a_whole_one(parts: list[str], data: st.DataObject) -> None:
    text = "".join(parts)
    exchange = samples.exchange()
    exchange.hide("NAME", "Ann")
    exchange.hide("NAME", "Bo [1]")
    cuts = sorted(data.draw(st.lists(st.integers(0, len(text)), max_size=8)))
    stream = exchange.stream()
    shown = [stream.feed(text[begin:end]) for begin, end in zip([0, *cuts], [*cuts, len(text)], strict=True)]
    assert "".join(shown) + stream.end() == exchange.restored(text)


def test_a_bracket_that_stays_open_holds_nothing_back_for_long() -> None:
    exchange = samples.exchange()
    exchange.hide("NAME", "Ann")
    stream = exchange.stream()
    assert stream.feed("a [") == "a "
    assert stream.feed("x" * exchanges.LONGEST_PLACEHOLDER).startswith("[xx")
    assert samples.exchange().stream().feed("a [") == "a [", "nothing is hidden, nothing is held back"
