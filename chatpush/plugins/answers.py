"""Say what is wrong with a hook's answer: each check returns a few words, or nothing.

A plugin can't grow what it was given without bound: ``LARGEST_ANSWER`` is far
beyond any message, and small enough that a thousand of them fit into memory.
"""

import re
from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any

from chatpush.domain import Content, Event, Item, OutgoingMessage
from chatpush.plugins.contracts import Defer, Drop, Question

LARGEST_ANSWER = 262_144
GREW = f"returned more than {LARGEST_ANSWER} characters"
LONGEST_REASON = 500
LONGEST_WAIT = timedelta(days=31)
EVENT_TYPE = re.compile(r"[a-z][a-z0-9_.]{0,63}")
LOCALE = re.compile(r"[A-Za-z]{2,3}(?:[-_][A-Za-z0-9]{2,8})*")


def is_anything(_answer: Any) -> str:
    """Accept whatever comes: nobody reads it."""
    return ""


def is_data(answer: Any) -> str:
    """Check what a filter made of a publication's data."""
    if answer is None:
        return ""
    if not isinstance(answer, bytes):
        return is_drop(answer)
    return GREW if len(answer) > LARGEST_ANSWER else ""


def is_text(answer: Any) -> str:
    """Check what a filter made of a text."""
    if answer is None:
        return ""
    if not isinstance(answer, str):
        return is_drop(answer)
    return GREW if len(answer) > LARGEST_ANSWER else ""


def is_drop(answer: Any) -> str:
    """Check that it is a ``Drop`` with a reason."""
    if not isinstance(answer, Drop):
        return f"returned {type(answer).__name__}"
    if not isinstance(answer.reason, str) or not answer.reason:
        return "dropped without a reason"
    return (
        "" if len(answer.reason) <= LONGEST_REASON else f"gave a reason of over {LONGEST_REASON} characters"
    )


def is_occasion(sent: Event) -> Callable[[Any], str]:
    """Return the check of what a filter made of an occasion: what it is about, never whose it is."""

    def check(answer: Any) -> str:
        if answer is None:
            return ""
        if not isinstance(answer, Event):
            return is_drop(answer)
        for name in ("tenant", "id", "user", "at", "item"):
            if getattr(answer, name) != getattr(sent, name):
                return f"changed the occasion's {name}"
        if not isinstance(answer.type, str) or not EVENT_TYPE.fullmatch(answer.type):
            return f"gave the type {answer.type!r:.40}, which is none; write item.price_reached"
        return "" if isinstance(answer.properties, dict) else "returned an occasion without properties"

    return check


def is_items(answer: Any) -> str:
    """Check what a filter left of items."""
    if answer is None:
        return ""
    if not isinstance(answer, list | tuple):
        return is_drop(answer)
    return "" if all(isinstance(one, Item) for one in answer) else "returned something else than items"


def is_question(sent: Question) -> Callable[[Any], str]:
    """Return the check of what a filter made of a question: its words and language, never whose it is."""

    def check(answer: Any) -> str:
        if answer is None:
            return ""
        if not isinstance(answer, Question):
            return is_drop(answer)
        for name in ("tenant", "user", "conversation"):
            if getattr(answer, name) != getattr(sent, name):
                return f"changed the question's {name}"
        if not isinstance(answer.text, str) or not answer.text.strip():
            return "returned a question without words; drop it with a reason instead"
        if not isinstance(answer.language, str) or not LOCALE.fullmatch(answer.language):
            return f"gave the language {answer.language!r:.40}, which is no locale"
        return GREW if len(answer.text) > LARGEST_ANSWER else ""

    return check


def is_defer(answer: Defer, now: datetime) -> str:
    """Check that it says until when, neither past nor too far off, and why."""
    if not isinstance(answer.until, datetime) or answer.until.tzinfo is None:
        return "deferred until no time; give it an aware datetime"
    if not now < answer.until <= now + LONGEST_WAIT:
        return f"deferred until a time that isn't within the next {LONGEST_WAIT.days} days"
    return is_drop(Drop(answer.reason)).replace("dropped", "deferred")


def is_message(sent: OutgoingMessage, now: datetime) -> Callable[[Any], str]:
    """Return the check of what a filter made of a message: its words, never its way."""

    def check(answer: Any) -> str:
        if answer is None:
            return ""
        if isinstance(answer, Defer):
            return is_defer(answer, now)
        if not isinstance(answer, OutgoingMessage):
            return is_drop(answer)
        for name in ("tenant", "message", "delivery", "user"):
            if getattr(answer, name) != getattr(sent, name):
                return f"changed the message's {name}"
        content = answer.content
        if not isinstance(content, Content) or not all(
            isinstance(text, str) for text in (content.title, content.body)
        ):
            return "returned a message without content"
        return GREW if len(content.title) + len(content.body) > LARGEST_ANSWER else ""

    return check
