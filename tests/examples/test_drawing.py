"""Every item can be drawn, always the same, as a sound SVG document."""

from xml.etree import ElementTree

import pytest

from examples.shop.catalogue import Catalogue
from examples.shop.colours import PALETTES, colour_of, pattern_of
from examples.shop.drawing import ARTWORK, draw
from examples.shop.kinds import DEPARTMENTS, KINDS, department_of, kind_of


def test_every_kind_has_a_drawing_and_a_department() -> None:
    assert {path.stem for path in ARTWORK.glob("*.svg")} == set(KINDS)
    assert {kind.department for kind in KINDS.values()} <= set(DEPARTMENTS)


def test_every_item_becomes_a_sound_picture(catalogue: Catalogue) -> None:
    for item in catalogue.items.values():
        picture = draw(item)
        assert ElementTree.fromstring(picture).find("{http://www.w3.org/2000/svg}title") is not None
        assert picture == draw(item)
        assert "{" not in picture.replace(picture[picture.index("<style>") : picture.index("</style>")], "")


@pytest.mark.parametrize(
    ("description", "kind", "colour", "pattern"),
    [
        ("JUMBO BAG RED RETROSPOT", "bag", "red", "dots"),
        ("WHITE HANGING HEART T-LIGHT HOLDER", "tealight", "white", "hearts"),
        ("KNITTED UNION FLAG HOT WATER BOTTLE", "bottle", "red", "union"),
        ("HEART OF WICKER SMALL", "heart", "cream", "hearts"),
        ("BLACK DINER WALL CLOCK", "clock", "black", ""),
        ("POPPY'S PLAYHOUSE BEDROOM", "gift", "red", ""),
    ],
)
def test_words_choose_kind_colour_and_pattern(description: str, kind: str, colour: str, pattern: str) -> None:
    assert kind_of(description).id == kind
    assert colour_of("1", description) == colour
    if pattern:
        assert pattern_of("1", description) == pattern


def test_christmas_things_stand_together() -> None:
    description = "SET OF 20 VINTAGE CHRISTMAS NAPKINS"
    assert department_of(description, kind_of(description)).id == "christmas"


def test_palettes_name_six_digit_colours() -> None:
    for tones in PALETTES.values():
        for tone in (tones.main, tones.dark, tones.light, tones.backdrop):
            int(tone.removeprefix("#"), 16)
            assert len(tone) == 7
