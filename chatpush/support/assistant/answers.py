"""A question as the assistant sees it, and the answer as it leaves."""

from dataclasses import dataclass, field
from typing import Any

from chatpush.domain import Source, Turn
from chatpush.support.assistant.promises import PromiseDraft
from chatpush.support.conversations.turns import Conversation
from chatpush.support.ports import Described


@dataclass(frozen=True, slots=True)
class Asked:
    """One turn of the user, with what is known around it."""

    conversation: Conversation
    turn: Turn
    language: str
    history: tuple[Turn, ...]
    about: Described | None = None
    reader: frozenset[str] = frozenset()  # the audiences the user belongs to

    @property
    def text(self) -> str:
        """What the user said."""
        return self.turn.text


@dataclass(frozen=True, slots=True)
class Answer:
    """What the assistant says, and what becomes true with it.

    ``pending`` is what the next turn may refer to (an offer, a slot, a choice);
    ``hand_over`` is the reason for fetching a person, as the name of a phrase.
    """

    text: str
    kind: str
    sources: tuple[Source, ...] = ()
    actions: tuple[dict[str, str], ...] = ()
    cards: tuple[dict[str, Any], ...] = ()
    pending: dict[str, Any] = field(default_factory=dict)
    promise: PromiseDraft | None = None
    hand_over: str = ""
    confidence: float = 1.0
