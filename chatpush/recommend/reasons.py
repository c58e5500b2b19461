"""Say why an item was picked, in the reader's language.

Rankers give a code and values; the words are here. A plugin's own code may
bring its words in the values, by locale (``{"en": …, "zh-CN": …}``) or as
``text``.
"""

from collections.abc import Mapping, Sequence
from typing import Any

from chatpush.domain import DEFAULT_LOCALE, Item, ItemId, Reason
from chatpush.plugins.contracts import RankingRequest

Reasoned = tuple[str, Mapping[str, Any]]
"""A reason's code and values."""
Chosen = tuple[RankingRequest, Sequence[ItemId]]
"""What a user gets and wants a reason for."""
NOTHING_TO_SAY: Mapping[str, Any] = {}
"""The values of a candidate whose reason is found once it is chosen: one for all, they are many."""

WORDS: Mapping[str, Mapping[str, str]] = {
    "because_bought": {"en": "Because you bought {title}", "zh-CN": "因为你买过「{title}」"},
    "because_cart": {"en": "Goes with {title} in your cart", "zh-CN": "与购物车里的「{title}」很搭"},
    "because_viewed": {"en": "Because you looked at {title}", "zh-CN": "因为你看过「{title}」"},
    "together": {"en": "Often bought together with {title}", "zh-CN": "常与「{title}」一起购买"},
    "similar": {"en": "Similar to {title}", "zh-CN": "与「{title}」相似"},
    "popular_week": {"en": "Popular this week", "zh-CN": "本周热门"},
    "popular": {"en": "Popular with other customers", "zh-CN": "其他顾客也喜欢"},
    "rising": {"en": "More and more people want this", "zh-CN": "最近越来越受欢迎"},
    "kindred": {"en": "Popular with customers like you", "zh-CN": "和你相似的顾客也喜欢"},
    "again": {"en": "Time for {title} again?", "zh-CN": "是时候再买「{title}」了"},
    "seen": {"en": "You looked at this lately", "zh-CN": "你最近看过"},
    "in_cart": {"en": "Still in your cart", "zh-CN": "还在你的购物车里"},
    "new_arrival": {"en": "New arrival", "zh-CN": "新品上架"},
    "discovery": {"en": "A find not many know yet", "zh-CN": "值得发现的好物"},
    "available": {"en": "From our range", "zh-CN": "店内精选"},
    "chosen": {"en": "Picked for you", "zh-CN": "为你精选"},
}
WITHOUT_TITLE = {
    "because_bought": "chosen",
    "because_cart": "chosen",
    "because_viewed": "chosen",
    "together": "chosen",
    "similar": "chosen",
    "again": "chosen",
}


def title(items: Mapping[ItemId, Item], item: ItemId) -> dict[str, str]:
    """Return the values of a reason that names an item."""
    return {"title": items[item].title} if item in items else {}


def language(locale: str, offered: Mapping[str, str]) -> str:
    """Return the best of the offered locales: the same, the same language, English, any."""
    if locale in offered:
        return locale
    short = locale.replace("_", "-").split("-")[0].lower()
    for name in offered:
        if name.split("-")[0].lower() == short:
            return name
    return DEFAULT_LOCALE if DEFAULT_LOCALE in offered else next(iter(offered))


def reason(code: str, values: Mapping[str, Any], locale: str) -> Reason:
    """Put a reason into words; a code we don't know and that brings none becomes ``chosen``'s."""
    words = WORDS.get(code)
    if words is None:
        brought = {name: text for name, text in values.items() if isinstance(text, str) and text}
        spoken = {*WORDS["chosen"], "zh", locale, locale.split("-", maxsplit=1)[0]}
        by_locale = {name: text for name, text in brought.items() if name in spoken}
        if by_locale:
            return Reason(code, by_locale[language(locale, by_locale)])
        if "text" in brought:
            return Reason(code, brought["text"])
        words = WORDS["chosen"]
    if code in WITHOUT_TITLE and not values.get("title"):
        code = WITHOUT_TITLE[code]
        words = WORDS[code]
    text = words[language(locale, words)]
    return Reason(code, text.replace("{title}", str(values.get("title", ""))))
