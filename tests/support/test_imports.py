# ruff: noqa: E501
"""Sites read into the knowledge, over a real loopback server and behind the guard; files; what articles were."""

import base64
import gzip
import io
import zlib
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from dataclasses import replace as change
from typing import Any

import pypdf
import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer

from chatpush.channels.outgoing import Outgoing
from chatpush.domain import DEFAULT_TENANT
from chatpush.errors import Conflict, Forbidden, InvalidInput, InvalidKnowledge, NotFound, Unavailable
from chatpush.store.database import Database
from chatpush.store.vault import Vault
from chatpush.support.knowledge.crawling import Limits, article_id
from chatpush.support.knowledge.imports import Import, Imports
from chatpush.support.knowledge.knowledge import Knowledge
from chatpush.support.knowledge.reading import Draft, split, tokens_in
from chatpush.support.knowledge.reading_pdf import pdf_of
from chatpush.web.api import knowledge as knowledge_api
from chatpush.web.api import knowledge_imports
from tests.clocks import StillClock
from tests.web.harness import serve


@dataclass
class Site:
    """A site on loopback: pages by path, what was asked for."""

    pages: dict[str, Any]
    asked: list[tuple[str, str]] = field(default_factory=list)
    url: str = ""

    async def answer(self, request: web.Request) -> web.StreamResponse:
        """Serve a page: text, a status, or a whole answer."""
        self.asked.append((request.path_qs, request.headers.get("If-None-Match", "")))
        page = self.pages.get(request.path_qs, 404)
        if isinstance(page, int):
            return web.Response(status=page)
        if isinstance(page, dict):
            etag = page.get("headers", {}).get("ETag", "")
            if etag and request.headers.get("If-None-Match") == etag:
                return web.Response(status=304)
            return web.Response(**page)
        return web.Response(text=page, content_type="text/html")


def page(title: str, body: str, *links: str) -> str:
    """Return a page's HTML."""
    anchors = "".join(f'<a href="{link}">x</a>' for link in links)
    return f"<html lang=en><head><title>{title}</title></head><body><p>{body}</p>{anchors}</body></html>"


PAGES: dict[str, Any] = {
    "/robots.txt": {"text": "User-agent: *\nDisallow: /private\nSitemap: {url}/map.xml\n"},
    "/map.xml": {"text": "<urlset><url><loc>{url}/from-map</loc></url><url><loc>https://evil.example/x</loc></url></urlset>"},
    "/": page("Help", "Welcome to our help pages.", "/returns", "/private/secret", "https://evil.example/", "#top", "/a.png", "/moved"),
    "/returns": {"text": page("Returns", "Thirty days to return things.", "/deep"), "content_type": "text/html", "headers": {"ETag": '"r1"'}},
    "/deep": page("Deep", "Deeply hidden words of wisdom.", "/deeper"),
    "/deeper": page("Deeper", "Even deeper words."),
    "/from-map": page("From the map", "Only the sitemap knows this."),
    "/moved": {"status": 301, "headers": {"Location": "/target"}},
    "/target": page("Target", "The place it moved to."),
    "/private/secret": page("Secret", "Nobody may read this."),
}  # fmt: skip


@pytest.fixture
async def site() -> AsyncIterator[Site]:
    """A site of a few pages."""
    site = Site(dict(PAGES))
    app = web.Application()
    app.router.add_get("/{path:.*}", site.answer)
    async with TestServer(app) as server:
        site.url = str(server.make_url("/")).rstrip("/")
        for name in ("/robots.txt", "/map.xml"):
            site.pages[name] = {"text": site.pages[name]["text"].replace("{url}", site.url)}
        yield site


@pytest.fixture
def knowledge(database: Database, vault: Vault, still_clock: StillClock) -> Knowledge:
    """An empty store of knowledge."""
    return Knowledge(database, vault, still_clock)


@pytest.fixture
async def imports(
    knowledge: Knowledge, database: Database, vault: Vault, still_clock: StillClock
) -> AsyncIterator[Imports]:
    """Imports that may read loopback."""
    outgoing = Outgoing(allow_private=True)

    async def pause(_: float) -> None:
        """Don't wait."""

    imports = Imports(database, vault, still_clock, knowledge, outgoing.get, pause)
    yield imports
    await imports.stop()
    await outgoing.close()


async def read(imports: Imports, url: str, limits: Limits | None = None) -> Import:
    """Import a site and return how it ended."""
    begun = await imports.start_site(DEFAULT_TENANT, url, limits or Limits())
    await imports.idle()
    return await imports.get(DEFAULT_TENANT, begun.id)


async def titles(knowledge: Knowledge) -> set[str]:
    """Return the titles of all articles."""
    return {article.title for article in await knowledge.page(DEFAULT_TENANT, 100)}


async def test_a_site_is_read_by_its_rules(site: Site, imports: Imports, knowledge: Knowledge) -> None:
    found = await read(imports, site.url)
    assert (found.state, found.changed, found.problems) == ("done", 6, ())
    assert await titles(knowledge) == {"Help", "Returns", "Deep", "Deeper", "From the map", "Target"}
    article, text = await knowledge.text(DEFAULT_TENANT, article_id(f"{site.url}/returns"))
    assert (article.url, "Thirty days" in text) == (f"{site.url}/returns", True)
    paths = [path for path, _ in site.asked]
    assert "/private/secret" not in paths
    assert "/a.png" not in paths
    assert len(paths) == len(set(paths))


async def test_reading_again_stores_what_changed_and_forgets_what_is_gone(
    site: Site, imports: Imports, knowledge: Knowledge
) -> None:
    await read(imports, site.url)
    site.asked.clear()
    site.pages["/deep"] = page("Deep", "New words.", "/deeper")
    site.pages["/"] = page("Help", "Welcome to our help pages.", "/returns", "/deep", "/deeper")
    site.pages["/target"] = 404
    found = await read(imports, site.url)
    assert ("/returns", '"r1"') in site.asked
    assert (found.changed, found.gone) == (2, 1)
    assert "Target" not in await titles(knowledge)
    again = await read(imports, site.url)
    assert (again.changed, again.gone) == (0, 0)


async def test_limits_hold(site: Site, imports: Imports, knowledge: Knowledge) -> None:
    assert (await read(imports, site.url, Limits(pages=2))).looked == 2
    await read(imports, site.url, Limits(depth=1))
    assert "Deeper" not in await titles(knowledge)
    site.pages["/returns"] = page("Returns", "x" * 2_100_000)
    assert any("more than" in one for one in (await read(imports, site.url)).problems)
    assert len([one for one in await titles(knowledge) if one == "Returns"]) <= 1


async def test_a_bomb_is_not_unpacked(site: Site, imports: Imports) -> None:
    bomb = gzip.compress(b"a" * 30_000_000)
    site.pages["/returns"] = {
        "body": bomb, "content_type": "text/html", "headers": {"Content-Encoding": "gzip"}
    }  # fmt: skip
    assert any("more than" in one for one in (await read(imports, site.url)).problems)


@pytest.mark.parametrize(
    ("robots", "error"),
    [
        ({"text": "User-agent: *\nDisallow: /"}, "robots.txt"),
        ({"text": "User-agent: chatpush\nDisallow: /"}, "robots.txt"),
        (503, "robots.txt"),
    ],
)
async def test_a_site_that_says_no_is_left_alone(
    site: Site, imports: Imports, robots: Any, error: str
) -> None:
    site.pages["/robots.txt"] = robots
    found = await read(imports, site.url)
    assert found.state == "failed"
    assert error in found.error
    assert {path for path, _ in site.asked} == {"/robots.txt"}


async def test_pages_that_can_not_be_used_are_told(
    site: Site, imports: Imports, knowledge: Knowledge
) -> None:
    site.pages["/returns"] = {"body": b"%PDF-1.4", "content_type": "application/pdf"}
    site.pages["/deep"] = page("", "")
    site.pages["/target"] = 500
    site.pages["/from-map"] = '<meta name="robots" content="noindex">' + page("From the map", "Hidden.")
    site.pages["/"] = page("Help", "Welcome.", "/returns", "/deep", "/moved", "/a/" + "b" * 900)
    found = await read(imports, site.url)
    assert found.state == "done"
    assert any("500" in one for one in found.problems)
    assert any("no text" in one for one in found.problems)
    assert await titles(knowledge) == {"Help"}


async def test_our_own_network_is_no_site(
    site: Site, knowledge: Knowledge, database: Database, vault: Vault, still_clock: StillClock
) -> None:
    outgoing = Outgoing()
    imports = Imports(database, vault, still_clock, knowledge, outgoing.get)
    for url in ("https://127.0.0.1/", "https://[::1]/", "https://localhost:1/", site.url):
        found = await read(imports, url)
        assert found.state == "failed"
    assert site.asked == []
    for url in ("ftp://shop.example/", "nonsense", "https://user@shop.example/"):
        with pytest.raises(InvalidInput):
            await imports.start_site(DEFAULT_TENANT, url, Limits())
    with pytest.raises(Forbidden):
        await outgoing.get("https://169.254.169.254/latest", {}, 1000)
    with pytest.raises(Unavailable):
        await outgoing.get("https://localhost:1/", {}, 1000)
    await outgoing.close()


async def test_one_import_of_a_site_at_a_time(site: Site, imports: Imports) -> None:
    await imports.start_site(DEFAULT_TENANT, site.url, Limits())
    with pytest.raises(Conflict):
        await imports.start_site(DEFAULT_TENANT, f"{site.url}/deep", Limits())
    await imports.stop()
    (stopped,) = await imports.last(DEFAULT_TENANT)
    assert stopped.state == "failed"
    assert "import it again" in stopped.error


# -- files ----------------------------------------------------------------------


def pdf(text: str = "", *, title: str = "", password: str = "", pages: int = 1, stream: bytes = b"") -> bytes:
    """Return a small PDF."""
    writer = pypdf.PdfWriter()
    for _ in range(pages):
        writer.add_blank_page(200, 200)
    content = stream or f"BT /F1 12 Tf 10 100 Td ({text}) Tj ET".encode()
    from_bytes = pypdf.generic.StreamObject()
    from_bytes.set_data(content)
    first = writer.pages[0]
    font = pypdf.generic.DictionaryObject({
        pypdf.generic.NameObject("/Type"): pypdf.generic.NameObject("/Font"),
        pypdf.generic.NameObject("/Subtype"): pypdf.generic.NameObject("/Type1"),
        pypdf.generic.NameObject("/BaseFont"): pypdf.generic.NameObject("/Helvetica"),
    })  # fmt: skip
    first[pypdf.generic.NameObject("/Resources")] = pypdf.generic.DictionaryObject({
        pypdf.generic.NameObject("/Font"): pypdf.generic.DictionaryObject({pypdf.generic.NameObject("/F1"): font})
    })  # fmt: skip
    first[pypdf.generic.NameObject("/Contents")] = writer._add_object(from_bytes)
    if title:
        writer.add_metadata({"/Title": title})
    if password:
        writer.encrypt(password, algorithm="RC4-128")
    made = io.BytesIO()
    writer.write(made)
    return made.getvalue()


def bomb() -> bytes:
    """Return a PDF whose page unpacks to a gigabyte."""
    squeeze = zlib.compressobj(9)
    packed = b"".join(squeeze.compress(b" " * 10_000_000) for _ in range(100)) + squeeze.flush()
    head = b"%PDF-1.4\n"
    objects = [
        b"<</Type/Catalog/Pages 2 0 R>>",
        b"<</Type/Pages/Kids[3 0 R]/Count 1>>",
        b"<</Type/Page/Parent 2 0 R/MediaBox[0 0 9 9]/Contents 4 0 R/Resources<<>>>>",
        b"<</Length %d/Filter/FlateDecode>>stream\n" % len(packed) + packed + b"\nendstream",
    ]
    body, places = head, []
    for number, one in enumerate(objects, 1):
        places.append(len(body))
        body += b"%d 0 obj" % number + one + b"endobj\n"
    table = b"xref\n0 5\n0000000000 65535 f \n" + b"".join(b"%010d 00000 n \n" % place for place in places)
    return body + table + b"trailer<</Size 5/Root 1 0 R>>\nstartxref\n%d\n%%%%EOF" % len(body)


def test_a_pdf_becomes_an_article() -> None:
    draft = pdf_of(pdf("Returns take thirty days.", title="Our returns"), "returns", "returns.pdf")
    assert (draft.title, draft.language) == ("Our returns", "en")
    assert "Returns take thirty days." in draft.text


BAD = {
    "no pdf": (b"hello", "no PDF"),
    "broken": (b"%PDF-1.4\nnothing", "broken"),
    "cut off": (pdf("Words")[:200], "broken|no text"),
    "a scan": (pdf(""), "no text"),
    "encrypted": (pdf("Words", password="secret"), "encrypted|broken"),
    "too many pages": (pdf("Words", pages=501), "at most 500"),
}


@pytest.mark.parametrize("name", list(BAD))
def test_a_pdf_that_can_not_be_read_is_told(name: str) -> None:
    raw, problem = BAD[name]
    with pytest.raises(InvalidKnowledge, match=problem):
        pdf_of(raw, "x", "x.pdf")


def test_a_pdf_bomb_costs_a_process_and_nothing_else() -> None:
    with pytest.raises(InvalidKnowledge):
        pdf_of(bomb(), "x", "x.pdf")


async def test_files_and_imports_over_http(knowledge: Knowledge, imports: Imports, site: Site) -> None:
    def sent(name: str, raw: bytes) -> dict[str, str]:
        return {"name": name, "content": base64.b64encode(raw).decode()}

    services = {Knowledge: knowledge, Imports: imports}
    async with serve(knowledge_imports.routes, services) as client:
        files = {
            "help/returns.pdf": pdf("Thirty days."), "faq.csv": b"question,answer\nHow?,So.\nWhy?,Because.\n",
            "a.md": b"# A\n\nText.", "b.html": b"<h1>B</h1><p>Text.</p>",
        }  # fmt: skip
        stored = []
        for name, raw in files.items():
            answer = await client.post("/v1/knowledge-files", json=sent(name, raw))
            assert answer.status == 200, name
            stored += (await answer.json())["articles"]
        assert len(stored) == 5
        assert "help:returns" in stored
        for bad in (
            sent("a.exe", b"MZ"),
            sent("a.md", b""),
            sent("a.pdf", b"\0\1"),
            {"name": "a.md", "content": "!"},
        ):
            assert (await client.post("/v1/knowledge-files", json=bad)).status == 422
        begun = await (await client.post("/v1/knowledge-imports", json={"url": site.url, "pages": 3})).json()
        await imports.idle()
        shown = await (await client.get(f"/v1/knowledge-imports/{begun['id']}")).json()
        assert (shown["state"], shown["looked"]) == ("done", 3)
        assert (await (await client.get("/v1/knowledge-imports")).json())["data"] == [shown]
        assert (await client.get("/v1/knowledge-imports/imp_no")).status == 404


# -- articles -------------------------------------------------------------------


async def test_an_article_can_be_what_it_was(knowledge: Knowledge, database: Database) -> None:
    first = Draft("a", "First", "First words.", "en", questions=("How?",))
    await knowledge.put(DEFAULT_TENANT, [first])
    await knowledge.put(DEFAULT_TENANT, [change(first, title="Second", text="Second words.")])
    (was,) = await knowledge.past(DEFAULT_TENANT, "a")
    assert (was.article.title, was.text, was.article.version) == ("First", "First words.", 1)
    rows = await database.read("SELECT body_sealed FROM knowledge_past")
    assert b"First words" not in bytes(rows[0]["body_sealed"])
    async with serve(knowledge_api.routes, {Knowledge: knowledge}) as client:
        shown = await (await client.get("/v1/knowledge/a/versions")).json()
        assert shown["data"][0]["article"]["text"] == "First words."
        assert (await client.post("/v1/knowledge/a/restore", json={"version": 1})).status == 200
        assert (await client.post("/v1/knowledge/a/restore", json={"version": 9})).status == 404
    assert await knowledge.draft(DEFAULT_TENANT, "a") == first
    assert [one.article.title for one in await knowledge.past(DEFAULT_TENANT, "a")] == ["Second", "First"]
    for number in range(30):
        await knowledge.put(DEFAULT_TENANT, [change(first, text=f"Words {number}.")])
    assert len(await knowledge.past(DEFAULT_TENANT, "a")) == 20
    await knowledge.delete(DEFAULT_TENANT, "a")
    assert await database.read("SELECT version FROM knowledge_past") == []
    with pytest.raises(NotFound):
        await knowledge.past(DEFAULT_TENANT, "a")


def test_sections_are_measured_in_tokens() -> None:
    assert (tokens_in("退款"), tokens_in("refund it"), tokens_in("")) == (2, 3, 0)
    assert max(tokens_in(one.text) for one in split("退款需要五天。" * 400)) <= 400
    assert max(tokens_in(one.text) for one in split("退" * 2000)) <= 400
    assert max(tokens_in(one.text) for one in split("word " * 2000)) <= 400
