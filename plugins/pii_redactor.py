"""Keep personal numbers from language models: they read placeholders, people read the real thing.

Before a text goes to a model, e-mail addresses, phone numbers, bank cards
(their Luhn check must hold), Chinese identity numbers (their check digit must
hold) and Chinese mobile numbers become ``[EMAIL_A]``, ``[PHONE_B]`` … The same
value is the same placeholder within one request, so the answer can speak of it;
the reader sees the value again. Nothing is stored.

    [plugins.settings.pii_redactor]
    kinds = ["email", "phone", "card", "id_number"]
    patterns = { PASSPORT = '[A-Z]\\d{8}' }

``fail_closed``: if this plugin can't run, the model is not asked.

>>> request = exchange("emma")
>>> told = run(plugins.filter_prompt("Write to emma@example.com or 13812345678", request))
>>> told
'Write to [EMAIL_A] or [PHONE_A]'
>>> run(plugins.filter_answer("We wrote to [EMAIL_A].", request))
'We wrote to emma@example.com.'
"""

import functools
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field, field_validator

from chatpush.plugins.exchange import KIND, Exchange
from chatpush.plugins.hooks import hook

fail_closed = True
inline = True

# Chinese has no spaces, so a word's edge is where ASCII begins or ends.
EMAIL = re.compile(
    r"(?<![A-Za-z0-9._%+-])[A-Za-z0-9._%+-]{1,64}@"
    r"(?:(?:[A-Za-z0-9-]{1,63}\.){1,8}[A-Za-z]{2,24}(?![A-Za-z0-9-])"
    r"|[\u4e00-\u9fff-]{1,24}\.(?:中国|公司|网络|[A-Za-z]{2,24}))"
)
CARD = re.compile(r"(?<![\d.+])\d(?:[ -]?\d){12,18}(?!\d)")
ID_NUMBER = re.compile(r"(?<![0-9A-Za-z])[1-9]\d{5}(?:18|19|20)\d{2}[01]\d[0-3]\d\d{3}[0-9Xx](?![0-9A-Za-z])")
MOBILE = re.compile(r"(?<![\d.])(?:(?:\+|00)86[ -]?)?1[3-9]\d[ -]?\d{4}[ -]?\d{4}(?!\d)")
PHONE = re.compile(r"(?<![A-Za-z0-9.])(?:\+|00)[1-9]\d{0,2}(?:[ .()/-]{0,2}\d){6,12}(?!\d)")
LOCAL = re.compile(r"(?<![A-Za-z0-9.])\(?0[1-9]\d{0,3}\)?(?:[ /-]\d{2,4}){2,4}(?!\d)")
ID_WEIGHTS = (7, 9, 10, 5, 8, 4, 2, 1, 6, 3, 7, 9, 10, 5, 8, 4, 2)
ID_CHECKS = "10X98765432"
CARD_LENGTHS = range(13, 20)


class Settings(BaseModel):
    """What may be set in ``[plugins.settings.pii_redactor]``."""

    model_config = ConfigDict(extra="forbid")

    kinds: list[Literal["email", "phone", "card", "id_number"]] = Field(
        ["email", "id_number", "card", "phone"], description="What is hidden."
    )
    patterns: dict[str, str] = Field(
        {}, description="More to hide: a name in capitals, its regular expression."
    )

    @field_validator("patterns")
    @classmethod
    def _compiles(cls, patterns: dict[str, str]) -> dict[str, str]:
        for name, pattern in patterns.items():
            if not KIND.fullmatch(name):
                raise ValueError(f"{name!r} can't name what is hidden: use 1 to 16 letters A-Z")
            try:
                found = re.compile(pattern)
            except re.error as error:
                raise ValueError(f"{pattern!r} is no regular expression: {error}") from error
            if found.search(""):
                raise ValueError(f"{pattern!r} matches nothing at all; it must match something")
        return patterns


@dataclass(frozen=True)
class Rule:
    """What is hidden under a name: where it may be, and whether it really is one."""

    name: str
    pattern: re.Pattern[str]
    holds: Callable[[str], bool]


@hook
def filter_prompt(text: str, exchange: Exchange, settings: dict[str, Any]) -> str | None:
    """Replace what is personal by placeholders."""
    hidden = text
    for rule in _rules(tuple(settings["kinds"]), tuple(settings["patterns"].items())):
        hidden = rule.pattern.sub(functools.partial(_hide, rule, exchange), hidden)
    return None if hidden == text else hidden


def _hide(rule: Rule, exchange: Exchange, found: re.Match[str]) -> str:
    return exchange.hide(rule.name, found[0]) if rule.holds(found[0]) else found[0]


@functools.lru_cache(maxsize=8)
def _rules(kinds: tuple[str, ...], patterns: tuple[tuple[str, str], ...]) -> tuple[Rule, ...]:
    """Return the rules; what is surer comes first, because later ones see only what is left."""
    return (*(Rule(name, re.compile(pattern), _always) for name, pattern in patterns), *_built_in(kinds))


def _built_in(kinds: tuple[str, ...]) -> Iterator[Rule]:
    if "email" in kinds:
        yield Rule("EMAIL", EMAIL, _always)
    if "id_number" in kinds:
        yield Rule("ID", ID_NUMBER, is_id_number)
    if "card" in kinds:
        yield Rule("CARD", CARD, is_card)
    if "phone" in kinds:
        yield from (Rule("PHONE", pattern, _always) for pattern in (MOBILE, PHONE, LOCAL))


def is_card(text: str) -> bool:
    """Return whether digits are a bank card's: ISO/IEC 7812-1, length and Luhn check."""
    digits = [int(sign) for sign in text if sign.isdigit()]
    doubled = [2 * digit - 9 * (digit > 4) for digit in digits[-2::-2]]
    return len(digits) in CARD_LENGTHS and any(digits) and (sum(digits[-1::-2]) + sum(doubled)) % 10 == 0


def is_id_number(text: str) -> bool:
    """Return whether 18 signs are a Chinese identity number: GB 11643, ISO 7064 MOD 11-2 check."""
    total = sum(weight * int(digit) for weight, digit in zip(ID_WEIGHTS, text, strict=False))
    return ID_CHECKS[total % 11] == text[-1].upper()


def _always(_text: str) -> bool:
    return True
