"""Keep what the assistant did for each answer, and why: hits and scores, tools, model, tokens, decisions.

Whoever takes part in an answer notes what it did: ``note("tool", name=…)``.
Notes go to the answer being made in this task (a context variable, so nothing
has to be passed through); outside of an answer they go nowhere. The trail is
sealed with the user's own key and kept ``KEPT``.
"""

import contextvars
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from chatpush.clock import Clock
from chatpush.domain import TurnId, from_ms, to_ms
from chatpush.errors import VaultError
from chatpush.store.database import Database, Row
from chatpush.store.vault import Vault
from chatpush.support.conversations.turns import Conversation

KEPT = timedelta(days=90)
MOST_NOTES = 60
LONGEST_TEXT = 400
Step = dict[str, Any]

_steps: contextvars.ContextVar[list[Step] | None] = contextvars.ContextVar("answer_trail", default=None)


def note(kind: str, **facts: Any) -> None:
    """Note what was done for the answer being made; nothing happens outside of one."""
    steps = _steps.get()
    if steps is not None and len(steps) < MOST_NOTES:
        steps.append({"kind": kind, **{name: _short(fact) for name, fact in facts.items()}})


def noted() -> list[Step]:
    """Return what was noted so far for the answer being made."""
    return list(_steps.get() or ())


@contextmanager
def following() -> Iterator[list[Step]]:
    """Collect what is noted within; tasks begun within note here, too."""
    steps: list[Step] = []
    token = _steps.set(steps)
    try:
        yield steps
    finally:
        _steps.reset(token)


@dataclass(frozen=True, slots=True)
class Trail:
    """What was done for one answer, in order."""

    turn: str
    steps: tuple[Step, ...]
    at: datetime


class Trails:
    """The trails of every tenant's answers."""

    def __init__(self, database: Database, vault: Vault, clock: Clock) -> None:
        self._database = database
        self._vault = vault
        self._clock = clock

    async def keep(self, conversation: Conversation, turn: TurnId, steps: list[Step]) -> None:
        """Keep an answer's trail; the same answer again replaces it."""
        tenant, user = conversation.tenant, conversation.user
        await self._vault.ready(tenant, user)
        row = {
            "tenant": tenant, "conversation": conversation.id, "turn": turn, "user_id": user,
            "content_sealed": self._vault.seal_json(
                tenant, user, "answer_trail", "content_sealed", turn, list(steps)
            ),
            "made_at": to_ms(self._clock.now()),
        }  # fmt: skip
        again = "content_sealed = excluded.content_sealed, made_at = excluded.made_at"
        await self._database.write(
            lambda tx: tx.insert("answer_trail", row, f"(tenant, turn) DO UPDATE SET {again}")
        )

    async def of(self, conversation: Conversation) -> list[Trail]:
        """Return the trails of a conversation's answers, oldest first."""
        rows = await self._database.read(
            "SELECT * FROM answer_trail WHERE tenant = :t AND conversation = :c ORDER BY turn",
            t=conversation.tenant, c=conversation.id,
        )  # fmt: skip
        await self._vault.ready(conversation.tenant, conversation.user)
        return [trail for row in rows if (trail := self._trail(row)) is not None]

    async def sweep(self) -> int:
        """Forget what is old; return how many."""
        before = to_ms(self._clock.now() - KEPT)
        return await self._database.write(
            lambda tx: tx.execute("DELETE FROM answer_trail WHERE made_at < :b", b=before)
        )

    def _trail(self, row: Row) -> Trail | None:
        try:
            steps = self._vault.open_json(
                row["tenant"],
                row["user_id"],
                "answer_trail",
                "content_sealed",
                row["turn"],
                row["content_sealed"],
            )
        except VaultError:
            return None  # the user was erased
        return Trail(row["turn"], tuple(steps), from_ms(row["made_at"]))


def _short(fact: Any) -> Any:
    """Return a fact that JSON can carry, no text in it longer than ``LONGEST_TEXT``."""
    if fact is None or isinstance(fact, bool | int | float):
        return fact
    if isinstance(fact, dict):
        return {str(name)[:80]: _short(value) for name, value in list(fact.items())[:30]}
    if isinstance(fact, list | tuple):
        return [_short(value) for value in fact[:20]]
    text = str(fact)
    return text if len(text) <= LONGEST_TEXT else text[:LONGEST_TEXT] + "…"
