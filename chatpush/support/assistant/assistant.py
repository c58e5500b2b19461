"""Answer users: one conversation at a time, each turn once, never over a person.

The user's turn is stored as due; a worker per conversation answers what is due
and goes. What a crash leaves due is found again by ``start`` and by a sweep.
With a model the answer is streamed; whatever goes wrong with it, the embedded
assistant answers instead.
"""

import asyncio
from collections.abc import Awaitable, Callable

import structlog

from chatpush.clock import Clock
from chatpush.domain import (
    DEFAULT_LOCALE,
    ConversationId,
    ConversationState,
    DeliveryId,
    ItemId,
    Json,
    Speaker,
    TenantId,
    Turn,
    UserId,
)
from chatpush.errors import InvalidInput, NotFound, Unavailable, WriterUnavailable
from chatpush.plugins.contracts import Drop, Question
from chatpush.rounds import Rounds, Worker
from chatpush.store.database import Transaction
from chatpush.support.assistant.answers import Answer, Asked
from chatpush.support.assistant.at_hand import KIND as WHICH_ITEM
from chatpush.support.assistant.embedded import EmbeddedAssistant, hand_over
from chatpush.support.assistant.gate import Gate
from chatpush.support.assistant.live import LiveTurn, SpokenOver
from chatpush.support.assistant.phrases import words
from chatpush.support.assistant.promises import Promises
from chatpush.support.assistant.summary import summarise
from chatpush.support.assistant.trail import Trails, following, note, noted
from chatpush.support.conversations.conversations import Attach, Conversations
from chatpush.support.conversations.turns import Change, Conversation, Saying
from chatpush.support.model.modelled import ModelledAssistant
from chatpush.support.ports import (
    Described,
    DescribeDelivery,
    DescribeItem,
    LocaleOf,
    Publisher,
    ReaderOf,
)
from chatpush.support.retrieval.language import detect, pick
from chatpush.support_settings import Support

log = structlog.get_logger(__name__)

SWEEP_SECONDS = 15.0
LOOK_SECONDS = 0.2
"""Within this a take-over on another node is seen; one on this node is seen at once."""
STOP_SECONDS = 5.0
HISTORY = 40
BUSY_CONVERSATIONS = 500
ASKS_FOR_A_NAME = frozenset({"slot", WHICH_ITEM})
Place = tuple[TenantId, ConversationId]
FilterQuestion = Callable[[Question], Awaitable[Question | Drop]]


class Assistant(Worker):
    """The assistant of every tenant."""

    def __init__(
        self,
        conversations: Conversations,
        embedded: EmbeddedAssistant,
        modelled: ModelledAssistant | None,
        promises: Promises,
        gate: Gate,
        publisher: Publisher,
        describe_item: DescribeItem,
        describe_delivery: DescribeDelivery,
        locale_of: LocaleOf,
        reader_of: ReaderOf,
        settings: Support,
        clock: Clock,
        filter_question: FilterQuestion | None = None,
    ) -> None:
        self._filter_question = filter_question
        self._conversations = conversations
        self._embedded = embedded
        self._modelled = modelled
        self._promises = promises
        self._gate = gate
        self._publisher = publisher
        self._describe_item = describe_item
        self._describe_delivery = describe_delivery
        self._locale_of = locale_of
        self._reader_of = reader_of
        self._settings = settings
        self._clock = clock
        self._workers: dict[Place, asyncio.Task[None]] = {}
        self._again: set[Place] = set()
        self._speaking: dict[Place, tuple[LiveTurn, asyncio.Task[Answer | None]]] = {}
        self._room = asyncio.Semaphore(BUSY_CONVERSATIONS)
        super().__init__("assistant", self._look_for_due)
        self._looking = Rounds("take-overs", self._look_for_take_overs)
        self._trails: Trails | None = None
        conversations.announcing.watch(self._state_changed)

    def keep_trails(self, trails: Trails) -> None:
        """Have it kept what was done for each answer, and why."""
        self._trails = trails

    async def start(self) -> None:
        """Answer what was left due, and what comes."""
        await self._looking.start()
        await super().start()

    async def stop(self) -> None:
        """Finish the answers under way, or leave them due for the next start."""
        await super().stop()
        try:
            await self._finish()
        finally:
            await self._looking.stop()

    async def _finish(self) -> None:
        running = list(self._workers.values())
        if not running:
            return
        _, late = await asyncio.wait(running, timeout=STOP_SECONDS)
        for task in late:
            task.cancel()
        await asyncio.gather(*late, return_exceptions=True)

    async def open(
        self, tenant: TenantId, user: UserId, about: dict[str, str] | None = None, locale: str = ""
    ) -> Conversation:
        """Open a conversation that begins with the assistant's greeting.

        Raises:
            NotFound: the item or delivery it is to be about is not there for this user.
        """
        language = locale or await self._locale_of(tenant, user) or DEFAULT_LOCALE
        described = await self._described(tenant, user, about or {})
        if about and described is None:
            raise NotFound(f"no {' or '.join(about)} {', '.join(about.values())!r}")
        saying = Saying(
            Speaker.ASSISTANT,
            await self._gate.greeting(tenant, self._greeting(described, language), described),
            name=self._settings.name_in(language),
            cards=(described.card(),) if described is not None and described.kind == "item" else (),
        )
        return await self._conversations.create(tenant, user, language, about, saying)

    async def ask(
        self,
        conversation: Conversation,
        text: str,
        client_id: str | None = None,
        attach: Attach | None = None,
    ) -> Turn:
        """Take in a user's turn, with files if there are any, and see to it that it is answered.

        Raises:
            InvalidInput: it is empty or too long, or a plugin will not have it.
        """
        if len(text) > self._settings.max_turn_chars:
            raise InvalidInput(f"at most {self._settings.max_turn_chars} characters at once", param="text")
        text, language = await self._filtered(conversation, text, _language(conversation, text))
        turn, due = await self._conversations.ask(conversation, text, language, client_id, attach)
        if due:
            self.wake(conversation.tenant, conversation.id)
        return turn

    async def _filtered(self, conversation: Conversation, text: str, language: str) -> tuple[str, str]:
        """Return a question and its language as the plugins leave them."""
        if self._filter_question is None or not text.strip():
            return text, language
        question = Question(conversation.tenant, conversation.user, conversation.id, text, language)
        verdict = await self._filter_question(question)
        if isinstance(verdict, Drop):
            raise InvalidInput(verdict.reason, param="text")
        return verdict.text, verdict.language

    def wake(self, tenant: TenantId, conversation: ConversationId) -> None:
        """Have a conversation's due turns answered, soon and in order."""
        place = (tenant, conversation)
        if place in self._workers:
            self._again.add(place)
            return
        task = asyncio.create_task(self._work(place), name=f"answer {conversation}")
        self._workers[place] = task
        task.add_done_callback(lambda _: self._worked(place))

    def live(self, conversation: Conversation) -> Json:
        """Return the answer that is being streamed right now, as far as it has come."""
        speaking = self._speaking.get((conversation.tenant, conversation.id))
        return speaking[0].payload() if speaking else None

    def interrupt(self, conversation: Conversation) -> bool:
        """Stop the answer that is being streamed; what was said stays. False if there is none."""
        return self._fall_silent((conversation.tenant, conversation.id))

    def _fall_silent(self, place: Place) -> bool:
        speaking = self._speaking.get(place)
        if speaking is None:
            return False
        live, task = speaking
        live.stopped.set()
        task.cancel()
        return True

    async def idle(self) -> None:
        """Wait until nothing is being answered."""
        while self._workers:
            await asyncio.wait(list(self._workers.values()))

    def _worked(self, place: Place) -> None:
        self._workers.pop(place, None)
        if place in self._again:
            self._again.discard(place)
            self.wake(*place)

    async def _look_for_due(self) -> float:
        for place in await self._conversations.all_due():
            self.wake(*place)
        return SWEEP_SECONDS

    async def _look_for_take_overs(self) -> float | None:
        """Fall silent where a person has taken over; one question for all answers under way."""
        speaking = list(self._speaking)
        if not speaking:
            return None
        still = await self._conversations.still_with_assistant(speaking)
        for place in speaking:
            if place not in still:
                self._fall_silent(place)
        return LOOK_SECONDS

    async def _work(self, place: Place) -> None:
        """Answer what is due until nothing is."""
        async with self._room:
            try:
                while True:
                    conversation = await self._conversations.get(*place)
                    due = await self._conversations.due(conversation)
                    if not due or conversation.state is not ConversationState.ASSISTANT:
                        return
                    with following():
                        await self._answer_one(conversation, due[0])
                    if self._modelled is not None:
                        await self._modelled.remember(conversation)
            except Unavailable as error:
                log.warning("answering must wait", conversation=place[1], error=error.message)
            except Exception:
                log.exception("answering failed", conversation=place[1])

    async def _answer_one(self, conversation: Conversation, turn: Turn) -> None:
        typing: Json = {"type": "typing", "by": Speaker.ASSISTANT}
        await self._publisher.publish(conversation.tenant, conversation.channel, typing)
        live = LiveTurn(
            self._conversations, self._publisher, self._clock, conversation, turn.id,
            self._settings.name_in(conversation.language), lambda: len(self._speaking),
        )  # fmt: skip
        try:
            asked = await self._asked(conversation, turn)
            answer = await self._answer(asked, live)
        except SpokenOver:
            await live.withdraw()
            return
        except Unavailable:
            raise  # the store is full or down: the turn stays due
        except Exception:
            log.exception("no answer", conversation=conversation.id)
            answer = hand_over(conversation.language, "reason_failed", "tool_failed")
            asked = Asked(conversation, turn, conversation.language, ())
        await self._deliver(asked, answer, live)

    async def _answer(self, asked: Asked, live: LiveTurn) -> Answer:
        """Return the answer: certain, else the model's, else the embedded one."""
        certain = await self._embedded.certain(asked)
        if certain is not None:
            return certain
        if self._modelled is not None:
            answer = await self._ask_model(self._modelled, asked, live)
            if answer is not None:
                return answer
        return await self._embedded.answer(asked)

    async def _ask_model(self, modelled: ModelledAssistant, asked: Asked, live: LiveTurn) -> Answer | None:
        """Return the model's answer, or None when the embedded assistant has to step in."""
        place = (asked.conversation.tenant, asked.conversation.id)
        task = asyncio.create_task(modelled.answer(asked, live), name=f"model {place[1]}")
        self._speaking[place] = (live, task)
        if len(self._speaking) == 1:
            self._looking.ring()
        try:
            return await task
        except WriterUnavailable as error:
            note("guard", what="model", decision="refused", reason=error.message)
            log.warning("the model did not answer", conversation=place[1], reason=error.message)
            return None
        except asyncio.CancelledError:
            if not live.stopped.is_set():
                task.cancel()
                raise  # this worker is being stopped, not the answer
            if place not in await self._conversations.still_with_assistant([place]):
                raise SpokenOver("a person has taken over this conversation") from None
            return Answer(live.text or words("stopped", asked.language), "stopped")
        finally:
            del self._speaking[place]

    async def _deliver(self, asked: Asked, answer: Answer, live: LiveTurn) -> None:
        """Say the answer, with all that becomes true with it, if it is still the assistant's turn."""
        conversation = asked.conversation
        answer = await self._gate.release(conversation.tenant, answer, asked.about)
        saying = Saying(
            Speaker.ASSISTANT,
            answer.text,
            name=self._settings.name_in(conversation.language),
            sources=answer.sources,
            actions=answer.actions,
            cards=answer.cards,
            promise=answer.promise.payload() if answer.promise is not None else None,
            turn=live.turn.id if live.turn is not None else None,
        )
        change = Change(pending=answer.pending)
        if answer.hand_over:
            promises = await self._promises.list(conversation.tenant, conversation.user)
            summary = summarise(asked.history, promises, answer.hand_over, asked.language)
            change = Change(state=ConversationState.WAITING, pending={}, summary=summary)

        def promise(tx: Transaction) -> None:
            if answer.promise is not None:
                self._promises.store(tx, answer.promise)

        said = await self._conversations.say(
            conversation, saying, change,
            only_in=(ConversationState.ASSISTANT,), answers=asked.turn.id, also=promise,
        )  # fmt: skip
        if said is None:
            await live.withdraw()
        elif self._trails is not None:
            note("answer", decision=answer.kind, confidence=answer.confidence, hand_over=answer.hand_over)
            await self._trails.keep(conversation, said.id, noted())
        log.info(
            "answered", conversation=conversation.id, kind=answer.kind, said=said is not None,
            confidence=round(answer.confidence, 3), hand_over=answer.hand_over,
        )  # fmt: skip

    async def _asked(self, conversation: Conversation, turn: Turn) -> Asked:
        history = await self._conversations.turns(conversation, HISTORY)
        about = await self._described(conversation.tenant, conversation.user, conversation.about)
        before = tuple(said for said in history if said.id <= turn.id)
        reader = await self._reader_of(conversation.tenant, conversation.user)
        return Asked(conversation, turn, conversation.language, before, about, reader)

    async def _described(self, tenant: TenantId, user: UserId, about: dict[str, str]) -> Described | None:
        message = None
        if about.get("delivery"):
            message = await self._describe_delivery(tenant, user, DeliveryId(about["delivery"]))
        if not about.get("item"):
            return message
        item = await self._describe_item(tenant, ItemId(about["item"]))
        return item.shown_in(message) if item is not None else None

    def _greeting(self, described: Described | None, language: str) -> str:
        if described is None:
            own = pick(self._settings.greeting, language)
            return own or words("greeting", language, name=self._settings.name_in(language))
        if described.kind == "item":
            price = f" ({described.price} {described.currency})".replace(" )", ")") if described.price else ""
            reason = (
                words("because", language, reason=described.reason.rstrip(".。")) if described.reason else ""
            )
            return words("greeting_item", language, title=described.title, price=price, reason=reason)
        return words("greeting_delivery", language, title=described.title)

    def _state_changed(self, conversation: Conversation) -> None:
        """Fall silent at once when somebody else has taken the conversation."""
        worker = self._workers.get((conversation.tenant, conversation.id))
        own = worker is not None and asyncio.current_task() is worker
        if conversation.state is not ConversationState.ASSISTANT and not own:
            self.interrupt(conversation)


def _language(conversation: Conversation, text: str) -> str:
    """Return the language to answer in.

    Which item, which order: what answers such a question is a name or a number, and in Latin letters it says
    nothing of the language.
    """
    found = detect(text, conversation.language)
    named = conversation.pending.get("kind") in ASKS_FOR_A_NAME and found == DEFAULT_LOCALE
    return conversation.language if named else found
