"""Choose an item's colours and pattern from the words of its title.

``Jumbo Bag Red Retrospot`` is drawn red with white dots. A title without a
colour word gets one by its id, always the same.
"""

import hashlib
import re
from dataclasses import dataclass


@dataclass(frozen=True)
class Palette:
    """Four tones of one colour, and the paper it stands on."""

    main: str
    dark: str
    light: str
    backdrop: str


PALETTES = {
    "red": Palette("#c8473f", "#97302c", "#f3d5cd", "#f6e7df"),
    "pink": Palette("#e08f9f", "#b7606f", "#fae1e2", "#f8e9e6"),
    "blue": Palette("#5c86a8", "#3c6180", "#d6e4ec", "#e6eef1"),
    "green": Palette("#6f9272", "#4c6c51", "#dbe7d6", "#e9efe2"),
    "white": Palette("#f7f1e6", "#cfc1aa", "#ffffff", "#dfe6e2"),
    "cream": Palette("#f0dfbd", "#c8ad7d", "#fbf4e3", "#e8e4d8"),
    "black": Palette("#3f4147", "#26272c", "#b9bbc0", "#ecebe6"),
    "silver": Palette("#b4bcc2", "#828c94", "#e4e9eb", "#eef0ef"),
    "gold": Palette("#d6a84a", "#a57c2b", "#f5e5bf", "#f5efdf"),
    "yellow": Palette("#e8bf55", "#b98f2c", "#f9ebc2", "#f6f0dc"),
    "orange": Palette("#dd8a4d", "#ae622c", "#f8dfc9", "#f8ecdf"),
    "purple": Palette("#8d74a6", "#66507e", "#e2d8ea", "#eee9f1"),
    "brown": Palette("#9b7355", "#6f4f38", "#e6d6c6", "#f1e9df"),
    "turquoise": Palette("#5aa5a0", "#3a7b77", "#d2e8e4", "#e3f0ec"),
}
_WORDS = {
    "red": "RED|RETROSPOT|STRAWBERRY|STRAWBERRIES|CHERRY|SCANDINAVIAN|POPPY'S|UNION|RUBY|TOADSTOOL|SANTA|LONDON",
    "pink": "PINK|ROSE|FUSCHIA|MARSHMALLOW|GIRLY|FAIRY|SWEETHEART|CORAL",
    "blue": "BLUE|NAVY|SPACEBOY|SAILOR|MIDNIGHT|SEASIDE|SKY",
    "green": "GREEN|PANTRY|WOODLAND|BOTANICAL|FERN|GARDEN|HERB|APPLE|OLIVE|MINT",
    "white": "WHITE|IVORY|LACE|FROSTED|PORCELAIN|GLASS|CRYSTAL|CLEAR",
    "cream": "CREAM|NATURAL|WICKER|PARISIENNE|ANTIQUE|REGENCY|VICTORIAN|WOOD|WOODEN",
    "black": "BLACK|SKULLS?|SLATE|BAROQUE|CHALKBOARD|GREY",
    "silver": "SILVER|ZINC|METAL|TIN|DIAMANTE",
    "gold": "GOLD|BRASS|AMBER|BRONZE",
    "yellow": "YELLOW|LEMON|DAISY|SUNFLOWER|HONEYCOMB",
    "orange": "ORANGE|SUNSET|CARNIVAL|CIRCUS|TERRACOTTA",
    "purple": "PURPLE|LAVENDER|LILAC|AMETHYST|VIOLET|MAUVE",
    "brown": "BROWN|CHOCOLATE|COFFEE|FAWN|OWL",
    "turquoise": "TURQUOISE|AQUA|TEAL|JADE",
}
_CHOSEN = ("red", "blue", "green", "pink", "gold", "turquoise", "purple", "orange", "cream", "brown")
_PATTERNS = {
    "dots": "RETROSPOT|POLKADOT|POLKA|SPOTTY|SPOTS?|DOTS?",
    "union": "UNION|LONDON",
    "hearts": "HEARTS?|LOVE|SWEETHEART|CUPID",
    "skulls": "SKULLS?",
    "flowers": "FLOWERS?|FLORAL|ROSES?|DAISY|PAISLEY|BLOSSOM|GARDEN|FOLKART|MORRIS|STRAWBERRY|FRUITS?|CHERRY",
    "snow": "CHRISTMAS|SNOWFLAKES?|SANTA|REINDEER|NORDIC|SCANDINAVIAN|XMAS|WINTER|WOODLAND",
    "stars": "STARS?|SPACEBOY|ROCKET|CIRCUS|FAIRY|BABUSHKA",
    "stripes": "STRIPES?|STRIPY|CANDY|DECKCHAIR|SEASIDE|REGENCY|BAROQUE|CARNIVAL|CABANA",
    "check": "GINGHAM|CHECK|TARTAN|KNITTED|WOOLLY|SCOTTIE|PANTRY",
}


def _first(table: dict[str, str], upper: str) -> str | None:
    """Return the name whose word stands first in the text; exact colours beat hints."""
    places = {}
    for name, words in table.items():
        found = re.search(rf"(?<![A-Z])(?:{words})(?![A-Z])", upper)
        if found:
            exact = found[0] == name.upper()
            places[name] = (not exact, found.start())
    return min(places, key=lambda name: places[name]) if places else None


def colour_of(item_id: str, title: str) -> str:
    """Return the name of the item's colour."""
    named = _first(_WORDS, title.upper())
    return named or _CHOSEN[number(item_id, "colour") % len(_CHOSEN)]


def pattern_of(item_id: str, title: str) -> str:
    """Return the name of the item's pattern, often ``plain``."""
    named = _first(_PATTERNS, title.upper())
    if named:
        return named
    chosen = ("plain", "plain", "plain", "dots", "stripes", "flowers")
    return chosen[number(item_id, "pattern") % len(chosen)]


def number(item_id: str, purpose: str) -> int:
    """Return a number that is always the same for an item and a purpose."""
    return int.from_bytes(hashlib.sha256(f"{purpose}:{item_id}".encode()).digest()[:4])
