"""Bring people in: hand over, take over, reply, give back, close.

    assistant ──hand over──▶ waiting ──take over──▶ agent ──release──▶ assistant
        └───────take over──────────────────────────▶┘        (any) ──close──▶ closed
                               ▲──────requeue───────┘

Each step changes the state and says so in one transaction; from then on the
assistant keeps quiet until it is given the conversation back. What people press
holds whatever else is under way; what the house does by itself (assigning,
putting back) happens only if nothing has changed since it looked.
"""

from chatpush.domain import ConversationId, ConversationState, Speaker, TenantId, Turn, to_ms
from chatpush.errors import Conflict, InvalidInput
from chatpush.support.assistant.phrases import words
from chatpush.support.assistant.promises import Promises
from chatpush.support.assistant.summary import summarise
from chatpush.support.conversations.conversations import Conversations
from chatpush.support.conversations.turns import Change, Conversation, Saying
from chatpush.support.people.letters import Letters, checked_address
from chatpush.support.people.transcript import transcript
from chatpush.support.ports import IsOnline

MAX_REPLY_CHARS = 20_000
LONGEST_MESSAGE = 4000
TRANSCRIPT_TURNS = 1000
OPEN = (ConversationState.ASSISTANT, ConversationState.WAITING, ConversationState.AGENT)


class Desk:
    """Where people answer."""

    def __init__(
        self,
        conversations: Conversations,
        promises: Promises,
        letters: Letters | None = None,
        is_online: IsOnline = lambda _tenant, _user: True,
    ) -> None:
        self._conversations = conversations
        self._promises = promises
        self._letters = letters
        self._is_online = is_online

    async def hand_over(self, conversation: Conversation, reason: str = "reason_asked") -> Conversation:
        """Put a conversation before people; nothing happens if it is there already."""
        summary = await self._summary(conversation, reason)
        saying = Saying(Speaker.SYSTEM, words("hand_over_asked", conversation.language))
        await self._conversations.say(
            conversation,
            saying,
            Change(state=ConversationState.WAITING, pending={}, summary=summary),
            only_in=(ConversationState.ASSISTANT, ConversationState.CLOSED),
        )
        return await self._conversations.get(conversation.tenant, conversation.id)

    async def leave_message(self, conversation: Conversation, email: str, text: str) -> Turn:
        """Take in what a user writes while nobody is there; people answer here and by mail.

        Raises:
            InvalidInput: the address is none, or there is no text.
        """
        address, text = checked_address(email), text.strip()
        if not text or len(text) > LONGEST_MESSAGE:
            raise InvalidInput(f"a message has 1 to {LONGEST_MESSAGE} characters", param="text")
        tenant, user, id_ = conversation.tenant, conversation.user, conversation.id
        sealed = self._conversations.rows.seal(tenant, user, id_, "contact_sealed", address)
        contact = {"contact_sealed": sealed}
        summary = await self._summary(conversation, "reason_asked")
        waits = Change(state=ConversationState.WAITING, pending={}, summary=summary, columns=contact)
        saying = Saying(Speaker.USER, text)
        nobody_has_it = (ConversationState.ASSISTANT, ConversationState.CLOSED)
        turn = await self._conversations.say(conversation, saying, waits, only_in=nobody_has_it)
        if turn is None:
            turn = await self._conversations.say(conversation, saying, Change(columns=contact))
        assert turn is not None  # nothing was asked of the state
        now = await self._conversations.get(tenant, id_)
        thanks = Saying(Speaker.SYSTEM, words("left_message", now.language, email=address))
        await self._conversations.say(now, thanks)
        return turn

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
        if await self._join(found, agent, name, OPEN) is None:
            raise Conflict("the conversation is closed; it opens again when the user writes")
        return await self._conversations.get(tenant, conversation)

    async def assign(self, conversation: Conversation, agent: str, name: str) -> bool:
        """Give what waits to a person, unless anybody has moved it since it was read.

        Returns False in that case: a choice made from an old look must not undo what a person did.
        """
        waiting = (ConversationState.WAITING,)
        return await self._join(conversation, agent, name, waiting, unchanged=True) is not None

    async def _join(
        self,
        found: Conversation,
        agent: str,
        name: str,
        only_in: tuple[ConversationState, ...],
        *,
        unchanged: bool = False,
    ) -> Turn | None:
        summary = found.summary or await self._summary(found, "")
        change = Change(state=ConversationState.AGENT, pending={}, agent=(agent, name), summary=summary)
        saying = Saying(Speaker.SYSTEM, words("agent_joined", found.language, name=name))
        return await self._conversations.say(found, saying, change, only_in=only_in, unchanged=unchanged)

    async def reply(
        self,
        tenant: TenantId,
        conversation: ConversationId,
        agent: str,
        name: str,
        text: str,
        client_id: str = "",
    ) -> Turn:
        """Say something as a person, taking over first if need be; the same client id speaks once.

        Raises:
            Conflict: it is closed.
            InvalidInput: it is empty or too long.
        """
        text = text.strip()
        if not text or len(text) > MAX_REPLY_CHARS:
            raise InvalidInput(f"a reply has 1 to {MAX_REPLY_CHARS} characters", param="text")
        taken = await self.take_over(tenant, conversation, agent, name)
        turn = None
        if taken.agent == agent:
            turn = await self._conversations.say(
                taken,
                Saying(Speaker.AGENT, text, name=name),
                only_in=(ConversationState.AGENT,),
                unchanged=True,
                # Users' own ids never meet an agent's.
                client_id=f"agent:{client_id}" if client_id else None,
            )
        if turn is None:
            raise Conflict("the conversation was given away in the meantime; take it over again")
        await self._conversations.read(taken, by_agent=True)
        await self._write_to(taken, turn)
        return turn

    async def requeue(self, conversation: Conversation) -> bool:
        """Put what an agent has left behind back before the others, where it was in the queue.

        Returns False if it is not with that agent any more.
        """
        name = conversation.agent_name
        waited = conversation.handed_at or conversation.updated_at
        change = Change(
            state=ConversationState.WAITING, agent=("", ""), columns={"waiting_at": to_ms(waited)}
        )
        saying = Saying(Speaker.SYSTEM, words("requeued", conversation.language, name=name))
        people = (ConversationState.AGENT,)
        said = await self._conversations.say(conversation, saying, change, only_in=people, unchanged=True)
        return said is not None

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

    async def send_transcript(self, conversation: Conversation, email: str = "", zone: str = "UTC") -> str:
        """Mail a conversation to an address, or to the one its user has left; return the address.

        Raises:
            Conflict: no mail server is configured, or no address is known.
            InvalidInput: the address is none.
        """
        address = email or conversation.contact
        if not address:
            raise Conflict("no address is known; give one as email")
        turns = await self._conversations.turns(conversation, TRANSCRIPT_TURNS)
        body = transcript(turns, conversation.language, zone)
        subject = conversation.subject or words("transcript_subject", conversation.language)
        await self._post(conversation, address, subject, body)
        return address

    async def _write_to(self, conversation: Conversation, turn: Turn) -> None:
        """Mail an agent's words to who left an address and is not here to read them."""
        if not conversation.contact or self._letters is None or not self._letters.possible:
            return
        if not self._is_online(conversation.tenant, conversation.user):
            subject = words("answer_subject", conversation.language)
            await self._post(conversation, conversation.contact, subject, f"{turn.name}:\n\n{turn.text}")

    async def _post(self, conversation: Conversation, address: str, subject: str, body: str) -> None:
        if self._letters is None:
            raise Conflict("no mail server is configured; set channels.email.host and channels.email.sender")
        await self._letters.post(conversation, address, subject, body)

    async def _summary(self, conversation: Conversation, reason: str) -> str:
        turns = await self._conversations.turns(conversation)
        promises = await self._promises.list(conversation.tenant, conversation.user)
        return summarise(turns, promises, reason, conversation.language)
