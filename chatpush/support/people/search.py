"""Find conversations by their words, which lie encrypted.

A blind index: each turn's words become keyed fingerprints (HMAC under the
tenant's key) in the transaction that stores the turn, one row per conversation
and word. The store learns which conversations share a word, never which word
(the usual leak of equality indexes; frequencies show). English words are
indexed by their stem, Chinese as pairs of characters, so that both are found
inside any sentence. Everything is bounded: words of a turn, words of a query,
conversations looked at.
"""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from chatpush.domain import ConversationId, ConversationState, Speaker, TenantId, Turn
from chatpush.errors import InvalidInput
from chatpush.store.database import Database, Row, Transaction
from chatpush.store.vault import Vault
from chatpush.support.conversations.conversations import Conversations
from chatpush.support.conversations.turns import Conversation, Saying
from chatpush.support.retrieval.terms import is_han, stem

WORDS_PER_TURN = 300
WORDS_PER_QUERY = 12
LONGEST_QUERY = 200
LONGEST_TOKEN = 40
TURNS_LOOKED_AT = 200
EXCERPT_CHARS = 160
MOST = 50
FIELD = "turn word"
_TOKEN = re.compile(r"[\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff\u3040-\u30ff\uac00-\ud7af]+|[^\W_]+")


@dataclass(frozen=True, slots=True)
class Found:
    """A conversation with the turn that shows why, if one does."""

    conversation: Conversation
    turn: Turn | None
    excerpt: str


def search_words(text: str) -> Iterator[str]:
    """Yield what a text is found by: stems, numbers, single Chinese characters and pairs of them."""
    for match in _TOKEN.finditer(text.lower()):
        run = match.group()
        if is_han(run):
            yield from run
            yield from (run[at : at + 2] for at in range(len(run) - 1))
        else:
            yield stem(run[:LONGEST_TOKEN])


def query_words(text: str) -> list[str]:
    """Return what a query asks for; of a longer Chinese run its pairs alone."""
    found: list[str] = []
    for match in _TOKEN.finditer(text.lower()):
        run = match.group()
        if not is_han(run):
            found.append(stem(run[:LONGEST_TOKEN]))
        elif len(run) == 1:
            found.append(run)
        else:
            found += [run[at : at + 2] for at in range(len(run) - 1)]
    return list(dict.fromkeys(found))


class ConversationSearch:
    """The words of every tenant's conversations."""

    def __init__(self, database: Database, vault: Vault, conversations: Conversations) -> None:
        self._database = database
        self._vault = vault
        self._conversations = conversations

    def said(self, tx: Transaction, tenant: TenantId, conversation: ConversationId, saying: Saying) -> None:
        """Index a turn with its storing; what the house itself says is in every conversation."""
        if saying.by is not Speaker.SYSTEM:
            self.index(tx, tenant, conversation, saying.text)

    def changed(self, tx: Transaction, conversation: Conversation, state: ConversationState) -> None:
        """States are not its business."""

    async def find(self, tenant: TenantId, query: str, limit: int = 20) -> list[Found]:
        """Return conversations in which every word of a query was said, the newest word first.

        A conversation's id, a user's id and ``tag:name`` are understood, too.

        Raises:
            InvalidInput: there is nothing to look for, or too much.
        """
        query = query.strip()
        if not query or len(query) > LONGEST_QUERY:
            raise InvalidInput(f"a search has 1 to {LONGEST_QUERY} characters", param="query")
        limit = min(limit, MOST)
        await self._vault.ready(tenant)
        words = query_words(query)[:WORDS_PER_QUERY]
        rows = await self._named(tenant, query, limit)
        known = {row["id"] for row in rows}
        if words and len(rows) < limit:
            rows += [row for row in await self._with_words(tenant, words, limit) if row["id"] not in known]
        await self._vault.ready_many(tenant, [row["user_id"] for row in rows])
        found = [self._conversations.rows.conversation(row) for row in rows[:limit]]
        return [await self._shown(conversation, words) for conversation in found]

    async def _named(self, tenant: TenantId, query: str, limit: int) -> list[Row]:
        if query.startswith("tag:"):
            return await self._database.read(
                "SELECT c.* FROM conversation c JOIN conversation_tag g"
                " ON g.tenant = c.tenant AND g.conversation = c.id"
                " WHERE c.tenant = :t AND g.tag = :q ORDER BY c.updated_at DESC LIMIT :l",
                t=tenant, q=query.removeprefix("tag:").strip().lower(), l=limit,
            )  # fmt: skip
        return await self._database.read(
            "SELECT * FROM conversation WHERE tenant = :t AND (id = :q OR user_id = :q)"
            " ORDER BY updated_at DESC LIMIT :l",
            t=tenant, q=query, l=limit,
        )  # fmt: skip

    async def _with_words(self, tenant: TenantId, words: Sequence[str], limit: int) -> list[Row]:
        names = {f"w{number}": self._blind(tenant, word) for number, word in enumerate(words)}
        return await self._database.read(
            "SELECT c.* FROM conversation c JOIN (SELECT conversation FROM conversation_word WHERE tenant = :t"
            f" AND word IN ({', '.join(f':{name}' for name in names)})"
            " GROUP BY conversation HAVING COUNT(*) = :n) f ON f.conversation = c.id"
            " WHERE c.tenant = :t ORDER BY c.updated_at DESC LIMIT :l",
            t=tenant, n=len(names), l=limit, **names,
        )  # fmt: skip

    async def _shown(self, conversation: Conversation, words: Sequence[str]) -> Found:
        """Return the latest turn that has the most of the words, cut to where they are."""
        turns = await self._conversations.turns(conversation, TURNS_LOOKED_AT)
        wanted = set(words)
        best: Turn | None = None
        most = 0
        for turn in reversed(turns):
            shared = len(wanted & set(search_words(turn.text))) if turn.by is not Speaker.SYSTEM else 0
            if shared > most:
                best, most = turn, shared
        shown = best or (turns[-1] if turns else None)
        return Found(conversation, shown, excerpt(shown.text, words) if shown else "")

    def index(self, tx: Transaction, tenant: TenantId, conversation: ConversationId, text: str) -> None:
        """Store a text's words; doing it twice changes nothing. The tenant's key must be ready."""
        words = list(dict.fromkeys(search_words(text)))[:WORDS_PER_TURN]
        rows = [
            {"tenant": tenant, "word": self._blind(tenant, word), "conversation": conversation}
            for word in words
        ]
        tx.insert_many("conversation_word", rows, "(tenant, word, conversation) DO NOTHING")

    def _blind(self, tenant: TenantId, word: str) -> str:
        return self._vault.blind(tenant, FIELD, word)


def excerpt(text: str, words: Sequence[str]) -> str:
    """Return the part of a text in which the first of the words stands."""
    plain = " ".join(text.split())
    lowered = plain.lower()
    places = [place for word in words if (place := lowered.find(word)) >= 0]
    start = max(0, min(places, default=0) - EXCERPT_CHARS // 4)
    cut = plain[start : start + EXCERPT_CHARS]
    return ("… " if start else "") + cut + (" …" if start + EXCERPT_CHARS < len(plain) else "")
