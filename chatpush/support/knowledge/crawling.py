"""Read a site's pages: one host, by its robots.txt, within limits.

Nothing here opens a connection: a ``Fetch`` does, behind the guard that keeps
addresses out of private networks. Pages come from the sitemap first, then from
links, breadth first. A page whose ETag or text is known already is told as such.
"""

import asyncio
import hashlib
import re
from collections import deque
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from dataclasses import dataclass
from html import unescape
from urllib.parse import urldefrag, urljoin, urlsplit
from urllib.robotparser import RobotFileParser

from chatpush.errors import ChatpushError, InvalidInput, InvalidKnowledge, Unavailable
from chatpush.support.assistant.sanitising import host_of
from chatpush.support.knowledge.reading import MAX_BYTES, Draft, read_bytes

AGENT = "chatpush"
HEADERS = {"User-Agent": "chatpush (knowledge import)", "Accept": "text/html, text/markdown, text/plain"}
MOST_SITEMAPS = 20
MOST_WAITING = 20_000
MOST_REDIRECTS = 5
LONGEST_DELAY = 5.0
DELAY_SECONDS = 0.2
KINDS = {
    "text/html": "html",
    "application/xhtml+xml": "html",
    "text/markdown": "markdown",
    "text/plain": "text",
}
_LOC = re.compile(r"<loc>\s*(.*?)\s*</loc>", re.DOTALL | re.IGNORECASE)
_HREF = re.compile(r"<a\b[^>]*?\bhref\s*=\s*(?:\"([^\"]*)\"|'([^']*)'|([^\s>]+))", re.IGNORECASE)
_NO_PAGE = re.compile(
    r"\.(?:png|jpe?g|gif|svg|webp|ico|css|js|mjs|json|zip|gz|mp4|mp3|woff2?|ttf|exe|dmg)$", re.I
)
_NOINDEX = re.compile(r"<meta\b[^>]*name\s*=\s*[\"']?robots[^>]*noindex", re.IGNORECASE)
Fetch = Callable[[str, Mapping[str, str], int], Awaitable[tuple[int, dict[str, str], bytes]]]
"""(status, headers in small letters, body) of an address; raises ``ChatpushError`` where that can't be."""
Pause = Callable[[float], Awaitable[None]]


@dataclass(frozen=True, slots=True)
class Limits:
    """How much of a site is read."""

    pages: int = 200
    depth: int = 5
    bytes: int = 50_000_000


@dataclass(frozen=True, slots=True)
class Known:
    """What a page was like when it was read last."""

    etag: str
    digest: str


@dataclass(frozen=True, slots=True)
class Page:
    """A page that was looked at: a draft when it is new or changed, a problem when it can't be used."""

    url: str
    etag: str = ""
    digest: str = ""
    draft: Draft | None = None
    unchanged: bool = False
    gone: bool = False
    problem: str = ""
    waiting: int = 0  # pages known of and not looked at yet


class Crawl:
    """One walk over a site."""

    def __init__(
        self, url: str, fetch: Fetch, known: Mapping[str, Known], limits: Limits, pause: Pause = asyncio.sleep
    ) -> None:
        self._start = _plain(url)
        self._host = host_of(self._start)
        if not self._host:
            raise InvalidInput("a site's address begins with https://", param="url")
        self._fetch = fetch
        self._known = known
        self._limits = limits
        self._pause = pause
        self._robots = RobotFileParser()
        self._waiting: deque[tuple[str, int]] = deque()
        self._seen: set[str] = set()
        self._read = 0
        self.complete = False  # every page there is was looked at

    async def pages(self) -> AsyncIterator[Page]:
        """Yield the pages as they are looked at.

        Raises:
            InvalidInput, Forbidden, Unavailable: the site can't or may not be read at all.
        """
        await self._read_robots()
        self._add(self._start, 0)
        await self._read_sitemaps()
        delay = float(self._robots.crawl_delay(AGENT) or DELAY_SECONDS)
        looked = 0
        while self._waiting and looked < self._limits.pages and self._read < self._limits.bytes:
            if looked:
                await self._pause(min(delay, LONGEST_DELAY))
            url, depth = self._waiting.popleft()
            page = await self._look(url, depth)
            if page is not None:
                looked += 1
                yield page
        self.complete = not self._waiting

    async def _look(self, url: str, depth: int) -> Page | None:
        """Return what a page is, or None if it only led elsewhere."""
        known = self._known.get(url)
        headers = {**HEADERS, **({"If-None-Match": known.etag} if known and known.etag else {})}
        try:
            status, told, body = await self._fetch(url, headers, MAX_BYTES)
        except Unavailable as error:
            if not self._read and url == self._start:
                raise
            return Page(url, problem=error.message, waiting=len(self._waiting))
        except ChatpushError as error:
            return Page(url, problem=error.message, waiting=len(self._waiting))
        self._read += len(body)
        waiting = len(self._waiting)
        match status:
            case 200:
                return self._taken(url, depth, told, body, known)
            case 301 | 302 | 303 | 307 | 308:
                self._add(urljoin(url, told.get("location", "")), depth)
                return None
            case 304 if known is not None:
                page = Page(url, known.etag, known.digest, unchanged=True, waiting=waiting)
            case 404 | 410:
                page = Page(url, gone=True, waiting=waiting)
            case _:
                page = Page(url, problem=f"{url} answered {status}", waiting=waiting)
        return page

    def _taken(
        self, url: str, depth: int, told: Mapping[str, str], body: bytes, known: Known | None
    ) -> Page | None:
        kind = KINDS.get(told.get("content-type", "").partition(";")[0].strip().lower())
        if kind is None:
            return None
        text = body.decode("utf-8", "replace")
        if kind == "html" and depth < self._limits.depth:
            for groups in _HREF.findall(text):
                self._add(urljoin(url, unescape(next(filter(None, groups), ""))), depth + 1)
        digest = hashlib.sha256(body).hexdigest()
        etag, waiting = told.get("etag", "")[:200], len(self._waiting)
        if known is not None and known.digest == digest:
            return Page(url, etag, digest, unchanged=True, waiting=waiting)
        if kind == "html" and _NOINDEX.search(text):
            return Page(url, gone=True, waiting=waiting)
        try:
            draft = read_bytes(body, kind, article_id(url), urlsplit(url).path.rpartition("/")[2] or "Home")
        except InvalidKnowledge as error:
            return Page(url, problem=error.message, waiting=waiting)
        return Page(url, etag, digest, draft=_at(draft, url), waiting=waiting)

    def _add(self, url: str, depth: int) -> None:
        """Have a page looked at later, if it is one of this site that robots may read."""
        plain = _plain(url)
        if plain in self._seen or len(self._seen) >= MOST_WAITING or host_of(plain) != self._host:
            return
        if _NO_PAGE.search(urlsplit(plain).path) or not self._robots.can_fetch(AGENT, plain):
            return
        self._seen.add(plain)
        self._waiting.append((plain, depth))

    async def _read_robots(self) -> None:
        status, _, body = await self._fetch(urljoin(self._start, "/robots.txt"), HEADERS, MAX_BYTES)
        # RFC 9309: without one everything may be read, with a failing one nothing.
        if status >= 500:
            raise Unavailable("the site's robots.txt fails; nothing may be read until it answers")
        self._robots.parse(body.decode("utf-8", "replace").splitlines() if status == 200 else [])
        if not self._robots.can_fetch(AGENT, self._start):
            raise InvalidInput("the site's robots.txt does not let this address be read", param="url")

    async def _read_sitemaps(self) -> None:
        sitemaps = deque(self._robots.site_maps() or [urljoin(self._start, "/sitemap.xml")])
        for _ in range(MOST_SITEMAPS):
            if not sitemaps:
                return
            url = sitemaps.popleft()
            if host_of(url) != self._host:
                continue
            try:
                status, _, body = await self._fetch(url, HEADERS, 10 * MAX_BYTES)
            except ChatpushError:
                continue
            text = body.decode("utf-8", "replace") if status == 200 else ""
            places = [unescape(one) for one in _LOC.findall(text)]
            if "<sitemapindex" in text:
                sitemaps.extend(places)
                continue
            for place in places:
                self._add(place, 1)


def article_id(url: str) -> str:
    """Return the id of a page's article: the same page is the same article at every import."""
    parts = urlsplit(url)
    name = f"site:{parts.netloc}{parts.path}" + (f"?{parts.query}" if parts.query else "")
    if len(name) <= 180:
        return name
    return f"{name[:160]}~{hashlib.sha256(name.encode()).hexdigest()[:16]}"


def _plain(url: str) -> str:
    """Return an address in one spelling."""
    parts = urlsplit(urldefrag(url.strip()).url)
    return parts._replace(netloc=parts.netloc.lower(), path=parts.path or "/").geturl()


def _at(draft: Draft, url: str) -> Draft:
    """Return a draft that says where its page is; a page's word on its address counts only for its host."""
    own = draft.url if draft.url and host_of(urljoin(url, draft.url)) == host_of(url) else url
    return Draft(draft.id, draft.title[:300], draft.text, draft.language, urljoin(url, own))
