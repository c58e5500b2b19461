"""Campaigns people actually want, ready to be made: each a specification and its template in both languages.

They are plain data: what is made from one can be changed like any other.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from chatpush.recommend.recommender import FOR_YOU, NEW, TRENDING

Words = Mapping[str, Mapping[str, str]]
ITEMS = "{% for one in items %}{{ one.title }}{% if not loop.last %}, {% endif %}{% endfor %}"
ITEMS_ZH = "{% for one in items %}{{ one.title }}{% if not loop.last %}、{% endif %}{% endfor %}"
EVERYBODY = [{"all": True}]


@dataclass(frozen=True, slots=True)
class Preset:
    """A campaign to be made: ``spec`` as POST /v1/campaigns takes it, ``locales`` of its template."""

    name: str
    about: str
    spec: Mapping[str, Any]
    locales: Words

    @property
    def template(self) -> str:
        """The template's name."""
        return str(self.spec["template"])


def _words(title: str, body: str, title_zh: str, body_zh: str) -> Words:
    return {"en": {"title": title, "body": body}, "zh-CN": {"title": title_zh, "body": body_zh}}


def _by_clock(
    name: str, label: str, cron: str, picks: int, about: str, words: Words, kind: str = FOR_YOU
) -> Preset:
    spec = {
        "name": label, "to": EVERYBODY, "template": f"preset_{name}", "category": "marketing",
        "trigger": {"kind": "cron", "cron": cron, "timezone": "UTC"}, "recommend": {"limit": picks, "kind": kind},
        "send_hour": "best", "collapse_key": name,
    }  # fmt: skip
    return Preset(name, about, spec, words)


def _by_event(
    name: str, label: str, kind: str, about: str, words: Words, *, picks: int = 0, best: bool = False
) -> Preset:
    spec: dict[str, Any] = {
        "name": label, "template": f"preset_{name}", "category": "marketing",
        "trigger": {"kind": "event", "type": kind},
    }  # fmt: skip
    if picks:
        spec["recommend"] = {"limit": picks}
    if best:
        spec["send_hour"] = "best"
    return Preset(name, about, spec, words)


ALL = (
    _by_clock(
        "weekly_picks", "Weekly picks", "0 9 * * fri", 3,
        "Three picks for everybody, each at their own best hour, on Fridays.",
        _words("Picked for you this week", ITEMS, "本周为你精选", ITEMS_ZH),
    ),
    _by_event(
        "abandoned_cart", "Abandoned cart", "cart.abandoned",
        "Four hours after a cart was left alone and nothing was bought.",
        _words("Still thinking it over?", "{{ item.title }} is waiting in your cart.",
               "还在考虑吗？", "「{{ item.title }}」还在你的购物车里。"),
    ),
    _by_event(
        "back_in_stock", "Back in stock", "item.back_in_stock",
        "As soon as something is back that a user looked at and did not buy.",
        _words("Back in stock", "{{ item.title }} is here again.", "到货啦", "「{{ item.title }}」又有货了。"),
    ),
    _by_event(
        "price_drop", "Price drop", "item.price_drop",
        "As soon as something got cheaper that a user looked at and did not buy.",
        _words("Now for less", "{{ item.title }}: {{ after }} instead of {{ before }}.",
               "降价了", "「{{ item.title }}」现价 {{ after }}，原价 {{ before }}。"),
    ),
    _by_event(
        "win_back", "Win back", "user.lapsed",
        "When a customer has been gone for twice their usual pause.",
        _words("It has been a while", "New since your last visit: " + ITEMS,
               "好久不见", "这些也许你会喜欢：" + ITEMS_ZH), picks=3, best=True,
    ),
    _by_event(
        "replenishment", "Time to buy again", "item.due",
        "When something that runs out has lasted as long as it usually does.",
        _words("Running low?", "It may be time for {{ item.title }} again.",
               "快用完了吗？", "也许该再买「{{ item.title }}」了。"), best=True,
    ),
    _by_clock(
        "trending", "Trending now", "0 10 * * tue", 3, "On Tuesdays: what many want, chosen by taste.",
        _words("Trending now", ITEMS, "正在流行", ITEMS_ZH), TRENDING,
    ),
    _by_clock(
        "new_arrivals", "New arrivals for you", "0 10 * * wed", 3, "On Wednesdays: what is new, by taste.",
        _words("New, and maybe yours", ITEMS, "新品推荐", ITEMS_ZH), NEW,
    ),
    _by_clock(
        "digest", "Monthly digest", "0 10 1 * *", 6, "On the first of the month: six picks in one message.",
        _words("Your month", ITEMS, "每月精选", ITEMS_ZH),
    ),
)  # fmt: skip
BY_NAME = {preset.name: preset for preset in ALL}
