"""Tell a person who takes over what has happened, in a few lines.

Made from the conversation itself, without a model, so it is always there.
"""

from collections.abc import Sequence

from chatpush.domain import Promise, Speaker, Turn
from chatpush.support.assistant.phrases import is_no, is_yes, small_talk, words

QUESTIONS = 4
LINE_CHARS = 160


def summarise(turns: Sequence[Turn], promises: Sequence[Promise], reason: str, locale: str) -> str:
    """Return Markdown: why it was handed over, what was asked, the last answer, what is promised."""
    lines = []
    if reason:
        lines.append(f"**{words('summary_reason', locale)}:** {words(reason, locale)}")
    asked = [turn.text for turn in turns if turn.by is Speaker.USER and _says_something(turn.text)]
    lines += [f"**{words('summary_asked', locale)}:** {_line(question)}" for question in asked[-QUESTIONS:]]
    answered = next((turn.text for turn in reversed(turns) if turn.by is Speaker.ASSISTANT), "")
    if answered:
        lines.append(f"**{words('summary_answered', locale)}:** {_line(answered)}")
    if promises:
        texts = "; ".join(promise.text for promise in promises)
        lines.append(f"**{words('summary_promises', locale)}:** {texts}")
    return "\n\n".join(lines)


def _says_something(text: str) -> bool:
    return not (is_yes(text) or is_no(text) or small_talk(text))


def _line(text: str) -> str:
    plain = " ".join(text.split())
    return plain[:LINE_CHARS] + ("…" if len(plain) > LINE_CHARS else "")
