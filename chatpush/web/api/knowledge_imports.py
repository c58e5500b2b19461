"""Read sites and files into the knowledge over HTTP, and look how far that has come."""

import asyncio
import base64
import binascii
from pathlib import PurePath
from typing import Literal

from pydantic import BaseModel, Field

from chatpush.domain import Role, iso
from chatpush.errors import InvalidInput, InvalidKnowledge
from chatpush.support.knowledge.crawling import Limits
from chatpush.support.knowledge.imports import Import, Imports
from chatpush.support.knowledge.knowledge import MAX_ID, Knowledge
from chatpush.support.knowledge.reading import SUFFIXES, Draft, read_bytes
from chatpush.support.knowledge.reading_pairs import SUFFIXES as PAIRS
from chatpush.support.knowledge.reading_pairs import pairs_of
from chatpush.support.knowledge.reading_pdf import SUFFIX as PDF
from chatpush.support.knowledge.reading_pdf import pdf_of
from chatpush.web.http.doors import Door
from chatpush.web.http.moments import Moment
from chatpush.web.http.operations import Body, Call, Operations

routes = Operations("knowledge")
WRITE = Door(scope="knowledge:write", role=Role.EDITOR)
READ = Door(scope="knowledge:write", role=Role.VIEWER)
KINDS = (*SUFFIXES, *PAIRS, PDF)


class SiteIn(Body):
    """A site to read: pages of one host, by its robots.txt and sitemap."""

    url: str = Field(min_length=1, max_length=2000)
    pages: int = Field(200, ge=1, le=2000, description="Most pages to look at.")
    depth: int = Field(5, ge=0, le=20, description="Most links away from the first page.")


class ImportOut(BaseModel):
    """How far an import has come."""

    id: str
    url: str
    state: Literal["running", "done", "failed"]
    looked: int
    waiting: int
    changed: int
    gone: int
    problems: list[str]
    error: str
    started_at: Moment
    updated_at: Moment


class ImportsOut(BaseModel):
    """The last imports, newest first."""

    data: list[ImportOut]


class FileIn(Body):
    """A file; its name's ending says what it is."""

    name: str = Field(min_length=1, max_length=MAX_ID)
    content: str = Field(min_length=1, description="The file's bytes in base64.")


class FileOut(BaseModel):
    """What became of a file: a list of questions and answers becomes many articles."""

    added: int
    updated: int
    unchanged: int
    articles: list[str]


@routes.post("/v1/knowledge-imports", door=WRITE, status=202, location="/v1/knowledge-imports/{id}")
async def import_site(call: Call, body: SiteIn) -> ImportOut:
    """Begin to read a site; unchanged pages are left alone, gone ones are deleted."""
    limits = Limits(pages=body.pages, depth=body.depth)
    return _out(await call.need(Imports).start_site(call.identity.tenant, body.url, limits))


@routes.get("/v1/knowledge-imports", door=READ)
async def list_imports(call: Call) -> ImportsOut:
    """List the last imports."""
    return ImportsOut(data=[_out(one) for one in await call.need(Imports).last(call.identity.tenant)])


@routes.get("/v1/knowledge-imports/{id}", door=READ)
async def get_import(call: Call) -> ImportOut:
    """Return how far an import has come."""
    return _out(await call.need(Imports).get(call.identity.tenant, call.path["id"]))


@routes.post("/v1/knowledge-files", door=WRITE)
async def import_file(call: Call, body: FileIn) -> FileOut:
    """Store a file as an article: Markdown, HTML, text, PDF, or a list of questions and answers."""
    try:
        raw = base64.b64decode(body.content, validate=True)
    except (binascii.Error, ValueError) as error:
        raise InvalidInput("content is base64", param="content") from error
    drafts = await asyncio.to_thread(read_any, raw, body.name)
    outcomes = await call.need(Knowledge).put(call.identity.tenant, drafts)
    counted = [one.status for one in outcomes]
    return FileOut(
        added=counted.count("added"),
        updated=counted.count("updated"),
        unchanged=counted.count("unchanged"),
        articles=[one.id for one in outcomes],
    )


def read_any(raw: bytes, name: str) -> list[Draft]:
    """Return a file's articles.

    Raises:
        InvalidKnowledge: it can't be read, or is of no known kind.
    """
    path = PurePath(name)
    suffix, id_ = path.suffix.lower(), path.with_suffix("").as_posix().strip("/").replace("/", ":")
    if suffix in PAIRS:
        return pairs_of(raw, suffix, id_, path.name)
    if suffix == PDF:
        return [pdf_of(raw, id_, path.name)]
    if suffix not in SUFFIXES:
        raise InvalidKnowledge(f"{name}: not one of {', '.join(KINDS)}", param="name")
    return [read_bytes(raw, SUFFIXES[suffix], id_, path.name)]


def _out(one: Import) -> ImportOut:
    return ImportOut.model_validate(
        {
            "id": one.id, "url": one.url, "state": one.state, "looked": one.looked, "waiting": one.waiting,
            "changed": one.changed, "gone": one.gone, "problems": list(one.problems), "error": one.error,
            "started_at": iso(one.started_at), "updated_at": iso(one.updated_at),
        }
    )  # fmt: skip
