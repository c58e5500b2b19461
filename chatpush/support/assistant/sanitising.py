"""Let an answer out: no pictures or HTML, and links only to hosts that are ours.

A link may lead to a host named in ``support.link_hosts`` or to the host of a
source; anything else keeps its words and loses its address. After the plain
rules a Markdown parser looks at what is left, because there are more ways to
write a link than rules to find them: if it still sees one that must not be,
every sign that could begin one is escaped.
"""

import re
import unicodedata
from collections.abc import Callable, Iterable
from urllib.parse import urlsplit

from markdown_it import MarkdownIt

_MARKDOWN_LINK = re.compile(r"(!?)\[([^\[\]\n]*)\]\(\s*<?([^)\s>]*)>?[^)\n]*\)")
_DESTINATION = re.compile(
    r"\]\(\s*<?([^)\s>]*)>?[^)\n]*\)"
)  # of a link whose words have brackets of their own
_REFERENCE = re.compile(r"(?m)^ {0,3}\[[^\]\n]+\]:[ \t]*\S.*$\n?")
_BARE_LINK = re.compile(
    r"(?:[a-z\uff21-\uff3a\uff41-\uff5a][a-z0-9+.\uff01-\uff5e-]{1,15}[:：][/／]{2}|www\.)"
    r"[^\s<>()\[\]\u3000-\u303f\uff00-\uff20\u4e00-\u9fff]+",
    re.IGNORECASE,
)
_HTML = re.compile(r"<(?:/?[a-z][^<>]*|!--.*?--|!\[CDATA\[.*?\]\]|[?!][^<>]*)>", re.IGNORECASE | re.DOTALL)
_AFTER = ".,;:!?'\"*_"
_SCHEMES = ("http", "https")
_PARSER = MarkdownIt("commonmark", {"html": True}).enable(["table", "strikethrough"])
_ESCAPED = re.compile(r"(?<!\\)([\[\]<>!])")
Allowed = Callable[[str], bool]


def host_of(url: str) -> str:
    """Return the host of an http(s) address in small ASCII letters; empty if it has none."""
    try:
        parts = urlsplit(url.strip())
        host = (parts.hostname or "").rstrip(".")
        port = parts.port
    except ValueError:
        return ""
    if parts.scheme.lower() not in _SCHEMES or parts.username is not None:
        return ""
    try:
        named = host.encode("idna").decode() if host else ""
    except UnicodeError:
        return ""
    return f"{named}:{port}" if port is not None else named


class LinkRules:
    """The hosts an answer may link to."""

    def __init__(self, hosts: Iterable[str] = (), urls: Iterable[str] = ()) -> None:
        self._hosts = {host.strip().casefold() for host in hosts if host.strip()}
        self._hosts |= {host for url in urls if (host := host_of(url))}

    def with_hosts(self, hosts: Iterable[str]) -> "LinkRules":
        """Return rules that allow these hosts as well."""
        return LinkRules([*self._hosts, *hosts])

    def with_urls(self, urls: Iterable[str]) -> "LinkRules":
        """Return rules that allow the hosts of these addresses as well."""
        return LinkRules(self._hosts, urls)

    def allow(self, url: str) -> bool:
        """Return whether an answer may carry an address. A path of the page's own site may be."""
        plain = url.strip()
        if plain.startswith(("/", "#")) and not plain.startswith(("//", "/\\")):
            return True
        if plain.lower().startswith(("mailto:", "tel:")):
            return "?" not in plain and "%" not in plain
        host = host_of(plain)
        if not host or plain != unicodedata.normalize("NFKC", plain):
            return False
        return any(host == one or (one.startswith("*.") and host.endswith(one[1:])) for one in self._hosts)


def sanitised(text: str, rules: LinkRules) -> str:
    """Return an answer's Markdown as it may be shown."""
    text = without_links(_REFERENCE.sub("", text), rules.allow)
    return _ESCAPED.sub(r"\\\1", text) if _offends(text, rules.allow) else text


def without_links(text: str, allow: Allowed) -> str:
    """Return a text without HTML, pictures and links that are not allowed."""
    text = _HTML.sub("", text)
    text = _MARKDOWN_LINK.sub(lambda m: m[0] if not m[1] and allow(m[3]) else m[2], text)
    text = _DESTINATION.sub(lambda m: m[0] if allow(m[1]) else "]", text)
    return _BARE_LINK.sub(lambda m: _bare(m[0], allow), text)


def words_of(text: str) -> str:
    """Return a text without the addresses of its links."""
    return _BARE_LINK.sub("", _MARKDOWN_LINK.sub(lambda m: m[2], text))


def links(text: str) -> set[str]:
    """Return the addresses in a text."""
    inside = {found[3] for found in _MARKDOWN_LINK.finditer(text)}
    return inside | {found.rstrip(_AFTER) for found in _BARE_LINK.findall(text)}


def _bare(found: str, allow: Allowed) -> str:
    address = found.rstrip(_AFTER)
    whole = f"https://{address}" if address.lower().startswith("www.") else address
    return found if allow(whole) else found[len(address) :]


def _offends(text: str, allow: Allowed) -> bool:
    """Return whether a parser still sees a picture, HTML, or a link that must not be."""
    waiting = list(_PARSER.parse(text))
    while waiting:
        token = waiting.pop()
        waiting += token.children or ()
        if token.type in {"image", "html_inline", "html_block"}:
            return True
        if token.type == "link_open" and not allow(str(token.attrGet("href") or "")):
            return True
    return False
