"""Keep what the assistant may say: articles, split into sections, sealed at rest.

An article that did not change is not stored again; one that did replaces its
sections whole. Every change gives the tenant's knowledge a new version, which
is how an index (on this node or another) learns what to read again.
"""

import json
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import date
from typing import Any

from chatpush.clock import Clock
from chatpush.domain import TenantId, from_ms, to_ms
from chatpush.errors import InvalidKnowledge, NotFound
from chatpush.store.database import Database, Row, Transaction
from chatpush.store.vault import Vault
from chatpush.support.knowledge.articles import Article, Changes, Outcome, Past
from chatpush.support.knowledge.reading import Chunk, Draft, split
from chatpush.support.retrieval.language import base
from chatpush.support.retrieval.synonyms import parse

ARTICLES_PER_WRITE = 50
ARTICLES_PER_READ = 100
MAX_ID = 200
MAX_TITLE = 300
MAX_AUDIENCE = 20
KEPT_VERSIONS = 20
_AUDIENCE = re.compile(r"signed_in|[\w.-]{1,64}=[^\s=][^=]{0,99}")


@dataclass(frozen=True, slots=True)
class _Prepared:
    """An article ready to be written."""

    draft: Draft
    fingerprint: str
    head: bytes
    body: bytes
    rows: list[dict[str, Any]]


class Knowledge:
    """The articles of every tenant."""

    def __init__(self, database: Database, vault: Vault, clock: Clock) -> None:
        self._database = database
        self._vault = vault
        self._clock = clock

    async def put(self, tenant: TenantId, drafts: Sequence[Draft]) -> list[Outcome]:
        """Store articles; the same id replaces, the same content is left alone.

        Raises:
            InvalidKnowledge: one has no id, title or text; none is stored then.
        """
        await self._vault.ready(tenant)
        prepared = [self._prepare(tenant, draft) for draft in drafts]
        outcomes: list[Outcome] = []
        for start in range(0, len(prepared), ARTICLES_PER_WRITE):
            group = prepared[start : start + ARTICLES_PER_WRITE]
            outcomes += await self._database.write(lambda tx, group=group: self._store(tx, tenant, group))  # type: ignore[misc]
        return outcomes

    async def delete(self, tenant: TenantId, article: str) -> None:
        """Forget an article.

        Raises:
            NotFound: there is none with this id.
        """

        def forget(tx: Transaction) -> int:
            for table in ("knowledge_chunk", "knowledge_past", "knowledge_vector", "knowledge_page"):
                tx.execute(f"DELETE FROM {table} WHERE tenant = :t AND article = :a", t=tenant, a=article)
            gone = tx.execute(
                "DELETE FROM knowledge_article WHERE tenant = :t AND id = :a", t=tenant, a=article
            )
            if gone:
                _next_version(tx, tenant)
            return gone

        if not await self._database.write(forget):
            raise NotFound(f"no knowledge article {article!r}")

    async def page(self, tenant: TenantId, limit: int, starting_after: str = "") -> list[Article]:
        """Return articles by id."""
        await self._vault.ready(tenant)
        rows = await self._database.read(
            "SELECT id, language, version, chunks, head_sealed, updated_at FROM knowledge_article "
            "WHERE tenant = :t AND id > :a ORDER BY id LIMIT :n",
            t=tenant, a=starting_after, n=limit,
        )  # fmt: skip
        return [self._article(tenant, row) for row in rows]

    async def text(self, tenant: TenantId, article: str) -> tuple[Article, str]:
        """Return an article with its Markdown.

        Raises:
            NotFound: there is none with this id.
        """
        await self._vault.ready(tenant)
        rows = await self._database.read(
            "SELECT * FROM knowledge_article WHERE tenant = :t AND id = :a", t=tenant, a=article
        )
        if not rows:
            raise NotFound(f"no knowledge article {article!r}")
        body = self._vault.open_text(
            tenant, "", "knowledge_article", "body_sealed", article, rows[0]["body_sealed"]
        )
        return self._article(tenant, rows[0]), body

    async def past(self, tenant: TenantId, article: str) -> list[Past]:
        """Return an article as it was before, newest first.

        Raises:
            NotFound: there is none with this id.
        """
        await self.text(tenant, article)
        rows = await self._database.read(
            "SELECT *, article AS id FROM knowledge_past WHERE tenant = :t AND article = :a ORDER BY version DESC",
            t=tenant, a=article,
        )  # fmt: skip
        vault = self._vault
        return [
            Past(
                self._article(tenant, {**row, "chunks": 0}),
                vault.open_text(tenant, "", "knowledge_article", "body_sealed", article, row["body_sealed"]),
            )
            for row in rows
        ]

    async def restore(self, tenant: TenantId, article: str, version: int) -> Outcome:
        """Make an article again what it was in a version; what it is now becomes one of its past.

        Raises:
            NotFound: there is no such version.
        """
        was = next((one for one in await self.past(tenant, article) if one.article.version == version), None)
        if was is None:
            raise NotFound(f"article {article!r} has no version {version}")
        (outcome,) = await self.put(tenant, [_draft_of(was.article, was.text)])
        return outcome

    async def draft(self, tenant: TenantId, article: str) -> Draft:
        """Return an article as it could be put again.

        Raises:
            NotFound: there is none with this id.
        """
        return _draft_of(*await self.text(tenant, article))

    def today(self) -> date:
        """Return the day, in UTC, that validity is judged by."""
        return self._clock.now().date()

    async def synonyms(self, tenant: TenantId) -> tuple[str, ...]:
        """Return the tenant's own groups of words that mean the same, one a line."""
        await self._vault.ready(tenant)
        rows = await self._database.read(
            "SELECT content_sealed FROM knowledge_synonyms WHERE tenant = :t", t=tenant
        )
        if not rows:
            return ()
        opened = self._vault.open_json(
            tenant, "", "knowledge_synonyms", "content_sealed", "", rows[0]["content_sealed"]
        )
        return tuple(opened)

    async def put_synonyms(self, tenant: TenantId, groups: Sequence[str]) -> None:
        """Replace the tenant's own synonyms.

        Raises:
            InvalidKnowledge: a group is no list of words, or there are too many.
        """
        kept = parse("\n".join(groups))
        await self._vault.ready(tenant)
        sealed = self._vault.seal_json(tenant, "", "knowledge_synonyms", "content_sealed", "", list(kept))

        def put(tx: Transaction) -> None:
            tx.execute("DELETE FROM knowledge_synonyms WHERE tenant = :t", t=tenant)
            tx.insert("knowledge_synonyms", {"tenant": tenant, "content_sealed": sealed})
            _next_version(tx, tenant)

        await self._database.write(put)

    async def version(self, tenant: TenantId) -> int:
        """Return the number that grows with every change."""
        rows = await self._database.read("SELECT version FROM knowledge_version WHERE tenant = :t", t=tenant)
        return rows[0]["version"] if rows else 0

    async def changes(self, tenant: TenantId, known: Mapping[str, int]) -> Changes:
        """Return what differs from the article versions an index knows."""
        await self._vault.ready(tenant)
        version = await self.version(tenant)
        rows = await self._database.read(
            "SELECT id, language, version, chunks, head_sealed, updated_at FROM knowledge_article "
            "WHERE tenant = :t ORDER BY id",
            t=tenant,
        )
        fresh = [row for row in rows if known.get(row["id"]) != row["version"]]
        changed: list[tuple[Article, tuple[Chunk, ...]]] = []
        for start in range(0, len(fresh), ARTICLES_PER_READ):
            page = fresh[start : start + ARTICLES_PER_READ]
            chunks = await self._chunks(tenant, [row["id"] for row in page])
            changed += [(self._article(tenant, row), tuple(chunks.get(row["id"], ()))) for row in page]
        gone = frozenset(known) - {row["id"] for row in rows}
        return Changes(version, tuple(changed), gone, await self.synonyms(tenant))

    def _prepare(self, tenant: TenantId, draft: Draft) -> _Prepared:
        if not draft.id or len(draft.id) > MAX_ID:
            raise InvalidKnowledge(f"an article id has 1 to {MAX_ID} characters", param="id")
        title = draft.title.strip()
        if not title or len(title) > MAX_TITLE:
            raise InvalidKnowledge(
                f"article {draft.id}: a title has 1 to {MAX_TITLE} characters", param="title"
            )
        chunks = split(draft.text)
        if not chunks:
            raise InvalidKnowledge(f"article {draft.id}: there is no text", param="text")
        vault = self._vault
        _check_days(draft)
        _check_audience(draft)
        head = {
            "title": title, "url": draft.url, "tags": draft.tags, "questions": draft.questions,
            "from": draft.valid_from, "until": draft.valid_until, "audience": draft.audience,
        }  # fmt: skip
        rows = []
        for position, chunk in enumerate(chunks):
            place, content = f"{draft.id}\x00{position}", [chunk.heading, chunk.text]
            sealed = vault.seal_json(tenant, "", "knowledge_chunk", "content_sealed", place, content)
            rows.append(
                {"tenant": tenant, "article": draft.id, "position": position, "content_sealed": sealed}
            )
        whole = json.dumps(asdict(draft), sort_keys=True, ensure_ascii=False)
        return _Prepared(
            draft=draft,
            fingerprint=vault.blind(tenant, "knowledge", whole),
            head=vault.seal_json(tenant, "", "knowledge_article", "head_sealed", draft.id, head),
            body=vault.seal_text(tenant, "", "knowledge_article", "body_sealed", draft.id, draft.text),
            rows=rows,
        )

    def _store(self, tx: Transaction, tenant: TenantId, group: Iterable[_Prepared]) -> list[Outcome]:
        outcomes = []
        version = 0
        for one in group:
            found = tx.query(
                "SELECT fingerprint FROM knowledge_article WHERE tenant = :t AND id = :a",
                t=tenant, a=one.draft.id,
            )  # fmt: skip
            if found and found[0]["fingerprint"] == one.fingerprint:
                outcomes.append(Outcome(one.draft.id, "unchanged", len(one.rows)))
                continue
            version = version or _next_version(tx, tenant)
            _put_by(tx, tenant, one.draft.id)
            tx.execute(
                "DELETE FROM knowledge_chunk WHERE tenant = :t AND article = :a", t=tenant, a=one.draft.id
            )
            tx.execute(
                "DELETE FROM knowledge_article WHERE tenant = :t AND id = :a", t=tenant, a=one.draft.id
            )
            tx.insert(
                "knowledge_article",
                {
                    "tenant": tenant, "id": one.draft.id, "language": base(one.draft.language),
                    "fingerprint": one.fingerprint, "version": version, "chunks": len(one.rows),
                    "head_sealed": one.head, "body_sealed": one.body,
                    "updated_at": to_ms(self._clock.now()),
                },
            )  # fmt: skip
            tx.insert_many("knowledge_chunk", one.rows)
            outcomes.append(Outcome(one.draft.id, "updated" if found else "added", len(one.rows)))
        return outcomes

    async def _chunks(self, tenant: TenantId, articles: Sequence[str]) -> dict[str, list[Chunk]]:
        """Return the sections of some articles, in order."""
        names = {f"a{number}": article for number, article in enumerate(articles)}
        rows = await self._database.read(
            "SELECT article, position, content_sealed FROM knowledge_chunk "
            f"WHERE tenant = :t AND article IN ({', '.join(f':{name}' for name in names)}) "
            "ORDER BY article, position",
            t=tenant, **names,
        )  # fmt: skip
        chunks: dict[str, list[Chunk]] = {}
        for row in rows:
            place = f"{row['article']}\x00{row['position']}"
            heading, text = self._vault.open_json(
                tenant, "", "knowledge_chunk", "content_sealed", place, row["content_sealed"]
            )
            chunks.setdefault(row["article"], []).append(Chunk(heading, text))
        return chunks

    def _article(self, tenant: TenantId, row: Row) -> Article:
        head = self._vault.open_json(
            tenant, "", "knowledge_article", "head_sealed", row["id"], row["head_sealed"]
        )
        return Article(
            id=row["id"],
            title=head["title"],
            language=row["language"],
            url=head["url"],
            tags=tuple(head["tags"]),
            questions=tuple(head["questions"]),
            chunks=row["chunks"],
            version=row["version"],
            updated_at=from_ms(row["updated_at"]),
            valid_from=head.get("from", ""),
            valid_until=head.get("until", ""),
            audience=tuple(head.get("audience", ())),
        )


def _put_by(tx: Transaction, tenant: TenantId, article: str) -> None:
    """Keep an article as it is before it changes; the oldest version goes when there are many."""
    columns = "version, language, head_sealed, body_sealed, updated_at"
    where = {"t": tenant, "a": article}
    tx.execute(
        f"INSERT INTO knowledge_past (tenant, article, {columns}) SELECT tenant, id, {columns} "
        "FROM knowledge_article WHERE tenant = :t AND id = :a",
        **where,
    )
    tx.execute(
        "DELETE FROM knowledge_past WHERE tenant = :t AND article = :a AND version NOT IN (SELECT version "
        "FROM knowledge_past WHERE tenant = :t AND article = :a ORDER BY version DESC LIMIT :n)",
        n=KEPT_VERSIONS, **where,
    )  # fmt: skip


def _draft_of(article: Article, text: str) -> Draft:
    return Draft(
        article.id, article.title, text, article.language, article.url, article.tags, article.questions,
        article.valid_from, article.valid_until, article.audience,
    )  # fmt: skip


def _check_days(draft: Draft) -> None:
    for name, day in (("valid_from", draft.valid_from), ("valid_until", draft.valid_until)):
        try:
            whole = not day or date.fromisoformat(day).isoformat() == day
        except ValueError:
            whole = False
        if not whole:
            raise InvalidKnowledge(
                f"article {draft.id}: {name} is a day such as 2026-12-24, not {day!r}", param=name
            )


def _check_audience(draft: Draft) -> None:
    if len(draft.audience) > MAX_AUDIENCE or not all(_AUDIENCE.fullmatch(one) for one in draft.audience):
        raise InvalidKnowledge(
            f"article {draft.id}: an audience is signed_in or an attribute such as plan=gold, at most {MAX_AUDIENCE}",
            param="audience",
        )


def _next_version(tx: Transaction, tenant: TenantId) -> int:
    rows = tx.query(
        "INSERT INTO knowledge_version (tenant, version) VALUES (:t, 1) "
        "ON CONFLICT (tenant) DO UPDATE SET version = knowledge_version.version + 1 RETURNING version",
        t=tenant,
    )
    version: int = rows[0]["version"]
    return version
