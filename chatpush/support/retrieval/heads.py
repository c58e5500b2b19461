"""Keep every tenant's linear head in step with its examples.

Retrieval offers the examples whenever the knowledge has changed. A head
trained from exactly these examples is taken from the store; else one is
trained in a process of its own, stored, and put in place in one step. The head
before serves until then, and none at all is needed: without one, retrieval
answers by itself.

Where examples get vectors, the head learns them too: a tenant's first head is
trained on words at once and anew when the vectors are there; later ones wait
for the vectors of what changed. Examples whose vectors can't be had teach words
alone.
"""

import asyncio
import json
from collections import OrderedDict
from collections.abc import Awaitable, Callable, Sequence
from typing import Protocol

import structlog

from chatpush.clock import Clock
from chatpush.domain import TenantId, to_ms
from chatpush.newest import Newest
from chatpush.store.database import Database, Transaction
from chatpush.store.vault import Vault
from chatpush.support.retrieval.head import Example, Head, enough
from chatpush.support.retrieval.head_starting import in_a_process
from chatpush.support.retrieval.head_storing import from_bytes
from chatpush.support.retrieval.head_vectors import Compared

log = structlog.get_logger(__name__)
CACHED_TENANTS = 400  # more than retrieval keeps, which offers examples when it opens a tenant
KEPT = 3
CALM_SECONDS = 5.0  # an import changes the knowledge many times; wait for its end
Trainer = Callable[[Sequence[Example], Compared | None], Awaitable[bytes | None]]


class ExampleVectors(Protocol):
    """Where the vectors of examples come from."""

    def of_examples(self, tenant: TenantId, examples: Sequence[Example]) -> Compared | None:
        """Return them, or None if they are not all there."""

    def busy(self, tenant: TenantId) -> bool:
        """Return whether they are on their way."""

    def afterwards(self, tell: Callable[[TenantId], None]) -> None:
        """Have somebody told when they are there, or can't be had now."""


class Heads:
    """The trained heads of every tenant."""

    def __init__(
        self,
        database: Database,
        vault: Vault,
        clock: Clock,
        trainer: Trainer = in_a_process,
        calm_seconds: float = CALM_SECONDS,
        vectors: ExampleVectors | None = None,
    ) -> None:
        self._database = database
        self._vault = vault
        self._clock = clock
        self._trainer = trainer
        self._heads: OrderedDict[TenantId, tuple[str, Head]] = OrderedDict()
        self._offered: OrderedDict[TenantId, list[Example]] = OrderedDict()
        # The head before serves where the newest examples give none.
        self._newest = Newest("head", self._take, calm_seconds)
        self._one_at_a_time = asyncio.Lock()
        self._vectors = vectors
        if vectors is not None:
            vectors.afterwards(self._look_again)

    def get(self, tenant: TenantId) -> Head | None:
        """Return the tenant's head as it is now, if it has one."""
        found = self._heads.get(tenant)
        if found is None:
            return None
        self._heads.move_to_end(tenant)
        return found[1]

    def offer(self, tenant: TenantId, examples: Sequence[Example]) -> None:
        """Tell that these are the tenant's examples now; training follows by itself."""
        kept = enough(examples)
        if not kept:
            self._heads.pop(tenant, None)
            self._offered.pop(tenant, None)
            self._newest.withdraw(tenant)
            return
        self._offered[tenant] = kept
        self._offered.move_to_end(tenant)
        while len(self._offered) > CACHED_TENANTS:
            self._offered.popitem(last=False)
        self._newest.offer(tenant, kept)

    async def idle(self) -> None:
        """Return once nothing is being trained."""
        await self._newest.idle()

    async def stop(self) -> None:
        """Give up what is being trained."""
        await self._newest.stop()

    def _look_again(self, tenant: TenantId) -> None:
        """Take the examples anew: their vectors may be there now."""
        if tenant in self._offered:
            self._newest.offer(tenant, self._offered[tenant])

    async def _take(self, tenant: TenantId, examples: list[Example]) -> None:
        await self._vault.ready(tenant)
        ordered = sorted(examples, key=lambda one: (one.answer, one.question))
        vectors = None
        if self._vectors is not None:
            vectors = await asyncio.to_thread(self._vectors.of_examples, tenant, ordered)
            if vectors is None and tenant in self._heads and self._vectors.busy(tenant):
                return  # the head before serves until the vectors have come, which will be told
        text = json.dumps([[one.answer, one.question] for one in ordered], ensure_ascii=False)
        space = "" if vectors is None else f"\x00{vectors.space}"
        fingerprint = self._vault.blind(tenant, "knowledge_head", text + space)
        if tenant in self._heads and self._heads[tenant][0] == fingerprint:
            return
        stored = await self._stored(tenant, fingerprint)
        head = None
        if stored is not None:
            head = await asyncio.to_thread(from_bytes, stored, ordered, vectors)
        if head is None:
            async with self._one_at_a_time:
                stored = await self._trainer(ordered, vectors)
            if stored is None:
                return
            head = await asyncio.to_thread(from_bytes, stored, ordered, vectors)
            if head is None:
                return
            await self._store(tenant, fingerprint, head, stored)
        self._heads[tenant] = (fingerprint, head)
        self._heads.move_to_end(tenant)
        while len(self._heads) > CACHED_TENANTS:
            self._heads.popitem(last=False)
        log.info(
            "a head is in place",
            tenant=tenant,
            answers=len(head.answers),
            examples=len(ordered),
            space=head.space,
        )

    async def _stored(self, tenant: TenantId, fingerprint: str) -> bytes | None:
        rows = await self._database.read(
            "SELECT content_sealed FROM knowledge_head WHERE tenant = :t AND fingerprint = :f",
            t=tenant, f=fingerprint,
        )  # fmt: skip
        if not rows:
            return None
        return self._vault.open(
            tenant, "", "knowledge_head", "content_sealed", fingerprint, rows[0]["content_sealed"]
        )

    async def _store(self, tenant: TenantId, fingerprint: str, head: Head, content: bytes) -> None:
        sealed = self._vault.seal(tenant, "", "knowledge_head", "content_sealed", fingerprint, content)
        row = {
            "tenant": tenant, "fingerprint": fingerprint, "answers": len(head.answers),
            "examples": head.features.examples, "content_sealed": sealed,
            "trained_at": to_ms(self._clock.now()),
        }  # fmt: skip

        def put(tx: Transaction) -> None:
            tx.execute(
                "DELETE FROM knowledge_head WHERE tenant = :t AND fingerprint = :f",
                t=tenant, f=fingerprint,
            )  # fmt: skip
            tx.insert("knowledge_head", row)
            tx.execute(
                "DELETE FROM knowledge_head WHERE tenant = :t AND fingerprint NOT IN (SELECT fingerprint "
                "FROM knowledge_head WHERE tenant = :t ORDER BY trained_at DESC, fingerprint LIMIT :n)",
                t=tenant, n=KEPT,
            )  # fmt: skip

        await self._database.write(put)
