"""Reasons are words in the reader's language."""

import pytest

from chatpush.recommend.reasons import WORDS, reason


@pytest.mark.parametrize(
    ("locale", "text"),
    [
        ("en", "Because you bought Red Mug"),
        ("en-GB", "Because you bought Red Mug"),
        ("zh-CN", "因为你买过「Red Mug」"),
        ("zh_TW", "因为你买过「Red Mug」"),
        ("fr", "Because you bought Red Mug"),
    ],
)
def test_the_readers_language_or_english(locale: str, text: str) -> None:
    assert reason("because_bought", {"title": "Red Mug"}, locale).text == text


def test_braces_in_titles_are_text() -> None:
    assert reason("similar", {"title": "{0} {title}"}, "en").text == "Similar to {0} {title}"


def test_without_a_title_no_sentence_is_left_hanging() -> None:
    assert reason("because_bought", {}, "en").text == "Picked for you"


def test_a_plugin_brings_its_own_words() -> None:
    values = {"en": "On sale today", "zh-CN": "今日特价", "id": "A1"}
    assert reason("promotion", values, "zh-CN").text == "今日特价"
    assert reason("promotion", values, "de").text == "On sale today"
    assert reason("promotion", {"text": "On sale"}, "en").text == "On sale"
    assert reason("promotion", {}, "zh-CN").text == "为你精选"


def test_every_reason_speaks_both_languages() -> None:
    for words in WORDS.values():
        assert set(words) == {"en", "zh-CN"}
