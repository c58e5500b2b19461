"""Help a person who answers: draft the next answer, tell what has happened so far.

By the model where there is one, under the guards of every answer of the
assistant (figures and links from sources and the conversation, the rules not
recited, plugins before and after) and out of the customer's budget. Without
one, and whenever its words do not hold, a draft is the passage that search
finds, and what has happened is told by the conversation's own lines. Nothing
here is said to a customer: a person reads it first.
"""

import contextlib
import re
from collections.abc import Sequence

import structlog

from chatpush.domain import Promise, Speaker, Turn
from chatpush.errors import WriterUnavailable
from chatpush.support.assistant.grounding import Grounding
from chatpush.support.assistant.phrases import words
from chatpush.support.assistant.summary import summarise
from chatpush.support.conversations.turns import Conversation
from chatpush.support.model.prompts import SUGGESTION, TAKEOVER, Prompts
from chatpush.support.model.redaction import Redaction
from chatpush.support.model.writer import Message, Writer
from chatpush.support.model.written import Finished
from chatpush.support.retrieval.retrieval import Passage, Retrieval
from chatpush.support_settings import Support

log = structlog.get_logger(__name__)

PASSAGES = 5
TURNS = 24
CHARS = 6000
_MARKER = re.compile(r"\s*\[\d{1,3}\]")
SPEAKERS = {Speaker.USER: "CUSTOMER", Speaker.ASSISTANT: "ASSISTANT", Speaker.AGENT: "COLLEAGUE"}


class Colleague:
    """What stands at an agent's side."""

    def __init__(
        self,
        retrieval: Retrieval,
        settings: Support,
        prompts: Prompts,
        redaction: Redaction,
        writer: Writer | None = None,
    ) -> None:
        self._retrieval = retrieval
        self._settings = settings
        self._prompts = prompts
        self._redaction = redaction
        self._writer = writer if writer is not None and writer.models else None

    @property
    def writes(self) -> bool:
        """Whether there is a model."""
        return self._writer is not None

    async def suggestion(self, conversation: Conversation, turns: Sequence[Turn], name: str) -> str:
        """Return a draft of what this person may answer to the customer's last words; empty if there is none."""
        asked = next((turn.text for turn in reversed(turns) if turn.by is Speaker.USER), "")
        if not asked:
            return ""
        tenant, language = conversation.tenant, conversation.language
        found = (await self._retrieval.search(tenant, asked, language, PASSAGES)).passages
        try:
            return await self._drafted(conversation, turns, found, name)
        except WriterUnavailable as error:
            if self.writes:
                log.info("no draft by the model", conversation=conversation.id, reason=error.message)
            return found[0].text if found else ""

    async def summary(
        self, conversation: Conversation, turns: Sequence[Turn], promises: Sequence[Promise], reason: str = ""
    ) -> str:
        """Return what a person who takes over must know, as Markdown."""
        told = [turn.text for turn in turns]
        promised = [promise.text for promise in promises]
        language = conversation.language
        why = words(reason, language) if reason else ""
        try:
            rules, _ = await self._prompts.render(
                conversation.tenant, TAKEOVER, language=language, reason=why, promises=promised
            )
            grounding = Grounding([*told, *promised, why], secret=rules)
            return await self._write(conversation, rules, turns, grounding, "summary")
        except WriterUnavailable as error:
            if self.writes:
                log.info("no summary by the model", conversation=conversation.id, reason=error.message)
            return summarise(turns, promises, reason, language)

    async def _drafted(
        self, conversation: Conversation, turns: Sequence[Turn], found: Sequence[Passage], name: str
    ) -> str:
        tenant = conversation.tenant
        rules, _ = await self._prompts.render(
            tenant, SUGGESTION, language=conversation.language, agent=name, passages=list(found)
        )
        urls = [passage.url for passage in found]
        links = await self._retrieval.link_rules(tenant, self._settings.link_hosts)
        own = rules
        for passage in found:
            own = own.replace(passage.text, "")
        grounding = Grounding(
            [
                *(f"{passage.name}\n{passage.text}" for passage in found),
                *(turn.text for turn in turns if turn.by is not Speaker.USER),
            ],
            urls,
            len(found),
            said=[turn.text for turn in turns if turn.by is Speaker.USER],
            secret=own,
            rules=links.with_urls(urls),
        )
        draft = await self._write(conversation, rules, turns, grounding, "suggestion")
        return _MARKER.sub("", draft).strip()

    async def _write(
        self,
        conversation: Conversation,
        rules: str,
        turns: Sequence[Turn],
        grounding: Grounding,
        purpose: str,
    ) -> str:
        """Return the model's words, whole and checked.

        Raises:
            WriterUnavailable: there are none, or they do not hold.
        """
        if self._writer is None:
            raise WriterUnavailable("there is no model")
        tenant, user = conversation.tenant, conversation.user
        exchange = self._redaction.open(tenant, user, purpose)
        messages: list[Message] = [
            {"role": "system", "content": await self._redaction.hidden(rules, exchange)},
            {"role": "user", "content": await self._redaction.hidden(_transcript(turns), exchange)},
        ]
        stream = self._writer.stream(tenant, user, messages, [], self._writer.models[-1])
        written = ""
        async with contextlib.aclosing(stream) as pieces:
            async for piece in pieces:
                written += grounding.finish() if isinstance(piece, Finished) else grounding.feed(piece)
        whole = await self._redaction.released(exchange.restored(written), exchange)
        if not whole.strip():
            raise WriterUnavailable("the model wrote nothing")
        return whole.strip()


def _transcript(turns: Sequence[Turn]) -> str:
    """Return the last turns, as many as there is room for, each with who said it."""
    lines: list[str] = []
    room = CHARS
    for turn in reversed([turn for turn in turns if turn.by in SPEAKERS][-TURNS:]):
        line = f"{SPEAKERS[turn.by]}: {turn.text}"
        room -= len(line)
        if room < 0 and lines:
            break
        lines.append(line[:CHARS])
    return "\n\n".join(reversed(lines))
