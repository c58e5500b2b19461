"""Answer what "it" costs: the item at hand, one that a message showed, one the user names; or ask which.

A question that names nothing ("How much is it?") is about what the conversation
was opened from. That may be an item, a message that showed several, or one that
showed none. Then it is asked which one is meant, and said what the message was
about: no price of something else is passed off as the answer.
"""

import re
from collections.abc import Sequence
from typing import Any

from chatpush.domain import Speaker
from chatpush.support.assistant.answers import Answer, Asked
from chatpush.support.assistant.phrases import is_none_of_these, words
from chatpush.support.ports import Described, FindItems
from chatpush.support.retrieval.terms import FILLER

KIND = "which_item"
CHOICES = 6
NAME_WORDS = 8
MESSAGE_CHARS = 200
_PRICE_ZH = "多少钱|什么价|价格|价钱|怎么卖|贵不贵"
_PRICE = re.compile(rf"\b(how much|price|prices|cost|costs)\b|{_PRICE_ZH}", re.IGNORECASE)
_WORD = re.compile(r"[\u3400-\u4dbf\u4e00-\u9fff]+|[^\W_\u3400-\u4dbf\u4e00-\u9fff]+(?:-[^\W_]+)*")
_ASKS_A_PRICE = (
    "cost costs currently each exactly full item items mean meant one ones pay price priced prices product"
)
_SAYS_NOTHING = FILLER | frozenset(_ASKS_A_PRICE.split())
_SAYS_NOTHING_ZH = re.compile(
    rf"{_PRICE_ZH}|多少|什么|哪|请问|您好|你好|我想|我要|我说|想要|想问|知道|问下|问一下|现在|一共|总共|大概|"
    r"商品|产品|东西|宝贝|[这那此该][个款件种条些]?|一[个款件]|[它他是的呢吗啊呀吧卖要了在个款件想指]"
)


class AtHand:
    """Knows what "it" is, or asks."""

    def __init__(self, find_items: FindItems) -> None:
        self._find_items = find_items

    def first_words(self, asked: Asked) -> Answer | None:
        """Return the question which item is meant, if the first words to a message leave that open.

        Later on "it" may be what was talked of since: who follows a conversation judges that.
        """
        first = all(turn.by is not Speaker.USER or turn.id == asked.turn.id for turn in asked.history)
        if not (first and asked.about is not None and _is_bare_price(asked.text)):
            return None
        return None if _only(asked.about) else _which(asked)

    def price(self, asked: Asked) -> Answer | None:
        """Return what the item at hand costs, or the question which one is meant; None for anything else."""
        if not _PRICE.search(asked.text):
            return None
        named = _named(asked.text)
        one = _only(asked.about)
        if one is not None and one.price and named <= set(_split(one.title)):
            return _price(asked, one)
        return _which(asked) if one is None and not named else None

    async def chosen(self, asked: Asked, pending: dict[str, Any]) -> Answer | None:
        """Return the price of the item that was asked for and is now named; None if none is."""
        if is_none_of_these(asked.text):
            return Answer(words("fine", asked.language), "item_declined")
        said = asked.text.strip().casefold()
        shown = asked.about.shown if asked.about is not None else ()
        offered = [one for one in shown if one.id in pending["items"]]
        for place, one in enumerate(offered, 1):
            if said.rstrip(".。") in {one.title.casefold().rstrip(".。"), str(place)}:
                return _price(asked, one)
        named = [word for word in dict.fromkeys(_split(asked.text)) if word not in _SAYS_NOTHING][:NAME_WORDS]
        if not named:
            return None
        conversation = asked.conversation
        found = await self._find_items(conversation.tenant, conversation.user, named, CHOICES)
        if not found:
            return None
        return _price(asked, found[0]) if len(found) == 1 else _prices(asked, found)


def _only(about: Described | None) -> Described | None:
    """Return the one item a conversation is about, if there is one and no other."""
    items = about.items if about is not None else ()
    return items[0] if len(items) == 1 else None


def _is_bare_price(text: str) -> bool:
    return bool(_PRICE.search(text)) and not _named(text)


def _named(text: str) -> set[str]:
    """Return the words of a question about a price that name something."""
    return {word for word in _split(text) if word not in _SAYS_NOTHING}


def _split(text: str) -> list[str]:
    """Return the words of a text that may name something; of Chinese whole stretches."""
    bare = _SAYS_NOTHING_ZH.sub(" ", text.casefold())
    return [word for word in _WORD.findall(bare) if len(word) > 1 or not word.isascii()]


def _cost(one: Described) -> str:
    return f"{one.price} {one.currency}".strip()


def _price(asked: Asked, one: Described) -> Answer:
    if not one.price:
        return Answer(words("no_price", asked.language, title=one.title), "item", cards=(one.card(),))
    text = words("price", asked.language, title=one.title, price=_cost(one))
    return Answer(text, "item", cards=(one.card(),))


def _prices(asked: Asked, found: Sequence[Described]) -> Answer:
    lines = [words("price", asked.language, title=one.title, price=_cost(one)) for one in found if one.price]
    if not lines:
        return _price(asked, found[0])
    text = "\n".join(f"- {line}" for line in lines)
    return Answer(text, "item", cards=tuple(one.card() for one in found))


def _which(asked: Asked) -> Answer:
    """Return the question which item is meant, with what the message showed or said."""
    language, about = asked.language, asked.about
    shown = about.shown[:CHOICES] if about is not None else ()
    if shown:
        text = words("which_shown", language)
    elif about is not None:
        said = " ".join(about.text.split())
        quoted = said[:MESSAGE_CHARS] + ("…" if len(said) > MESSAGE_CHARS else "")
        text = words("which_after", language, title=about.title, text=quoted)
    else:
        text = words("which", language)
    actions = [
        {"id": f"item_{place}", "label": one.title, "value": one.title} for place, one in enumerate(shown)
    ]
    return Answer(
        text,
        KIND,
        actions=tuple(actions),
        pending={"kind": KIND, "items": [one.id for one in shown]},
    )
