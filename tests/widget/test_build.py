"""The committed widget.js is what its source builds, and a difference would be noticed."""

from __future__ import annotations

import gzip
import shutil
from pathlib import Path

from chatpush.web.widget import verify

MOST_KILOBYTES = 60


def test_the_committed_file_matches_its_source() -> None:
    """Nobody changed one without the other."""
    assert verify.problems() == []


def test_a_changed_source_is_noticed(tmp_path: Path) -> None:
    """A source that changes without a rebuild makes the committed file old."""
    ignore = shutil.ignore_patterns("node_modules", "__pycache__")
    copy = shutil.copytree(verify.WIDGET, tmp_path / "widget", ignore=ignore)
    assert verify.problems(widget=copy) == []
    with (copy / "src" / "styles.css").open("a") as styles:
        styles.write("\n")
    assert verify.problems(widget=copy) == [
        "widget.js is older than its source: run `npm run build` in chatpush/web/widget"
    ]


def test_an_edited_or_missing_file_is_noticed(tmp_path: Path) -> None:
    """A built file changed by hand, without its banner, or not there."""
    text = verify.BUILT.read_text("utf-8")
    built = tmp_path / "widget.js"
    assert "is missing" in verify.problems(built)[0]
    built.write_text(text + " ", "utf-8")
    assert "was edited after it was built" in verify.problems(built)[0]
    built.write_text(text.split("*/", 1)[1], "utf-8")
    assert "has no build banner" in verify.problems(built)[0]


def test_it_stays_small_and_needs_no_eval() -> None:
    """One file that any page can afford and any content policy can allow."""
    text = verify.BUILT.read_bytes()
    assert len(gzip.compress(text, 9)) < MOST_KILOBYTES * 1024
    for forbidden in (b"eval(", b"new Function", b"innerHTML", b"document.write"):
        assert forbidden not in text
