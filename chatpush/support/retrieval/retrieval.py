"""Find the passages that answer a question, and say how sure that is.

One index per tenant lives in memory, built from the store and kept in step
with it by version: after a change only the changed articles are read and split
again, in a worker thread. Passages in the asker's language come first; another
language is looked at only when that one has no answer. Where answers have
enough example questions, a trained head chooses among those. The question's
vector, where there is one in time, serves ranking and head alike.
"""

import asyncio
from collections import OrderedDict
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date
from typing import Protocol

import numpy as np

from chatpush.domain import TenantId
from chatpush.errors import WriterUnavailable
from chatpush.support.assistant.sanitising import LinkRules
from chatpush.support.assistant.trail import note
from chatpush.support.knowledge.articles import Article, Changes
from chatpush.support.knowledge.reading import Chunk
from chatpush.support.retrieval.built import QUESTION, Built, build, examples
from chatpush.support.retrieval.confidence import confidence
from chatpush.support.retrieval.embedding import Embedder, Questions, Rows, comparable
from chatpush.support.retrieval.head import Decision, Example, Head
from chatpush.support.retrieval.language import base
from chatpush.support.retrieval.retrieval_index import Index, Ranking, Scored, Vocabulary
from chatpush.support.retrieval.vectors import Texts

CACHED_TENANTS = 200
LOOKED_AT = 40
ALIKE_SCORE = 0.9
RERANKED = 20
RERANK_SECONDS = 2.0
Rerank = Callable[[TenantId, str, Sequence[str]], Awaitable[list[tuple[int, float]]]]
VERBATIM = 0.95  # how sure a heading is that is the question word for word
POOR = 0.25  # below this, other languages are looked at


@dataclass(frozen=True, slots=True)
class Passage:
    """A section found for a question."""

    article: str
    position: int
    title: str
    heading: str
    text: str
    url: str
    language: str
    score: float

    @property
    def name(self) -> str:
        """What to call the passage in a list: the heading says more than the article's title."""
        return f"{self.title} › {self.heading}" if self.heading else self.title


@dataclass(frozen=True, slots=True)
class Found:
    """Passages, best first, and the probability that the first answers the question."""

    passages: tuple[Passage, ...]
    confidence: float


NOTHING = Found((), 0.0)


@dataclass(slots=True)
class _Held:
    """One tenant's index, and what outlives it."""

    vocabulary: Vocabulary = field(default_factory=Vocabulary)
    built: Built = field(default_factory=Built)
    lock: asyncio.Lock = field(default_factory=asyncio.Lock)
    near: Rows | None = None  # a vector for each document of the index
    near_version: int = -1


class Shelves(Protocol):
    """Where articles come from: the store, or memory when an evaluation has no store."""

    async def version(self, tenant: TenantId) -> int:
        """Return the number that grows with every change."""

    async def changes(self, tenant: TenantId, known: Mapping[str, int]) -> Changes:
        """Return what differs from the article versions an index knows."""

    def today(self) -> date:
        """Return the day that validity is judged by."""


class HeadShelf(Protocol):
    """Where trained heads come from."""

    def get(self, tenant: TenantId) -> Head | None:
        """Return the tenant's head as it is now, if it has one."""

    def offer(self, tenant: TenantId, examples: Sequence[Example]) -> None:
        """Tell that these are the tenant's examples now."""


class VectorShelf(Protocol):
    """Where vectors come from."""

    embedder: Embedder
    questions: Questions

    def get(self, tenant: TenantId, wanted: Sequence[Texts]) -> list[Rows] | None:
        """Return the vectors of these articles if all are there, in order."""

    def offer(self, tenant: TenantId, wanted: Sequence[Texts]) -> None:
        """Tell what is to be compared now."""


def _noted(question: str, found: Found) -> Found:
    """Return what was found, having noted it for whoever asks why."""
    hits = [{"title": one.name, "article": one.article, "score": one.score} for one in found.passages]
    note("retrieval", query=question, confidence=found.confidence, hits=hits)
    return found


class Retrieval:
    """Search over every tenant's knowledge."""

    def __init__(
        self,
        knowledge: Shelves,
        heads: HeadShelf | None = None,
        vectors: VectorShelf | None = None,
        rerank: Rerank | None = None,
    ) -> None:
        self._knowledge = knowledge
        self._heads = heads
        self._vectors = vectors
        self._rerank = rerank
        self._tenants: OrderedDict[TenantId, _Held] = OrderedDict()

    async def search(
        self,
        tenant: TenantId,
        question: str,
        locale: str,
        limit: int = 5,
        reader: frozenset[str] = frozenset(),
    ) -> Found:
        """Return the best passages for a question, of articles that its reader may see."""
        built = await self._fresh(tenant)
        if built.index is None:
            return NOTHING
        hidden = built.hidden_from(reader)
        language = base(locale)
        vector = await self._vector(tenant, built, question, language)
        own = await self._near(tenant, built, question, language, hidden, vector)
        by_words = own is None
        own = own or built.index.rank(question, language, LOOKED_AT, hidden)
        sure = confidence(own)
        if sure < POOR:
            every = built.index.rank(question, None, LOOKED_AT, hidden)
            foreign = bool(every.best) and every.best[0].document.language != language
            if (by_words or foreign) and confidence(every) > sure:
                own, sure = every, confidence(every)
        passages = self._passages(built, own, question, max(limit, RERANKED) if self._rerank else limit)
        passages, sure = await self._in_order(tenant, question, passages, sure)
        passages = passages[:limit]
        headed = built.headed_by(question, language, hidden)
        if headed is not None:
            first = _passage(*built.articles[headed[0]], headed[1], own.best[0].score if own.best else 0.0)
            return _noted(question, Found(_led(first, passages, limit), max(sure, VERBATIM)))
        decided = await self._decide(tenant, built, question, vector)
        may = decided is not None and decided.answer not in hidden
        if decided is not None and may and self._is_for_the_head(tenant, passages, sure, decided):
            first = self._decided(built, own, question, decided)
            return _noted(question, Found(_led(first, passages, limit), decided.confidence))
        return _noted(question, Found(tuple(passages), sure))

    async def version(self, tenant: TenantId) -> int:
        """Return the version of the tenant's knowledge that answers now."""
        return (await self._fresh(tenant)).version

    async def link_rules(self, tenant: TenantId, hosts: Sequence[str] = ()) -> LinkRules:
        """Return where answers may link to: these hosts and those of the tenant's articles."""
        return (await self._fresh(tenant)).links.with_hosts(hosts)

    async def passage(self, tenant: TenantId, article: str, position: int) -> Passage | None:
        """Return one passage by its place, if it is still there."""
        articles = (await self._fresh(tenant)).articles
        if article not in articles or position >= len(articles[article][1]):
            return None
        return _passage(*articles[article], position, 0.0)

    async def index(self, tenant: TenantId) -> Index | None:
        """Return the tenant's index as it is now, for its word weights."""
        return (await self._fresh(tenant)).index

    async def _in_order(
        self, tenant: TenantId, question: str, passages: list[Passage], sure: float
    ) -> tuple[list[Passage], float]:
        """Return passages as the reranker orders them; a new first one is no surer than it says."""
        if self._rerank is None or len(passages) < 2:
            return passages, sure
        texts = [f"{one.name}\n{one.text}" for one in passages]
        try:
            async with asyncio.timeout(RERANK_SECONDS):
                order = await self._rerank(tenant, question, texts)
        except (WriterUnavailable, TimeoutError):
            return passages, sure
        named = [place for place, _ in order]
        rest = [place for place in range(len(passages)) if place not in named]
        sorted_ = [passages[place] for place in [*named, *rest]]
        return sorted_, sure if named[0] == 0 else min(sure, max(0.0, order[0][1]))

    async def _vector(self, tenant: TenantId, built: Built, question: str, language: str) -> Rows | None:
        """Return the question's vector, or None if nobody wants it or there is none in time."""
        vectors, index = self._vectors, built.index
        if vectors is None or index is None or not comparable(vectors.embedder, language, question):
            return None
        held = self._tenants[tenant]
        if held.near_version != built.version:
            rows = vectors.get(tenant, built.texts)
            if rows is not None:
                held.near = await asyncio.to_thread(_matrix, index, built.texts, rows, vectors.embedder)
                held.near_version = built.version
        if held.near_version != built.version and self._space(tenant) != vectors.embedder.space:
            return None
        return await vectors.questions.vector(tenant, question)

    async def _near(
        self,
        tenant: TenantId,
        built: Built,
        question: str,
        language: str,
        hidden: frozenset[str],
        vector: Rows | None,
    ) -> Ranking | None:
        """Return the ranking by vectors, or None where words have to do."""
        held, index = self._tenants[tenant], built.index
        if vector is None or index is None or held.near is None or held.near_version != built.version:
            return None
        if held.near.shape != (len(index), len(vector)):
            return None
        cosines = await asyncio.to_thread(np.matmul, held.near, vector)
        return index.rank_near(question, language, LOOKED_AT, cosines, hidden)

    def _space(self, tenant: TenantId) -> str:
        """Return whose vectors the tenant's head understands."""
        head = self._heads.get(tenant) if self._heads is not None else None
        return head.space if head is not None else ""

    async def _decide(
        self, tenant: TenantId, built: Built, question: str, vector: Rows | None
    ) -> Decision | None:
        """Return what the tenant's head says, if it has one and its answer is still there."""
        head = self._heads.get(tenant) if self._heads is not None else None
        if head is None:
            return None
        if vector is None or self._vectors is None or head.space != self._vectors.embedder.space:
            decided = head.decide(question)
        else:  # beside every example's vector: not on the loop
            decided = await asyncio.to_thread(head.decide, question, vector)
        return decided if decided is not None and decided.answer in built.valid else None

    def _is_for_the_head(
        self, tenant: TenantId, passages: list[Passage], sure: float, decided: Decision
    ) -> bool:
        """Return whether the head's word counts: on its own answers always, on others if it is surer."""
        head = self._heads.get(tenant) if self._heads is not None else None
        known = head is not None and (not passages or passages[0].article in head.answers)
        return known or decided.confidence >= sure

    def _decided(self, built: Built, ranking: Ranking, question: str, decided: Decision) -> Passage:
        """Return the section of the answer a head chose that is best for question and nearest example."""
        article, chunks = built.articles[decided.answer]
        position = 0
        if len(chunks) > 1 and built.index is not None:
            asked = built.index.rank(f"{question} {decided.nearest}", None, LOOKED_AT)
            own = (one.document for one in asked.best if one.document.article == article.id)
            position = next((one.position for one in own if one.position > QUESTION), 0)
        score = ranking.best[0].score if ranking.best else 0.0
        return _passage(article, chunks, position, score)

    def _passages(self, built: Built, ranking: Ranking, question: str, limit: int) -> list[Passage]:
        found: dict[tuple[str, int], Passage] = {}
        led: set[str] = set()  # an article's best similar question leads; the others say no more
        for scored in ranking.best:
            if scored.document.position <= QUESTION:
                if scored.document.article in led:
                    continue
                led.add(scored.document.article)
            place = (scored.document.article, self._position(built, ranking, scored, question))
            if place in found:
                continue
            found[place] = _passage(*built.articles[place[0]], place[1], scored.score)
            if len(found) == limit:
                break
        return list(found.values())

    def _position(self, built: Built, ranking: Ranking, scored: Scored, question: str) -> int:
        """Return the section a document leads to.

        A similar question leads to the section of its article that is best for
        both askings. A section that says no more of the question than an earlier
        one of its article gives way to that: articles begin with what is general.
        """
        article = scored.document.article
        if len(built.articles[article][1]) == 1:
            return 0
        if scored.document.position <= QUESTION and built.index is not None:
            similar = built.articles[article][0].questions[QUESTION - scored.document.position]
            ranking = built.index.rank(f"{question} {similar}", None, LOOKED_AT)
        sections = [
            one
            for one in ranking.best
            if one.document.article == article and one.document.position > QUESTION
        ]
        if not sections:
            return 0
        best = sections[0] if scored.document.position <= QUESTION else scored
        alike = [
            one.document.position
            for one in sections
            if one.coverage >= best.coverage and one.score >= ALIKE_SCORE * best.score
        ]
        return min(alike)

    async def _fresh(self, tenant: TenantId) -> Built:
        """Return the tenant's index, brought up to the store's version."""
        held = self._tenants.setdefault(tenant, _Held())
        self._tenants.move_to_end(tenant)
        while len(self._tenants) > CACHED_TENANTS:
            self._tenants.popitem(last=False)
        today = self._knowledge.today()
        if await self._is_current(tenant, held.built, today):
            return held.built
        if held.built.index is not None and held.lock.locked():
            return held.built  # a new index is being built: the one before serves until then
        async with held.lock:
            if not await self._is_current(tenant, held.built, today):
                known = {article.id: article.version for article, _ in held.built.articles.values()}
                changes = await self._knowledge.changes(tenant, known)
                held.built = await asyncio.to_thread(build, held.vocabulary, held.built, changes, today)
                if self._vectors is not None:
                    self._vectors.offer(tenant, held.built.texts)
                if self._heads is not None:
                    self._heads.offer(tenant, examples(held.built))
        return held.built

    async def _is_current(self, tenant: TenantId, built: Built, today: date) -> bool:
        return built.day in (None, today) and await self._knowledge.version(tenant) == built.version


def _led(first: Passage, passages: Sequence[Passage], limit: int) -> tuple[Passage, ...]:
    """Return passages with this one before all others."""
    others = (one for one in passages if (one.article, one.position) != (first.article, first.position))
    return (first, *others)[:limit]


def _passage(article: Article, chunks: tuple[Chunk, ...], position: int, score: float) -> Passage:
    chunk = chunks[position]
    return Passage(
        article.id, position, article.title, chunk.heading, chunk.text, article.url, article.language, score
    )


def _matrix(index: Index, texts: Sequence[Texts], rows: Sequence[Rows], embedder: Embedder) -> Rows:
    """Return a row for each document; of a language that can't be compared: nothing."""
    width = next((one.shape[1] for one in rows if one.size), 0)
    parts = [
        one if embedder.speaks(text.language) and one.size else np.zeros((len(text.texts), width), np.float32)
        for text, one in zip(texts, rows, strict=True)
    ]
    whole: Rows = np.concatenate(parts) if parts else np.zeros((0, width), np.float32)
    return whole if len(whole) == len(index) else np.zeros((0, width), np.float32)
