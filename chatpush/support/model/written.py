"""Put a model's answer together from the chunks of its stream, and judge whether it is one.

A chunk is whatever a server sent as JSON: what it lacks, or holds in another
shape, is not there. ``finished`` raises unless the answer is whole.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from chatpush.errors import WriterUnavailable
from chatpush.support.model.budget import Tokens
from chatpush.support.model.toolcalls import ToolCall, ToolCalls

MAX_ANSWER_CHARS = 40_000
CHARS_PER_TOKEN = 16  # no language has more


@dataclass(frozen=True, slots=True)
class Finished:
    """The end of a stream: the whole text, the tools it calls, the tokens the server counted."""

    text: str
    calls: tuple[ToolCall, ...]
    reason: str
    tokens: int


class Written:
    """One answer as its chunks come in."""

    def __init__(self, max_tokens: int) -> None:
        self.text = ""
        self.tokens: Tokens | None = None
        self.begun = False
        self._reason = ""
        self._half = ""  # the first half of a sign whose other half comes in the next chunk
        self._calls = ToolCalls()
        self._longest = min(MAX_ANSWER_CHARS, max_tokens * CHARS_PER_TOKEN)

    def take(self, chunk: Mapping[str, Any]) -> str:
        """Take in a chunk; return its text.

        Raises:
            WriterUnavailable: the server says that it failed, or does not stop.
        """
        self.begun = True
        self.tokens = _tokens(_mapping(chunk.get("usage"))) or self.tokens
        if chunk.get("error"):
            raise WriterUnavailable(f"the model failed in the middle: {chunk['error']}")
        choices = chunk.get("choices")
        choice = _mapping(choices[0]) if isinstance(choices, list) and choices else {}
        reason = choice.get("finish_reason")
        self._reason = reason if isinstance(reason, str) and reason else self._reason
        delta = _mapping(choice.get("delta"))
        for piece in delta.get("tool_calls") or ():
            self._calls.add(_mapping(piece))
        text = delta.get("content")
        text = self._whole_signs(text) if isinstance(text, str) else ""
        if not text:
            return ""
        self.text += text
        if len(self.text) > self._longest:
            raise WriterUnavailable("the model does not stop writing")
        return text

    def _whole_signs(self, text: str) -> str:
        """Return a text with the signs that servers cut in two (as UTF-16) put together again.

        Half a sign that stays alone can be neither stored nor sent, and no database keeps a NUL.
        """
        text, self._half = self._half + text, ""
        if text and "\ud800" <= text[-1] <= "\udbff":
            text, self._half = text[:-1], text[-1]
        return text.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "replace").replace("\0", "")

    def finished(self) -> Finished:
        """Return the whole answer.

        Raises:
            WriterUnavailable: it was cut off, refused, or is empty.
        """
        calls = tuple(self._calls.finished())
        if not self._reason:
            raise WriterUnavailable("the model's answer was cut off")
        if self._reason == "content_filter":
            raise WriterUnavailable("the model's answer was withheld by its filter")
        if not self.text.strip() and not calls:
            raise WriterUnavailable("the model's answer is empty")
        return Finished(self.text, calls, self._reason, self.tokens.all if self.tokens else 0)


def _tokens(usage: Mapping[str, Any]) -> Tokens | None:
    """Return what a server counted; some say only the total."""
    total, output = usage.get("total_tokens"), usage.get("completion_tokens")
    given = usage.get("prompt_tokens")
    if isinstance(given, int) and isinstance(output, int):
        return Tokens(given, output)
    return Tokens(total, 0) if isinstance(total, int) else None


def _mapping(value: Any) -> Mapping[str, Any]:
    return value if isinstance(value, Mapping) else {}
