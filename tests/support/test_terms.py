"""Terms in English, Chinese and mixtures."""

from hypothesis import given
from hypothesis import strategies as st

from chatpush.support.retrieval.terms import terms, units


def test_english_is_stemmed_and_has_grams() -> None:
    assert terms("Refunds!")[0] == terms("refunded")[0] == "w:refund"
    assert "g:refu" in terms("refunds")


def test_stop_words_are_left_out() -> None:
    assert terms("where is my") == []


def test_a_word_of_two_characters_is_found_inside_a_sentence() -> None:
    assert "c:退款" in terms("请问我的退款什么时候到")


def test_asking_phrases_form_no_pairs() -> None:
    assert terms("我想退款怎么办") == terms("退款")


def test_mixed_text_has_both() -> None:
    found = terms("iPhone保修")
    assert "w:iphon" in found
    assert "c:保修" in found


def test_possessives_and_typographic_apostrophes() -> None:
    assert terms("Ada’s parcel")[0] == terms("Ada's parcel")[0] == "w:ada"


def test_a_question_of_stop_words_still_asks_something() -> None:
    assert [unit.term for unit in units("who are you")] == ["w:who", "w:are", "w:you"]


def test_characters_are_shown_by_their_pairs() -> None:
    assert [unit.pairs for unit in units("退款")] == [("c:退款",), ("c:退款",)]


@given(st.text(max_size=200))
def test_any_text_gives_the_same_terms_twice(text: str) -> None:
    assert terms(text) == terms(text)
    assert all(unit.term for unit in units(text))
