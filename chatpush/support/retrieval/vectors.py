"""Keep the vectors of every tenant's articles, sealed, and in step with the knowledge.

Retrieval offers what its index holds; what has no vector yet gets one in the
background, an article at a time, so that a change costs only what changed. Until
then, and whenever vectors fail, words alone are searched. Heads are told when
it has come to an end, well or not.
"""

from collections import OrderedDict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import structlog

from chatpush.domain import TenantId
from chatpush.errors import WriterUnavailable
from chatpush.newest import Newest
from chatpush.store.database import Database, Row, Transaction
from chatpush.store.vault import Vault
from chatpush.support.retrieval.embedding import Embedder, Questions, Rows, Tries, comparable
from chatpush.support.retrieval.head import Example
from chatpush.support.retrieval.head_vectors import Compared, compared

log = structlog.get_logger(__name__)

TEXTS_AT_ONCE = 64
CHARS = 1200
AGAIN_SECONDS = 30.0
CACHED_TENANTS = 400  # more than retrieval keeps, which offers texts when it opens a tenant


@dataclass(frozen=True, slots=True)
class Texts:
    """What is to be compared of an article, in the order of its documents; blinded to know a change."""

    article: str
    language: str
    texts: tuple[str, ...]


NO_TEXTS = Texts("", "", ())
NO_ROWS: Rows = np.zeros((0, 0), np.float32)


class Vectors:
    """The vectors of every tenant."""

    def __init__(self, database: Database, vault: Vault, embedder: Embedder) -> None:
        self._database = database
        self._vault = vault
        self.embedder = embedder
        self.tries = Tries()
        self.questions = Questions(embedder, self.tries)
        self._ready: OrderedDict[TenantId, dict[str, tuple[Texts, Rows]]] = OrderedDict()
        self._busy: set[TenantId] = set()
        self._told: list[Callable[[TenantId], None]] = []
        self._newest = Newest("vectors", self._keep_up)

    def get(self, tenant: TenantId, wanted: Sequence[Texts]) -> list[Rows] | None:
        """Return the vectors of these articles if all are there, in order."""
        ready = self._ready.get(tenant, {})
        found = [ready.get(one.article) for one in wanted]
        if any(pair is None or pair[0] != one for pair, one in zip(found, wanted, strict=True)):
            return None
        return [pair[1] for pair in found if pair is not None]

    def of_examples(self, tenant: TenantId, examples: Sequence[Example]) -> Compared | None:
        """Return the vectors of similar questions, or None if they are not all there."""
        ready = self._ready.get(tenant, {})
        found: list[Rows | None] = []
        by_article: dict[str, dict[str, Rows]] = {}
        for one in examples:
            texts, own = ready.get(one.answer, (NO_TEXTS, NO_ROWS))
            if one.answer not in by_article:
                by_article[one.answer] = dict(zip(texts.texts, own, strict=True))
            if not one.compared:
                found.append(None)
                continue
            row = by_article[one.answer].get(one.question)
            if row is None:
                return None
            found.append(row if comparable(self.embedder, texts.language, one.question) else None)
        return compared(self.embedder.space, [one.answer for one in examples], found.__getitem__)

    def offer(self, tenant: TenantId, wanted: Sequence[Texts]) -> None:
        """Tell what is to be compared now; the vectors follow by themselves."""
        self._busy.add(tenant)
        self._newest.offer(tenant, list(wanted))

    def busy(self, tenant: TenantId) -> bool:
        """Return whether what was offered is still being turned into vectors, for the first time."""
        return tenant in self._busy

    def afterwards(self, tell: Callable[[TenantId], None]) -> None:
        """Have somebody told whenever what a tenant offered has its vectors, or can't have them now."""
        self._told.append(tell)

    async def idle(self) -> None:
        """Return once nothing is being turned into vectors."""
        await self._newest.idle()

    async def stop(self) -> None:
        """Give up what is under way; what is stored stays."""
        await self._newest.stop()

    async def _keep_up(self, tenant: TenantId, wanted: Sequence[Texts]) -> float | None:
        again = None
        try:
            await self._take(tenant, wanted)
        except WriterUnavailable as error:
            log.warning("no vectors for now; words alone are searched", tenant=tenant, reason=error.message)
            again = AGAIN_SECONDS
        except Exception:
            self._ended(tenant)
            raise
        self._ended(tenant)
        return again

    def _ended(self, tenant: TenantId) -> None:
        self._busy.discard(tenant)
        for tell in self._told:
            tell(tenant)

    async def _take(self, tenant: TenantId, wanted: Sequence[Texts]) -> None:
        await self._vault.ready(tenant)
        ready = dict(self._ready.get(tenant, {}))
        missing = [one for one in wanted if one.article not in ready or ready[one.article][0] != one]
        prints = {one.article: self._fingerprint(tenant, one) for one in missing}
        stored = await self._stored(tenant) if missing else {}
        waiting: list[Texts] = []
        for one in missing:
            row = stored.get(one.article)
            if row is not None and row["fingerprint"] == prints[one.article]:
                ready[one.article] = (one, self._open(tenant, row, len(one.texts)))
            else:
                waiting.append(one)
        while waiting:
            part = [waiting.pop(0)]
            while waiting and sum(len(one.texts) for one in [*part, waiting[0]]) <= TEXTS_AT_ONCE:
                part.append(waiting.pop(0))
            await self._store(tenant, part, prints, await self._made(tenant, part), ready)
        await self._forget(tenant, stored, {one.article for one in wanted})
        self._ready[tenant] = {one.article: ready[one.article] for one in wanted}
        self._ready.move_to_end(tenant)
        while len(self._ready) > CACHED_TENANTS:
            self._ready.popitem(last=False)

    async def _made(self, tenant: TenantId, part: Sequence[Texts]) -> Rows:
        """Return a row per text; zeros for one in a language that can't be compared, which is asked of nobody."""
        texts = [(one.language, text[:CHARS]) for one in part for text in one.texts]
        spoken = [
            place for place, (language, text) in enumerate(texts) if comparable(self.embedder, language, text)
        ]
        if not spoken:
            return np.zeros((len(texts), 0), np.float32)
        try:
            rows = await self.embedder.vectors(tenant, [texts[place][1] for place in spoken])
        except WriterUnavailable:
            self.tries.texts_missed += len(spoken)
            self.tries.down = True
            raise
        self.tries.texts += len(spoken)
        self.tries.down = False
        whole: Rows = np.zeros((len(texts), rows.shape[1]), np.float32)
        whole[spoken] = rows
        return whole

    async def _store(
        self,
        tenant: TenantId,
        part: Sequence[Texts],
        prints: Mapping[str, str],
        rows: Rows,
        ready: dict[str, tuple[Texts, Rows]],
    ) -> None:
        sealed: list[Row] = []
        start = 0
        for one in part:
            own = rows[start : start + len(one.texts)]
            start += len(one.texts)
            ready[one.article] = (one, own)
            content = self._vault.seal(
                tenant, "", "knowledge_vector", "content_sealed", one.article, own.astype("<f2").tobytes()
            )
            sealed.append(
                {
                    "tenant": tenant, "article": one.article, "space": self.embedder.space,
                    "fingerprint": prints[one.article], "content_sealed": content,
                }
            )  # fmt: skip
        conflict = (
            "(tenant, article, space) DO UPDATE SET fingerprint = excluded.fingerprint, "
            "content_sealed = excluded.content_sealed"
        )
        await self._database.write(lambda tx: tx.insert_many("knowledge_vector", sealed, conflict))

    async def _forget(self, tenant: TenantId, stored: Mapping[str, Row], kept: set[str]) -> None:
        """Drop the vectors of articles that are gone."""
        gone = [article for article in stored if article not in kept]

        def drop(tx: Transaction) -> None:
            for article in gone:
                tx.execute(
                    "DELETE FROM knowledge_vector WHERE tenant = :t AND article = :a", t=tenant, a=article
                )

        if gone:
            await self._database.write(drop)

    async def _stored(self, tenant: TenantId) -> dict[str, Row]:
        rows = await self._database.read(
            "SELECT article, fingerprint, content_sealed FROM knowledge_vector WHERE tenant = :t AND space = :s",
            t=tenant, s=self.embedder.space,
        )  # fmt: skip
        return {row["article"]: row for row in rows}

    def _open(self, tenant: TenantId, row: Row, count: int) -> Rows:
        raw = self._vault.open(
            tenant, "", "knowledge_vector", "content_sealed", row["article"], row["content_sealed"]
        )
        return np.frombuffer(raw, "<f2").astype(np.float32).reshape(count, -1)

    def _fingerprint(self, tenant: TenantId, one: Texts) -> str:
        return self._vault.blind(tenant, "knowledge_vector", "\x00".join(one.texts))
