"""Tell of conversations: turns and states on their channel, hints to the user and to the console.

What is told is stored already, so a crash in between loses nothing; what has a
key is shown once however often it is told.
"""

from collections.abc import Awaitable, Callable
from typing import Any

from chatpush.domain import Json, Turn
from chatpush.support.conversations.turns import Conversation, turn_payload
from chatpush.support.ports import Publisher

ACTIVITY = "console:activity"
LAST_CHARS = 140


class Announcing:
    """Publishes for every conversation; ``unread(conversation)`` counts what its user has not read."""

    def __init__(self, publisher: Publisher, unread: Callable[[Conversation], Awaitable[int]]) -> None:
        self._publisher = publisher
        self._unread = unread
        self._watchers: list[Callable[[Conversation], None]] = []
        self._describers: list[Callable[[Conversation], Awaitable[dict[str, Any]]]] = []

    def watch(self, watcher: Callable[[Conversation], None]) -> None:
        """Have a function called whenever the state of a conversation changed here."""
        self._watchers.append(watcher)

    def describe(self, describer: Callable[[Conversation], Awaitable[dict[str, Any]]]) -> None:
        """Have what a function says of a conversation told with every state."""
        self._describers.append(describer)

    async def turn(self, conversation: Conversation, turn: Turn) -> None:
        """Publish a stored turn to the conversation's channel and a hint to the console."""
        payload: Json = {"type": "turn", "turn": turn_payload(turn)}
        await self._publisher.publish(
            conversation.tenant, conversation.channel, payload, idempotency_key=turn.id
        )
        hint: Json = {
            "type": "turn", "conversation": conversation.id, "turn": turn.id, "by": turn.by,
            "agent": conversation.agent,
        }  # fmt: skip
        await self._publisher.publish(conversation.tenant, ACTIVITY, hint, idempotency_key=f"act_{turn.id}")

    async def publish(self, conversation: Conversation, payload: Json, key: str = "") -> None:
        """Publish something that is no turn to a conversation's channel."""
        await self._publisher.publish(conversation.tenant, conversation.channel, payload, idempotency_key=key)

    async def state(self, conversation: Conversation) -> None:
        """Publish whose turn it is now."""
        for watcher in self._watchers:
            watcher(conversation)
        await self.place(conversation)

    async def place(self, conversation: Conversation) -> None:
        """Publish the state again because its place in the queue has changed."""
        payload: dict[str, Any] = {
            "type": "state", "state": conversation.state, "agent": conversation.agent_name or None
        }  # fmt: skip
        for describe in self._describers:
            payload |= await describe(conversation)
        await self._publisher.publish(conversation.tenant, conversation.channel, payload)

    async def hint(self, conversation: Conversation, last: str) -> None:
        """Tell the user's personal channel and the console, so that closed widgets show a badge."""
        payload = {
            "type": "conversation", "id": conversation.id, "state": conversation.state,
            "unread_turns": await self._unread(conversation), "last": last[:LAST_CHARS],
        }  # fmt: skip
        await self._publisher.publish(conversation.tenant, f"user:{conversation.user}", payload)
        await self._publisher.publish(
            conversation.tenant,
            ACTIVITY,
            {**payload, "user": conversation.user, "agent": conversation.agent, "last": ""},
        )
