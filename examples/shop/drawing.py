"""Draw an item: its kind's shape, in the colour and pattern of its title.

The data came without photographs, so ``artwork/`` holds one hand-made shape per
kind and ``artwork/patterns/`` what may cover it. They name roles instead of
colours (``s`` patterned skin, ``m`` main, ``d`` dark, ``l`` light, ``p`` paper,
``y`` brass, ``w`` wood, ``g`` metal, ``n`` ink line; ``on`` and ``on-line`` are
a pattern's marks); this module says what the roles look like for one item. The
same item is always drawn the same.
"""

import re
from functools import cache
from html import escape
from pathlib import Path

from examples.shop.catalogue import Item
from examples.shop.colours import PALETTES, Palette, number, pattern_of

ARTWORK = Path(__file__).parent / "artwork"
_INK = "#3a3330"
_PAPER = "#fffaf1"
_PALE = ("white", "cream")
_UPRIGHT = ("stripes", "check", "union")

_STYLE = """
.art *{{stroke:{ink};stroke-width:3.5;stroke-linejoin:round;stroke-linecap:round}}
.s{{fill:url(#skin)}}.m{{fill:{main}}}.d{{fill:{dark}}}.l{{fill:{light}}}.p{{fill:{paper}}}.y{{fill:#dfb35a}}
.w{{fill:#c89b6c}}.g{{fill:#cdd3d6}}.n{{fill:none}}.leaf{{fill:#7fa07a}}.dot{{fill:{ink}}}.flame{{fill:#f5b945}}
.on{{fill:{on}}}.on-line{{stroke:{on};fill:none}}.glass{{fill:#fff;fill-opacity:.55}}
.art .halo{{fill:url(#glow);stroke:none}}.art .fat{{stroke-width:11}}.art .thin{{stroke-width:2.4}}
.art .shine{{fill:none;stroke:#fff;stroke-width:7;stroke-opacity:.5}}
"""
_PICTURE = """<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 400 400" role="img"><title>{title}</title>
<style>{style}</style><defs>{skin}
<radialGradient id="glow"><stop stop-color="#ffe6a3"/>
<stop offset="1" stop-color="#ffe6a3" stop-opacity="0"/></radialGradient>
<radialGradient id="air" cx=".5" cy=".38" r=".75"><stop stop-color="#fff" stop-opacity=".65"/>
<stop offset="1" stop-color="#fff" stop-opacity="0"/></radialGradient></defs>
<path d="M0 0h400v400H0z" fill="{backdrop}"/><path d="M0 0h400v400H0z" fill="url(#air)"/>
<ellipse cx="200" cy="330" rx="118" ry="13" fill="{ink}" fill-opacity=".1"/><g class="art">{shape}</g></svg>
"""


@cache
def _file(name: str) -> str:
    """Return a drawing as a ``<svg>`` that may stand within another."""
    return (ARTWORK / f"{name}.svg").read_text(encoding="utf-8").strip()


def _skin(pattern: str, tones: Palette, turn: int) -> str:
    """Return the pattern that covers the item, named ``skin``."""
    marks = _file(f"patterns/{pattern}")
    found = re.search(r'viewBox="0 0 (\d+)', marks)
    size = found[1] if found else "40"
    marks = marks.replace("<svg ", f'<svg width="{size}" height="{size}" ', 1)
    return (
        f'<pattern id="skin" width="{size}" height="{size}" patternUnits="userSpaceOnUse"'
        f' patternTransform="rotate({turn})">'
        f'<path d="M0 0h{size}v{size}H0z" fill="{tones.main}"/>{marks}</pattern>'
    )


def draw(item: Item) -> str:
    """Return the item's picture as an SVG document."""
    tones = PALETTES[item.colour]
    pattern = pattern_of(item.id, item.title)
    turn = 0 if pattern in _UPRIGHT else number(item.id, "turn") % 3 * 12
    # A pale thing wears darker marks, a strong one paper-coloured marks.
    on = tones.dark if item.colour in _PALE else _PAPER
    return _PICTURE.format(
        title=escape(item.title),
        style=_STYLE.format(
            ink=_INK, paper=_PAPER, on=on, main=tones.main, dark=tones.dark, light=tones.light
        ),
        skin=_skin(pattern, tones, turn),
        backdrop=tones.backdrop,
        ink=_INK,
        shape=_file(item.kind.id),
    )
