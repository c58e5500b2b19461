"""Let through only what an answer may say: known figures, known links, known sources, no rules.

A model's text arrives in pieces; ``feed`` gives back what is complete and
checked, and holds the rest. What the business knows (sources, tool results, the
item at hand) may be said. What only the user said may be repeated as a bare
number, such as an order's, never as money, time or a date. A figure nothing
supports, a stretch of the rules or a long code ends the answer (``Unfounded``);
a link that is not known and allowed loses its address, a picture is dropped,
and so is a source marker that points nowhere.
"""

import re
import unicodedata
from collections.abc import Iterable
from functools import lru_cache

from chatpush.errors import WriterUnavailable
from chatpush.support.assistant.sanitising import LinkRules, links, without_links, words_of
from chatpush.support.retrieval.figures import OPEN, figures, implied

HELD_CHARS = 400
SEEN_AGAIN = 160  # letters of a line that a later piece may still change the meaning of
SECRET_LETTERS = 40
LONGEST_WORD = 48
_LIST_MARK = re.compile(r"(?m)^\s*\d{1,2}[.)、](?=\s|$|[^\d])")
_MARKER = re.compile(r"\[(\d{1,3})\]")
_DEFINITION = re.compile(r"(?m)^ {0,3}\[[^\]\n]+\]:")
_SIGNS = re.compile(r"[<>\[\]/／:：]|www\.", re.IGNORECASE)  # without one there is no link, tag or marker
_CODE = re.compile(rf"[A-Za-z0-9+/=_-]{{{LONGEST_WORD},}}")


class Unfounded(WriterUnavailable):
    """The model wrote what nothing supports."""


def letters(text: str) -> str:
    """Return the letters of a text alone, so that spacing and signs hide nothing."""
    return "".join(filter(str.isalpha, unicodedata.normalize("NFKC", text).casefold()))


@lru_cache(maxsize=64)
def _stretches(secret: str) -> frozenset[str]:
    """Return every stretch of a text's letters, forwards and backwards."""
    told = letters(secret)
    forwards = {told[i : i + SECRET_LETTERS] for i in range(len(told) - SECRET_LETTERS + 1)}
    return frozenset(forwards | {one[::-1] for one in forwards})


class Grounding:
    """Checks one answer while it is written.

    ``known`` is what the business says, ``said`` what the user did, ``secret``
    the rules that must not be recited.
    """

    def __init__(
        self,
        known: Iterable[str] = (),
        urls: Iterable[str] = (),
        sources: int = 0,
        *,
        said: Iterable[str] = (),
        secret: str = "",
        rules: LinkRules | None = None,
    ) -> None:
        self._numbers: set[str] = set()
        self._quantities: set[str] = set()
        self._said: set[str] = set()
        self._links: set[str] = set()
        self._rules = rules or LinkRules()
        self._known: list[str] = []
        self.sources = sources
        self._held = ""
        self._line = ""  # what has been let through of the current line
        self._tail = ""  # the last letters let through
        self._secret = _stretches(secret)
        for text in known:
            self.allow(text)
        for url in urls:
            self.allow_link(url)
        for text in said:
            self._said |= figures(text).numbers

    def allow(self, text: str) -> None:
        """Add a text of the business, whose figures and links may be used from now on."""
        found = figures(text)
        self._numbers |= found.numbers
        # A table's "30" is still 30 days: every number a source has may be a quantity.
        self._quantities |= found.numbers | found.quantities | implied(text)
        self._links |= links(text)
        self._known.append(text)

    def allow_link(self, url: str) -> None:
        """Add a source's address: it may be used, and so may its host in known texts."""
        if url:
            self._links.add(url)
            self._rules = self._rules.with_urls([url])

    def feed(self, piece: str) -> str:
        """Take in a piece; return what may be shown now.

        Raises:
            Unfounded: it says what nothing supports.
        """
        self._held += piece
        end = self._complete()
        ready, self._held = self._held[:end], self._held[end:]
        return self._check(ready)

    def finish(self) -> str:
        """Return what was held back to the end.

        Raises:
            Unfounded: it says what nothing supports.
        """
        ready, self._held = self._held, ""
        return self._check(ready)

    def _complete(self) -> int:
        """Return up to where no word, number or link can still go on."""
        held = self._held
        end = 0
        for i in range(len(held) - 1, -1, -1):
            if held[i].isspace() or (ord(held[i]) > 127 and not held[i].isalnum()):
                end = i + 1
                break
            # A Chinese character ends a word, but not a number such as 三十天.
            if _is_plain_han(held[i]):
                end = i + 1
                break
        unit_to_come = OPEN.search(held, 0, end)
        if unit_to_come and len(held) - unit_to_come.start() < LONGEST_WORD:
            end = unit_to_come.start()
        return _before_open(held, end)

    def _check(self, text: str) -> str:
        if not text:
            return ""
        if _SIGNS.search(text):
            text = without_links(text, self._may_link)
            text = _MARKER.sub(lambda m: m[0] if 1 <= int(m[1]) <= self.sources else "", text)
        before, context = len(self._line), self._line + text
        context = _DEFINITION.sub(lambda m: m[0][:-1] if m.end() > before else m[0], context)
        self._check_figures(context)
        self._check_secret(text)
        self._line = _end_of(context[context.rfind("\n") + 1 :])
        return context[before:]

    def _check_figures(self, context: str) -> None:
        found = figures(words_of(_MARKER.sub("", _LIST_MARK.sub("", context))))
        unfounded = (found.numbers - self._numbers - self._said) | (found.quantities - self._quantities)
        if unfounded:
            raise Unfounded(f"the model wrote {', '.join(sorted(unfounded))}, which no source has")

    def _check_secret(self, text: str) -> None:
        code = _CODE.search(text)
        if code and not any(code[0] in known for known in self._known):
            raise Unfounded("the model wrote a code that no source has")
        if not self._secret:
            return
        run = self._tail + letters(text)
        for i in range(len(run) - SECRET_LETTERS + 1):
            part = run[i : i + SECRET_LETTERS]
            if part in self._secret and not any(part in letters(known) for known in self._known):
                raise Unfounded("the model recites its rules")
        self._tail = run[-SECRET_LETTERS + 1 :]

    def _may_link(self, url: str) -> bool:
        return url in self._links and self._rules.allow(url)


def _end_of(line: str) -> str:
    """Return the end of a line, cut between words."""
    if len(line) <= SEEN_AGAIN:
        return line
    start = len(line) - SEEN_AGAIN
    while start < len(line) and not line[start].isspace() and ord(line[start]) < 0x3000:
        start += 1
    return line[start:]


def _is_plain_han(sign: str) -> bool:
    return "\u2e80" <= sign < "\uff00" and sign not in "零〇一二两三四五六七八九十百千万"


def _before_open(held: str, end: int) -> int:
    """Return where a link or a tag begins that has not ended yet, if that is before ``end``."""
    start = max(0, len(held) - HELD_CHARS, held.rfind("\n", 0, end) + 1)
    tag = held.rfind("<", start, end)
    if tag >= 0 and held.find(">", tag, end) < 0:
        end = tag
    depth_open = [place for place in range(start, end) if held[place] == "["]
    for place in depth_open:
        if _may_go_on(held, place, end):
            return place - 1 if place and held[place - 1] == "!" else place
    return end


def _may_go_on(held: str, bracket: int, end: int) -> bool:
    """Return whether what a bracket begins reaches, or may still reach, beyond ``end``."""
    depth = 0
    for place in range(bracket, len(held)):
        sign = held[place]
        if sign == "\n":
            return False  # a link does not pass a line's end
        depth += (sign == "[") - (sign == "]")
        if depth == 0:
            after = held[place + 1 : place + 2]
            if after != "(":
                return not after or place >= end
            close = held.find(")", place)
            return close < 0 or close >= end
    return True


def cite(text: str) -> tuple[str, list[int]]:
    """Number the markers of a finished text by first use; return it and the sources' old numbers."""
    order = list(dict.fromkeys(int(number) for number in _MARKER.findall(text)))
    renumbered = _MARKER.sub(lambda m: f"[{order.index(int(m[1])) + 1}]", text)
    return renumbered, order
