"""Find the tool a question asks for, fill its slots, call it as the user.

Without a model a tool is found by its example questions: cosine of weighted
words, weights taken from the tenant's knowledge, so that "order" counts less
in a shop than "invoice". The identity is that of the conversation's user;
nothing in a text or in a model's arguments can change it.
"""

import asyncio
import math
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import structlog

from chatpush.domain import VISITOR_PREFIX, Identity, IdentityKind, Source, TenantId, UserId
from chatpush.errors import ChatpushError, NotFound, PluginFailed
from chatpush.plugins.contracts import Tool, ToolResult
from chatpush.support.assistant.trail import note
from chatpush.support.retrieval.language import pick
from chatpush.support.retrieval.terms import ENGLISH_STOP, is_han, stem

log = structlog.get_logger(__name__)

CALL_SECONDS = 10.0
ASKING_WEIGHT = 0.3
FLAT_IDF = 1.0
_WORD = re.compile(r"[\u3400-\u4dbf\u4e00-\u9fff]+|[^\W_\u3400-\u4dbf\u4e00-\u9fff]+(?:'[a-z]+)?")
# Between a Chinese character and a Latin one, so that a slot's \\b holds in Chinese text, too.
_SCRIPTS_MEET = re.compile(
    r"(?<=[\u3400-\u4dbf\u4e00-\u9fff])(?=[A-Za-z0-9#])|(?<=[A-Za-z0-9])(?=[\u3400-\u4dbf\u4e00-\u9fff])"
)
Idf = Callable[[str], float]


def flat(_: str) -> float:
    """Weigh every word alike, where there is no knowledge to learn weights from."""
    return FLAT_IDF


@dataclass(frozen=True, slots=True)
class Match:
    """A tool that fits a question: how well, and the arguments found in it."""

    tool: Tool
    score: float
    arguments: dict[str, Any]

    @property
    def missing(self) -> str:
        """The first required argument that the question does not hold; empty if none."""
        required = self.tool.parameters.get("required", ())
        return next((name for name in required if name not in self.arguments), "")


class Toolbox:
    """The tools plugins brought."""

    def __init__(self, tools: Sequence[Tool]) -> None:
        self._tools = {tool.name: tool for tool in tools}

    def get(self, name: str) -> Tool | None:
        """Return a tool by name."""
        return self._tools.get(name)

    def all(self) -> list[Tool]:
        """Return every tool."""
        return list(self._tools.values())

    def find(self, question: str, idf: Idf) -> Match | None:
        """Return the tool whose examples are nearest to a question."""
        best: Match | None = None
        for tool in self._tools.values():
            arguments, rest = slots_in(tool, question)
            asked = signature(rest, idf)
            examples = (one for several in tool.questions.values() for one in several)
            signatures = [signature(slots_in(tool, one)[1], idf) for one in examples]
            nearest = max((likeness(asked, one) for one in signatures), default=0.0)
            score = nearest * math.sqrt(_covered(asked, signatures))
            if best is None or score > best.score:
                best = Match(tool, score, arguments)
        return best

    async def call(
        self, tool: Tool, tenant: TenantId, user: UserId, arguments: Mapping[str, Any]
    ) -> ToolResult:
        """Call a tool as this user and nobody else.

        Raises:
            NotFound: this user has no such thing.
            PluginFailed: it raised, hung or answered something else.
        """
        identity = Identity(tenant, IdentityKind.USER, user)
        try:
            async with asyncio.timeout(CALL_SECONDS):
                result = await tool.call(identity, arguments)
        except NotFound:
            note("tool", name=tool.name, arguments=dict(arguments), outcome="no such thing of this user's")
            raise
        except ChatpushError as error:
            note("tool", name=tool.name, arguments=dict(arguments), outcome=error.message)
            raise PluginFailed(f"tool {tool.name}: {error.message}") from error
        except Exception as error:
            note("tool", name=tool.name, arguments=dict(arguments), outcome=f"failed: {type(error).__name__}")
            log.warning("tool failed", tool=tool.name, error=f"{type(error).__name__}: {error}")
            raise PluginFailed(f"tool {tool.name} failed") from error
        if not isinstance(result, ToolResult):
            raise PluginFailed(f"tool {tool.name} returned {type(result).__name__}")
        if result.follow is not None and result.follow.until and result.follow.until.tzinfo is None:
            raise PluginFailed(f"tool {tool.name}: the time in follow.until needs a time zone")
        note("tool", name=tool.name, arguments=dict(arguments), outcome=dict(result.facts))
        return result


def sources_in(result: ToolResult, locale: str) -> tuple[Source, ...]:
    """Return a result's sources with their titles in a locale."""
    return tuple(
        one if isinstance(one, Source) else Source(pick(one.titles, locale), one.url, one.quote)
        for one in result.sources
    )


def needs_account(tool: Tool) -> bool:
    """Return whether a tool is only for signed-in users; all are, unless they say ``public = True``."""
    return not getattr(tool, "public", False)


def is_visitor(user: UserId) -> bool:
    """Return whether a user is an anonymous visitor."""
    return user.startswith(VISITOR_PREFIX)


def slots_in(tool: Tool, text: str) -> tuple[dict[str, Any], str]:
    """Return the arguments a text holds and the text without them."""
    found: dict[str, Any] = {}
    rest = text = _SCRIPTS_MEET.sub(" ", text)
    for name, pattern in tool.slots.items():
        match = re.search(pattern, text, re.IGNORECASE)
        if match:
            found[name] = typed(tool, name, match[1] if match.re.groups else match[0])
            rest = rest.replace(match[0], " ")
    return found, rest


def slot_value(tool: Tool, name: str, text: str) -> Any | None:
    """Return what a reply gives for a slot that was asked for: by its pattern, or a single word."""
    found, _ = slots_in(tool, text)
    if name in found:
        return found[name]
    bare = text.strip().strip("#.。!！")
    if re.fullmatch(r"[\w-]{1,40}", bare) and any(one.isdigit() for one in bare):
        return typed(tool, name, bare)
    return None


def typed(tool: Tool, name: str, value: str) -> Any:
    """Return a slot's text as the type its schema declares."""
    declared = tool.parameters.get("properties", {}).get(name, {}).get("type")
    if declared == "integer" and re.fullmatch(r"-?\d+", value):
        return int(value)
    if declared == "number" and re.fullmatch(r"-?\d+(\.\d+)?", value):
        return float(value)
    return value


def slot_label(tool: Tool, name: str, locale: str) -> str:
    """Return what to call a slot when asking for it: ``x-ask`` by locale, or its description."""
    schema = tool.parameters.get("properties", {}).get(name, {})
    asked = schema.get("x-ask")
    if isinstance(asked, Mapping):
        return pick(asked, locale)
    return str(schema.get("description") or name.replace("_", " "))


def example_of(tool: Tool, locale: str) -> str:
    """Return what a tool answers, as a person asks it: its first example question, or its description."""
    first = {name: examples[0] for name, examples in tool.questions.items() if examples}
    return pick(first, locale) or tool.description


def signature(text: str, idf: Idf) -> dict[str, float]:
    """Return a short text's words with their weights; words that only ask count a little."""
    weights: dict[str, float] = {}
    for word in _WORD.findall(text.lower().replace("’", "'")):
        if is_han(word):
            for i in range(len(word) - 1):
                weights[f"c:{word[i : i + 2]}"] = idf(f"c:{word[i : i + 2]}")
            for one in word:
                weights.setdefault(f"c:{one}", ASKING_WEIGHT * idf(f"c:{one}"))
            continue
        bare = word.partition("'")[0]
        term = f"w:{stem(bare)}"
        weights[term] = ASKING_WEIGHT * FLAT_IDF if bare in ENGLISH_STOP else idf(term)
    return weights


def _covered(asked: Mapping[str, float], examples: Sequence[Mapping[str, float]]) -> float:
    """Return the share of a question's weight that any example speaks of."""
    spoken = set().union(*examples)
    total = sum(asked.values())
    return sum(weight for term, weight in asked.items() if term in spoken) / total if total else 0.0


def likeness(one: Mapping[str, float], other: Mapping[str, float]) -> float:
    """Return the cosine of two signatures."""
    shared = sum(weight * other[term] for term, weight in one.items() if term in other)
    if not shared:
        return 0.0
    lengths = sum(w * w for w in one.values()) * sum(w * w for w in other.values())
    return shared / math.sqrt(lengths)
