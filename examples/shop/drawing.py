"""Draw an item: its kind's shape, in the colour and pattern of its title.

The data came without photographs, so ``artwork/`` holds one hand-made shape per
kind. Shapes name roles instead of colours (``s`` patterned skin, ``m`` main,
``d`` dark, ``l`` light, ``p`` paper, ``y`` brass, ``w`` wood, ``g`` metal, ``n``
ink line); this module says what the roles look like for one item. The same item
is always drawn the same.
"""

from functools import cache
from html import escape
from pathlib import Path

from examples.shop.catalogue import Item
from examples.shop.colours import PALETTES, Palette, number, pattern_of

ARTWORK = Path(__file__).parent / "artwork"
_INK = "#3a3330"

_STYLE = """
svg svg *{{stroke:{ink};stroke-width:3.5;stroke-linejoin:round;stroke-linecap:round}}
.s{{fill:url(#skin)}}.m{{fill:{main}}}.d{{fill:{dark}}}.l{{fill:{light}}}.p{{fill:#fffaf1}}.y{{fill:#dfb35a}}
.w{{fill:#c89b6c}}.g{{fill:#cdd3d6}}.n{{fill:none}}.leaf{{fill:#7fa07a}}.dot{{fill:{ink}}}
.glass{{fill:#fff;fill-opacity:.55}}svg svg .halo{{fill:url(#glow);stroke:none}}.flame{{fill:#f5b945}}
svg svg .fat{{stroke-width:11}}svg svg .thin{{stroke-width:2.4}}svg svg .shine{{fill:none;stroke:#fff;stroke-width:7;stroke-opacity:.5}}
"""

_PATTERNS = {
    "plain": (40, ""),
    "dots": (46, '<circle cx="11" cy="11" r="7.5" fill="{on}"/><circle cx="34" cy="34" r="7.5" fill="{on}"/>'),
    "stripes": (32, '<path d="M0 0h14v32H0z" fill="{on}" fill-opacity=".8"/>'),
    "check": (
        40,
        '<path d="M0 0h20v40H0z" fill="{on}" fill-opacity=".42"/><path d="M0 0h40v20H0z" fill="{on}" fill-opacity=".42"/>',
    ),
    "hearts": (
        52,
        '<path id="h" d="M14 12c-3-5-11-4-11 2c0 5 7 8 11 13c4-5 11-8 11-13c0-6-8-7-11-2z" fill="{on}"/>'
        '<use href="#h" x="26" y="25"/>',
    ),
    "stars": (
        56,
        '<path id="t" d="M15 3l4 8 9 1-6.500 6.500 1.500 9-8-4-8 4 1.500-9L2 12l9-1z" fill="{on}"/><use href="#t" x="28" y="27"/>',
    ),
    "snow": (
        60,
        '<g id="f" stroke="{on}" stroke-width="2.600" stroke-linecap="round"><path d="M16 4v24M5.600 10l20.800 12M26.400 10L5.600 22"/></g>'
        '<use href="#f" x="30" y="29"/><circle cx="46" cy="10" r="3" fill="{on}"/><circle cx="14" cy="44" r="3" fill="{on}"/>',
    ),
    "flowers": (
        64,
        '<g id="b"><g fill="{on}"><circle cx="16" cy="9" r="6"/><circle cx="23" cy="14" r="6"/><circle cx="20" cy="22" r="6"/>'
        '<circle cx="12" cy="22" r="6"/><circle cx="9" cy="14" r="6"/></g><circle cx="16" cy="16" r="4.500" fill="#dfb35a"/></g>'
        '<use href="#b" x="32" y="31"/><path d="M44 12q8-6 10 4q-8 4-10-4zM12 46q8-6 10 4q-8 4-10-4z" fill="{dark}" fill-opacity=".55"/>',
    ),
    "skulls": (
        58,
        '<g id="k"><path d="M16 4c14 0 16 16 9 21v5H7v-5C0 20 2 4 16 4z" fill="{on}"/><circle cx="11" cy="16" r="3.500" fill="{main}"/>'
        '<circle cx="21" cy="16" r="3.500" fill="{main}"/></g><use href="#k" x="29" y="28"/>',
    ),
    "union": (
        104,
        '<path d="M0 0h104v104H0z" fill="#3c5f86"/><path d="M0 0l104 104M104 0L0 104" stroke="#fffaf1" stroke-width="18"/>'
        '<path d="M0 0l104 104M104 0L0 104" stroke="#c8473f" stroke-width="7"/><path d="M52 0v104M0 52h104" stroke="#fffaf1" stroke-width="30"/>'
        '<path d="M52 0v104M0 52h104" stroke="#c8473f" stroke-width="18"/>',
    ),
}  # fmt: skip


@cache
def _shape(kind: str) -> str:
    """Return the shape of a kind as a nested ``<svg>``."""
    return (ARTWORK / f"{kind}.svg").read_text(encoding="utf-8").strip()


def _skin(pattern: str, tones: Palette, turn: int) -> str:
    size, marks = _PATTERNS[pattern]
    pale = tones.main > "#d"  # a pale thing wears darker marks, a strong one light marks
    on = tones.dark if pale else "#fffaf1"
    inner = marks.format(on=on, main=tones.main, dark=tones.dark)
    return (
        f'<pattern id="skin" width="{size}" height="{size}" patternUnits="userSpaceOnUse" patternTransform="rotate({turn})">'
        f'<path d="M0 0h{size}v{size}H0z" fill="{tones.main}"/>{inner}</pattern>'
    )


def draw(item: Item) -> str:
    """Return the item's picture as an SVG document."""
    tones = PALETTES[item.colour]
    pattern = pattern_of(item.id, item.title)
    turn = 0 if pattern in ("stripes", "check", "union") else number(item.id, "turn") % 3 * 12
    style = _STYLE.format(ink=_INK, main=tones.main, dark=tones.dark, light=tones.light)
    return (
        '<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 400 400" role="img">'
        f"<title>{escape(item.title)}</title><style>{style}</style><defs>{_skin(pattern, tones, turn)}"
        '<radialGradient id="glow"><stop stop-color="#ffe6a3" stop-opacity=".95"/><stop offset="1" stop-color="#ffe6a3" stop-opacity="0"/>'
        "</radialGradient>"
        '<radialGradient id="air" cx=".5" cy=".38" r=".75"><stop stop-color="#fff" stop-opacity=".65"/><stop offset="1" stop-color="#fff" '
        'stop-opacity="0"/></radialGradient></defs>'
        f'<path d="M0 0h400v400H0z" fill="{tones.backdrop}"/><path d="M0 0h400v400H0z" fill="url(#air)"/>'
        f'<ellipse cx="200" cy="330" rx="118" ry="13" fill="{_INK}" fill-opacity=".1"/>{_shape(item.kind.id)}</svg>'
    )
