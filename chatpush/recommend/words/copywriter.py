"""Put picks into words: declared slots only, facts always from the items.

A campaign declares slots (``headline``, ``teaser`` …) with a text for each
locale. Without a model that text is sent. With one, sets of words are asked for
once for each cohort, judged one by one (``slots.problem``), and the ones likely
clicked most are used, beside the declared ones as control. Whatever fails (no
answer in time, no budget, a broken rule, a filled text that got too long), the
declared text is sent; nobody waits or gets less.
"""

import hashlib
import json
from collections import OrderedDict
from collections.abc import Mapping, Sequence
from typing import Any

import structlog

from chatpush.clock import Clock
from chatpush.domain import Pick, TenantId
from chatpush.recommend.words.copies import Copies, Copy
from chatpush.recommend.words.forms import Forms
from chatpush.recommend.words.prompting import prompt
from chatpush.recommend.words.slots import FIELDS, Brand, Slot, checked_slots, facts, filled, fits, problem

__all__ = ["Copywriter", "Slot", "checked_slots"]
log = structlog.get_logger(__name__)
VARIANTS = 3
REST_SECONDS = 600.0
"""After an answer nobody could use, a cohort's next question waits this long."""
REMEMBERED = 2000


class Copywriter:
    """Fills slots, with or without a model."""

    def __init__(
        self, forms: Forms | None = None, copies: Copies | None = None, clock: Clock | None = None,
        brand: Brand | None = None,
    ) -> None:  # fmt: skip
        self._forms = forms
        self._copies = copies
        self._clock = clock
        self._brand = brand or Brand()
        self._resting: OrderedDict[tuple[TenantId, str], float] = OrderedDict()

    async def write(
        self, tenant: TenantId, slots: Mapping[str, Slot], picks: Sequence[Pick], locale: str, *, user: str = "",
        channels: Sequence[str] = (),
    ) -> dict[str, Any]:  # fmt: skip
        """Return a text for every slot, and in ``public`` which words were used if there was a choice."""
        values = facts(picks)
        plain = {name: _cut(filled(slot.declared(locale), values), slot) for name, slot in slots.items()}
        copy = await self._copy(tenant, slots, picks, locale, user) if slots and picks else None
        if copy is None:
            return dict(plain)
        texts = {name: filled(copy.texts[name], values) for name in slots}
        if not all(fits(texts[name], slot, channels) for name, slot in slots.items()):
            return dict(plain)
        return {**texts, "public": {"copy": copy.id}}

    async def _copy(
        self, tenant: TenantId, slots: Mapping[str, Slot], picks: Sequence[Pick], locale: str, user: str
    ) -> Copy | None:
        """Return the words for a user; None: the declared ones, nothing else was ever tried."""
        if self._forms is None or self._copies is None or not self._forms.available:
            return None
        declared = {name: slot.declared(locale) for name, slot in slots.items()}
        key = cohort(slots, declared, picks, locale)
        if not (known := await self._copies.of(tenant, key)):
            async with self._copies.lock(tenant, key):
                known = await self._copies.of(tenant, key)
                if not known and not self._rests(tenant, key):
                    known = await self._asked(tenant, key, slots, declared, picks, locale)
        return self._copies.choose(known, user) if known else None

    async def _asked(
        self, tenant: TenantId, key: str, slots: Mapping[str, Slot], declared: Mapping[str, str],
        picks: Sequence[Pick], locale: str,
    ) -> tuple[Copy, ...]:  # fmt: skip
        assert self._forms is not None
        assert self._copies is not None
        answer = await self._forms.filled(
            tenant,
            prompt(
                "recommend/copy", variants=VARIANTS, locale=locale, tone=self._brand.tone,
                forbidden=self._brand.forbidden,
            ),
            material(slots, declared, picks),
            schema(slots),
        )  # fmt: skip
        written = [texts for texts in (answer or {}).get("variants", ()) if self._may(texts, slots, locale)]
        if not written:
            self._rest(tenant, key)
            return ()
        return await self._copies.keep(tenant, key, locale, declared, written)

    def _may(self, texts: Mapping[str, str], slots: Mapping[str, Slot], locale: str) -> bool:
        for name, slot in slots.items():
            if why := problem(texts[name], slot, locale, self._brand):
                log.warning("the model's words are not used", slot=name, why=why)
                return False
        return True

    def _rests(self, tenant: TenantId, key: str) -> bool:
        until = self._resting.get((tenant, key), float("-inf"))
        return self._clock is not None and self._clock.monotonic() < until

    def _rest(self, tenant: TenantId, key: str) -> None:
        if self._clock is not None:
            self._resting[tenant, key] = self._clock.monotonic() + REST_SECONDS
        while len(self._resting) > REMEMBERED:
            self._resting.popitem(last=False)


def cohort(slots: Mapping[str, Slot], declared: Mapping[str, str], picks: Sequence[Pick], locale: str) -> str:
    """Return the name of those who get the same words: same slots, language, kind of item, reason."""
    item = picks[0].item
    about = [
        locale, sorted(declared.items()), [(name, slot.max_chars, slot.about) for name, slot in sorted(slots.items())],
        item.tags[:1], picks[0].reason.code, len(picks) > 1, item.price is None,
    ]  # fmt: skip
    return hashlib.sha256(json.dumps(about, ensure_ascii=False).encode()).hexdigest()[:32]


def schema(slots: Mapping[str, Slot]) -> dict[str, Any]:
    """Return the JSON Schema of an answer: a few sets of words."""
    texts = {name: {"type": "string", "maxLength": slot.max_chars} for name, slot in slots.items()}
    one = {"type": "object", "properties": texts, "required": list(slots), "additionalProperties": False}
    many = {"type": "array", "items": one, "minItems": 1, "maxItems": VARIANTS}
    return {
        "type": "object", "properties": {"variants": many}, "required": ["variants"], "additionalProperties": False,
    }  # fmt: skip


def material(slots: Mapping[str, Slot], declared: Mapping[str, str], picks: Sequence[Pick]) -> str:
    """Return what the model gets to know, as JSON.

    No item is named, because the words are for all items of the cohort; so what is
    written in an item's title can't talk to the model either.
    """
    item = picks[0].item
    wanted = {
        name: {"about": slot.about, "max_chars": slot.max_chars, "example": declared[name]}
        for name, slot in slots.items()
    }
    return json.dumps(
        {
            "slots": wanted,
            "fields": sorted(FIELDS),
            "kind": item.tags[0] if item.tags else "",
            "why_picked": picks[0].reason.code,
        },
        ensure_ascii=False,
    )


def _cut(text: str, slot: Slot) -> str:
    return text if len(text) <= slot.max_chars else text[: slot.max_chars - 1] + "…"
