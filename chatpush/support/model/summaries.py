"""Let a model tell who takes over what has happened, while they are on their way.

A chat is handed over at once, with the summary that is always there; the
model's replaces it when it comes, if the chat is still with people. A crash in between costs the better summary only.
"""

import asyncio
from collections import OrderedDict

import structlog

from chatpush.domain import ConversationId, ConversationState, TenantId
from chatpush.errors import ChatpushError, Conflict
from chatpush.support.assistant.promises import Promises
from chatpush.support.conversations.conversations import Conversations
from chatpush.support.conversations.turns import Change, Conversation
from chatpush.support.model.colleague import Colleague

log = structlog.get_logger(__name__)

AT_ONCE = 4
MOST_WAITING = 100
REMEMBERED = 1000
PEOPLE = (ConversationState.WAITING, ConversationState.AGENT)
Place = tuple[TenantId, ConversationId]


class Summaries:
    """Writes a summary for each chat that comes to people on this node."""

    def __init__(self, conversations: Conversations, promises: Promises, colleague: Colleague) -> None:
        self._conversations = conversations
        self._promises = promises
        self._colleague = colleague
        self._written: OrderedDict[Place, str] = OrderedDict()
        self._tasks: dict[Place, asyncio.Task[None]] = {}
        self._room = asyncio.Semaphore(AT_ONCE)
        if colleague.writes:
            conversations.announcing.watch(self._changed)

    async def stop(self) -> None:
        """Leave what is under way."""
        tasks = list(self._tasks.values())
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    def _changed(self, conversation: Conversation) -> None:
        place = (conversation.tenant, conversation.id)
        known = bool(conversation.summary) and self._written.get(place) == conversation.summary
        if (
            conversation.state not in PEOPLE
            or known
            or place in self._tasks
            or len(self._tasks) >= MOST_WAITING
        ):
            return
        task = asyncio.create_task(self._work(place), name=f"summary {conversation.id}")
        self._tasks[place] = task
        task.add_done_callback(lambda _: self._tasks.pop(place, None))

    async def _work(self, place: Place) -> None:
        async with self._room:
            try:
                await self._write(place)
            except Conflict:
                log.debug("no summary is wanted any more", conversation=place[1])
            except ChatpushError as error:
                log.warning("the summary stays as it is", conversation=place[1], error=error.message)
            except Exception:
                # The edge of a task: the summary that is always there stays.
                log.exception("no summary by the model", conversation=place[1])

    async def _write(self, place: Place) -> None:
        conversation = await self._conversations.get(*place)
        if conversation.state not in PEOPLE:
            return
        turns = await self._conversations.turns(conversation)
        promises = await self._promises.list(conversation.tenant, conversation.user)
        text = await self._colleague.summary(conversation, turns, promises)
        changed = await self._conversations.change(conversation, Change(summary=text), only_in=PEOPLE)
        self._written[place] = text
        self._written.move_to_end(place)
        while len(self._written) > REMEMBERED:
            self._written.popitem(last=False)
        await self._conversations.announcing.hint(changed, "")
