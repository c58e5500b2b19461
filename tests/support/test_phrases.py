"""Yes and no, wishes for a person, promises: in both languages."""

import string

import pytest

from chatpush.support.assistant.phrases import (
    WORDS,
    as_promise,
    is_no,
    is_none_of_these,
    is_yes,
    small_talk,
    wants_person,
    words,
)


@pytest.mark.parametrize(
    "text",
    [
        "yes",
        "Yes, please!",
        "ok",
        "Sure.",
        "是",
        "好的",
        "要",
        "好的，谢谢",
        "请通知我",
        "好的，请告诉我",
        "嗯嗯",
    ],
)
def test_yes(text: str) -> None:
    assert is_yes(text)
    assert not is_no(text)


@pytest.mark.parametrize("text", ["no", "No, thanks", "不用", "不用了", "不要", "算了", "不用，谢谢"])
def test_no(text: str) -> None:
    assert is_no(text)
    assert not is_yes(text)


@pytest.mark.parametrize(
    "text", ["yes but where is it", "not my order", "好贵", "不知道订单号是多少", "是什么意思"]
)
def test_neither(text: str) -> None:
    assert not is_yes(text)
    assert not is_no(text)


@pytest.mark.parametrize(
    "text", ["Can I speak to a human?", "agent", "转人工", "我要找客服", "talk to a real person"]
)
def test_wishes_for_a_person(text: str) -> None:
    assert wants_person(text)


@pytest.mark.parametrize("text", ["is this for one person?", "human hair wig", "personal data", "个人信息"])
def test_no_wish_for_a_person(text: str) -> None:
    assert not wants_person(text)


def test_small_talk_is_the_whole_text() -> None:
    assert small_talk("hello!") == "hello"
    assert small_talk("谢谢你") == "thanks"
    assert small_talk("hello, where is my order") == ""


@pytest.mark.parametrize(
    "text",
    ["Are you there?", "hello, is anybody there?", "Anyone here", "在吗？", "您好，有人在吗", "还在吗"],
)
def test_a_call_into_the_room_is_a_greeting(text: str) -> None:
    assert small_talk(text) == "hello"


@pytest.mark.parametrize(
    "text", ["are you there on Sundays?", "is there anyone I can return it to", "有货在吗"]
)
def test_a_question_is_no_call(text: str) -> None:
    assert small_talk(text) == ""


def test_none_of_these() -> None:
    assert is_none_of_these("Something else")
    assert is_none_of_these("都不是")


@pytest.mark.parametrize(
    ("offer", "promise"),
    [
        ("Shall I tell you when order 1 arrives?", "I'll tell you when order 1 arrives."),
        ("Should I let you know as soon as it is back?", "I'll let you know as soon as it is back."),
        ("要我在订单 1 送达时告诉您吗？", "我会在订单 1 送达时告诉您。"),
        ("订单 1 送达时，需要我通知您吗？", "订单 1 送达时，我会通知您。"),
    ],
)
def test_an_offer_becomes_a_promise(offer: str, promise: str) -> None:
    assert as_promise(offer, "en") == promise


def test_another_offer_becomes_a_plain_promise() -> None:
    assert as_promise("News?", "zh-CN") == "一有消息，我就在这里告诉您。"


def test_every_phrase_has_both_languages_with_the_same_values() -> None:
    for name, texts in WORDS.items():
        fields = [
            {field for _, field, _, _ in string.Formatter().parse(text) if field} for text in texts.values()
        ]
        assert set(texts) == {"en", "zh"}, name
        assert fields[0] == fields[1], name


@pytest.mark.parametrize("locale", ["en", "zh"])
def test_what_the_buttons_say_is_understood(locale: str) -> None:
    assert is_yes(words("yes_label", locale))
    assert is_no(words("no_label", locale))
