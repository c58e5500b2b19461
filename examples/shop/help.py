"""The shop's help articles: the same files that chatpush's assistant answers from.

Each is shown at ``/help/<en|zh>/<topic>``, so that a source of an answer is a
page one can open.
"""

from dataclasses import dataclass
from pathlib import Path

from markdown_it import MarkdownIt
from markupsafe import Markup

KNOWLEDGE = Path(__file__).parent / "knowledge"
ADDRESS = "https://hearth-and-lantern.example"
_FOLDERS = {"en": "en", "zh-CN": "zh"}


@dataclass(frozen=True)
class Article:
    """One topic in one language."""

    topic: str
    folder: str
    language: str
    title: str
    tags: list[str]
    html: Markup


class Help:
    """All articles."""

    def __init__(self, folder: Path = KNOWLEDGE) -> None:
        # Our own files, yet raw HTML stays text: a help page needs none.
        markdown = MarkdownIt("commonmark", {"html": False}).enable("table")
        self._articles = [_read(path, markdown) for path in sorted(folder.glob("*/*.md"))]

    def in_language(self, locale: str) -> list[Article]:
        """Return the articles of a language."""
        return [article for article in self._articles if article.folder == _FOLDERS.get(locale, "en")]

    def find(self, folder: str, topic: str) -> Article | None:
        """Return one article."""
        return next((one for one in self._articles if (one.folder, one.topic) == (folder, topic)), None)


def _read(path: Path, markdown: MarkdownIt) -> Article:
    _, head, body = path.read_text(encoding="utf-8").split("---\n", 2)
    said = dict(line.split(": ", 1) for line in head.strip().splitlines())
    text = body.strip().removeprefix(f"# {said['title']}").strip()
    return Article(
        topic=path.stem,
        folder=path.parent.name,
        language=said["language"],
        title=said["title"],
        tags=said["tags"].strip("[]").split(", "),
        html=Markup(markdown.render(text)),
    )


def write_for(address: str, target: Path, folder: Path = KNOWLEDGE) -> None:
    """Write a copy whose links lead to the shop that really runs."""
    for path in folder.glob("*/*.md"):
        copy = target / path.relative_to(folder)
        copy.parent.mkdir(parents=True, exist_ok=True)
        copy.write_text(path.read_text(encoding="utf-8").replace(ADDRESS, address), encoding="utf-8")
