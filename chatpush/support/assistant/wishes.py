"""Understand what a reader says of the messages they get: not this brand, fewer, none at all.

A wish is asked back once, in words that say exactly what will change, carried
out on a plain yes, and can be undone in the same place. Whoever carries it out
is handed in: notifications know consents, the recommender knows mutes.
"""

import re
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from enum import StrEnum
from typing import Any

from chatpush.support.assistant.answers import Answer, Asked
from chatpush.support.assistant.phrases import is_no, is_yes, words
from chatpush.support.assistant.tools import is_visitor
from chatpush.support.ports import CarryOut, Described

_TRAIL = r"[\s\.,!?~。，！？～…]*"
_STOP = re.compile(
    r"\bunsubscribe\b|\bopt(ing)? (me )?out\b|"
    r"\b(stop|quit|no more|don'?t|do not|never)\b.{0,24}?\b(promo\w*|marketing|ads?|advert\w*|newsletters?|spam\w*|"
    r"offers|advertising)\b|\bstop (sending|messaging|writing|texting|e?-?mailing)\b|"
    r"退订|(别|不要|不想|停止|取消|拒收|不用).{0,6}?(广告|促销|推广|营销|优惠信息|推销)|(别|不要|停止)再?给我(发|推送?)(了|消息|短信|信息|通知)",
    re.IGNORECASE,
)
_FEWER = re.compile(
    r"\b(fewer|less) (messages|notifications|e?-?mails|promotions|offers)\b|\bless often\b|\btoo many (messages|"
    r"notifications|e?-?mails|promotions|offers)\b|少发(一?点|些)|少推送?(一?点|些)|(消息|推送|通知|短信)(太多|发得太多|太频繁)|别发那么多",
    re.IGNORECASE,
)
_BRAND = re.compile(
    r"\b(not?|don'?t|do not|never|no more|hate|dislike|stop)\b.{0,40}?\b(this|that) brand\b|"
    r"(别|不要|不想|不喜欢|讨厌|不再).{0,8}?(这个|该|这)(品牌|牌子)|(这个|该|这)(品牌|牌子).{0,6}?(不要|不喜欢|别)",
    re.IGNORECASE,
)
_ITEM = re.compile(
    r"\b(not|don'?t|do not|never|stop) (show(ing)?|recommend(ing)?|suggest(ing)?|want|interested in)\b.{0,16}?\b"
    r"(this|it|that)\b(?! brand)|\bnot interested\b|\bnot this one\b|"
    r"(别|不要|不用).{0,4}?(推荐|推送|展示|给我看)(这个|这款|这件|它)(?!品牌|牌子)|(对这个|对这款|对它)?不感兴趣",
    re.IGNORECASE,
)
_UNDO = re.compile(
    r"(please )?(undo( (it|that))?|take (it|that) back|撤销|撤回|恢复|取消刚才的)" + _TRAIL, re.IGNORECASE
)
COMPLAINT = re.compile(
    r"\b(complain(t|ing)?|scam(med)?|fraud|ripp?ed (me )?off|unacceptable|ridiculous|furious|disgust\w*|outrag\w*|"
    r"worst (service|shop|company)|fed up|terrible (service|experience)|lawyer|sue you)\b|"
    r"投诉|骗子|欺骗|太差了|气死|生气|忍无可忍|曝光|消协|12315|垃圾(服务|商家|公司|店)",
    re.IGNORECASE,
)


class WishKind(StrEnum):
    """What a reader wants of us."""

    STOP = "stop"
    FEWER = "fewer"
    BRAND = "brand"
    ITEM = "item"


@dataclass(frozen=True, slots=True)
class Wish:
    """A wish and what it is about: a brand's name or an item's id; ``name`` is what to call it."""

    kind: WishKind
    value: str = ""
    name: str = ""


def wish_of(kept: Mapping[str, str]) -> Wish:
    """Return the wish that a conversation keeps as JSON; its kind is a kind again, no mere text."""
    return Wish(WishKind(kept["kind"]), kept["value"], kept["name"])


def wish_in(text: str, about: Described | None) -> Wish | None:
    """Return the wish a text holds, if there is one; a brand or an item must be at hand."""
    if _BRAND.search(text) and about is not None and about.brand:
        return Wish(WishKind.BRAND, about.brand, about.brand)
    if _ITEM.search(text) and about is not None and about.item:
        return Wish(WishKind.ITEM, about.item, about.title)
    if _STOP.search(text):
        return Wish(WishKind.STOP)
    return Wish(WishKind.FEWER) if _FEWER.search(text) else None


def complains(text: str) -> bool:
    """Return whether a text is a complaint, which a person should hear."""
    return bool(COMPLAINT.search(text))


class Wishes:
    """Asks, carries out and undoes."""

    def __init__(self, carry_out: CarryOut) -> None:
        self._carry_out = carry_out

    async def answer(self, asked: Asked) -> Answer | None:
        """Return the answer to a wish, to a yes to one, or to a wish to undo it; None for anything else."""
        pending = asked.conversation.pending
        if pending.get("kind") == "wish" and (is_yes(asked.text) or is_no(asked.text)):
            if is_no(asked.text):
                return Answer(words("fine", asked.language), "wish_declined")
            return await self._do(asked, wish_of(pending["wish"]))
        if pending.get("kind") == "undo" and _UNDO.fullmatch(asked.text.strip()):
            conversation = asked.conversation
            await self._carry_out(
                conversation.tenant, conversation.user, wish_of(pending["wish"]), pending["before"]
            )
            return Answer(words("wish_undone", asked.language), "wish_undone")
        wish = wish_in(asked.text, asked.about)
        return None if wish is None else self._ask(asked, wish)

    def _ask(self, asked: Asked, wish: Wish) -> Answer:
        if is_visitor(asked.conversation.user) and wish.kind in (WishKind.STOP, WishKind.FEWER):
            return Answer(words("sign_in", asked.language), "sign_in")
        language = asked.language
        labels = {"yes": words("do_label", language), "no": words("no_label", language)}
        return Answer(
            words(f"wish_{wish.kind}", language, name=wish.name),
            "wish",
            actions=tuple({"id": id_, "label": label, "value": label} for id_, label in labels.items()),
            pending={"kind": "wish", "wish": asdict(wish)},
        )

    async def _do(self, asked: Asked, wish: Wish) -> Answer:
        conversation = asked.conversation
        before: dict[str, Any] = await self._carry_out(conversation.tenant, conversation.user, wish, None)
        undo = words("undo_label", asked.language)
        return Answer(
            words(f"wish_{wish.kind}_done", asked.language, name=wish.name),
            "wish_done",
            actions=({"id": "undo", "label": undo, "value": undo},),
            pending={"kind": "undo", "wish": asdict(wish), "before": before},
        )
