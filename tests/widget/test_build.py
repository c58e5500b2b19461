"""The committed files are what their source builds, small enough for any page, and a difference would be noticed."""

from __future__ import annotations

import base64
import hashlib
import json
import re
import shutil
from pathlib import Path

import pytest

from chatpush.web.widget import verify


@pytest.fixture
def built(tmp_path: Path) -> Path:
    """A copy of what was built, to spoil."""
    return shutil.copytree(verify.STATIC, tmp_path / "static")


def test_the_committed_files_match_their_source() -> None:
    """Nobody changed one without the other."""
    assert verify.problems() == []


def test_a_changed_source_is_noticed(tmp_path: Path) -> None:
    """A source that changes without a rebuild makes the committed files old."""
    ignore = shutil.ignore_patterns("node_modules", "__pycache__")
    copy = shutil.copytree(verify.WIDGET, tmp_path / "widget", ignore=ignore)
    assert verify.problems(widget=copy) == []
    with (copy / "src" / "styles.css").open("a") as styles:
        styles.write("\n")
    assert verify.problems(widget=copy) == [f"the built files are older than their source: {verify.REBUILD}"]


def test_an_edited_missing_or_forgotten_file_is_noticed(built: Path) -> None:
    """A built file changed by hand, one that is not there, one that nothing builds, and no manifest."""
    (built / "widget.js").write_text((built / "widget.js").read_text("utf-8") + " ", "utf-8")
    [main] = built.glob("widget/main-*.js")
    main.unlink()
    (built / "widget" / "main-0.js").touch()
    wrong = verify.problems(built)
    assert [problem.split(" ", 1)[0] for problem in wrong] == [
        "widget.js", f"widget/{main.name}", "widget/main-0.js",
    ]  # fmt: skip
    for problem, words in zip(wrong, ("was edited", "is missing", "is not built any more"), strict=True):
        assert words in problem
    (built / verify.MANIFEST).unlink()
    assert "is missing" in verify.problems(built)[0]


def test_it_stays_small(built: Path) -> None:
    """The loader within 5 KB and the widget within 45, compressed; one that grew is told."""
    sizes = verify.sizes()
    assert sizes["widget.js"] <= 5 * 1024
    [main] = [size for name, size in sizes.items() if name.startswith("widget/main-")]
    assert main <= 45 * 1024
    noise = b"".join(hashlib.sha256(b"%d" % n).digest() for n in range(1000))
    (built / "widget.js").write_bytes(noise)
    manifest = json.loads((built / verify.MANIFEST).read_text())
    manifest["files"]["widget.js"] = hashlib.sha256(noise).hexdigest()
    (built / verify.MANIFEST).write_text(json.dumps(manifest))
    assert "bytes after gzip" in verify.problems(built)[0]


def test_every_script_is_named_by_its_content_and_pinned(built: Path) -> None:
    """Whoever names a file says its hash too: the loader that of the widget, the widget those of its parts."""
    [main] = built.glob("widget/main-*.js")
    callers = (built / "widget.js").read_text("utf-8") + main.read_text("utf-8")
    fetched = [
        path
        for path in (built / "widget").iterdir()
        if "-sw" not in path.name and path.name != "manifest.json"
    ]
    assert len(fetched) >= 3
    for path in fetched:
        body = path.read_bytes()
        assert hashlib.sha256(body).hexdigest()[:12] in path.name
        integrity = "sha384-" + base64.b64encode(hashlib.sha384(body).digest()).decode()
        assert re.search(rf'"{re.escape(path.name)}",\s*"{re.escape(integrity)}"', callers)


@pytest.mark.parametrize(
    "forbidden", ["eval(", "new Function", "innerHTML", "document.write", "outerHTML", "insertAdjacentHTML"]
)
def test_it_needs_no_eval_and_writes_no_html(forbidden: str) -> None:
    """What any content policy can allow."""
    for path in [verify.STATIC / "widget.js", *verify.STATIC.glob("widget/*.js")]:
        assert forbidden not in path.read_text("utf-8"), path.name


def test_axe_is_the_one_the_widget_names() -> None:
    """The copy the tests use is of the version that `package.json` pins."""
    package = json.loads((verify.WIDGET / "package.json").read_text("utf-8"))
    copy = Path(__file__).parent / "assets" / "axe.js"
    assert copy.read_text("utf-8").startswith(f"/*! axe v{package['devDependencies']['axe-core']}")
