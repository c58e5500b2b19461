"""Bring people in: hand over, take over, reply, give back, close.

    assistant ──hand over──▶ waiting ──take over──▶ agent ──release──▶ assistant
        └───────take over──────────────────────────▶┘        (any) ──close──▶ closed

Each step changes the state and says so in one transaction; from then on the
assistant keeps quiet until it is given the conversation back.
"""

from chatpush.domain import ConversationId, ConversationState, Speaker, TenantId, Turn
from chatpush.errors import Conflict, InvalidInput
from chatpush.support.conversations import Conversations
from chatpush.support.phrases import words
from chatpush.support.promises import Promises
from chatpush.support.summary import summarise
from chatpush.support.turns import Change, Conversation, Saying

MAX_REPLY_CHARS = 20_000
OPEN = (ConversationState.ASSISTANT, ConversationState.WAITING, ConversationState.AGENT)


class Desk:
    """Where people answer."""

    def __init__(self, conversations: Conversations, promises: Promises) -> None:
        self._conversations = conversations
        self._promises = promises

    async def hand_over(self, conversation: Conversation, reason: str = "reason_asked") -> Conversation:
        """Put a conversation before people; nothing happens if it is there already."""
        turns = await self._conversations.turns(conversation)
        promises = await self._promises.list(conversation.tenant, conversation.user)
        language = conversation.language
        summary = summarise(turns, promises, reason, language)
        saying = Saying(Speaker.SYSTEM, words("hand_over_asked", language))
        await self._conversations.say(
            conversation,
            saying,
            Change(state=ConversationState.WAITING, pending={}, summary=summary),
            only_in=(ConversationState.ASSISTANT, ConversationState.CLOSED),
        )
        return await self._conversations.get(conversation.tenant, conversation.id)

    async def take_over(
        self, tenant: TenantId, conversation: ConversationId, agent: str, name: str
    ) -> Conversation:
        """Make a person the one who answers.

        Raises:
            Conflict: it is closed.
        """
        found = await self._conversations.get(tenant, conversation)
        if found.state is ConversationState.AGENT and found.agent == agent:
            return found
        change = Change(state=ConversationState.AGENT, pending={}, agent=(agent, name))
        if not found.summary:
            turns = await self._conversations.turns(found)
            promises = await self._promises.list(tenant, found.user)
            summary = summarise(turns, promises, "", found.language)
            change = Change(state=ConversationState.AGENT, pending={}, agent=(agent, name), summary=summary)
        saying = Saying(Speaker.SYSTEM, words("agent_joined", found.language, name=name))
        if await self._conversations.say(found, saying, change, only_in=OPEN) is None:
            raise Conflict("the conversation is closed; it opens again when the user writes")
        return await self._conversations.get(tenant, conversation)

    async def reply(
        self, tenant: TenantId, conversation: ConversationId, agent: str, name: str, text: str
    ) -> Turn:
        """Say something as a person, taking over first if need be.

        Raises:
            Conflict: it is closed.
            InvalidInput: it is empty or too long.
        """
        text = text.strip()
        if not text or len(text) > MAX_REPLY_CHARS:
            raise InvalidInput(f"a reply has 1 to {MAX_REPLY_CHARS} characters", param="text")
        taken = await self.take_over(tenant, conversation, agent, name)
        turn = await self._conversations.say(
            taken,
            Saying(Speaker.AGENT, text, name=name),
            Change(agent=(agent, name)),
            only_in=(ConversationState.AGENT,),
        )
        if turn is None:
            raise Conflict("the conversation was given away in the meantime; take it over again")
        await self._conversations.read(taken, by_agent=True)
        return turn

    async def release(self, tenant: TenantId, conversation: ConversationId) -> Conversation:
        """Give a conversation back to the assistant.

        Raises:
            Conflict: it is not with people.
        """
        found = await self._conversations.get(tenant, conversation)
        saying = Saying(Speaker.SYSTEM, words("released", found.language))
        change = Change(state=ConversationState.ASSISTANT, pending={}, agent=("", ""), summary="")
        people = (ConversationState.WAITING, ConversationState.AGENT)
        if await self._conversations.say(found, saying, change, only_in=people) is None:
            raise Conflict("the conversation is not with a person")
        return await self._conversations.get(tenant, conversation)

    async def close(self, tenant: TenantId, conversation: ConversationId) -> Conversation:
        """End a conversation; the user opens it again by writing."""
        found = await self._conversations.get(tenant, conversation)
        saying = Saying(Speaker.SYSTEM, words("closed", found.language))
        change = Change(state=ConversationState.CLOSED, pending={}, agent=("", ""))
        await self._conversations.say(found, saying, change, only_in=OPEN)
        return await self._conversations.get(tenant, conversation)
