"""The help articles: both languages, readable by chatpush, true to the shop's own figures."""

from pathlib import Path

import pytest

from chatpush.support.knowledge.reading import read_file, split
from examples.shop.help import ADDRESS, KNOWLEDGE, Help, write_for
from examples.shop.rendering import pounds
from examples.shop.shipping import CHINA, ELSEWHERE, EUROPE, UNITED_KINGDOM

ARTICLES = sorted(KNOWLEDGE.glob("*/*.md"))


def test_ten_topics_in_two_languages() -> None:
    topics = {folder: {path.stem for path in (KNOWLEDGE / folder).glob("*.md")} for folder in ("en", "zh")}
    assert topics["en"] == topics["zh"]
    assert len(topics["en"]) == 10


@pytest.mark.parametrize("path", ARTICLES, ids=lambda path: f"{path.parent.name}-{path.stem}")
def test_article_is_read_by_chatpush(path: Path) -> None:
    draft = read_file(path, path.stem)
    assert draft.language == {"en": "en", "zh": "zh-CN"}[path.parent.name]
    assert draft.url == f"{ADDRESS}/help/{path.parent.name}/{path.stem}"
    assert len(draft.tags) >= 3
    assert len(draft.questions) >= 3
    assert len(split(draft.text)) >= 5
    if path.parent.name == "zh":
        assert sum("\u4e00" <= letter <= "\u9fff" for letter in draft.text) > len(draft.text) * 0.5


@pytest.mark.parametrize("folder", ["en", "zh"])
@pytest.mark.parametrize("route", [UNITED_KINGDOM, EUROPE, CHINA, ELSEWHERE], ids=lambda route: route.prefix)
def test_articles_promise_what_the_shop_charges(folder: str, route: object) -> None:
    assert isinstance(route, type(CHINA))
    text = (KNOWLEDGE / folder / "delivery.md").read_text(encoding="utf-8")
    row = next(line for line in text.splitlines() if line.startswith("|") and route.carrier in line)
    assert pounds(route.cost) in row
    assert pounds(route.free_from) in row
    days = (
        f"{route.first_day} to {route.last_day}"
        if folder == "en"
        else f"{route.first_day} 到 {route.last_day}"
    )
    assert days in text


def test_help_pages_show_the_articles() -> None:
    pages = Help()
    article = pages.find("zh", "refunds")
    assert article is not None
    assert article.title == "退款多久到账"
    assert "<h2>" in article.html
    delivery = pages.find("en", "delivery")
    assert delivery is not None
    assert "<table>" in delivery.html
    assert len(pages.in_language("en")) == 10
    assert pages.find("en", "nothing") is None


def test_a_copy_leads_to_the_shop_that_runs(tmp_path: Path) -> None:
    write_for("http://127.0.0.1:8100", tmp_path)
    text = (tmp_path / "en" / "returns.md").read_text(encoding="utf-8")
    assert "url: http://127.0.0.1:8100/help/en/returns" in text
    assert len(list(tmp_path.glob("*/*.md"))) == len(ARTICLES)
