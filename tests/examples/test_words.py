"""Both languages say everything, with the same gaps."""

import re
import string
from datetime import UTC, datetime
from decimal import Decimal

from examples.shop.rendering import PAGES, Words, date, money, pounds, typeset


def _gaps(text: str) -> set[str]:
    return {name for _, name, _, _ in string.Formatter().parse(text) if name}


def test_languages_have_the_same_keys_and_gaps() -> None:
    english, chinese = Words().by_locale["en"], Words().by_locale["zh-CN"]
    assert english.keys() == chinese.keys()
    for key, text in english.items():
        assert _gaps(text) == _gaps(chinese[key]), key
        assert text.strip()


def test_every_phrase_of_the_pages_exists_and_every_phrase_is_used() -> None:
    pages = "".join(path.read_text(encoding="utf-8") for path in PAGES.glob("*.html"))
    known = set(Words().by_locale["en"])
    said = set(re.findall(r"""say\("([a-z_.]+)"(?! ~)""", pages)) | set(
        re.findall(r'"(sign_in\.[a-z_]+)"', pages)
    )
    built = {key for key in known if re.match(r"orders\.(placed|paid|shipped|delivered)$|office\.step_", key)}
    assert said <= known
    assert known - said - built == set()


def test_money_and_dates_as_people_write_them() -> None:
    moment = datetime(2026, 1, 9, 23, 30, tzinfo=UTC)
    assert (money(Decimal("1234.5")), pounds(Decimal(40)), pounds(Decimal("3.95"))) == (
        "£1,234.50",
        "£40",
        "£3.95",
    )
    assert date(moment, "en", "Europe/London", hours=True) == "Fri 9 Jan, 23:30"
    assert date(moment, "zh-CN", "Asia/Shanghai", hours=True) == "1月10日 07:30"


def test_typesetting_escapes() -> None:
    assert typeset("A <b>T-Light") == 'A <span class="nobr">&lt;b&gt;T-Light</span>'
