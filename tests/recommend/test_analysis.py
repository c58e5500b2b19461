"""What texts are, measured on lines left out; and labels overruled only where that is sure."""

import pytest

from chatpush.domain import Category
from chatpush.recommend.analysis import labelling
from chatpush.recommend.analysis.analysis import Classifier, accuracy, analysed, classifier
from chatpush.recommend.analysis.claims import CURE, RETURN, SUPERLATIVE, claims
from chatpush.recommend.analysis.labelled import PARTS, lines
from chatpush.recommend.analysis.labelling import Labelling, sells
from chatpush.recommend.analysis.languages import language_of, speaks


def test_the_lines_are_many_in_both_languages_and_none_twice() -> None:
    every = lines()
    assert len(every) >= 600
    assert {line.language for line in every} == {"en", "zh"}
    assert len({line.text for line in every}) == len(every)


def test_accuracy_on_lines_left_out() -> None:
    found = accuracy(labelling.SURE)
    assert found.category >= 0.88
    assert found.urgency >= 0.78
    assert found.sentiment >= 0.8
    assert found.language >= 0.99


def test_marketing_is_found_and_news_never_taken_for_it_on_lines_left_out() -> None:
    every, found, wrong = lines(), 0, []
    for part in range(PARTS):
        known = Classifier([line for number, line in enumerate(every) if number % PARTS != part])
        for line in every[part::PARTS]:
            if sells(line.text, analysed(line.text, known)):
                found += line.category == "marketing"
                wrong += [line.text] if line.category in ("transactional", "alert") else []
    assert found / sum(line.category == "marketing" for line in every) > 0.55
    assert wrong == []


@pytest.mark.parametrize(
    "text",
    [
        "Summer sale: 50% off everything this weekend!",
        "We picked three things you will love. Shop now",
        "Enjoy free shipping on our new arrivals today",
        "双十一大促，全场五折，快来抢购！",
        "新品上架，会员专享好礼，立减50元",
    ],
)
def test_marketing_under_any_label(text: str) -> None:
    label = Labelling()
    assert label.judge(Category.TRANSACTIONAL, [text]) is Category.MARKETING
    assert label.judge(Category.ALERT, [text]) is Category.MARKETING
    assert label.judge(Category.MARKETING, [text]) is Category.MARKETING


@pytest.mark.parametrize(
    "text",
    [
        "Your order {{ order }} has shipped and arrives on Friday.",
        "Your order {{ order }} was paid: {{ total }} GBP. Thank you!",
        "482913 is your verification code for our summer sale account",
        "【商店】验证码482913，五分钟内有效。",
        "您的订单已发货，感谢您的购买！",
        "Your refund for the sale item has been sent.",
        "Price alert: ACME rose above 100 USD.",
        "You asked us to keep an eye on it: it is here again, only a few left.",
        "您关注的商品又有货了，数量不多，喜欢就别错过。",
        "Smoke detected in the kitchen",
        "Hello",
        "",
        "{{ title }}",
    ],
)
def test_news_keeps_its_label(text: str) -> None:
    assert Labelling().judge(Category.TRANSACTIONAL, [text]) is Category.TRANSACTIONAL


def test_one_language_that_sells_is_enough_and_texts_are_judged_once(monkeypatch: pytest.MonkeyPatch) -> None:
    judged: list[str] = []

    def count(text: str) -> object:
        judged.append(text)
        return analysed(text)

    monkeypatch.setattr(labelling, "analysed", count)
    label = Labelling()
    texts = ["Hello", "夏季大促，全场低至五折，快来抢购！"]
    for _ in range(3):
        assert label.judge(Category.TRANSACTIONAL, texts) is Category.MARKETING
    for number in range(50):
        label.judge(Category.TRANSACTIONAL, [f"Save {number} on your next order, shop now"])
    assert len(judged) == 2


@pytest.mark.parametrize(
    ("text", "kind"),
    [
        ("本店茶叶品质最佳", SUPERLATIVE),
        ("全国销量第一", SUPERLATIVE),
        ("国家级品质", SUPERLATIVE),
        ("The best coffee in town", SUPERLATIVE),
        ("We are number one in lamps", SUPERLATIVE),
        ("保本理财，稳赚不赔", RETURN),
        ("Guaranteed returns of 9 percent", RETURN),
        ("A risk-free way to double your money", RETURN),
        ("根治失眠，无副作用", CURE),
        ("A miracle cure", CURE),
    ],
)
def test_forbidden_claims(text: str, kind: str) -> None:
    assert kind in {claim.kind for claim in claims(text)}
    assert {claim.words for claim in analysed(text).claims}


@pytest.mark.parametrize(
    "text",
    ["最近有货吗", "最后一天发货", "最新订单状态", "With best wishes", "We do our best", "第一次下单", "你最多可选三件",
     "Your return is guaranteed to be processed", "the first parcel"],
)  # fmt: skip
def test_harmless_words_are_no_claims(text: str) -> None:
    assert claims(text) == []


@pytest.mark.parametrize(
    ("text", "language"),
    [
        ("Your order is on its way", "en"),
        ("您的订单已发货", "zh"),
        ("ご注文の商品を発送しました", "ja"),
        ("주문하신 상품이 발송되었습니다", "ko"),
        ("Ваш заказ отправлен", "ru"),
        ("Ihre Bestellung ist auf dem Weg zu Ihnen", "de"),
        ("Votre commande est en route pour vous", "fr"),
        ("Su pedido está en camino para usted", "es"),
        ("123", "en"),
    ],
)
def test_languages(text: str, language: str) -> None:
    assert language_of(text) == language


def test_a_name_speaks_every_language_of_its_script() -> None:
    assert speaks("{title}", "de")
    assert speaks("iPhone Pro", "fr")
    assert not speaks("iPhone Pro", "zh-CN")
    assert speaks("何か", "tlh")


def test_incoming_words_have_their_mood() -> None:
    assert analysed("Terrible service, my parcel is lost and nobody cares").sentiment == "negative"
    assert analysed("太感谢了，服务很好！").sentiment == "positive"
    assert analysed("我的卡被偷了，请马上冻结！").urgency == "high"
    assert analysed("x" * 100_000).language == "en"


async def test_the_first_message_finds_everything_learned() -> None:
    classifier.cache_clear()
    await Labelling().start()
    assert classifier.cache_info().currsize == 1
