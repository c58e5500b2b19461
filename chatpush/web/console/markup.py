"""Make turns safe to look at: Markdown in, a small set of HTML out."""

import nh3
from markdown_it import MarkdownIt
from markupsafe import Markup

TAGS = {"p", "br", "strong", "em", "s", "code", "pre", "ul", "ol", "li", "blockquote", "a", "h3", "h4"}
SCHEMES = {"http", "https", "mailto"}
_markdown = MarkdownIt("commonmark", {"html": False, "breaks": True}).disable("image")


def safe(text: str) -> Markup:
    """Return Markdown as HTML without anything that could run, load or restyle."""
    html = _markdown.render(text)
    clean = nh3.clean(
        html, tags=TAGS, attributes={"a": {"href"}}, url_schemes=SCHEMES, link_rel="noopener noreferrer nofollow"
    )  # fmt: skip
    return Markup(clean.strip())


def plain(text: str, chars: int) -> str:
    """Return the beginning of Markdown as one line of plain text."""
    return Markup(_markdown.render(text[: 4 * chars])).striptags()[:chars]
