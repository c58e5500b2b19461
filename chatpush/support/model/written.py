"""Put a model's answer together from the chunks of its stream, and judge whether it is one.

Nothing here knows the ``openai`` package: a chunk is whatever a server sent, and
what it lacks is not there. ``finished`` raises unless the answer is whole.
"""

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
        self._calls = ToolCalls()
        self._longest = min(MAX_ANSWER_CHARS, max_tokens * CHARS_PER_TOKEN)

    def take(self, chunk: Any) -> str:
        """Take in a chunk; return its text.

        Raises:
            WriterUnavailable: the server says that it failed, or does not stop.
        """
        self.begun = True
        self.tokens = _tokens(getattr(chunk, "usage", None)) or self.tokens
        choices = getattr(chunk, "choices", None)
        if not choices:
            if getattr(chunk, "error", None):
                raise WriterUnavailable(f"the model failed in the middle: {chunk.error}")
            return ""
        choice = choices[0]
        self._reason = choice.finish_reason or self._reason
        delta = choice.delta
        for piece in getattr(delta, "tool_calls", None) or ():
            self._calls.add(piece if isinstance(piece, dict) else piece.model_dump(warnings=False))
        text = getattr(delta, "content", None)
        if not isinstance(text, str) or not text:
            return ""
        self.text += text
        if len(self.text) > self._longest:
            raise WriterUnavailable("the model does not stop writing")
        return text

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


def _tokens(usage: Any) -> Tokens | None:
    """Return what a server counted; some say only the total."""
    total, output = getattr(usage, "total_tokens", None), getattr(usage, "completion_tokens", None)
    given = getattr(usage, "prompt_tokens", None)
    if isinstance(given, int) and isinstance(output, int):
        return Tokens(given, output)
    return Tokens(total, 0) if isinstance(total, int) else None
