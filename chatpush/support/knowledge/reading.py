"""Turn files into articles: Markdown with front matter, plain text, HTML.

Every file either becomes an article or raises an ``InvalidKnowledge`` that
says what is wrong with it; nothing is taken in half. Articles are split where
their headings are, so that an answer is one section and not a whole page.
"""

import re
from dataclasses import dataclass
from html.parser import HTMLParser
from pathlib import Path, PurePath

from chatpush.errors import InvalidKnowledge
from chatpush.support.retrieval.language import of_text

MAX_BYTES = 2_000_000
MAX_CHUNK_TOKENS = 400
MIN_CHUNK_CHARS = 40
MAX_CHUNKS = 2000
MAX_QUESTIONS = 200
_HAN = re.compile(r"[\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff\u3040-\u30ff\uac00-\ud7af]")
SUFFIXES = {".md": "markdown", ".markdown": "markdown", ".txt": "text", ".html": "html", ".htm": "html"}


@dataclass(frozen=True, slots=True)
class Draft:
    """An article to be stored. ``questions`` are other ways to ask for it; dates are ISO days or empty.

    ``audience`` names who may read it: ``signed_in`` or attributes such as ``plan=gold``; empty: everybody.
    """

    id: str
    title: str
    text: str
    language: str
    url: str = ""
    tags: tuple[str, ...] = ()
    questions: tuple[str, ...] = ()
    valid_from: str = ""
    valid_until: str = ""
    audience: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Chunk:
    """One section: its heading (with the ones above it) and its text."""

    heading: str
    text: str


def read_file(path: Path, id: str) -> Draft:
    """Read one file.

    Raises:
        InvalidKnowledge: it is missing, unreadable, binary, too large, empty, or of no known kind.
    """
    kind = SUFFIXES.get(path.suffix.lower())
    if kind is None:
        raise InvalidKnowledge(f"{path.name}: not one of {', '.join(SUFFIXES)}")
    try:
        size = path.stat().st_size
        if size > MAX_BYTES:
            raise InvalidKnowledge(f"{path.name}: {size:,} bytes; at most {MAX_BYTES:,}, split it")
        raw = path.read_bytes()
    except OSError as error:
        raise InvalidKnowledge(f"{path.name}: {error.strerror or error}") from error
    return read_bytes(raw, kind, id, path.name)


def read_bytes(raw: bytes, kind: str, id: str, name: str) -> Draft:
    """Read a document of a known kind (markdown, text, html).

    Raises:
        InvalidKnowledge: as ``read_file``.
    """
    text = decode(raw, name)
    if kind == "html":
        return finish(id, name, *read_html(text))
    if kind == "markdown":
        head, body = front_matter(text, name)
        return finish(id, name, head, body)
    return finish(id, name, {}, text)


def decode(raw: bytes, name: str) -> str:
    """Return the text of bytes: UTF-8, UTF-16 with a mark, or GB 18030.

    Raises:
        InvalidKnowledge: it is no text.
    """
    if raw.startswith((b"\xff\xfe", b"\xfe\xff")):
        encodings = ["utf-16"]
    elif b"\0" in raw:
        raise InvalidKnowledge(f"{name}: this is a binary file, not text")
    else:
        encodings = ["utf-8-sig", "gb18030"]
    for encoding in encodings:
        try:
            text = raw.decode(encoding)
        except UnicodeDecodeError:
            continue
        if encoding == "gb18030" and not _looks_chinese(text):
            break
        return text.replace("\r\n", "\n").replace("\r", "\n")
    raise InvalidKnowledge(f"{name}: can't be read as text; save it as UTF-8")


def _looks_chinese(text: str) -> bool:
    """GB 18030 decodes nearly anything: believe it only if the result is mostly common characters."""
    beyond = [one for one in text if ord(one) > 127]
    common = sum("\u4e00" <= one <= "\u9fff" or one in "，。！？、：；（）《》“”" for one in beyond)
    return bool(beyond) and common / len(beyond) > 0.8


def front_matter(text: str, name: str) -> tuple[dict[str, str | list[str]], str]:
    """Return the ``---`` head (plain ``key: value`` and lists) and the rest.

    Raises:
        InvalidKnowledge: the head has no end or a line that is neither.
    """
    if not re.match(r"---[ \t]*\n", text):
        return {}, text
    parts = re.split(r"^---[ \t]*$", text, maxsplit=2, flags=re.MULTILINE)
    if len(parts) < 3:
        raise InvalidKnowledge(f"{name}: the front matter has no closing ---")
    head: dict[str, str | list[str]] = {}
    key = ""
    for line in parts[1].splitlines():
        if not line.strip() or line.lstrip().startswith("#"):
            continue
        listed = re.match(r"\s*-\s+(.*)$", line)
        if listed and key:
            before = head.get(key)
            head[key] = [*(before if isinstance(before, list) else []), _unquote(listed[1])]
            continue
        pair = re.match(r"([A-Za-z_][\w-]*)\s*:\s*(.*)$", line)
        if not pair:
            raise InvalidKnowledge(f"{name}: can't read the front matter line {line.strip()!r}")
        key, value = pair[1].lower(), pair[2].strip()
        if value.startswith("[") and value.endswith("]"):
            head[key] = [_unquote(one) for one in value[1:-1].split(",") if one.strip()]
        else:
            head[key] = _unquote(value)
    return head, parts[2]


def _unquote(value: str) -> str:
    value = value.strip()
    return value[1:-1] if len(value) > 1 and value[0] == value[-1] and value[0] in "\"'" else value


def finish(id: str, name: str, head: dict[str, str | list[str]], body: str) -> Draft:
    """Return the article of a text with what its head says; what it leaves out is found in the text.

    Raises:
        InvalidKnowledge: there is no text.
    """

    def one(key: str) -> str:
        value = head.get(key, "")
        return value.strip() if isinstance(value, str) else ", ".join(value)

    def many(key: str) -> tuple[str, ...]:
        value = head.get(key, [])
        return tuple([value] if isinstance(value, str) and value else value)

    body = body.strip()
    heading = re.match(r"#[ \t]+(.+)\n?", body)
    title = one("title") or (heading[1].strip() if heading else "") or _title_from(name)
    if heading and heading[1].strip() == title:
        body = body[heading.end() :].strip()
    if not body:
        raise InvalidKnowledge(f"{name}: the file has no text")
    language = one("language") or one("lang") or of_text(f"{title} {body}")
    return Draft(
        id, title, body, language, one("url"), many("tags"), many("questions")[:MAX_QUESTIONS],
        one("valid_from"), one("valid_until"), many("audience"),
    )  # fmt: skip


def _title_from(name: str) -> str:
    return re.sub(r"[-_]+", " ", PurePath(name).stem).strip().capitalize()


def split(text: str) -> list[Chunk]:
    """Return the sections of a Markdown text; long ones in parts, at paragraphs.

    Raises:
        InvalidKnowledge: there are more sections than one article may have.
    """
    chunks: list[Chunk] = []
    trail: list[tuple[int, str]] = []
    lines: list[str] = []

    def close() -> None:
        heading = " › ".join(title for _, title in trail)
        chunks.extend(Chunk(heading, part) for part in _parts("\n".join(lines).strip()))
        lines.clear()

    fenced = False
    for line in text.splitlines():
        fenced ^= line.lstrip().startswith("```")
        heading = None if fenced else re.match(r"(#{1,6})[ \t]+(.*)", line)
        title = heading[2].strip().rstrip("#").rstrip() if heading else ""
        if heading is None or not title:
            lines.append(line)
            continue
        close()
        level = len(heading[1])
        trail = [*((depth, title) for depth, title in trail if depth < level), (level, title)]
    close()
    if len(chunks) > MAX_CHUNKS:
        raise InvalidKnowledge(f"over {MAX_CHUNKS} sections in one article; split it")
    return chunks


def tokens_in(text: str) -> int:
    """Return about how many tokens a text is: a Chinese character is one, four other signs are."""
    han = len(_HAN.findall(text))
    return han + (len(text) - han + 3) // 4


def _parts(text: str) -> list[str]:
    """Cut a long section at paragraphs, a long paragraph at sentences, and a long sentence anywhere."""
    if not text:
        return []
    pieces = [
        piece
        for paragraph in re.split(r"\n\s*\n", text)
        for piece in ([paragraph] if tokens_in(paragraph) <= MAX_CHUNK_TOKENS else _sentences(paragraph))
    ]
    parts = [""]
    for piece in pieces:
        if parts[-1] and tokens_in(parts[-1]) + tokens_in(piece) > MAX_CHUNK_TOKENS:
            parts.append("")
        parts[-1] = f"{parts[-1]}\n\n{piece}" if parts[-1] else piece
    return parts


def _sentences(paragraph: str) -> list[str]:
    found = re.split(r"(?<=[.!?])\s+|(?<=[。！？；])|\n", paragraph)
    return [part for sentence in found if sentence.strip() for part in _cut(sentence)]


def _cut(sentence: str) -> list[str]:
    """Cut what has no end: a Chinese text so long has more tokens, so it is cut shorter."""
    size = MAX_CHUNK_TOKENS if _HAN.search(sentence) else 4 * MAX_CHUNK_TOKENS
    return [sentence[start : start + size] for start in range(0, len(sentence), size)]


class _ToMarkdown(HTMLParser):
    """Keeps headings, paragraphs, lists and links of a page; drops what is not its text."""

    DROPPED = frozenset({"script", "style", "nav", "footer", "noscript", "template", "svg", "form", "iframe"})
    BLOCKS = frozenset(
        {"p", "div", "section", "article", "ul", "ol", "table", "tr", "br", "blockquote", "dl"}
    )

    def __init__(self) -> None:
        super().__init__(convert_charrefs=True)
        self.parts: list[str] = []
        self.head: dict[str, str | list[str]] = {}
        self._dropped = 0
        self._title: list[str] | None = None

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = dict(attrs)
        if tag == "html" and given.get("lang"):
            self.head["language"] = str(given["lang"])
        elif tag == "link" and given.get("rel") == "canonical" and given.get("href"):
            self.head["url"] = str(given["href"])
        elif tag == "title":
            self._title = []
        elif tag in self.DROPPED:
            self._dropped += 1
        elif re.fullmatch(r"h[1-6]", tag):
            self.parts.append(f"\n\n{'#' * int(tag[1])} ")
        elif tag == "li":
            self.parts.append("\n- ")
        elif tag in self.BLOCKS:
            self.parts.append("\n\n")

    def handle_endtag(self, tag: str) -> None:
        if tag == "title" and self._title is not None:
            self.head["title"] = " ".join("".join(self._title).split())
            self._title = None
        elif tag in self.DROPPED:
            self._dropped = max(0, self._dropped - 1)
        elif tag in self.BLOCKS or re.fullmatch(r"h[1-6]", tag):
            self.parts.append("\n\n")
        elif tag in {"td", "th"}:
            self.parts.append(" ")

    def handle_data(self, data: str) -> None:
        if self._title is not None:
            self._title.append(data)
        elif not self._dropped:
            self.parts.append(re.sub(r"\s+", " ", data))


def read_html(text: str) -> tuple[dict[str, str | list[str]], str]:
    """Return what a page says of itself and its text as Markdown."""
    parser = _ToMarkdown()
    parser.feed(text)
    parser.close()
    body = "".join(parser.parts)
    body = re.sub(r"[ \t]+", " ", body)  # first, so that the next one never looks far
    body = re.sub(r" ?\n ?", "\n", body)
    return parser.head, re.sub(r"\n{3,}", "\n\n", body).strip()
