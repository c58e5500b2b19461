"""Answer with a model: passages and tools go in, a checked answer comes out.

The model interprets and phrases; it decides nothing about identity, links,
numbers or promises. Tools run as the conversation's user. What they say and
what the sources say is all it may count on. Anything it can't do properly
raises ``WriterUnavailable``, and the embedded assistant answers.
"""

import asyncio
import contextlib
import json
from dataclasses import dataclass, field, replace
from typing import Any

import structlog

from chatpush.domain import Source, Speaker
from chatpush.errors import NotFound, PluginFailed, WriterUnavailable
from chatpush.plugins.contracts import Follow, Tool, ToolResult
from chatpush.settings import Support
from chatpush.support.answers import Answer, Asked
from chatpush.support.embedded import EmbeddedAssistant, hand_over, may_use, source_of
from chatpush.support.grounding import Grounding, cite
from chatpush.support.language import pick
from chatpush.support.live import LiveTurn
from chatpush.support.phrases import words
from chatpush.support.prompts import Prompts
from chatpush.support.retrieval import Retrieval
from chatpush.support.toolcalls import ToolCall
from chatpush.support.tools import Toolbox, is_visitor
from chatpush.support.writer import Finished, Message, Writer

log = structlog.get_logger(__name__)

PASSAGES = 5
HISTORY_TURNS = 12
HISTORY_CHARS = 6000
TOOL_RESULT_CHARS = 4000
OFFERED = "offered"

HAND_OVER: Message = {
    "type": "function",
    "function": {
        "name": "hand_over",
        "description": "Fetch a person. Use it when the user asks for one, or when you can't help reliably.",
        "parameters": {
            "type": "object",
            "properties": {"reason": {"type": "string", "enum": ["asked", "unsure"]}},
            "required": ["reason"],
        },
    },
}  # fmt: skip
NOTIFY_WHEN: Message = {
    "type": "function",
    "function": {
        "name": "notify_when",
        "description": "Promise to tell the user, in this conversation, when an event happens. Only after the user "
        "agreed or asked for it, and only for a `follow` key that a tool result or the rules gave you.",
        "parameters": {
            "type": "object",
            "properties": {"follow": {"type": "string", "description": "The key of the event."}},
            "required": ["follow"],
        },
    },
}  # fmt: skip


@dataclass(slots=True)
class _Work:
    """What has come together for one answer."""

    asked: Asked
    grounding: Grounding
    messages: list[Message]
    sources: list[Source]
    follows: dict[str, Follow] = field(default_factory=dict)
    looked_up: tuple[str, dict[str, Any], ToolResult] | None = None
    promised: Follow | None = None
    hand_over: str = ""
    text: str = ""


class ModelledAssistant:
    """The assistant with a model behind it."""

    def __init__(
        self,
        writer: Writer,
        retrieval: Retrieval,
        toolbox: Toolbox,
        embedded: EmbeddedAssistant,
        prompts: Prompts,
        settings: Support,
        max_tool_rounds: int,
    ) -> None:
        self._writer = writer
        self._retrieval = retrieval
        self._toolbox = toolbox
        self._embedded = embedded
        self._prompts = prompts
        self._settings = settings
        self._rounds = max_tool_rounds

    async def answer(self, asked: Asked, live: LiveTurn) -> Answer:
        """Return the model's answer, streamed as it is written.

        Raises:
            WriterUnavailable: the embedded assistant has to answer.
            SpokenOver: a person has taken over in the meantime.
        """
        work = await self._begin(asked)
        tools = self._offered(asked)
        for left in range(self._rounds, -1, -1):
            finished = await self._round(work, tools if left else [], live)
            if not finished.calls:
                break
            if not left:
                raise WriterUnavailable(f"the model called tools over {self._rounds} times in a row")
            await self._call_all(work, finished)
            if work.hand_over:
                break
        await live.flush()
        return await self._conclude(work)

    async def _begin(self, asked: Asked) -> _Work:
        found = await self._retrieval.search(asked.conversation.tenant, asked.text, asked.language, PASSAGES)
        pending = asked.conversation.pending
        follow = Follow(**pending["follow"]) if pending.get("kind") == "offer" else None
        system = self._prompts.render(
            "support/system.j2",
            assistant=self._settings.name_in(asked.language),
            language=asked.language,
            signed_in=not is_visitor(asked.conversation.user),
            about=asked.about,
            offer=pick(follow.offer, asked.language) if follow else "",
            offer_key=OFFERED,
            passages=found.passages,
        )
        known = [f"{p.name}\n{p.text}" for p in found.passages] + [turn.text for turn in asked.history]
        about = asked.about
        if about is not None:
            known.append(f"{about.title} {about.text} {about.price} {about.reason}")
        urls = [p.url for p in found.passages] + ([about.url] if about else [])
        return _Work(
            asked=asked,
            grounding=Grounding([*known, asked.text], urls, len(found.passages)),
            messages=[{"role": "system", "content": system}, *_history(asked)],
            sources=[source_of(passage) for passage in found.passages],
            follows={OFFERED: follow} if follow else {},
        )

    def _offered(self, asked: Asked) -> list[Message]:
        """Return the tools this user may use, as the model sees them."""
        user = asked.conversation.user
        own = [_described(tool) for tool in self._toolbox.all() if may_use(tool, user)]
        return [*own, NOTIFY_WHEN, HAND_OVER]

    async def _round(self, work: _Work, tools: list[Message], live: LiveTurn) -> Finished:
        """Stream one answer of the model, checked."""
        finished: Finished | None = None
        conversation = work.asked.conversation
        stream = self._writer.stream(conversation.tenant, conversation.user, work.messages, tools)
        if work.text and not work.text.endswith("\n"):
            gap = work.grounding.feed("\n\n")
            work.text += gap
            await live.push(gap)
        async with contextlib.aclosing(stream) as pieces:
            async for piece in pieces:
                if isinstance(piece, Finished):
                    finished = piece
                    ready = work.grounding.finish()
                else:
                    ready = work.grounding.feed(piece)
                work.text += ready
                if ready:
                    await live.push(ready)
        if finished is None:
            raise WriterUnavailable("the model's answer has no end")
        return finished

    async def _call_all(self, work: _Work, finished: Finished) -> None:
        """Run the calls of one round side by side and give the model what they found."""
        work.messages.append(
            {
                "role": "assistant",
                "content": finished.text or None,
                "tool_calls": [
                    {
                        "id": call.id,
                        "type": "function",
                        "function": {"name": call.name, "arguments": call.written},
                    }
                    for call in finished.calls
                ],
            }
        )
        results = await asyncio.gather(*(self._call(work, call) for call in finished.calls))
        for call, result in zip(finished.calls, results, strict=True):
            content = json.dumps(result, ensure_ascii=False, default=str)[:TOOL_RESULT_CHARS]
            work.messages.append({"role": "tool", "tool_call_id": call.id, "content": content})

    async def _call(self, work: _Work, call: ToolCall) -> dict[str, Any]:
        """Return what one call found, as the model reads it; its mistakes are told, not raised."""
        if call.arguments is None:
            return {"error": "the arguments are not a JSON object"}
        if call.name == "hand_over":
            work.hand_over = "reason_asked" if call.arguments.get("reason") == "asked" else "reason_unsure"
            return {"ok": True}
        if call.name == "notify_when":
            follow = work.follows.get(str(call.arguments.get("follow", "")))
            if follow is None:
                return {"error": "there is no such follow key; nothing was promised"}
            work.promised = follow
            return {"ok": True, "promised": pick(follow.offer, work.asked.language)}
        return await self._look_up(work, call.name, call.arguments)

    async def _look_up(self, work: _Work, name: str, arguments: dict[str, Any]) -> dict[str, Any]:
        """Return what a plugin's tool found for the conversation's user."""
        tool = self._toolbox.get(name)
        user = work.asked.conversation.user
        if tool is None or not may_use(tool, user):
            return {"error": f"there is no tool {name}"}
        try:
            result = await self._toolbox.call(tool, work.asked.conversation.tenant, user, arguments)
        except NotFound:
            return {"error": "not found for this user"}
        except PluginFailed:
            return {"error": "the lookup failed; hand over if the user needs it"}
        return self._known(work, tool, arguments, result)

    def _known(
        self, work: _Work, tool: Tool, arguments: dict[str, Any], result: ToolResult
    ) -> dict[str, Any]:
        """Note what a tool found as something the answer may say."""
        text = pick(result.text, work.asked.language)
        work.grounding.allow(text)
        work.grounding.allow(json.dumps(dict(result.facts), ensure_ascii=False, default=str))
        told: dict[str, Any] = {"text": text, "facts": dict(result.facts)}
        numbers = []
        for source in result.sources:
            work.sources.append(source)
            work.grounding.sources = len(work.sources)
            work.grounding.allow_link(source.url)
            numbers.append(len(work.sources))
        if numbers:
            told["source_numbers"] = numbers
        if result.follow is not None:
            key = f"follow_{len(work.follows) + 1}"
            work.follows[key] = result.follow
            told["follow"] = key
            work.looked_up = (tool.name, arguments, result)
        return told

    async def _conclude(self, work: _Work) -> Answer:
        """Return the answer with what follows from it: a promise, an offer, a person."""
        asked = work.asked
        text, order = cite(work.text.strip())
        if work.hand_over:
            phrase = "hand_over_asked" if work.hand_over == "reason_asked" else "hand_over"
            fetched = hand_over(asked.language, work.hand_over, phrase)
            return replace(fetched, text=text or fetched.text)
        if work.promised is not None:
            promised = await self._embedded.promise(asked, work.promised)
            return replace(promised, text=text or promised.text)
        if not text:
            raise WriterUnavailable("the model called tools and then said nothing")
        sources = tuple(work.sources[number - 1] for number in order)
        if work.looked_up is not None:
            tool, arguments, result = work.looked_up
            offered = await self._embedded.offer(asked, tool, arguments, result, text)
            return replace(offered, sources=sources or result.sources, kind="model")
        return Answer(text, "model", sources=sources)


def _described(tool: Tool) -> Message:
    """Return a tool's declaration; ``x-ask`` is ours and not for the model."""
    parameters: dict[str, Any] = {"type": "object", "properties": {}, **tool.parameters}
    parameters["properties"] = {
        name: {key: value for key, value in schema.items() if key != "x-ask"}
        for name, schema in parameters["properties"].items()
    }
    return {
        "type": "function",
        "function": {"name": tool.name, "description": tool.description, "parameters": parameters},
    }  # fmt: skip


def _history(asked: Asked) -> list[Message]:
    """Return the last turns as the model reads them, newest kept, the question last."""
    roles = {Speaker.USER: "user", Speaker.ASSISTANT: "assistant", Speaker.AGENT: "assistant"}
    kept: list[Message] = []
    room = HISTORY_CHARS
    for turn in reversed(asked.history[-HISTORY_TURNS:]):
        room -= len(turn.text)
        if turn.by not in roles or (room < 0 and kept):
            continue
        name = f"{words('colleague', asked.language)}: " if turn.by is Speaker.AGENT else ""
        kept.append({"role": roles[turn.by], "content": name + turn.text})
    if not kept or kept[0]["role"] != "user":
        kept.insert(0, {"role": "user", "content": asked.text})
    return kept[::-1]
