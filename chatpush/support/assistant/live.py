"""Stream an answer into a conversation's channel, in numbered pieces.

Pieces are joined for a moment before they are published, so a fast model does
not make a publication per token. The state is looked at again meanwhile: once a
person has taken over, nothing more is shown, and what was shown is taken back.
The turn that is stored in the end replaces the pieces.
"""

import asyncio
import dataclasses

from chatpush.clock import Clock
from chatpush.domain import ConversationState, Json, Speaker, Turn, TurnId
from chatpush.errors import Conflict
from chatpush.support.conversations.conversations import Conversations
from chatpush.support.conversations.turns import Conversation, turn_payload
from chatpush.support.ports import Publisher

LINGER_SECONDS = 0.05
LOOK_SECONDS = 0.2  # a take-over on another node is seen within this; one on this node at once


class SpokenOver(Conflict):
    """A person has taken over; the assistant keeps quiet."""


class LiveTurn:
    """An answer on its way; nothing is published before the first piece."""

    def __init__(
        self,
        conversations: Conversations,
        publisher: Publisher,
        clock: Clock,
        conversation: Conversation,
        asked: TurnId,
        name: str,
    ) -> None:
        self._conversations = conversations
        self._publisher = publisher
        self._clock = clock
        self._conversation = conversation
        self._asked = asked
        self._name = name
        self._waiting = ""
        self._published_at = self._looked_at = float("-inf")
        self.turn: Turn | None = None
        self.sequence = 0
        self.text = ""
        self.stopped = asyncio.Event()

    async def push(self, piece: str) -> None:
        """Show a further piece.

        Raises:
            SpokenOver: the conversation is no longer the assistant's.
        """
        self._waiting += piece
        if self._clock.monotonic() - self._published_at >= LINGER_SECONDS:
            await self.flush()

    async def flush(self) -> None:
        """Publish what waits.

        Raises:
            SpokenOver: the conversation is no longer the assistant's.
        """
        if not self._waiting:
            return
        now = self._clock.monotonic()
        if now - self._looked_at >= LOOK_SECONDS:
            self._looked_at = now
            if await self._conversations.state(self._conversation) is not ConversationState.ASSISTANT:
                raise SpokenOver("a person has taken over this conversation")
        if self.turn is None:
            await self._begin()
        assert self.turn is not None
        piece, self._waiting = self._waiting, ""
        self.sequence += 1
        self.text += piece
        self._published_at = self._clock.monotonic()
        await self._publish({"type": "turn.delta", "turn": self.turn.id, "seq": self.sequence, "text": piece})

    async def withdraw(self) -> None:
        """Take back what was shown of an answer that will not come: an empty turn replaces it."""
        if self.turn is not None:
            await self._publish({"type": "turn", "turn": turn_payload(self.turn)})

    async def restart(self) -> None:
        """Take back what was shown: another model begins the answer anew."""
        await self.withdraw()
        self.turn, self.sequence, self.text, self._waiting = None, 0, "", ""
        self._published_at = float("-inf")

    def payload(self) -> Json:
        """Return the turn as far as it has come, for whoever opens the conversation now."""
        if self.turn is None:
            return None
        shown = dataclasses.replace(self.turn, text=self.text)
        return {**turn_payload(shown, streaming=True), "seq": self.sequence}

    async def _begin(self) -> None:
        turn = await self._conversations.answer_id(self._conversation, self._asked)
        self.turn = Turn(
            id=turn,
            conversation=self._conversation.id,
            by=Speaker.ASSISTANT,
            text="",
            at=self._clock.now(),
            name=self._name,
        )
        await self._publish({"type": "turn", "turn": turn_payload(self.turn, streaming=True)})

    async def _publish(self, payload: Json) -> None:
        await self._publisher.publish(self._conversation.tenant, self._conversation.channel, payload)
