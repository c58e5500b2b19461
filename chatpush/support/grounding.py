"""Let through only what an answer may say: known numbers, known links, known sources.

A model's text arrives in pieces; ``feed`` gives back what is complete and
checked, and holds the rest. A number that is in no source, tool result or word
of the user ends the answer (``Unfounded``); a link that is in none loses its
address; a source marker that points nowhere is dropped.
"""

import re
import unicodedata
from collections.abc import Iterable
from decimal import Decimal, InvalidOperation

from chatpush.errors import WriterUnavailable

HELD_CHARS = 400
_NUMBER = re.compile(r"\d[\d,]*(?:\.\d+)?")
_LIST_MARK = re.compile(r"(?m)^\s*\d{1,2}[.)、](?=\s|$|[^\d])")
_MARKER = re.compile(r"\[(\d{1,3})\]")
_MARKDOWN_LINK = re.compile(r"!?\[([^\]\n]*)\]\(\s*<?([^)\s>]+)>?[^)\n]*\)")
_BARE_LINK = re.compile(
    r"(?:https?://|www\.)[^\s<>()\[\]\u3000-\u303f\uff00-\uffef\u4e00-\u9fff]+", re.IGNORECASE
)


class Unfounded(WriterUnavailable):
    """The model wrote a number that nothing supports."""


def numbers(text: str) -> set[str]:
    """Return the numbers of a text in one notation: 1,234.50 is 1234.5."""
    return {_plain(found) for found in _NUMBER.findall(unicodedata.normalize("NFKC", text))}


def links(text: str) -> set[str]:
    """Return the addresses in a text."""
    inside = {found[2] for found in _MARKDOWN_LINK.finditer(text)}
    return inside | {found.rstrip(".,;:!?'\"") for found in _BARE_LINK.findall(text)}


def _plain(number: str) -> str:
    try:
        return f"{Decimal(number.replace(',', '')).normalize():f}"
    except InvalidOperation:
        return number


class Grounding:
    """Checks one answer while it is written."""

    def __init__(self, known: Iterable[str] = (), urls: Iterable[str] = (), sources: int = 0) -> None:
        self._numbers: set[str] = set()
        self._links = {url for url in urls if url}
        self.sources = sources
        self._held = ""
        self._line = ""  # what has been let through of the current line
        for text in known:
            self.allow(text)

    def allow(self, text: str) -> None:
        """Add a text whose numbers and links may be used from now on."""
        self._numbers |= numbers(text)
        self._links |= links(text)

    def allow_link(self, url: str) -> None:
        """Add an address that may be used from now on."""
        self._links |= {url} if url else set()

    def feed(self, piece: str) -> str:
        """Take in a piece; return what may be shown now.

        Raises:
            Unfounded: it has a number that nothing supports.
        """
        self._held += piece
        end = self._complete()
        ready, self._held = self._held[:end], self._held[end:]
        return self._check(ready)

    def finish(self) -> str:
        """Return what was held back to the end.

        Raises:
            Unfounded: it has a number that nothing supports.
        """
        ready, self._held = self._held, ""
        return self._check(ready)

    def _complete(self) -> int:
        """Return up to where no word, number or link can still go on."""
        held = self._held
        end = 0
        for i in range(len(held) - 1, -1, -1):
            if held[i].isspace() or (ord(held[i]) > 127 and not held[i].isdigit()):
                end = i + 1
                break
        bracket = held.rfind("[", 0, end)
        if bracket >= 0 and len(held) - bracket < HELD_CHARS and _closed_at(held, bracket) > end:
            end = bracket - 1 if bracket and held[bracket - 1] == "!" else bracket
        return end

    def _check(self, text: str) -> str:
        if not text:
            return ""
        text = _MARKDOWN_LINK.sub(lambda m: m[0] if m[2] in self._links else m[1], text)
        text = _BARE_LINK.sub(self._bare, text)
        text = _MARKER.sub(lambda m: m[0] if 1 <= int(m[1]) <= self.sources else "", text)
        before, context = len(self._line), self._line + text
        counted = _MARKDOWN_LINK.sub(lambda m: m[1], _MARKER.sub("", _LIST_MARK.sub("", context[0:])))
        counted = _BARE_LINK.sub("", counted)
        unfounded = numbers(counted) - self._numbers
        if unfounded:
            raise Unfounded(f"the model wrote {', '.join(sorted(unfounded))}, which no source has")
        self._line = context[context.rfind("\n") + 1 :]
        return context[before:]

    def _bare(self, found: re.Match[str]) -> str:
        address = found[0].rstrip(".,;:!?'\"")
        return found[0] if address in self._links else found[0][len(address) :]


def _closed_at(text: str, bracket: int) -> int:
    """Return where a bracket, with its address if it has one, ends; past the end if it may still go on."""
    beyond = len(text) + 1
    line_end = text.find("\n", bracket)
    end = text.find("]", bracket)
    if line_end >= 0 and (end < 0 or line_end < end):
        return bracket + 1  # a link does not pass a line's end: just a bracket
    if end < 0 or end + 1 == len(text):
        return beyond
    if text[end + 1] != "(":
        return end + 1
    close = text.find(")", end)
    return close + 1 if close >= 0 else beyond


def cite(text: str) -> tuple[str, list[int]]:
    """Number the markers of a finished text by first use; return it and the sources' old numbers."""
    order = list(dict.fromkeys(int(number) for number in _MARKER.findall(text)))
    renumbered = _MARKER.sub(lambda m: f"[{order.index(int(m[1])) + 1}]", text)
    return renumbered, order
