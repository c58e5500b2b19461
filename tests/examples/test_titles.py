"""Titles: shouted descriptions become readable, nothing is added."""

import pytest

from examples.shop.catalogue import Catalogue
from examples.shop.titles import title


@pytest.mark.parametrize(
    ("description", "expected"),
    [
        ("WHITE HANGING HEART T-LIGHT HOLDER", "White Hanging Heart T-Light Holder"),
        ("SET/6 RED SPOTTY PAPER CUPS", "Set of 6 Red Spotty Paper Cups"),
        ("PAPER CHAIN KIT 50'S CHRISTMAS", "Paper Chain Kit 50's Christmas"),
        ("POPPY'S PLAYHOUSE BEDROOM", "Poppy's Playhouse Bedroom"),
        ("LUNCH BOX I LOVE LONDON", "Lunch Box I Love London"),
        ("RED WOOLLY HOTTIE WHITE HEART.", "Red Woolly Hottie White Heart"),
        ("HEART OF WICKER SMALL", "Heart of Wicker Small"),
        ("3D HEARTS HONEYCOMB PAPER GARLAND", "3D Hearts Honeycomb Paper Garland"),
        ("15CM CHRISTMAS GLASS BALL 20 LIGHTS", "15cm Christmas Glass Ball 20 Lights"),
        ("ACRYLIC JEWEL ICICLE, PINK", "Acrylic Jewel Icicle, Pink"),
        ("*BOOMBOX IPOD CLASSIC", "Boombox iPod Classic"),
        ("WORLD WAR 2 GLIDERS ASSTD DESIGNS", "World War 2 Gliders Assorted Designs"),
        ("IVORY/RED WOOD BIRD", "Ivory/Red Wood Bird"),
        ("", ""),
    ],
)
def test_title(description: str, expected: str) -> None:
    assert title(description) == expected


def test_titles_are_stable(catalogue: Catalogue) -> None:
    for item in catalogue.items.values():
        assert "  " not in item.title
        assert title(item.title.upper()) == item.title
