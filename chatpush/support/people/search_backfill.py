"""Index what was said before there was an index, in the background, once.

A page of turns at a time: their words and the place reached are one
transaction, so a kill anywhere repeats nothing and leaves nothing out. What a
user has taken back meanwhile (erased, merged) is looked at again in that very
transaction and stays out. Two nodes may do it at once: only who finds the place
unmoved writes.
"""

from dataclasses import dataclass
from typing import Any

import structlog

from chatpush.domain import ConversationId, Speaker, TenantId
from chatpush.rounds import Worker
from chatpush.store.database import Database, Row, Transaction
from chatpush.store.vault import Vault
from chatpush.support.conversations.conversations import Conversations
from chatpush.support.people.search import ConversationSearch

log = structlog.get_logger(__name__)

TURNS_PER_PAGE = 100
REST_SECONDS = 0.05
"""Between two pages others have the database to themselves."""
PAGE = (
    "SELECT {columns} FROM turn t JOIN conversation c ON c.tenant = t.tenant AND c.id = t.conversation"
    " WHERE t.tenant = :t AND (t.conversation, t.id) > (:c, :i) AND t.conversation <= :u"
    " ORDER BY t.conversation, t.id LIMIT :l"
)


@dataclass(frozen=True, slots=True)
class Progress:
    """How many of the turns there were are indexed."""

    indexed: int
    total: int

    @property
    def share(self) -> float:
        """Between 0 and 1."""
        return min(1.0, self.indexed / self.total) if self.total else 1.0


class SearchBackfill(Worker):
    """The loop over every tenant's old turns; it rests for good when there are none left."""

    def __init__(
        self, database: Database, vault: Vault, conversations: Conversations, search: ConversationSearch
    ) -> None:
        self._database = database
        self._vault = vault
        self._conversations = conversations
        self._search = search
        super().__init__("search backfill", self.turn)

    async def progress(self, tenant: TenantId) -> Progress | None:
        """Return how far a tenant's old turns are; None if all can be found."""
        rows = await self._database.read(
            "SELECT indexed, total FROM search_backfill WHERE tenant = :t", t=tenant
        )
        return Progress(rows[0]["indexed"], rows[0]["total"]) if rows else None

    async def turn(self) -> float | None:
        """Index one page of one tenant; return when to go on, None at the end."""
        places = await self._database.read("SELECT * FROM search_backfill ORDER BY tenant LIMIT 1")
        if not places:
            return None
        place = places[0]
        tenant = TenantId(place["tenant"])
        page = await self._database.read(PAGE.format(columns="t.*, c.user_id"), **_from(place))
        await self._vault.ready(tenant)
        await self._vault.ready_many(tenant, [row["user_id"] for row in page])
        texts = [
            (row["conversation"], row["id"], self._conversations.rows.turn(tenant, row["user_id"], row).text)
            for row in page
            if row["said_by"] != Speaker.SYSTEM
        ]
        await self._database.write(lambda tx: self._index(tx, place, page, texts))
        return REST_SECONDS

    def _index(self, tx: Transaction, place: Row, page: list[Row], texts: list[tuple[str, str, str]]) -> None:
        """Store a page's words and the place behind it, if nobody has gone on from there meanwhile."""
        here = {"t": place["tenant"], "c": place["conversation"], "i": place["turn"]}
        same = "tenant = :t AND conversation = :c AND turn = :i"
        if not page:
            if tx.execute(f"DELETE FROM search_backfill WHERE {same}", **here):
                log.info("all conversations can be found", tenant=place["tenant"], turns=place["indexed"])
            return
        last = page[-1]
        moved = tx.execute(
            f"UPDATE search_backfill SET conversation = :nc, turn = :ni, indexed = indexed + :n WHERE {same}",
            **here, nc=last["conversation"], ni=last["id"], n=len(page),
        )  # fmt: skip
        if not moved:
            return
        still = tx.query(PAGE.format(columns="t.conversation, t.id"), **_from(place))
        there = {(row["conversation"], row["id"]) for row in still}
        for conversation, turn, text in texts:
            if (conversation, turn) in there:
                self._search.index(tx, TenantId(place["tenant"]), ConversationId(conversation), text)


def _from(place: Row) -> dict[str, Any]:
    return {
        "t": place["tenant"], "c": place["conversation"], "i": place["turn"], "u": place["upto"],
        "l": TURNS_PER_PAGE,
    }  # fmt: skip
