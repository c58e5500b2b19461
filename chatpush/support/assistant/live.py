"""Stream an answer into a conversation's channel, in numbered pieces.

Pieces are joined for a moment before they are published, so a fast model does
not make a publication per token. When many answers are under way, the model is
also read more seldom, so that each reading and publication carries several
tokens and one core keeps up with all. Once a person has taken over, nothing
more is shown, and what was shown is taken back. Now and then the whole text so
far goes along: the channel keeps only so many publications, and a page that
comes to another node reads its way from there. The turn that is stored in the
end replaces the pieces.
"""

import asyncio
import dataclasses
from collections.abc import Callable, Iterable
from typing import Any

from chatpush.clock import Clock
from chatpush.domain import Json, Speaker, Turn, TurnId
from chatpush.errors import Conflict
from chatpush.support.conversations.conversations import Conversations
from chatpush.support.conversations.turns import Conversation, turn_payload
from chatpush.support.ports import Publisher

LINGER_SECONDS = 0.05
BUSY = 100
REST_SECONDS_EACH = 0.0005
LONGEST_REST_SECONDS = 0.5
WHOLE_EVERY = 100
"""After so many pieces the text so far is published whole."""
REACH = 2 * WHOLE_EVERY
"""So many of a channel's last publications hold a whole text and all pieces since."""


def rest_seconds(answers: int) -> float:
    """Return how long a model waits to be read again while so many answers are under way."""
    return min(answers * REST_SECONDS_EACH, LONGEST_REST_SECONDS) if answers >= BUSY else 0.0


def under_way(told: Iterable[Json]) -> Json:
    """Return the answer that is being streamed, as ``LiveTurn.payload`` does, from what its channel told.

    For a page that is served by another node than the one that answers.
    """
    found: dict[str, Any] | None = None
    for data in told:
        if not isinstance(data, dict):
            continue
        turn = data.get("turn")
        if data.get("type") == "turn" and isinstance(turn, dict):
            if turn["streaming"]:
                found = {"seq": 0, **turn}
            elif found is not None and turn["id"] == found["id"]:
                found = None
        elif found is not None and turn == found["id"] and data.get("seq") == found["seq"] + 1:
            found = {**found, "seq": data["seq"], "text": found["text"] + data["text"]}
    return found


class SpokenOver(Conflict):
    """A person has taken over; the assistant keeps quiet."""


class LiveTurn:
    """An answer on its way; nothing is published before the first piece.

    ``answers()`` is how many are on their way.
    """

    def __init__(
        self,
        conversations: Conversations,
        publisher: Publisher,
        clock: Clock,
        conversation: Conversation,
        asked: TurnId,
        name: str,
        answers: Callable[[], int] = lambda: 1,
    ) -> None:
        self._conversations = conversations
        self._publisher = publisher
        self._clock = clock
        self._conversation = conversation
        self._asked = asked
        self._name = name
        self._answers = answers
        self._waiting = ""
        self._published_at = float("-inf")
        self.turn: Turn | None = None
        self.sequence = 0
        self.text = ""
        self.stopped = asyncio.Event()

    async def push(self, piece: str) -> None:
        """Show a further piece a moment after the last one, and hold whoever writes back meanwhile.

        Nothing waits for a piece to come: a model that pauses has shown all it wrote.

        Raises:
            SpokenOver: the conversation is no longer the assistant's.
        """
        self._waiting += piece
        early = LINGER_SECONDS - (self._clock.monotonic() - self._published_at)
        if early > 0:
            await asyncio.sleep(early)
        await self.flush()
        rest = rest_seconds(self._answers())
        if rest:
            await asyncio.sleep(rest)

    async def flush(self) -> None:
        """Publish what waits.

        Raises:
            SpokenOver: the conversation is no longer the assistant's.
        """
        if not self._waiting:
            return
        if self.turn is None:
            await self._begin()
        assert self.turn is not None
        piece, self._waiting = self._waiting, ""
        self.sequence += 1
        self.text += piece
        self._published_at = self._clock.monotonic()
        await self._publish({"type": "turn.delta", "turn": self.turn.id, "seq": self.sequence, "text": piece})
        if self.sequence % WHOLE_EVERY == 0:
            await self._publish({"type": "turn", "turn": self.payload()})

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
        if turn is None:
            raise SpokenOver("a person has taken over this conversation")
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
