"""Answer without a model: choices, small talk, tools, knowledge; ask once; hand over.

``certain`` takes what needs no judgement (a yes to an offer, a slot's value, a
choice, a wish for a person) and comes before a model, too. ``answer`` always
has an answer, if only the one that a person will come.
"""

import re
from datetime import datetime
from typing import Any

from chatpush.domain import Source
from chatpush.errors import NotFound, PluginFailed
from chatpush.plugins.contracts import Follow, Tool, ToolResult
from chatpush.support.assistant import at_hand
from chatpush.support.assistant.answers import Answer, Asked
from chatpush.support.assistant.at_hand import AtHand
from chatpush.support.assistant.permissions import Risk, may_use, question_before, risk_of
from chatpush.support.assistant.phrases import (
    is_no,
    is_none_of_these,
    is_yes,
    small_talk,
    wants_person,
    words,
)
from chatpush.support.assistant.promises import Promises
from chatpush.support.assistant.tools import (
    Idf,
    Match,
    Toolbox,
    example_of,
    flat,
    likeness,
    signature,
    slot_label,
    slot_value,
    slots_in,
    sources_in,
)
from chatpush.support.assistant.wishes import Wishes, complains
from chatpush.support.retrieval.language import pick
from chatpush.support.retrieval.retrieval import Found, Passage, Retrieval
from chatpush.support_settings import Support

TOOL_SURE = 0.6
TOOL_MAYBE = 0.35
CHOICES = 3
EXCERPT_CHARS = 900
QUOTE_CHARS = 160
_ORDINALS = {
    "1": 0,
    "2": 1,
    "3": 2,
    "第一个": 0,
    "第二个": 1,
    "第三个": 2,
    "first": 0,
    "second": 1,
    "third": 2,
}


class EmbeddedAssistant:
    """The assistant that is always there."""

    def __init__(
        self,
        retrieval: Retrieval,
        toolbox: Toolbox,
        promises: Promises,
        settings: Support,
        items: AtHand,
        wishes: Wishes | None = None,
    ) -> None:
        self._at_hand = items
        self._wishes = wishes
        self._retrieval = retrieval
        self._toolbox = toolbox
        self._promises = promises
        self._settings = settings

    async def certain(self, asked: Asked) -> Answer | None:
        """Return the answer to a turn that needs no judgement, or None."""
        if wants_person(asked.text):
            return hand_over(asked.language, "reason_asked", "hand_over_asked")
        if complains(asked.text):
            return hand_over(asked.language, "reason_complaint", "hand_over_sorry")
        wished = await self._wishes.answer(asked) if self._wishes is not None else None
        if wished is not None:
            return wished
        pending = asked.conversation.pending
        match pending.get("kind"):
            case "offer":
                answer = await self._to_offer(asked, pending)
            case "slot":
                answer = await self._to_slot(asked, pending)
            case "clarify":
                answer = await self._to_choice(asked, pending)
            case "confirm":
                answer = await self._to_confirm(asked, pending)
            case "person":
                answer = self._to_person(asked)
            case at_hand.KIND:
                answer = await self._at_hand.chosen(asked, pending)
            case _:
                answer = None
        if answer is not None:
            return answer
        talk = small_talk(asked.text)
        if talk:
            return Answer(
                words(talk, asked.language, name=self._settings.name_in(asked.language)), "small_talk"
            )
        return self._at_hand.first_words(asked)

    async def answer(self, asked: Asked) -> Answer:
        """Return an answer from the item at hand, tools or knowledge; else ask once; else hand over."""
        price = self._at_hand.price(asked)
        if price is not None:
            again = price.kind == asked.conversation.pending.get("kind") == at_hand.KIND
            return hand_over(asked.language, "reason_unsure", "hand_over") if again else price
        if not asked.conversation.pending and (is_yes(asked.text) or is_no(asked.text)):
            return Answer(words("fine", asked.language), "small_talk")
        tenant = asked.conversation.tenant
        found = await self._retrieval.search(tenant, asked.text, asked.language, reader=asked.reader)
        index = await self._retrieval.index(tenant)
        idf = index.idf if index is not None else flat
        match = self._toolbox.find(asked.text, idf)
        if (
            match is not None
            and match.score >= TOOL_SURE
            and not self._knows_better(asked, found, match, idf)
        ):
            return await self._from_tool(asked, match)
        if found.passages and found.confidence >= self._settings.confidence:
            return from_passage(found.passages[0], found.confidence)
        return self._unsure(asked, found, match)

    def _knows_better(self, asked: Asked, found: Found, match: Match, idf: Idf) -> bool:
        """Return whether an article's title is nearer to the question than the tool's examples."""
        if not found.passages or found.confidence < self._settings.confidence:
            return False
        first = found.passages[0]
        own = signature(asked.text, idf)
        near = max(likeness(own, signature(name, idf)) for name in (first.title, first.heading, first.name))
        return near > match.score

    async def _from_tool(self, asked: Asked, match: Match) -> Answer:
        if not may_use(match.tool, asked.conversation.user):
            return Answer(words("sign_in", asked.language), "sign_in")
        match = _from_about(asked, match)
        missing = match.missing
        if missing:
            label = slot_label(match.tool, missing, asked.language)
            pending = {
                "kind": "slot", "tool": match.tool.name, "slot": missing, "arguments": match.arguments
            }  # fmt: skip
            return Answer(words("ask_slot", asked.language, label=label), "slot", pending=pending)
        if risk_of(match.tool) is Risk.CONFIRM:
            return self.confirm(asked, match.tool, match.arguments)
        return await self.call(asked, match.tool, match.arguments)

    def confirm(self, asked: Asked, tool: Tool, arguments: dict[str, Any]) -> Answer:
        """Return the question whose yes runs a tool, with exactly these arguments."""
        labels = {"yes": words("do_label", asked.language), "no": words("no_label", asked.language)}
        return Answer(
            question_before(tool, arguments, asked.language),
            "confirm",
            actions=tuple({"id": id_, "label": label, "value": label} for id_, label in labels.items()),
            pending={"kind": "confirm", "tool": tool.name, "arguments": arguments},
        )

    async def call(self, asked: Asked, tool: Tool, arguments: dict[str, Any]) -> Answer:
        """Return what a tool says to this user, with the offer that follows from it."""
        conversation = asked.conversation
        try:
            result = await self._toolbox.call(tool, conversation.tenant, conversation.user, arguments)
        except NotFound:
            return no_such(asked)
        except PluginFailed:
            return hand_over(asked.language, "reason_failed", "tool_failed")
        return await self.offer(asked, tool.name, arguments, result)

    async def offer(
        self, asked: Asked, tool: str, arguments: dict[str, Any], result: ToolResult, text: str = ""
    ) -> Answer:
        """Return a tool's answer with the offer to tell the user of what comes next."""
        text = text or pick(result.text, asked.language)
        follow = result.follow
        if follow is None or self._promises.is_over(follow):
            return Answer(text, "tool", sources=sources_in(result, asked.language))
        before = await self._promises.pending_same(asked.conversation, follow)
        if before is not None:
            note = words("promised_already", asked.language, text=before.text)
            return Answer(f"{text}\n\n{note}", "tool", sources=sources_in(result, asked.language))
        pending = {"kind": "offer", "tool": tool, "arguments": arguments, "follow": follow_json(follow)}
        return Answer(
            f"{text}\n\n{pick(follow.offer, asked.language)}",
            "tool",
            sources=sources_in(result, asked.language),
            actions=_yes_no(asked),
            pending=pending,
        )

    async def promise(self, asked: Asked, follow: Follow, text: str = "") -> Answer:
        """Return the answer that makes a promise."""
        draft = await self._promises.draft(asked.conversation, follow, asked.language)
        said = text or words("promised", asked.language, text=draft.promise.text)
        return Answer(said, "promise", promise=draft)

    async def _to_offer(self, asked: Asked, pending: dict[str, Any]) -> Answer | None:
        if is_no(asked.text):
            return Answer(words("fine", asked.language), "offer_declined")
        if not is_yes(asked.text):
            return None
        follow = follow_of(pending["follow"])
        tool = self._toolbox.get(pending["tool"])
        if tool is None:
            return await self.promise(asked, follow)
        # What the offer waits for may have happened since: look again before promising.
        conversation = asked.conversation
        try:
            now = await self._toolbox.call(tool, conversation.tenant, conversation.user, pending["arguments"])
        except (NotFound, PluginFailed):
            return await self.promise(asked, follow)
        if now.follow is None or self._promises.is_over(now.follow):
            return Answer(pick(now.text, asked.language), "tool", sources=sources_in(now, asked.language))
        return await self.promise(asked, now.follow)

    async def _to_slot(self, asked: Asked, pending: dict[str, Any]) -> Answer | None:
        tool = self._toolbox.get(pending["tool"])
        if tool is None:
            return None
        if is_no(asked.text):
            return Answer(words("fine", asked.language), "slot_declined")
        value = slot_value(tool, pending["slot"], asked.text)
        if value is None:
            return None
        match = Match(tool, 1.0, {**pending["arguments"], pending["slot"]: value})
        return await self._from_tool(asked, match)

    async def _to_choice(self, asked: Asked, pending: dict[str, Any]) -> Answer | None:
        said = asked.text.strip().casefold()
        choices = pending["choices"]
        if is_none_of_these(said):
            return hand_over(asked.language, "reason_unsure", "hand_over")
        chosen = next(
            (one for one in choices if said in {one["value"].casefold(), one["label"].casefold()}), None
        )
        if chosen is None and said.strip(".。") in _ORDINALS and _ORDINALS[said.strip(".。")] < len(choices):
            chosen = choices[_ORDINALS[said.strip(".。")]]
        if chosen is None:
            return None
        if "tool" in chosen:
            tool = self._toolbox.get(chosen["tool"])
            return (
                None if tool is None else await self._from_tool(asked, Match(tool, 1.0, chosen["arguments"]))
            )
        passage = await self._retrieval.passage(
            asked.conversation.tenant, chosen["article"], chosen["position"]
        )
        return None if passage is None else from_passage(passage, 1.0)

    async def _to_confirm(self, asked: Asked, pending: dict[str, Any]) -> Answer | None:
        tool = self._toolbox.get(pending["tool"])
        if is_no(asked.text):
            return Answer(words("not_done", asked.language), "confirm_declined")
        if tool is None or not is_yes(asked.text) or not may_use(tool, asked.conversation.user):
            return None
        return await self.call(asked, tool, pending["arguments"])

    def _to_person(self, asked: Asked) -> Answer | None:
        if is_yes(asked.text):
            return hand_over(asked.language, "reason_asked", "hand_over_asked")
        return Answer(words("fine", asked.language), "person_declined") if is_no(asked.text) else None

    def _unsure(self, asked: Asked, found: Found, match: Match | None) -> Answer:
        """Ask which of the near ones is meant, once; then hand over."""
        choices: list[dict[str, Any]] = []
        if match is not None and match.score >= TOOL_MAYBE:
            example = example_of(match.tool, asked.language)
            choices.append(
                {"label": example, "value": example, "tool": match.tool.name, "arguments": match.arguments}
            )
        if found.confidence >= self._settings.clarify_confidence:
            names = dict.fromkeys(passage.name for passage in found.passages)
            firsts = {p.name: p for p in reversed(found.passages)}
            choices += [
                {"label": n, "value": n, "article": firsts[n].article, "position": firsts[n].position}
                for n in list(names)[:CHOICES]
            ]
        asked_before = asked.conversation.pending.get("kind") == "clarify"
        if not choices or asked_before:
            return hand_over(asked.language, "reason_unsure", "hand_over", found.confidence)
        actions = [
            {"id": f"choice_{i}", "label": one["label"], "value": one["value"]}
            for i, one in enumerate(choices)
        ]
        none = words("none_label", asked.language)
        actions.append({"id": "none", "label": none, "value": none})
        return Answer(
            words("clarify", asked.language),
            "clarify",
            actions=tuple(actions),
            pending={"kind": "clarify", "choices": choices},
            confidence=found.confidence,
        )


def hand_over(language: str, reason: str, phrase: str, confidence: float = 1.0) -> Answer:
    """Return the answer that fetches a person."""
    return Answer(words(phrase, language), "hand_over", hand_over=reason, confidence=confidence)


def no_such(asked: Asked) -> Answer:
    """Return the answer that this user has no such thing, with the offer of a person."""
    text = words("no_such", asked.language)
    return Answer(text, "no_such", pending={"kind": "person"}, actions=_person(asked))


def from_passage(passage: Passage, confidence: float) -> Answer:
    """Return a passage as an answer with its source."""
    return Answer(excerpt(passage.text), "knowledge", sources=(source_of(passage),), confidence=confidence)


def source_of(passage: Passage) -> Source:
    """Return where a passage stands."""
    plain = re.sub(r"[#*_`>|\[\]]+|\(https?://[^)]*\)", "", passage.text)
    quote = " ".join(plain.split())
    return Source(passage.name, passage.url, quote[:QUOTE_CHARS] + ("…" if len(quote) > QUOTE_CHARS else ""))


def excerpt(text: str) -> str:
    """Return a passage's text, cut at a paragraph when it is long."""
    if len(text) <= EXCERPT_CHARS:
        return text
    end = text.rfind("\n\n", 0, EXCERPT_CHARS)
    if end < EXCERPT_CHARS // 3:
        end = max(text.rfind(mark, 0, EXCERPT_CHARS) + 1 for mark in ("。", ". ", "！", "? ", "\n"))
    return text[: end if end > 0 else EXCERPT_CHARS].rstrip() + " …"


def follow_json(follow: Follow) -> dict[str, Any]:
    """Return a follow as JSON that ``follow_of`` reads back."""
    return {
        "event_type": follow.event_type, "match": dict(follow.match),
        "offer": dict(follow.offer), "done": dict(follow.done),
        "until": follow.until.isoformat() if follow.until else None,
    }  # fmt: skip


def follow_of(kept: dict[str, Any]) -> Follow:
    """Return the follow that was kept as JSON."""
    until = kept.get("until")
    return Follow(**{**kept, "until": datetime.fromisoformat(until) if until else None})


def _from_about(asked: Asked, match: Match) -> Match:
    """Fill slots the question leaves open from the message the conversation is about."""
    if asked.about is None or not match.missing:
        return match
    known, _ = slots_in(match.tool, f"{asked.about.title} {asked.about.text}")
    return Match(match.tool, match.score, {**known, **match.arguments})


def _yes_no(asked: Asked) -> tuple[dict[str, str], ...]:
    """Return the two buttons; what they say is what the user is seen to say, and ``is_yes`` knows it."""
    labels = {name: words(f"{name}_label", asked.language) for name in ("yes", "no")}
    return tuple({"id": name, "label": label, "value": label} for name, label in labels.items())


def _person(asked: Asked) -> tuple[dict[str, str], ...]:
    label, value = words("person_label", asked.language), words("person_value", asked.language)
    return ({"id": "person", "label": label, "value": value},)
