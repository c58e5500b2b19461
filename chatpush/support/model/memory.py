"""Remember what a long conversation was about when its turns no longer fit into a question.

Once enough turns have passed, the older ones are folded into a short summary,
sealed with the user's key: by the model where there is one, else by plain
excerpts. A summary may hold no figure that was not said; one that does is
thrown away for the excerpts, because the next answer will believe it.
"""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass

import structlog

from chatpush.domain import Speaker, Turn, UserId
from chatpush.errors import WriterUnavailable
from chatpush.store.database import Database, Row
from chatpush.store.vault import Vault
from chatpush.support.assistant.sanitising import links
from chatpush.support.conversations.conversations import Conversations
from chatpush.support.conversations.turns import Conversation
from chatpush.support.retrieval.figures import numbers

log = structlog.get_logger(__name__)

FOLD_TURNS = 20
FOLD_CHARS = 6_000
KEPT_TURNS = 8
LONGEST = 1_600
EXCERPT_CHARS = 120
LOOKED_AT = 60
FOLD_SECONDS = 8.0
Summarise = Callable[[Conversation, str, str], Awaitable[str]]
"""Given what was remembered and the turns that go, returns the new summary."""


@dataclass(frozen=True, slots=True)
class Remembered:
    """The summary of everything up to a turn; both empty at first."""

    text: str = ""
    upto: str = ""


class Memory:
    """The memory of every conversation."""

    def __init__(
        self,
        database: Database,
        vault: Vault,
        conversations: Conversations,
        summarise: Summarise | None = None,
    ) -> None:
        self._database = database
        self._vault = vault
        self._conversations = conversations
        self._summarise = summarise

    async def recall(self, conversation: Conversation) -> Remembered:
        """Return what is remembered of a conversation's beginning."""
        rows = await self._database.read(
            "SELECT upto, content_sealed FROM conversation_memory WHERE tenant = :t AND conversation = :c",
            t=conversation.tenant, c=conversation.id,
        )  # fmt: skip
        if not rows:
            return Remembered()
        await self._vault.ready(conversation.tenant, conversation.user)
        text = self._vault.open_text(
            conversation.tenant, conversation.user, "conversation_memory", "content_sealed",
            conversation.id, rows[0]["content_sealed"],
        )  # fmt: skip
        return Remembered(text, rows[0]["upto"])

    async def fold(self, conversation: Conversation) -> bool:
        """Fold older turns into the summary if there are too many; return whether there were."""
        before = await self.recall(conversation)
        turns = [
            turn for turn in await self._conversations.turns(conversation, LOOKED_AT) if turn.id > before.upto
        ]
        if len(turns) <= FOLD_TURNS and sum(len(turn.text) for turn in turns) <= FOLD_CHARS:
            return False
        gone = turns[: max(0, len(turns) - KEPT_TURNS)]
        if not gone:
            return False
        text = await self._told(conversation, before.text, gone)
        await self._store(conversation, Remembered(text, gone[-1].id))
        return True

    async def _told(self, conversation: Conversation, before: str, gone: Sequence[Turn]) -> str:
        lines = "\n".join(f"{turn.by}: {turn.text}" for turn in gone if turn.by is not Speaker.SYSTEM)
        if self._summarise is not None:
            try:
                async with asyncio.timeout(FOLD_SECONDS):
                    told = (await self._summarise(conversation, before, lines)).strip()[:LONGEST]
            except (WriterUnavailable, TimeoutError) as error:
                log.info("remembering by excerpts", conversation=conversation.id, reason=str(error))
            else:
                known = f"{before}\n{lines}"
                if told and numbers(told) <= numbers(known) and links(told) <= links(known):
                    return told
                log.warning("a summary said what nobody had said", conversation=conversation.id)
        return excerpts(before, gone)

    async def _store(self, conversation: Conversation, remembered: Remembered) -> None:
        tenant, user = conversation.tenant, conversation.user
        row: Row = {
            "tenant": tenant, "conversation": conversation.id, "user_id": UserId(user),
            "upto": remembered.upto,
            "content_sealed": self._vault.seal_text(
                tenant, user, "conversation_memory", "content_sealed", conversation.id, remembered.text
            ),
        }  # fmt: skip
        conflict = "(tenant, conversation) DO UPDATE SET upto = excluded.upto, content_sealed = excluded.content_sealed"
        await self._database.write(lambda tx: tx.insert("conversation_memory", row, conflict))


def excerpts(before: str, gone: Sequence[Turn]) -> str:
    """Return the beginning of what each side said, the newest kept when it grows too long."""
    kept = [line for line in before.splitlines() if line]
    for turn in gone:
        if turn.by is Speaker.SYSTEM:
            continue
        plain = " ".join(turn.text.split())
        kept.append(f"{turn.by}: {plain[:EXCERPT_CHARS]}{'…' if len(plain) > EXCERPT_CHARS else ''}")
    while len(kept) > 1 and sum(len(line) + 1 for line in kept) > LONGEST:
        kept.pop(0)
    return "\n".join(kept)[:LONGEST]
