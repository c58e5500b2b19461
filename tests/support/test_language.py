"""The language to answer in."""

import pytest

from chatpush.support.retrieval.language import detect, pick


@pytest.mark.parametrize(
    ("text", "locale", "expected"),
    [
        ("where is my order", "en", "en"),
        ("where is my order", "zh-CN", "en"),
        ("où est ma commande", "fr", "fr"),
        ("我的快递到哪了", "en", "zh-CN"),
        ("我的快递到哪了", "zh-TW", "zh-TW"),
        ("我的order HL-1001到哪了", "en", "zh-CN"),
        ("what does 退款 mean in this mail", "en", "en"),
        ("1001", "zh-CN", "zh-CN"),
        ("👍", "en", "en"),
        ("注文はどこですか", "en", "ja"),
        ("주문이 어디에 있나요", "en", "ko"),
        ("hello", "", "en"),
    ],
)
def test_by_script_then_by_locale(text: str, locale: str, expected: str) -> None:
    assert detect(text, locale) == expected


def test_pick_falls_back() -> None:
    texts = {"en": "yes", "zh-CN": "是"}
    assert pick(texts, "zh-TW") == "是"
    assert pick(texts, "fr") == "yes"
    assert pick({"fr": "oui"}, "de") == "oui"
    assert pick({}, "en") == ""
