"""Answer with a model: passages and tools go in, a checked answer comes out.

The model interprets and phrases; it decides nothing about identity, links,
figures, promises or changes. Of two models the cheaper one is asked first; what
it can't do, or can't found, goes to the other. Anything neither does properly
raises ``WriterUnavailable``, and the embedded assistant answers.
"""

import contextlib
import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import structlog

from chatpush.domain import Speaker, Turn
from chatpush.errors import WriterUnavailable
from chatpush.plugins.contracts import Follow
from chatpush.support.assistant.answers import Answer, Asked
from chatpush.support.assistant.embedded import EmbeddedAssistant, follow_of, hand_over, no_such, source_of
from chatpush.support.assistant.grounding import Grounding, cite
from chatpush.support.assistant.live import LiveTurn
from chatpush.support.assistant.phrases import words
from chatpush.support.assistant.sanitising import LinkRules
from chatpush.support.assistant.tools import is_visitor
from chatpush.support.conversations.turns import Conversation
from chatpush.support.model.answer_cache import AnswerCache, is_impersonal
from chatpush.support.model.memory import Memory, Remembered
from chatpush.support.model.model_tools import ModelTools, Work
from chatpush.support.model.prompts import MEMORY, SYSTEM, Prompts
from chatpush.support.model.redaction import Redaction
from chatpush.support.model.writer import Message, Writer
from chatpush.support.model.written import Finished
from chatpush.support.retrieval.language import pick
from chatpush.support.retrieval.retrieval import Found, Retrieval
from chatpush.support_settings import Support

log = structlog.get_logger(__name__)

PASSAGES = 5
HISTORY_TURNS = 24
HISTORY_CHARS = 6000
OFFERED = "offered"


@dataclass(frozen=True, slots=True)
class _Question:
    """A question with what is known about it before a model is asked."""

    asked: Asked
    found: Found
    links: LinkRules
    memory: Remembered
    system: str
    prompt_version: int
    follow: Follow | None


class ModelledAssistant:
    """The assistant with a model behind it."""

    def __init__(
        self,
        writer: Writer,
        retrieval: Retrieval,
        tools: ModelTools,
        embedded: EmbeddedAssistant,
        prompts: Prompts,
        memory: Memory,
        cache: AnswerCache,
        redaction: Redaction,
        settings: Support,
        max_tool_rounds: int,
    ) -> None:
        self._writer = writer
        self._retrieval = retrieval
        self._tools = tools
        self._embedded = embedded
        self._prompts = prompts
        self._memory = memory
        self._cache = cache
        self._redaction = redaction
        self._settings = settings
        self._rounds = max_tool_rounds

    async def answer(self, asked: Asked, live: LiveTurn) -> Answer:
        """Return the model's answer, streamed as it is written.

        Raises:
            WriterUnavailable: the embedded assistant has to answer.
            SpokenOver: a person has taken over in the meantime.
        """
        if await self._is_flagged(asked):
            return hand_over(asked.language, "reason_flagged", "hand_over")
        question = await self._question(asked)
        key = await self._cache_key(question)
        if key:
            kept = await self._cache.find(asked.conversation.tenant, key)
            if kept is not None:
                return kept
        work = await self._climb(question, live)
        answer = await self._conclude(work)
        if key and _is_for_everybody(work, answer):
            version = await self._retrieval.version(asked.conversation.tenant)
            await self._cache.keep(asked.conversation.tenant, key, version, answer)
        return answer

    async def remember(self, conversation: Conversation) -> None:
        """Fold what no longer fits into a question into the conversation's memory."""
        await self._memory.fold(conversation)

    async def _climb(self, question: _Question, live: LiveTurn) -> Work:
        """Ask one model after the other until one has an answer that holds."""
        *cheaper, last = self._writer.models
        for model in cheaper:
            work = await self._work(question)
            try:
                await self._converse(work, model, live)
            except WriterUnavailable as error:
                if work.acted:
                    raise
                log.info("asking the other model", model=model, reason=error.message)
            else:
                if work.hand_over != "reason_unsure" or work.acted:
                    return work
                log.info("asking the other model", model=model, reason="it is unsure")
            await live.restart()
        work = await self._work(question)
        await self._converse(work, last, live)
        return work

    async def _converse(self, work: Work, model: str, live: LiveTurn) -> None:
        """Let a model write, calling tools in between."""
        tools = self._tools.offered(work.asked)
        for left in range(self._rounds, -1, -1):
            finished = await self._round(work, model, tools if left else [], live)
            if not finished.calls:
                break
            if not left:
                raise WriterUnavailable(f"the model called tools over {self._rounds} times in a row")
            await self._tools.run(work, finished)
            if work.concluded:
                break
        await live.flush()
        work.text = await self._redaction.released(work.text, work.exchange)
        if not (work.text.strip() or work.promised or work.concluded):
            raise WriterUnavailable("the model called tools and then said nothing")

    async def _round(self, work: Work, model: str, tools: list[Message], live: LiveTurn) -> Finished:
        """Stream one answer of the model, checked."""
        finished: Finished | None = None
        conversation = work.asked.conversation
        stream = self._writer.stream(conversation.tenant, conversation.user, work.messages, tools, model)
        names = work.exchange.stream()
        if work.text and not work.text.endswith("\n"):
            work.text += work.grounding.feed("\n\n")
            await _show(live, await work.screen.feed("\n\n"))
        async with contextlib.aclosing(stream) as pieces:
            async for piece in pieces:
                if isinstance(piece, Finished):
                    finished = piece
                    ready = names.feed(work.grounding.finish()) + names.end()
                else:
                    ready = names.feed(work.grounding.feed(piece))
                work.text += ready
                await _show(live, await work.screen.feed(ready))
        if finished is None:
            raise WriterUnavailable("the model's answer has no end")
        return finished

    async def _question(self, asked: Asked) -> _Question:
        tenant = asked.conversation.tenant
        found = await self._retrieval.search(tenant, asked.text, asked.language, PASSAGES, asked.reader)
        memory = await self._memory.recall(asked.conversation)
        pending = asked.conversation.pending
        follow = follow_of(pending["follow"]) if pending.get("kind") == "offer" else None
        system, version = await self._prompts.render(
            tenant,
            SYSTEM,
            assistant=self._settings.name_in(asked.language),
            language=asked.language,
            signed_in=not is_visitor(asked.conversation.user),
            about=asked.about,
            offer=pick(follow.offer, asked.language) if follow else "",
            offer_key=OFFERED,
            memory=memory.text,
            passages=found.passages,
        )
        about = [asked.about.url] if asked.about is not None else []
        links = await self._retrieval.link_rules(tenant, self._settings.link_hosts)
        return _Question(asked, found, links.with_urls(about), memory, system, version, follow)

    async def _work(self, question: _Question) -> Work:
        """Return the beginning of an answer; each model gets one of its own."""
        asked, found, about = question.asked, question.found, question.asked.about
        tenant, user = asked.conversation.tenant, asked.conversation.user
        exchange = self._redaction.open(tenant, user)
        history = _history(asked, question.memory)
        told = [turn.text for turn in history if turn.by is not Speaker.USER]
        known = [f"{p.name}\n{p.text}" for p in found.passages] + told
        if about is not None:
            known += [
                f"{one.title} {one.text} {one.price} {one.currency} {one.reason}"
                for one in (about, *about.shown)
            ]
        said = [turn.text for turn in history if turn.by is Speaker.USER]
        urls = [p.url for p in found.passages] + ([about.url] if about is not None else [])
        messages: list[Message] = [{"role": "system", "content": question.system}]
        messages += [_message(turn, asked.language) for turn in history]
        for message in messages:
            message["content"] = await self._redaction.hidden(message["content"], exchange)
        return Work(
            asked=asked,
            grounding=Grounding(
                known, urls, len(found.passages), said=[*said, question.memory.text], secret=_rules(question),
                rules=question.links,
            ),
            messages=messages,
            sources=[source_of(passage) for passage in found.passages],
            exchange=exchange,
            screen=self._redaction.screen(exchange),
            follows={OFFERED: question.follow} if question.follow else {},
        )  # fmt: skip

    async def _is_flagged(self, asked: Asked) -> bool:
        """Return whether moderation wants a person to see this; without its word it is fine."""
        if not self._writer.moderates:
            return False
        conversation = asked.conversation
        try:
            flagged = await self._writer.moderate(conversation.tenant, conversation.user, asked.text)
        except WriterUnavailable as error:
            log.warning("not moderated", conversation=conversation.id, reason=error.message)
            return False
        if flagged:
            log.warning("flagged", conversation=conversation.id, categories=flagged)
        return bool(flagged)

    async def _cache_key(self, question: _Question) -> str:
        """Return the key under which this answer may be given to others; empty if it may not."""
        asked = question.asked
        alone = not any(turn.by is Speaker.USER and turn.id != asked.turn.id for turn in asked.history)
        if not (alone and asked.about is None and question.follow is None and is_impersonal(asked.text)):
            return ""
        conversation = asked.conversation
        rests_on = hashlib.sha256(question.system.encode()).hexdigest()
        version = await self._retrieval.version(conversation.tenant)
        return self._cache.key(
            conversation.tenant, asked.text, asked.language, str(version), rests_on, *self._writer.models,
            *sorted(asked.reader),
        )  # fmt: skip

    async def _conclude(self, work: Work) -> Answer:
        """Return the answer with what follows from it: a question, a promise, an offer, a person."""
        asked = work.asked
        text, order = cite(work.text.strip())
        if work.hand_over:
            phrase = "hand_over_asked" if work.hand_over == "reason_asked" else "hand_over"
            fetched = hand_over(asked.language, work.hand_over, phrase)
            return replace(fetched, text=text or fetched.text)
        if work.to_confirm is not None:
            return self._embedded.confirm(asked, *work.to_confirm)
        if work.is_missing:
            return no_such(asked)
        if work.promised is not None:
            promised = await self._embedded.promise(asked, work.promised)
            return replace(promised, text=text or promised.text)
        sources = tuple(work.sources[number - 1] for number in order)
        if work.looked_up is not None:
            tool, arguments, result = work.looked_up
            offered = await self._embedded.offer(asked, tool, arguments, result, text)
            return replace(offered, sources=sources or offered.sources, kind="model")
        return Answer(text, "model", sources=sources)


async def _show(live: LiveTurn, text: str) -> None:
    if text:
        await live.push(text)


def summarising(writer: Writer, prompts: Prompts, redaction: Redaction) -> Any:
    """Return what folds turns into a memory by the cheaper model."""

    async def summarise(conversation: Conversation, before: str, turns: str) -> str:
        tenant, user = conversation.tenant, conversation.user
        exchange = redaction.open(tenant, user, "summary")
        system, _ = await prompts.render(tenant, MEMORY, language=conversation.language, before=before)
        messages: list[Message] = [
            {"role": "system", "content": await redaction.hidden(system, exchange)},
            {"role": "user", "content": await redaction.hidden(turns, exchange)},
        ]
        written = ""
        stream = writer.stream(tenant, user, messages, [], writer.models[0])
        async with contextlib.aclosing(stream) as pieces:
            async for piece in pieces:
                if not isinstance(piece, Finished):
                    written += piece
        return exchange.restored(written)

    return summarise


def _rules(question: _Question) -> str:
    """Return what a model must not recite: the prompt without what it is given to say."""
    rules = question.system
    for passage in question.found.passages:
        for given in (passage.text, passage.name):
            rules = rules.replace(given, "") if given else rules
    return rules.replace(question.memory.text, "") if question.memory.text else rules


def _is_for_everybody(work: Work, answer: Answer) -> bool:
    """Return whether an answer came from sources alone."""
    plain = answer.kind == "model" and not answer.pending and not answer.hand_over
    return plain and bool(answer.sources) and not work.calls and not work.exchange.hidden


def _history(asked: Asked, memory: Remembered) -> Sequence[Turn]:
    """Return the last turns that are not remembered otherwise, newest kept, the question last."""
    kept: list[Turn] = []
    room = HISTORY_CHARS
    for turn in reversed(asked.history[-HISTORY_TURNS:]):
        if turn.id <= memory.upto:
            break
        room -= len(turn.text)
        if turn.by is Speaker.SYSTEM or (room < 0 and kept):
            continue
        kept.append(turn)
    if not kept or kept[0].id != asked.turn.id:
        kept.insert(0, asked.turn)
    return kept[::-1]


def _message(turn: Turn, language: str) -> Message:
    """Return a turn as the model reads it."""
    name = f"{words('colleague', language)}: " if turn.by is Speaker.AGENT else ""
    return {"role": "user" if turn.by is Speaker.USER else "assistant", "content": name + turn.text}
