"""Take a message for marketing if its words are, whatever its label says.

Overruling a label costs an order's news its way if it is wrong, so it takes a
high chance, words that sell, and no sign of something settled between the
business and this reader. A text without words that sell costs no more than a look.
"""

import asyncio
import re
from collections import OrderedDict
from collections.abc import Sequence

from chatpush.domain import Category
from chatpush.recommend.analysis.analysis import CODE, MARKETING, Analysis, analysed, classifier, plain
from chatpush.recommend.analysis.claims import PRICE, SCARCITY, claims
from chatpush.recommend.analysis.cues import PATTERNS

SURE = 0.75
REMEMBERED = 4096
SELLING = ("buy", "hurry")
ASKED_FOR = re.compile(
    r"\b(?:as\s+)?you\s+(?:asked|wanted|told)\s+(?:us|me|for|to)\b|\bas\s+you\s+asked\b|\byou\s+(?:set|subscribed)\b"
    r"|(?:您|你)(?:关注|订阅|设置|预约|要求)|按(?:您|你)的(?:设置|要求)",
    re.IGNORECASE,
)
"""What readers asked to be told is news to them, even where it sells."""


class Labelling:
    """Judges messages' categories; remembers texts, numbers aside, because most are sent many times."""

    def __init__(self) -> None:
        self._known: OrderedDict[str, bool] = OrderedDict()

    async def start(self) -> None:
        """Learn the labelled lines aside, so that no first message waits for it, and the loop for none."""
        await asyncio.to_thread(classifier)

    def judge(self, given: Category, texts: Sequence[str]) -> Category:
        """Return the category to treat a message as; ``texts``: what it may say, one for each language."""
        if given is Category.MARKETING:
            return given
        return Category.MARKETING if any(self._sells(text) for text in texts) else given

    def _sells(self, text: str) -> bool:
        if not suspicious(text):
            return False
        key = plain(text)
        if key not in self._known:
            self._known[key] = sells(text, analysed(text))
            while len(self._known) > REMEMBERED:
                self._known.popitem(last=False)
        return self._known[key]


def suspicious(text: str) -> bool:
    """Return whether a text has words that sell."""
    return any(PATTERNS[name].search(text) for name in SELLING) or bool(claims(text, (PRICE, SCARCITY)))


def sells(text: str, found: Analysis) -> bool:
    """Return whether a text surely is marketing."""
    settled = PATTERNS["settled"].search(text) and not claims(text, (PRICE, SCARCITY))
    news = settled or CODE.search(text) or ASKED_FOR.search(text)
    return suspicious(text) and not news and found.chances[MARKETING] >= SURE
