"""Turn a warehouse's shouted description into a title for a shop window.

``SET/6 RED SPOTTY PAPER CUPS`` becomes ``Set of 6 Red Spotty Paper Cups``.
Nothing is added or left out: abbreviations are spelt out, capitals put right.
"""

import re

SMALL = {"a", "an", "and", "as", "at", "by", "for", "from", "in", "of", "on", "or", "the", "to", "with"}
EXACT = {
    "t-light": "T-Light",
    "t-lights": "T-Lights",
    "i": "I",
    "uk": "UK",
    "dvd": "DVD",
    "cd": "CD",
    "usb": "USB",
    "ipod": "iPod",
    "3d": "3D",
    "led": "LED",
    "rex": "REX",
    "usa": "USA",
    "xmas": "Christmas",
    "w": "with",
    "w/": "with",
    "asstd": "Assorted",
    "ass": "Assorted",
    "assted": "Assorted",
    "pc": "Piece",
    "pcs": "Pieces",
    "co": "Co",
    "ii": "II",
    "iii": "III",
}
_SET = re.compile(r"^(?:set/|s/|set of/)(\d+)$")
_MEASURE = re.compile(r"^(\d+(?:\.\d+)?)(cm|mm|m|g|kg|ml|l)$")
_SIZES = re.compile(r"^\d+(?:cm|m)?x\d+(?:cm|m)?$")
_FIFTIES = re.compile(r"^\d+'?s$")
_SHAPED = re.compile(r"[a-z]+")


def title(description: str) -> str:
    """Return the description as a title."""
    text = re.sub(r"^\*", "", description.strip().rstrip(".,"))
    text = re.sub(r"\bset/(\d+)", r"set of \1", text, flags=re.IGNORECASE)
    text = re.sub(r"\s*,\s*", ", ", text)
    text = re.sub(r"\bW/\s*", "with ", text)
    words = text.split()
    shaped = [_word(word, first=index == 0) for index, word in enumerate(words)]
    return " ".join(shaped)


def _word(word: str, *, first: bool) -> str:
    lower = word.lower()
    bare = lower.strip(",.")
    found = _SET.match(lower)
    if found:
        return f"Set of {found[1]}"
    if bare in EXACT:
        exact = EXACT[bare] + lower[len(bare) :]
        return exact[0].upper() + exact[1:] if first else exact
    if bare in SMALL and not first:
        return lower
    if _MEASURE.match(lower) or _SIZES.match(lower) or _FIFTIES.match(lower):
        return lower
    return _capitals(lower)


def _capitals(lower: str) -> str:
    """Capitalise each part of a word: ``heart-shaped`` → ``Heart-Shaped``, ``50's`` stays."""

    def upper(found: re.Match[str]) -> str:
        before = lower[found.start() - 1] if found.start() else ""
        return found[0] if before and (before in "'’" or before.isdigit()) else found[0].capitalize()

    return _SHAPED.sub(upper, lower)
