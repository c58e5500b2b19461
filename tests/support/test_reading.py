"""Files become articles, or a clear reason why not."""

from pathlib import Path

import pytest

from chatpush.errors import InvalidKnowledge
from chatpush.support.knowledge.reading import (
    MAX_BYTES,
    MAX_CHUNK_TOKENS,
    read_bytes,
    read_file,
    split,
    tokens_in,
)


def write(directory: Path, name: str, content: bytes) -> Path:
    """Write a file."""
    path = directory / name
    path.write_bytes(content)
    return path


def test_markdown_with_front_matter(tmp_path: Path) -> None:
    content = (
        '---\ntitle: "Returns"\nurl: https://shop.example/returns\nlanguage: en\ntags: [money, back]\n'
        "questions:\n  - how do I send it back\n  - may I return it\n---\n\n# Returns\n\nWithin 30 days.\n"
    )
    draft = read_file(write(tmp_path, "returns.md", content.encode()), "returns")
    assert (draft.title, draft.url, draft.language) == ("Returns", "https://shop.example/returns", "en")
    assert draft.tags == ("money", "back")
    assert draft.questions == ("how do I send it back", "may I return it")
    assert draft.text == "Within 30 days."


def test_titles_come_from_the_heading_or_the_name(tmp_path: Path) -> None:
    assert read_bytes(b"# Delivery\n\nSoon.", "markdown", "d", "d.md").title == "Delivery"
    assert read_file(write(tmp_path, "gift-wrapping.txt", b"We wrap."), "g").title == "Gift wrapping"


def test_languages_are_found() -> None:
    assert read_bytes("退款需要三天。".encode(), "text", "r", "r.txt").language == "zh"
    assert read_bytes(b"Refunds take three days.", "text", "r", "r.txt").language == "en"


def test_old_chinese_files_are_read() -> None:
    text = "退货与退款：您可以在收到商品后三十天内退货。"
    assert read_bytes(text.encode("gb18030"), "text", "r", "r.txt").text == text
    assert read_bytes(text.encode("utf-16"), "text", "r", "r.txt").text == text


def test_html_keeps_text_and_headings_only() -> None:
    page = (
        b"<html lang='en'><head><title>Help &amp; more</title><link rel=canonical href='https://s.example/h'>"
        b"<style>p{}</style></head><body><nav>Menu</nav><h2>Returns</h2><p>Within <b>30</b> days.</p>"
        b"<ul><li>one<li>two</ul><script>evil()</script></body></html>"
    )
    draft = read_bytes(page, "html", "h", "h.html")
    assert (draft.title, draft.url, draft.language) == ("Help & more", "https://s.example/h", "en")
    assert "## Returns" in draft.text
    assert "Within 30 days." in draft.text
    assert "- one" in draft.text
    assert "Menu" not in draft.text
    assert "evil" not in draft.text


@pytest.mark.parametrize(
    ("name", "content", "reason"),
    [
        ("a.pdf", b"%PDF", "not one of"),
        ("a.md", b"\x00\x01\x02", "binary"),
        ("a.md", b"", "no text"),
        ("a.md", b"---\ntitle: x\n---\n\n  \n", "no text"),
        ("a.md", b"---\ntitle: x\n", "no closing ---"),
        ("a.md", b"---\n!!\n---\ntext", "can't read the front matter"),
        ("a.txt", b"\xff\xfa\xe9\xe8 caf\xe9 \xe9t\xe9", "save it as UTF-8"),
        ("a.html", b"<script>x</script>", "no text"),
        ("a.txt", b"x" * (MAX_BYTES + 1), "at most"),
    ],
)
def test_bad_files_say_why(tmp_path: Path, name: str, content: bytes, reason: str) -> None:
    with pytest.raises(InvalidKnowledge, match=reason):
        read_file(write(tmp_path, name, content), "a")


def test_a_missing_file_says_so(tmp_path: Path) -> None:
    with pytest.raises(InvalidKnowledge, match="No such file"):
        read_file(tmp_path / "gone.md", "a")


def test_sections_follow_the_headings() -> None:
    chunks = split("Intro.\n\n## One\n\nFirst.\n\n### Deep\n\nSecond.\n\n## Two\n\n```\n# no heading\n```\n")
    assert [(chunk.heading, chunk.text) for chunk in chunks] == [
        ("", "Intro."),
        ("One", "First."),
        ("One › Deep", "Second."),
        ("Two", "```\n# no heading\n```"),
    ]


def test_long_sections_are_cut_at_paragraphs_and_nothing_is_lost() -> None:
    text = "\n\n".join(f"Paragraph {i}. " + "word " * 100 for i in range(12)) + "\n\n" + "长" * 4000
    chunks = split(text)
    assert all(tokens_in(chunk.text) <= MAX_CHUNK_TOKENS for chunk in chunks)
    joined = "".join(chunk.text for chunk in chunks)
    assert joined.count("Paragraph") == 12
    assert joined.count("长") == 4000


@pytest.mark.timeout(20)
@pytest.mark.parametrize(
    ("kind", "content"),
    [
        ("html", "<b> </b>" * 200_000 + "<p>x</p>"),
        ("html", "<" * 500_000 + "<p>x</p>"),
        ("html", "<div>" * 300_000 + "x"),
        ("markdown", "# a" + " " * 1_000_000 + "b\n\nx"),
        ("markdown", "# t\n\n## a" + "# " * 400_000 + "\n\nx"),
        ("markdown", "\n" * 900_000 + "x" + " \n" * 400_000 + "y"),
        ("text", "a." * 500_000),
    ],
)
def test_hostile_files_take_no_time(kind: str, content: str) -> None:
    draft = read_bytes(content.encode(), kind, "h", "h")
    assert split(draft.text)


def test_too_many_sections_are_refused() -> None:
    with pytest.raises(InvalidKnowledge, match="split it"):
        split("\n".join(f"# h{i}\n\ntext" for i in range(2500)))
