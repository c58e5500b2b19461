"""Pages drawn with made-up values: in both languages, without anything the policy forbids."""

import json
import re

import pytest

from chatpush.domain import Role
from chatpush.web.console import assets, render, texts
from chatpush.web.console.markup import safe
from tests.console import made_up

INLINE = re.compile(r"<script(?![^>]*\bsrc=)|<style|\sstyle=|\son\w+=|javascript:", re.IGNORECASE)
LOADED = re.compile(r'(?:src|href)="(/console/static/[^"?]+)')


@pytest.mark.parametrize("language", texts.LANGUAGES)
@pytest.mark.parametrize("name", made_up.PAGES)
def test_a_page_draws_without_inline_script_or_style(name: str, language: str) -> None:
    template, here, values = made_up.PAGES[name]
    html = render.page(template, made_up.shell(here, language), values)
    assert not INLINE.search(html)
    for path in LOADED.findall(html):
        assert path.removeprefix("/console/static/") in assets.files()


@pytest.mark.parametrize(
    "name", ["conversations", "conversations-mine", "campaigns", "campaign", "dead-letters", "dead-letter"]
)
def test_a_viewer_is_offered_nothing_to_change(name: str) -> None:
    template, here, values = made_up.PAGES[name]
    html = render.page(template, made_up.shell(here, role=Role.VIEWER), values)
    posts = set(re.findall(r'(?:hx-post|method="post" action)="([^"]+)"', html))
    assert posts == {"/console/sign-out"}


def test_both_languages_have_the_same_words_and_values() -> None:
    english, chinese = (texts.table(language) for language in texts.LANGUAGES)
    assert english.keys() == chinese.keys()
    values = re.compile(r"{(\w+)}")
    for key, text in english.items():
        assert set(values.findall(text)) == set(values.findall(chinese[key])), key


def test_every_word_the_templates_ask_for_exists() -> None:
    asked = set()
    for file in (render.HERE / "templates").glob("*.html"):
        asked |= set(re.findall(r"""\bt\(["']([a-z_.]+)["'][,)]""", file.read_text(encoding="utf-8")))
    for file in render.HERE.glob("*.py"):
        asked |= set(re.findall(r'visit_text\(\s*visit, "([a-z_.]+)"', file.read_text(encoding="utf-8")))
    assert asked - texts.table("en").keys() == set()


def test_a_customers_name_and_words_are_text_not_markup() -> None:
    bad = "<img src=x onerror=alert(1)>"
    thread = made_up.THREAD
    html = render.page(
        "conversations_thread.html",
        made_up.shell("/console/conversations"),
        {"thread": type(thread)(thread.id, bad, bad, thread.state, "", False, True, ())},
    )
    assert bad not in html


@pytest.mark.parametrize(
    "text",
    [
        "<script>alert(1)</script>",
        "[x](javascript:alert(1))",
        "![x](https://evil.example/pixel)",
        "<b onclick=x>b</b>",
        '<a href="data:text/html,x">x</a>',
    ],
)
def test_markdown_is_cleaned(text: str) -> None:
    html = safe(text)
    assert set(re.findall(r"<(\w+)", html)) <= {"p", "a"}
    assert all(link.startswith("https://") for link in re.findall(r'<a href="([^"]*)"', html))


def test_markdown_keeps_what_answers_need() -> None:
    html = safe("**Order 1001** is on its way:\n\n- one\n- two\n\n[help](https://shop.example/help)")
    assert "<strong>Order 1001</strong>" in html
    assert "<li>one</li>" in html
    assert 'rel="noopener noreferrer nofollow"' in html


def test_vendored_files_are_what_the_table_says() -> None:
    table = (render.STATIC / "vendor" / "README.md").read_text(encoding="utf-8")
    for name in ("htmx.min.js", "uplot.min.js"):
        assert assets.files()[f"vendor/{name}"][0]
        assert name in table
    assert json.loads(re.search(r"content='({[^']+})'", _document())[1])["allowEval"] is False  # type: ignore[index]


def _document() -> str:
    return (render.HERE / "templates" / "document.html").read_text(encoding="utf-8")
