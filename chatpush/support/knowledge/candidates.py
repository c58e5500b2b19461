"""Find questions that people answered, and offer them as similar questions of an article.

What a person says after a hand-over shows what the assistant should have said.
Each such question is proposed once, with the article the reply looks like;
nothing is used before a person approves it. Approving adds the question to the
article, or, where no article fits, makes a new one of question and reply.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

from chatpush.clock import Clock
from chatpush.domain import ConversationId, Speaker, TenantId, Turn, from_ms, new_id, to_ms
from chatpush.errors import Conflict, InvalidKnowledge, NotFound
from chatpush.store.database import Database, Row, Transaction
from chatpush.store.vault import Vault
from chatpush.support.conversations.conversations import Conversations
from chatpush.support.knowledge.knowledge import Knowledge
from chatpush.support.knowledge.reading import MAX_QUESTIONS, Draft
from chatpush.support.retrieval.language import of_text
from chatpush.support.retrieval.retrieval import Retrieval
from chatpush.support.retrieval.terms import units

CONVERSATIONS_PER_LOOK = 100
LONGEST_QUESTION = 300
FEWEST_UNITS = 2  # "ok" and "thanks" ask nothing
LIKE_REPLY = 0.5  # from here on the reply looks like an article


@dataclass(frozen=True, slots=True)
class Candidate:
    """A question a person answered; ``article`` is the one proposed, empty if none fits."""

    id: str
    state: str
    question: str
    reply: str
    article: str
    conversation: str
    proposed_at: datetime
    decided_by: str


class Candidates:
    """The questions that wait for a person's yes, of every tenant."""

    def __init__(
        self,
        database: Database,
        vault: Vault,
        clock: Clock,
        conversations: Conversations,
        knowledge: Knowledge,
        retrieval: Retrieval,
    ) -> None:
        self._database = database
        self._vault = vault
        self._clock = clock
        self._conversations = conversations
        self._knowledge = knowledge
        self._retrieval = retrieval

    async def look(self, tenant: TenantId) -> int:
        """Look through what people said since the last look; return how many questions are new."""
        await self._vault.ready(tenant)
        rows = await self._database.read("SELECT turn FROM knowledge_mined WHERE tenant = :t", t=tenant)
        after = rows[0]["turn"] if rows else ""
        replies = await self._database.read(
            "SELECT id, conversation FROM turn WHERE tenant = :t AND said_by = :b AND id > :a "
            "ORDER BY id LIMIT :n",
            t=tenant, b=Speaker.AGENT, a=after, n=CONVERSATIONS_PER_LOOK,
        )  # fmt: skip
        if not replies:
            return 0
        wanted = {row["id"] for row in replies}
        found: list[dict[str, Any]] = []
        for conversation in dict.fromkeys(row["conversation"] for row in replies):
            found += await self._of_conversation(tenant, ConversationId(conversation), wanted)
        last = replies[-1]["id"]

        def put(tx: Transaction) -> int:
            tx.execute("DELETE FROM knowledge_mined WHERE tenant = :t", t=tenant)
            tx.insert("knowledge_mined", {"tenant": tenant, "turn": last})
            new = 0
            for row in found:
                known = tx.query(
                    "SELECT id FROM knowledge_candidate WHERE tenant = :t AND same = :s",
                    t=tenant, s=row["same"],
                )  # fmt: skip
                if not known:
                    tx.insert("knowledge_candidate", row)
                    new += 1
            return new

        return await self._database.write(put)

    async def page(
        self, tenant: TenantId, state: str = "proposed", limit: int = 50, starting_after: str = ""
    ) -> list[Candidate]:
        """Return candidates in a state, oldest first."""
        await self._vault.ready(tenant)
        rows = await self._database.read(
            "SELECT * FROM knowledge_candidate WHERE tenant = :t AND state = :s AND id > :a ORDER BY id LIMIT :n",
            t=tenant, s=state, a=starting_after, n=limit,
        )  # fmt: skip
        return [self._candidate(tenant, row) for row in rows]

    async def get(self, tenant: TenantId, id_: str) -> Candidate:
        """Return one candidate.

        Raises:
            NotFound: there is none with this id.
        """
        await self._vault.ready(tenant)
        rows = await self._database.read(
            "SELECT * FROM knowledge_candidate WHERE tenant = :t AND id = :i", t=tenant, i=id_
        )
        if not rows:
            raise NotFound(f"no candidate {id_!r}")
        return self._candidate(tenant, rows[0])

    async def approve(
        self, tenant: TenantId, id_: str, by: str, *, article: str = "", question: str = ""
    ) -> Candidate:
        """Use a candidate: add it to an article, or make one; wording and article may be changed.

        Raises:
            NotFound: no such candidate or article. Conflict: it is decided already.
        """
        found = await self.get(tenant, id_)
        if found.state != "proposed":
            raise Conflict(f"candidate {id_} is {found.state} already")
        asked, name = question.strip() or found.question, article or found.article
        if name:
            draft = await self._knowledge.draft(tenant, name)
            if asked not in draft.questions:
                if len(draft.questions) >= MAX_QUESTIONS:
                    raise InvalidKnowledge(f"article {name} has {MAX_QUESTIONS} questions already")
                draft = replace(draft, questions=(*draft.questions, asked))
        else:
            name = f"answered:{found.id}"
            draft = Draft(name, asked, found.reply, of_text(f"{asked} {found.reply}"), questions=(asked,))
        await self._knowledge.put(tenant, [draft])
        return await self._decide(tenant, found, "approved", by, name)

    async def reject(self, tenant: TenantId, id_: str, by: str) -> Candidate:
        """Put a candidate away for good.

        Raises:
            NotFound: there is none. Conflict: it is decided already.
        """
        found = await self.get(tenant, id_)
        if found.state != "proposed":
            raise Conflict(f"candidate {id_} is {found.state} already")
        return await self._decide(tenant, found, "rejected", by, found.article)

    async def _of_conversation(
        self, tenant: TenantId, conversation: ConversationId, wanted: set[str]
    ) -> list[dict[str, Any]]:
        turns = await self._conversations.turns(await self._conversations.get(tenant, conversation))
        rows = []
        for question, reply in answered(turns, wanted):
            article = await self._article_like(tenant, reply)
            same = self._vault.blind(tenant, "knowledge_candidate", " ".join(question.casefold().split()))
            id_ = new_id("cnd")
            content = {"question": question, "reply": reply, "article": article}
            rows.append(
                {
                    "tenant": tenant, "id": id_, "state": "proposed", "same": same,
                    "conversation": conversation,
                    "content_sealed": self._seal(tenant, id_, content),
                    "proposed_at": to_ms(self._clock.now()), "decided_at": None, "decided_by": "",
                }
            )  # fmt: skip
        unique = {row["same"]: row for row in reversed(rows)}
        return list(reversed(unique.values()))

    async def _article_like(self, tenant: TenantId, reply: str) -> str:
        found = await self._retrieval.search(tenant, reply, of_text(reply), 1)
        return found.passages[0].article if found.passages and found.confidence >= LIKE_REPLY else ""

    async def _decide(
        self, tenant: TenantId, found: Candidate, state: str, by: str, article: str
    ) -> Candidate:
        content = {"question": found.question, "reply": found.reply, "article": article}
        sealed = self._seal(tenant, found.id, content)
        now = to_ms(self._clock.now())

        def put(tx: Transaction) -> int:
            return tx.execute(
                "UPDATE knowledge_candidate SET state = :s, content_sealed = :c, decided_at = :n, decided_by = :b "
                "WHERE tenant = :t AND id = :i AND state = 'proposed'",
                s=state, c=sealed, n=now, b=by, t=tenant, i=found.id,
            )  # fmt: skip

        if not await self._database.write(put):
            raise Conflict(f"candidate {found.id} was decided by somebody else in the meantime")
        return await self.get(tenant, found.id)

    def _seal(self, tenant: TenantId, id_: str, content: Mapping[str, Any]) -> bytes:
        return self._vault.seal_json(tenant, "", "knowledge_candidate", "content_sealed", id_, dict(content))

    def _candidate(self, tenant: TenantId, row: Row) -> Candidate:
        content = self._vault.open_json(
            tenant, "", "knowledge_candidate", "content_sealed", row["id"], row["content_sealed"]
        )
        return Candidate(
            row["id"], row["state"], content["question"], content["reply"], content["article"],
            row["conversation"], from_ms(row["proposed_at"]), row["decided_by"],
        )  # fmt: skip


def answered(turns: Sequence[Turn], wanted: set[str]) -> list[tuple[str, str]]:
    """Return (question, reply) of the replies wanted: the user's last words before a person's first."""
    found = []
    asked = ""
    for turn in turns:
        if turn.by is Speaker.USER:
            asked = turn.text.strip()
        elif turn.by is Speaker.AGENT:
            if (
                asked
                and turn.id in wanted
                and len(asked) <= LONGEST_QUESTION
                and len(units(asked)) >= FEWEST_UNITS
            ):
                found.append((asked, turn.text.strip()))
            asked = ""  # what a person goes on to say answers the same question
    return found
