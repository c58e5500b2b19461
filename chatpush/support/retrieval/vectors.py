"""Keep the vectors of every tenant's articles, sealed, and in step with the knowledge.

Retrieval offers what its index holds; what has no vector yet gets one in the
background, an article at a time, so that a change costs only what changed. Until
then, and whenever vectors fail, words alone are searched.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import structlog

from chatpush.domain import TenantId
from chatpush.errors import WriterUnavailable
from chatpush.newest import Newest
from chatpush.store.database import Database, Row, Transaction
from chatpush.store.vault import Vault
from chatpush.support.retrieval.embedding import Embedder, Questions, Rows

log = structlog.get_logger(__name__)

TEXTS_AT_ONCE = 64
CHARS = 1200
AGAIN_SECONDS = 30.0


@dataclass(frozen=True, slots=True)
class Texts:
    """What is to be compared of an article, in the order of its documents; blinded to know a change."""

    article: str
    language: str
    texts: tuple[str, ...]


class Vectors:
    """The vectors of every tenant."""

    def __init__(self, database: Database, vault: Vault, embedder: Embedder) -> None:
        self._database = database
        self._vault = vault
        self.embedder = embedder
        self.questions = Questions(embedder)
        self._ready: dict[TenantId, dict[str, tuple[Texts, Rows]]] = {}
        self._newest = Newest("vectors", self._keep_up)

    def get(self, tenant: TenantId, wanted: Sequence[Texts]) -> list[Rows] | None:
        """Return the vectors of these articles if all are there, in order."""
        ready = self._ready.get(tenant, {})
        found = [ready.get(one.article) for one in wanted]
        if any(pair is None or pair[0] != one for pair, one in zip(found, wanted, strict=True)):
            return None
        return [pair[1] for pair in found if pair is not None]

    def offer(self, tenant: TenantId, wanted: Sequence[Texts]) -> None:
        """Tell what is to be compared now; the vectors follow by themselves."""
        self._newest.offer(tenant, list(wanted))

    async def idle(self) -> None:
        """Return once nothing is being turned into vectors."""
        await self._newest.idle()

    async def stop(self) -> None:
        """Give up what is under way; what is stored stays."""
        await self._newest.stop()

    async def _keep_up(self, tenant: TenantId, wanted: Sequence[Texts]) -> float | None:
        try:
            await self._take(tenant, wanted)
        except WriterUnavailable as error:
            log.warning("no vectors for now; words alone are searched", tenant=tenant, reason=error.message)
            return AGAIN_SECONDS
        return None

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
            rows = await self.embedder.vectors(tenant, [text[:CHARS] for one in part for text in one.texts])
            await self._store(tenant, part, prints, rows, ready)
        await self._forget(tenant, stored, {one.article for one in wanted})
        self._ready[tenant] = {one.article: ready[one.article] for one in wanted}

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
