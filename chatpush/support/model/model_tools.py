"""Run the tools a model calls: as the conversation's user, by the tools' risks, within limits.

What a tool finds becomes something the answer may say. A model's mistakes are
told to it, not raised. The same call is run once; what needs the user's yes is
frozen and not run at all.
"""

import asyncio
import json
from dataclasses import dataclass, field
from typing import Any

from chatpush.domain import Source
from chatpush.errors import NotFound, PluginFailed, WriterUnavailable
from chatpush.plugins.contracts import Follow, Tool, ToolResult
from chatpush.plugins.exchange import Exchange
from chatpush.support.assistant.answers import Asked
from chatpush.support.assistant.grounding import Grounding
from chatpush.support.assistant.permissions import Risk, declared_only, may_use, risk_of
from chatpush.support.assistant.tools import Toolbox, sources_in
from chatpush.support.model.redaction import Redaction, Screen
from chatpush.support.model.toolcalls import ToolCall
from chatpush.support.model.written import Finished
from chatpush.support.retrieval.language import pick

TOOL_RESULT_CHARS = 4000
MOST_CALLS = 10
Message = dict[str, Any]

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
class Work:
    """What has come together for one answer."""

    asked: Asked
    grounding: Grounding
    messages: list[Message]
    sources: list[Source]
    exchange: Exchange
    screen: Screen
    follows: dict[str, Follow] = field(default_factory=dict)
    looked_up: tuple[str, dict[str, Any], ToolResult] | None = None
    to_confirm: tuple[Tool, dict[str, Any]] | None = None
    promised: Follow | None = None
    hand_over: str = ""
    text: str = ""
    calls: int = 0
    missed: bool = False  # this user has no such thing
    found: bool = False
    acted: bool = False  # something was changed: this answer must not begin anew
    results: dict[str, dict[str, Any]] = field(default_factory=dict)

    @property
    def is_missing(self) -> bool:
        """Whether all that was looked up is not this user's: then our own words say so, not a model's."""
        return self.missed and not self.found

    @property
    def concluded(self) -> bool:
        """Whether the answer no longer depends on what the model says next."""
        return bool(self.hand_over) or self.to_confirm is not None or self.is_missing


class ModelTools:
    """The tools of every tenant, as a model uses them."""

    def __init__(self, toolbox: Toolbox, redaction: Redaction) -> None:
        self._toolbox = toolbox
        self._redaction = redaction

    def offered(self, asked: Asked) -> list[Message]:
        """Return the tools this user may use, as the model sees them."""
        user = asked.conversation.user
        own = [_described(tool) for tool in self._toolbox.all() if may_use(tool, user)]
        return [*own, NOTIFY_WHEN, HAND_OVER]

    async def run(self, work: Work, finished: Finished) -> None:
        """Run the calls of one round side by side and give the model what they found.

        Raises:
            WriterUnavailable: there are too many for one answer.
        """
        work.calls += len(finished.calls)
        if work.calls > MOST_CALLS:
            raise WriterUnavailable(f"the model called over {MOST_CALLS} tools for one answer")
        calls = [
            {"id": call.id, "type": "function", "function": {"name": call.name, "arguments": call.written or "{}"}}
            for call in finished.calls
        ]  # fmt: skip
        work.messages.append({"role": "assistant", "content": finished.text or None, "tool_calls": calls})
        results = await asyncio.gather(*(self._once(work, call) for call in finished.calls))
        for call, result in zip(finished.calls, results, strict=True):
            content = json.dumps(result, ensure_ascii=False, default=str)[:TOOL_RESULT_CHARS]
            told = await self._redaction.hidden(content, work.exchange)
            work.messages.append({"role": "tool", "tool_call_id": call.id, "content": told})

    async def _once(self, work: Work, call: ToolCall) -> dict[str, Any]:
        """Return what a call found; the same call again finds the same."""
        same = f"{call.name} {json.dumps(call.arguments, sort_keys=True, default=str)}"
        if same in work.results:
            return work.results[same]
        work.results[same] = {"error": "this call is running already"}
        work.results[same] = await self._call(work, call)
        return work.results[same]

    async def _call(self, work: Work, call: ToolCall) -> dict[str, Any]:
        if call.arguments is None:
            return {"error": "the arguments are not a JSON object"}
        arguments: dict[str, Any] = work.exchange.restored_json(call.arguments)
        if call.name == "hand_over":
            work.hand_over = "reason_asked" if arguments.get("reason") == "asked" else "reason_unsure"
            return {"ok": True}
        if call.name == "notify_when":
            follow = work.follows.get(str(arguments.get("follow", "")))
            if follow is None:
                return {"error": "there is no such follow key; nothing was promised"}
            work.promised = follow
            return {"ok": True, "promised": pick(follow.offer, work.asked.language)}
        return await self._use(work, call.name, arguments)

    async def _use(self, work: Work, name: str, arguments: dict[str, Any]) -> dict[str, Any]:
        """Return what a plugin's tool found or did for the conversation's user."""
        tool = self._toolbox.get(name)
        user = work.asked.conversation.user
        if tool is None or not may_use(tool, user):
            return {"error": f"there is no tool {name}"}
        arguments = declared_only(tool, arguments)
        risk = risk_of(tool)
        if risk is Risk.CONFIRM:
            work.to_confirm = work.to_confirm or (tool, arguments)
            return {
                "error": "not done: the user is asked for a yes by the system. Say nothing about it as done."
            }
        if risk is Risk.WRITE and work.acted:
            return {"error": "not done: one change per answer"}
        work.acted |= risk is Risk.WRITE
        try:
            result = await self._toolbox.call(tool, work.asked.conversation.tenant, user, arguments)
        except NotFound:
            work.missed = True
            return {"error": "not found for this user"}
        except PluginFailed:
            return {"error": "the lookup failed; hand over if the user needs it"}
        work.found = True
        return _known(work, tool, arguments, result)


def _known(work: Work, tool: Tool, arguments: dict[str, Any], result: ToolResult) -> dict[str, Any]:
    """Note what a tool found as something the answer may say."""
    text = pick(result.text, work.asked.language)
    work.grounding.allow(text)
    work.grounding.allow(json.dumps(dict(result.facts), ensure_ascii=False, default=str))
    told: dict[str, Any] = {"text": text, "facts": dict(result.facts)}
    numbers = []
    for source in sources_in(result, work.asked.language):
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
