"""Slots: the declared places for words, their fields, and what may stand in them.

Facts come from the item at the moment of sending, through fields such as
``{price}``: nobody who writes words, a model least of all, can get a price
wrong. ``problem`` is the one judge of words that a model wrote.
"""

import re
import unicodedata
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from chatpush.domain import Pick
from chatpush.errors import InvalidInput
from chatpush.recommend.analysis.claims import FORBIDDEN, PRICE, SCARCITY, claims
from chatpush.recommend.analysis.languages import speaks
from chatpush.recommend.reasons import language

SLOT = re.compile(r"[a-z][a-z0-9_]{0,31}")
FIELD = re.compile(r"\{([^{}]*)\}")
FIELDS = frozenset({"title", "price", "currency", "count", "stock"})
NUMBER = re.compile(
    r"[\d٠-٩０-９]|[一二两三四五六七八九十百千万半]+(?=[折元块倍天件人份成%％]|小时|分钟)"
    r"|\b(?:one|two|three|four|five|six|seven|eight|nine|ten|twenty|thirty|fifty|hundred|half)\b"
    r"(?=[\s-]*(?:percent|%|pounds?|dollars?|euros?|yuan|off|price|times|days?|hours?|left))",
    re.IGNORECASE,
)
FOREIGN = re.compile(
    r"https?:|www\.|//|[<>\[\]|`\\]|&\w+;|\w\.(?:com|cn|net|org|io)\b"
    "|[\x00-\x1f\x7f]|[\u200b-\u200f\u202a-\u202e\u2066-\u2069\ufeff]",
    re.IGNORECASE,
)
"""Links, markup, control characters, and letters that can't be seen."""
MOST_SLOTS = 8
CHANNEL_WIDTHS = {
    "webpush": 150, "fcm": 150, "apns": 150, "sms": 140, "email": 240, "feishu": 400, "dingtalk": 400, "wecom": 400,
}  # fmt: skip
"""Longest text by channel, in columns: a Chinese character takes two."""
NO_FACTS = {"title": "", "price": "", "currency": "", "count": "0", "stock": ""}


@dataclass(frozen=True, slots=True)
class Slot:
    """A place for words: the text used without a model, by locale, and the longest one allowed.

    The text may name ``{title}``, ``{price}``, ``{currency}`` and ``{stock}`` of the first
    pick and the ``{count}`` of picks.
    """

    text: Mapping[str, str]
    max_chars: int = 120
    about: str = ""

    def declared(self, locale: str) -> str:
        """Return the declared text for a locale, its fields not filled."""
        return self.text[language(locale, self.text)]


@dataclass(frozen=True, slots=True)
class Brand:
    """How a business speaks: its tone in words, and words it never uses."""

    tone: str = ""
    forbidden: tuple[str, ...] = ()


def checked_slots(slots: Mapping[str, Slot]) -> None:
    """Check slots when a campaign is saved.

    Raises:
        InvalidInput: a name, a text or a field in it can't be used.
    """
    if len(slots) > MOST_SLOTS:
        raise InvalidInput(f"at most {MOST_SLOTS} slots", param="content.slots")
    for name, slot in slots.items():
        where = f"content.slots.{name}"
        if not SLOT.fullmatch(name):
            raise InvalidInput(
                f"{name[:40]!r} is not a slot's name: small letters, digits and _", param=where
            )
        if not slot.text:
            raise InvalidInput(f"slot {name} needs a text in one locale at least", param=where)
        for locale, text in slot.text.items():
            unknown = set(FIELD.findall(text)) - FIELDS
            if unknown:
                fields = ", ".join(sorted(FIELDS))
                raise InvalidInput(
                    f"slot {name}, {locale}: no field {{{sorted(unknown)[0]}}}; there are {fields}",
                    param=where,
                )


def facts(picks: Sequence[Pick]) -> dict[str, str]:
    """Return the fields' values: of the first pick, and how many there are."""
    if not picks:
        return dict(NO_FACTS)
    item = picks[0].item
    return {
        "title": item.title,
        "price": format(item.price, "f") if item.price is not None else "",
        "currency": item.currency,
        "count": str(len(picks)),
        "stock": "" if item.stock is None else str(item.stock),
    }


def filled(text: str, values: Mapping[str, str]) -> str:
    """Return a text with its fields; what a value contains is not read again."""
    return FIELD.sub(lambda found: values.get(found[1], ""), text)


def fits(text: str, slot: Slot, channels: Sequence[str] = ()) -> bool:
    """Return whether a filled text is short enough for the slot and for every channel it may take."""
    widest = min((CHANNEL_WIDTHS[name] for name in channels if name in CHANNEL_WIDTHS), default=10**6)
    return len(text) <= slot.max_chars and width(text) <= widest


def width(text: str) -> int:
    """Return columns: wide characters take two."""
    return sum(2 if unicodedata.east_asian_width(letter) in "WF" else 1 for letter in text)


def problem(text: str, slot: Slot, locale: str, brand: Brand) -> str:
    """Return why a model's words for a slot may not be sent; empty if they may.

    What the declared text says itself (a sale, a number) may be said.
    """
    declared = slot.declared(locale)
    bare = FIELD.sub(" ", text)
    lower = text.lower()
    checks = [
        (not text.strip(), "empty"),
        (len(text) > slot.max_chars, "too long"),
        (bool(set(FIELD.findall(text)) - FIELDS), "an unknown field"),
        (bool(set(FIELD.findall(text)) & {"price", "stock"} - set(FIELD.findall(declared))), "a field not declared"),
        ("{" in bare or "}" in bare, "braces"),
        (bool(FOREIGN.search(bare)), "markup or a link"),
        (bool(set(NUMBER.findall(bare)) - set(NUMBER.findall(FIELD.sub(" ", declared)))), "a number of its own"),
        (bool(claims(bare, FORBIDDEN)), "a forbidden claim"),
        (any(not claims(declared, (kind,)) and claims(bare, (kind,)) for kind in (PRICE, SCARCITY)), "a promise"),
        (not speaks(text, locale), "another language"),
        (any(word.lower() in lower for word in brand.forbidden if word), "a word the brand does not use"),
    ]  # fmt: skip
    return next((why for wrong, why in checks if wrong), "")
