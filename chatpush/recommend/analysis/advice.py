"""Advise the author of a message: what it is taken for, what it must not say, its length, subject and hour.

Every hint has a stable code and words in both languages. A language model, if
there is one, judges too and proposes subjects; these pass the same rules as any
words by a model, and a claim it reports must stand in the text.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from chatpush.domain import Category, TenantId
from chatpush.recommend.analysis.analysis import (
    ALERT,
    CONVERSATION,
    MARKETING,
    TRANSACTIONAL,
    Analysis,
    analysed,
)
from chatpush.recommend.analysis.claims import CURE, RETURN, SUPERLATIVE, Claim
from chatpush.recommend.analysis.labelling import sells
from chatpush.recommend.analysis.languages import speaks
from chatpush.recommend.reasons import language
from chatpush.recommend.timing.timing import Timing
from chatpush.recommend.words.forms import Forms
from chatpush.recommend.words.prompting import prompt
from chatpush.recommend.words.slots import CHANNEL_WIDTHS, Brand, Slot, problem, width

TITLE_WIDTH, BODY_WIDTH = 50, 180
"""What a lock screen shows of a title and a body, in columns."""
LONGEST_SUBJECT, SUBJECTS = 60, 3
LONGEST = 4000
HOURS = 3
WORDS: Mapping[str, Mapping[str, str]] = {
    "taken_for_marketing": {
        "en": "This reads like marketing and is treated so, whatever its label: consent, quiet hours and caps apply.",
        "zh-CN": "这段文字属于营销内容，无论标签是什么都会按营销处理：需要同意，并受免打扰和频次限制。",
    },
    "looks_like_marketing": {
        "en": "This may be marketing; label it so if it is.",
        "zh-CN": "这段文字可能是营销内容，如果是，请标为营销。",
    },
    SUPERLATIVE: {
        "en": "“{words}” is an absolute claim, which Chinese advertising law forbids and nobody believes.",
        "zh-CN": "“{words}”属于绝对化用语，广告法第九条禁止使用。",
    },
    RETURN: {
        "en": "“{words}” promises a return without risk; that is forbidden for financial products.",
        "zh-CN": "“{words}”承诺保本或收益，金融广告禁止使用。",
    },
    CURE: {
        "en": "“{words}” promises to heal; that is forbidden.",
        "zh-CN": "“{words}”涉及疗效承诺，禁止使用。",
    },
    "shouting": {
        "en": "Capitals and rows of exclamation marks are filtered as spam by many mail providers.",
        "zh-CN": "连续感叹号或全大写容易被当作垃圾信息。",
    },
    "title_long": {
        "en": "The title has {width} columns; a lock screen shows about {most}.",
        "zh-CN": "标题宽度为 {width}，锁屏大约只显示 {most}。",
    },
    "body_long": {
        "en": "The body has {width} columns; {channel} shows about {most}.",
        "zh-CN": "正文宽度为 {width}，{channel} 大约只显示 {most}。",
    },
    "no_title": {
        "en": "Without a title, a push shows the app's name alone.",
        "zh-CN": "没有标题时，推送只显示应用名称。",
    },
    "other_language": {
        "en": "The text does not seem to be in the language of {locale}.",
        "zh-CN": "文字似乎不是 {locale} 的语言。",
    },
    "urgent_marketing": {
        "en": "Urgency in marketing works less each time; use it when it is true.",
        "zh-CN": "营销中的紧迫感用得越多越没用，只在属实时使用。",
    },
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Hint:
    """Something to think about: a stable code and words."""

    code: str
    text: str


@dataclass(frozen=True, slots=True)
class Advice:
    """What a text is and what to do about it; ``hours`` are the local hours most opened on weekdays, best first."""

    analysis: Analysis
    treated_as: Category
    hints: tuple[Hint, ...]
    hours: tuple[tuple[int, float], ...]
    subjects: tuple[str, ...] = ()
    by_model: bool = False


class Adviser:
    """Judges texts for their authors."""

    def __init__(self, timing: Timing, forms: Forms, brand: Brand | None = None) -> None:
        self._timing = timing
        self._forms = forms
        self._brand = brand or Brand()

    @property
    def has_model(self) -> bool:
        """Whether there is a language model to ask."""
        return self._forms.available

    async def advise(
        self, tenant: TenantId, title: str, body: str, *, category: Category = Category.TRANSACTIONAL,
        channels: Sequence[str] = (), locale: str = "", words_in: str = "en", ask: bool = True,
    ) -> Advice:  # fmt: skip
        """Return advice on a message; ``words_in``: the locale of the hints; ``ask``: the model, too, if any."""
        text = f"{title}\n{body}".strip()[:LONGEST]
        found = analysed(text)
        locale = locale or found.language
        marketing = sells(text, found)
        treated = Category.MARKETING if marketing else category
        answer = await self._asked(tenant, text, locale) if ask else None
        if answer is not None:
            found = _joined(found, answer, text)
        usual = await self._timing.usual(tenant)
        best = sorted(range(24), key=lambda hour: -usual[0, hour])[:HOURS]
        slot = Slot({locale: text}, LONGEST_SUBJECT)
        return Advice(
            found,
            treated,
            tuple(_hints(found, marketing, title, body, category, channels, locale, words_in)),
            tuple((hour, round(float(usual[0, hour]), 4)) for hour in best),
            tuple(
                one
                for one in (answer or {}).get("subjects", ())
                if not problem(one, slot, locale, self._brand)
            ),
            answer is not None,
        )

    async def _asked(self, tenant: TenantId, text: str, locale: str) -> dict[str, Any] | None:
        if not self._forms.available or not text:
            return None
        asked = prompt("analysis/text", subjects=SUBJECTS, longest=LONGEST_SUBJECT, locale=locale)
        return await self._forms.filled(tenant, asked, text, FORM)


FORM: Mapping[str, Any] = {
    "type": "object", "additionalProperties": False,
    "required": ["category", "urgency", "sentiment", "claims", "subjects"],
    "properties": {
        "category": {"type": "string", "enum": [TRANSACTIONAL, MARKETING, ALERT, CONVERSATION]},
        "urgency": {"type": "string", "enum": ["low", "normal", "high"]},
        "sentiment": {"type": "string", "enum": ["negative", "neutral", "positive"]},
        "claims": {"type": "array", "maxItems": 10, "items": {
            "type": "object", "additionalProperties": False, "required": ["kind", "words"], "properties": {
                "kind": {"type": "string", "enum": [SUPERLATIVE, RETURN, CURE]},
                "words": {"type": "string", "maxLength": 100},
            },
        }},
        "subjects": {"type": "array", "maxItems": SUBJECTS, "items": {"type": "string", "maxLength": 200}},
    },
}  # fmt: skip


def _joined(found: Analysis, answer: Mapping[str, Any], text: str) -> Analysis:
    """Return the embedded analysis with the model's word on it; claims that are not in the text are invented."""
    said = [
        Claim(one["kind"], one["words"]) for one in answer["claims"] if one["words"] in text and one["words"]
    ]
    known = {claim.words for claim in found.claims}
    more = tuple(claim for claim in said if claim.words not in known)
    return replace(
        found, category=answer["category"], urgency=answer["urgency"], sentiment=answer["sentiment"],
        claims=(*found.claims, *more),
    )  # fmt: skip


def _hints(
    found: Analysis, marketing: bool, title: str, body: str, category: Category, channels: Sequence[str],
    locale: str, words_in: str,
) -> list[Hint]:  # fmt: skip
    hints: list[Hint] = []

    def say(code: str, **values: object) -> None:
        hints.append(Hint(code, WORDS[code][language(words_in, WORDS[code])].format(**values)))

    if category is not Category.MARKETING and (marketing or found.category == MARKETING):
        say("taken_for_marketing" if marketing else "looks_like_marketing")
    for claim in found.claims:
        say(claim.kind, words=claim.words)
    if "shouting" in found.hints:
        say("shouting")
    if not title.strip():
        say("no_title")
    elif width(title) > TITLE_WIDTH:
        say("title_long", width=width(title), most=TITLE_WIDTH)
    widths = [(CHANNEL_WIDTHS[name], name) for name in channels if name in CHANNEL_WIDTHS]
    most, channel = min([(BODY_WIDTH, "a lock screen"), *widths])
    if width(body) > most:
        say("body_long", width=width(body), most=most, channel=channel)
    if not speaks(f"{title} {body}", locale):
        say("other_language", locale=locale)
    if found.urgency == "high" and marketing:
        say("urgent_marketing")
    return hints
