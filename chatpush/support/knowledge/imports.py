"""Import sites into the knowledge in the background, with progress, again and again.

An import stores pages as they come; what did not change is left alone, pages
that are gone take their articles with them. One import of a site runs at a
time, a few of a tenant. A stop ends it; reading again goes on where it matters,
because what is known is not read in again.
"""

import asyncio
import contextlib
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

import structlog

from chatpush.clock import Clock
from chatpush.domain import TenantId, from_ms, new_id, to_ms
from chatpush.errors import ChatpushError, Conflict, NotFound
from chatpush.store.database import Database, Row, Transaction
from chatpush.store.vault import Vault
from chatpush.support.assistant.sanitising import host_of
from chatpush.support.knowledge.crawling import Crawl, Fetch, Known, Limits, Page, Pause
from chatpush.support.knowledge.knowledge import Knowledge

log = structlog.get_logger(__name__)

MOST_RUNNING = 3
MOST_PROBLEMS = 50
LISTED = 50
STALE_MILLISECONDS = 120_000


@dataclass(frozen=True, slots=True)
class Import:
    """How far an import has come."""

    id: str
    url: str
    state: str  # running, done, failed
    looked: int
    waiting: int
    changed: int
    gone: int
    problems: tuple[str, ...]
    error: str
    started_at: datetime
    updated_at: datetime


class Imports:
    """The imports of every tenant."""

    def __init__(
        self,
        database: Database,
        vault: Vault,
        clock: Clock,
        knowledge: Knowledge,
        fetch: Fetch,
        pause: Pause = asyncio.sleep,
    ) -> None:
        self._database = database
        self._vault = vault
        self._clock = clock
        self._knowledge = knowledge
        self._fetch = fetch
        self._pause = pause
        self._tasks: dict[tuple[TenantId, str], asyncio.Task[None]] = {}

    async def start_site(self, tenant: TenantId, url: str, limits: Limits) -> Import:
        """Begin to read a site.

        Raises:
            InvalidInput: it is no address.
            Conflict: it is being read already, or too many are.
        """
        crawl_of = host_of(url)
        running = [one for one in await self.last(tenant) if one.state == "running"]
        if any(host_of(one.url) == crawl_of for one in running):
            raise Conflict("this site is being read already")
        if len(running) >= MOST_RUNNING:
            raise Conflict(f"{MOST_RUNNING} sites are being read already; wait for one")
        await self._vault.ready(tenant)
        known = await self._known(tenant, crawl_of)
        crawl = Crawl(url, self._fetch, known, limits, self._pause)
        now = to_ms(self._clock.now())
        id_ = new_id("imp")
        row = {
            "tenant": tenant, "id": id_, "url": url, "state": "running", "looked": 0, "waiting": 1, "changed": 0,
            "gone": 0, "problems_sealed": None, "error": "", "started_at": now, "updated_at": now,
        }  # fmt: skip
        await self._database.write(lambda tx: tx.insert("knowledge_import", row))
        task = asyncio.create_task(self._run(tenant, id_, crawl_of, crawl, known), name=f"import {id_}")
        self._tasks[tenant, id_] = task
        task.add_done_callback(lambda _: self._tasks.pop((tenant, id_), None))
        return await self.get(tenant, id_)

    async def get(self, tenant: TenantId, id_: str) -> Import:
        """Return how far an import has come.

        Raises:
            NotFound: there is none of this id.
        """
        rows = await self._database.read(
            "SELECT * FROM knowledge_import WHERE tenant = :t AND id = :i", t=tenant, i=id_
        )
        if not rows:
            raise NotFound(f"no import {id_!r}")
        await self._vault.ready(tenant)
        return self._import(rows[0])

    async def last(self, tenant: TenantId) -> list[Import]:
        """Return the last imports, newest first."""
        await self._vault.ready(tenant)
        rows = await self._database.read(
            "SELECT * FROM knowledge_import WHERE tenant = :t ORDER BY id DESC LIMIT :n", t=tenant, n=LISTED
        )
        return [self._import(row) for row in rows]

    async def idle(self) -> None:
        """Return once nothing is being read."""
        while self._tasks:
            await asyncio.gather(*self._tasks.values(), return_exceptions=True)

    async def stop(self) -> None:
        """End what is under way; what was stored stays."""
        tasks = list(self._tasks.values())
        for task in tasks:
            task.cancel()
        for task in tasks:
            with contextlib.suppress(asyncio.CancelledError):
                await task

    async def _run(
        self, tenant: TenantId, id_: str, site: str, crawl: Crawl, known: dict[str, Known]
    ) -> None:
        counts = {"looked": 0, "waiting": 0, "changed": 0, "gone": 0}
        problems: list[str] = []
        seen: set[str] = set()
        try:
            async for page in crawl.pages():
                seen.add(page.url)
                counts["looked"] += 1
                counts["waiting"] = page.waiting
                await self._take(tenant, site, page, counts, problems)
                await self._note(tenant, id_, "running", counts, problems)
            if crawl.complete:
                for url in set(known) - seen:
                    await self._forget(tenant, url, counts)
            await self._note(tenant, id_, "done", counts, problems)
        except asyncio.CancelledError:
            await self._note(
                tenant, id_, "failed", counts, problems, "the server was stopped; import it again"
            )
            raise
        except ChatpushError as error:
            await self._note(tenant, id_, "failed", counts, problems, error.message)
        except Exception:
            log.exception("an import failed", tenant=tenant, site=site)
            await self._note(tenant, id_, "failed", counts, problems, "it failed; the log says why")

    async def _take(
        self, tenant: TenantId, site: str, page: Page, counts: dict[str, int], problems: list[str]
    ) -> None:
        if page.problem:
            problems.append(page.problem)
        if page.gone:
            await self._forget(tenant, page.url, counts)
        if page.draft is None:
            return
        try:
            (outcome,) = await self._knowledge.put(tenant, [page.draft])
        except ChatpushError as error:
            problems.append(f"{page.url}: {error.message}")
            return
        counts["changed"] += outcome.status != "unchanged"
        row = {
            "tenant": tenant, "article": page.draft.id, "site": site, "url": page.url, "etag": page.etag,
            "digest": page.digest,
        }  # fmt: skip
        again = "url = excluded.url, etag = excluded.etag, digest = excluded.digest"
        await self._database.write(
            lambda tx: tx.insert("knowledge_page", row, f"(tenant, article) DO UPDATE SET {again}")
        )

    async def _forget(self, tenant: TenantId, url: str, counts: dict[str, int]) -> None:
        def forget(tx: Transaction) -> list[str]:
            rows = tx.query(
                "DELETE FROM knowledge_page WHERE tenant = :t AND url = :u RETURNING article", t=tenant, u=url
            )
            return [row["article"] for row in rows]

        for article in await self._database.write(forget):
            with contextlib.suppress(NotFound):
                await self._knowledge.delete(tenant, article)
                counts["gone"] += 1

    async def _known(self, tenant: TenantId, site: str) -> dict[str, Known]:
        """Return what is known of a site's pages whose articles are still there."""
        rows = await self._database.read(
            "SELECT p.url, p.etag, p.digest FROM knowledge_page p JOIN knowledge_article a "
            "ON a.tenant = p.tenant AND a.id = p.article WHERE p.tenant = :t AND p.site = :s",
            t=tenant, s=site,
        )  # fmt: skip
        return {row["url"]: Known(row["etag"], row["digest"]) for row in rows}

    async def _note(
        self,
        tenant: TenantId,
        id_: str,
        state: str,
        counts: dict[str, int],
        problems: Sequence[str],
        error: str = "",
    ) -> None:
        sealed = None
        if problems:
            kept = list(problems[:MOST_PROBLEMS])
            sealed = self._vault.seal_json(tenant, "", "knowledge_import", "problems_sealed", id_, kept)
        now = to_ms(self._clock.now())
        await self._database.write(
            lambda tx: tx.execute(
                "UPDATE knowledge_import SET state = :s, looked = :looked, waiting = :waiting, changed = :changed, "
                "gone = :gone, problems_sealed = :p, error = :e, updated_at = :n WHERE tenant = :t AND id = :i",
                s=state, p=sealed, e=error, n=now, t=tenant, i=id_, **counts,
            )
        )  # fmt: skip

    def _import(self, row: Row) -> Import:
        problems = row["problems_sealed"]
        state, error = row["state"], row["error"]
        late = to_ms(self._clock.now()) - row["updated_at"] > STALE_MILLISECONDS
        if state == "running" and late and (row["tenant"], row["id"]) not in self._tasks:
            state, error = "failed", "the server that read it is gone; import it again"
        return Import(
            row["id"], row["url"], state, row["looked"], row["waiting"], row["changed"], row["gone"],
            tuple(self._vault.open_json(row["tenant"], "", "knowledge_import", "problems_sealed", row["id"], problems))
            if problems else (),
            error, from_ms(row["started_at"]), from_ms(row["updated_at"]),
        )  # fmt: skip
