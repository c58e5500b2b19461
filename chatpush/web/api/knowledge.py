"""Feed the assistant over HTTP: articles in, out, and "try a question"."""

from typing import Literal

from pydantic import BaseModel, Field

from chatpush.domain import DEFAULT_LOCALE, Role, iso
from chatpush.errors import InvalidInput
from chatpush.support.knowledge.articles import Article
from chatpush.support.knowledge.knowledge import MAX_ID, MAX_TITLE, Knowledge
from chatpush.support.knowledge.reading import MAX_BYTES, Draft, read_bytes
from chatpush.support.retrieval.retrieval import Retrieval
from chatpush.web.http.doors import Door
from chatpush.web.http.moments import Moment
from chatpush.web.http.operations import Body, Call, Operations, PageQuery

routes = Operations("knowledge")
MAX_ARTICLES = 200
MAX_CHARS = 1_000_000

WRITE = Door(scope="knowledge:write", role=Role.EDITOR)
READ = Door(scope="knowledge:write", role=Role.VIEWER)


class ArticleIn(Body):
    """One article; the same id replaces it. Title and language are found in the text if left out."""

    id: str = Field(min_length=1, max_length=MAX_ID)
    text: str = Field(min_length=1, max_length=MAX_CHARS)
    title: str = Field("", max_length=MAX_TITLE)
    format: Literal["markdown", "html", "text"] = "markdown"
    language: str = Field("", max_length=35)
    url: str = Field("", max_length=2000)
    tags: list[str] = Field(default_factory=list, max_length=50)
    questions: list[str] = Field(
        default_factory=list, max_length=200, description="Other ways to ask for it."
    )
    valid_from: str = Field(
        "", max_length=10, description="The first day it may be used, such as 2026-11-27."
    )
    valid_until: str = Field("", max_length=10, description="The last day it may be used.")
    audience: list[str] = Field(
        default_factory=list, max_length=20,
        description="Who may read it: signed_in, or attributes such as plan=gold; empty: everybody.",
    )  # fmt: skip


class ArticlesIn(Body):
    """Articles to store."""

    articles: list[ArticleIn] = Field(min_length=1, max_length=MAX_ARTICLES)


class OutcomeOut(BaseModel):
    """What became of one article."""

    id: str
    status: Literal["added", "updated", "unchanged"]
    chunks: int


class OutcomesOut(BaseModel):
    """What became of all of them."""

    data: list[OutcomeOut]


class ArticleOut(BaseModel):
    """A stored article; ``text`` only where one was asked for."""

    id: str
    title: str
    language: str
    url: str
    tags: list[str]
    questions: list[str]
    chunks: int
    updated_at: Moment
    valid_from: str = ""
    valid_until: str = ""
    audience: list[str] = Field(default_factory=list)
    text: str | None = None


class ArticlesPage(BaseModel):
    """A page of articles."""

    data: list[ArticleOut]
    has_more: bool


class ArticleVersion(BaseModel):
    """An article as it was."""

    version: int
    article: ArticleOut


class VersionsOut(BaseModel):
    """An article's past, at most 20 versions."""

    data: list[ArticleVersion]


class RestoreIn(Body):
    """Which version to go back to."""

    version: int = Field(ge=1)


class SynonymsIn(Body):
    """Groups of words or phrases that mean the same, members separated by commas."""

    groups: list[str] = Field(max_length=2000)


class SynonymsOut(BaseModel):
    """The tenant's own groups."""

    groups: list[str]


class KnowledgeSearchIn(Body):
    """A question to try."""

    query: str = Field(min_length=1, max_length=4000)
    locale: str = Field(DEFAULT_LOCALE, max_length=35)
    limit: int = Field(5, ge=1, le=50)
    audience: list[str] = Field(
        default_factory=list, max_length=50, description="Ask as somebody of these audiences."
    )


class PassageOut(BaseModel):
    """One passage found."""

    article: str
    position: int = 0
    title: str
    heading: str
    text: str
    url: str
    language: str
    score: float


class FoundOut(BaseModel):
    """Passages, best first, and the probability that the first one answers."""

    confidence: float
    data: list[PassageOut]


@routes.post("/v1/knowledge", door=WRITE)
async def put_articles(call: Call, body: ArticlesIn) -> OutcomesOut:
    """Store articles; unchanged ones are left alone."""
    drafts = [_draft(article) for article in body.articles]
    outcomes = await call.need(Knowledge).put(call.identity.tenant, drafts)
    return OutcomesOut(data=[OutcomeOut(id=one.id, status=one.status, chunks=one.chunks) for one in outcomes])


@routes.get("/v1/knowledge", door=READ)
async def list_articles(call: Call, query: PageQuery) -> ArticlesPage:
    """List articles by id."""
    if query.ending_before:
        raise InvalidInput("articles are listed forwards only", param="ending_before")
    found = await call.need(Knowledge).page(call.identity.tenant, query.limit + 1, query.starting_after)
    return ArticlesPage(
        data=[_out(article) for article in found[: query.limit]], has_more=len(found) > query.limit
    )


@routes.get("/v1/knowledge-synonyms", door=READ)
async def get_synonyms(call: Call) -> SynonymsOut:
    """Return the tenant's own groups of words that mean the same."""
    return SynonymsOut(groups=list(await call.need(Knowledge).synonyms(call.identity.tenant)))


@routes.put("/v1/knowledge-synonyms", door=WRITE)
async def put_synonyms(call: Call, body: SynonymsIn) -> SynonymsOut:
    """Replace the tenant's own synonyms; those built in stay."""
    knowledge = call.need(Knowledge)
    await knowledge.put_synonyms(call.identity.tenant, body.groups)
    return SynonymsOut(groups=list(await knowledge.synonyms(call.identity.tenant)))


@routes.get("/v1/knowledge/{id}", door=READ)
async def get_article(call: Call) -> ArticleOut:
    """Return one article with its text."""
    article, text = await call.need(Knowledge).text(call.identity.tenant, call.path["id"])
    return _out(article, text)


@routes.delete("/v1/knowledge/{id}", door=WRITE)
async def delete_article(call: Call) -> None:
    """Forget an article."""
    await call.need(Knowledge).delete(call.identity.tenant, call.path["id"])


@routes.get("/v1/knowledge/{id}/versions", door=READ)
async def list_article_versions(call: Call) -> VersionsOut:
    """List what an article was before, newest first."""
    past = await call.need(Knowledge).past(call.identity.tenant, call.path["id"])
    return VersionsOut(
        data=[
            ArticleVersion(version=one.article.version, article=_out(one.article, one.text)) for one in past
        ]
    )


@routes.post("/v1/knowledge/{id}/restore", door=WRITE)
async def restore_article(call: Call, body: RestoreIn) -> OutcomeOut:
    """Make an article again what it was in a version."""
    one = await call.need(Knowledge).restore(call.identity.tenant, call.path["id"], body.version)
    return OutcomeOut(id=one.id, status=one.status, chunks=one.chunks)


@routes.post("/v1/knowledge/search", door=READ)
async def search_knowledge(call: Call, body: KnowledgeSearchIn) -> FoundOut:
    """Try a question: what is found for it, and how sure that is."""
    found = await call.need(Retrieval).search(
        call.identity.tenant, body.query, body.locale, body.limit, frozenset(body.audience)
    )
    passages = [
        PassageOut(
            article=one.article, position=one.position, title=one.title, heading=one.heading,
            text=one.text, url=one.url,
            language=one.language, score=round(one.score, 4),
        )
        for one in found.passages
    ]  # fmt: skip
    return FoundOut(confidence=round(found.confidence, 4), data=passages)


def _draft(article: ArticleIn) -> Draft:
    raw = article.text.encode()
    if len(raw) > MAX_BYTES:
        raise InvalidInput(f"article {article.id}: at most {MAX_BYTES:,} bytes", param="text")
    read = read_bytes(raw, article.format, article.id, article.title or article.id)
    return Draft(
        id=article.id,
        title=article.title or read.title,
        text=read.text,
        language=article.language or read.language,
        url=article.url or read.url,
        tags=tuple(article.tags) or read.tags,
        questions=tuple(article.questions) or read.questions,
        valid_from=article.valid_from or read.valid_from,
        valid_until=article.valid_until or read.valid_until,
        audience=tuple(article.audience) or read.audience,
    )


def _out(article: Article, text: str | None = None) -> ArticleOut:
    return ArticleOut(
        id=article.id, title=article.title, language=article.language, url=article.url,
        tags=list(article.tags), questions=list(article.questions), chunks=article.chunks,
        updated_at=iso(article.updated_at), text=text, valid_from=article.valid_from,
        valid_until=article.valid_until, audience=list(article.audience),
    )  # fmt: skip
