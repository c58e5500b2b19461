"""Know that two words mean the same thing in a shop.

A group is a set of words or phrases; a question that holds one of them is
also looked up under the others, at a lower weight. Groups of the tenant's own
come first and stand beside the built-in ones.
"""

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from chatpush.errors import InvalidKnowledge
from chatpush.support.retrieval.terms import is_han, keys, terms, tokens

MAX_GROUPS = 2000
MAX_GROUP = 20
MAX_PHRASE = 60

BUILT_IN = (
    "postage, shipping, delivery, p&p",
    "parcel, package, shipment",
    "refund, money back, reimburse",
    "guarantee, warranty",
    "invoice, receipt, bill",
    "exchange, swap",
    "broken, damaged, smashed, cracked, in pieces",
    "gift, present",
    "gift card, gift voucher, voucher",
    "erase, delete, remove",
    "advertising, marketing, offers, promotions, newsletter, unsubscribe",
    "declined, rejected, failed, refused",
    "secure, safe",
    "out of stock, sold out",
    "repair, fix, mend",
    "urgent, urgently, faster, express, quick",
    "wrong, mistake, error, incorrect",
    "fee, cost, price, charge",
    "email, e-mail",
    "courier, carrier",
    "duty, duties, customs, tax",
    "运费, 邮费, 邮资, 快递费",
    "保修, 质保, 保修期",
    "修, 维修, 修理",
    "坏了, 碎了, 破损, 损坏, 破了",
    "广告, 推广, 营销, 促销短信",
    "收据, 凭证, 小票",
    "注销, 删除, 删掉",
    "个人信息, 数据, 资料",
    "钟, 时钟, 钟表",
    "卡片, 贺卡",
    "礼品, 礼物",
    "免运费, 包邮",
    "加急, 很急, 尽快, 快点发",
    "付款, 支付",
    "扣款, 扣钱",
    "两次, 重复",
    "丢了, 丢件, 丢失",
    "错了, 填错, 写错, 开错",
    "换货, 换个, 换一个",
    "寄到, 送到, 发到, 寄往",
)


@dataclass(frozen=True, slots=True)
class Meaning:
    """Another way to say a part of a question: its terms, and the words it stands for."""

    stands_for: frozenset[str]
    terms: tuple[str, ...]
    keys: tuple[str, ...]


class Synonyms:
    """Groups of phrases, looked up by what a question says."""

    def __init__(self, lines: Iterable[str] = ()) -> None:
        self._by_first: dict[str, list[tuple[str, ...]]] = {}
        self._han: dict[str, list[str]] = {}
        self._groups: dict[str, set[str]] = {}
        for line in (*lines, *BUILT_IN):
            self._add([one.strip().lower() for one in re.split(r"[,，、=]", line) if one.strip()])

    def of(self, question: str) -> list[Meaning]:
        """Return what parts of a question could be called instead."""
        text = question.lower()
        found = [*self._han_in(text), *self._words_in(text)]
        return [
            Meaning(frozenset(keys(phrase)), tuple(terms(other)), tuple(keys(other)))
            for phrase in dict.fromkeys(found)
            for other in sorted(self._groups[phrase] - {phrase})
        ]

    def _add(self, phrases: Sequence[str]) -> None:
        for phrase in phrases:
            self._groups.setdefault(phrase, set()).update(phrases)
            if is_han(phrase):
                self._han.setdefault(phrase[0], []).append(phrase)
            else:
                spoken = tuple(tokens(phrase))
                if spoken:
                    self._by_first.setdefault(spoken[0], []).append((phrase, *spoken))

    def _han_in(self, text: str) -> list[str]:
        found = {
            phrase
            for start, one in enumerate(text)
            for phrase in self._han.get(one, ())
            if text.startswith(phrase, start)
        }
        # 免运费 is no question about 运费: a longer phrase stands before one within it.
        return sorted(one for one in found if not any(one != other and one in other for other in found))

    def _words_in(self, text: str) -> Iterable[str]:
        said = tokens(text)
        for start, word in enumerate(said):
            for phrase, *spoken in self._by_first.get(word, ()):
                if said[start : start + len(spoken)] == spoken:
                    yield phrase


def parse(text: str) -> tuple[str, ...]:
    """Return the groups of a text, one a line, members separated by commas.

    Raises:
        InvalidKnowledge: a line has one member only, or there is too much.
    """
    lines = [line.strip() for line in text.splitlines() if line.strip() and not line.lstrip().startswith("#")]
    if len(lines) > MAX_GROUPS:
        raise InvalidKnowledge(f"at most {MAX_GROUPS} groups of synonyms", param="groups")
    for number, line in enumerate(lines, 1):
        members = [one.strip() for one in re.split(r"[,，、=]", line) if one.strip()]
        if not 2 <= len(members) <= MAX_GROUP or any(len(one) > MAX_PHRASE for one in members):
            raise InvalidKnowledge(
                f"synonyms, group {number}: 2 to {MAX_GROUP} words or phrases of at most {MAX_PHRASE} characters",
                param="groups",
            )
    return tuple(lines)
