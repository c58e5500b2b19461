"""The hook specifications: what a plugin may implement.

The prefix is the contract. ``register_*`` runs at start and stops it when it
fails. ``filter_*`` may change or drop a thing with a reason, within a time
budget. ``on_*`` runs after the commit, isolated. Mark implementations with
``@chatpush.plugins.hooks.hook``; functions may be ``async``, and plain ones
run in the plugin's own threads so that they can't stop the loop (``inline =
True`` beside them says that they are quick enough not to need one).
"""

from collections.abc import Sequence
from typing import Any

import pluggy

from chatpush.domain import Event, Item, OutgoingMessage, Receipt, User
from chatpush.plugins.contracts import (
    Audience,
    Channel,
    Defer,
    Drop,
    Exporter,
    Format,
    Question,
    Ranker,
    RpcMethod,
    Tool,
)
from chatpush.plugins.exchange import Exchange
from chatpush.plugins.marking import HookMarker

PROJECT = "chatpush"
spec = pluggy.HookspecMarker(PROJECT)
hook = HookMarker(PROJECT)


@spec
def register_tools(settings: dict[str, Any]) -> list[Tool]:  # type: ignore[empty-body]
    """Return tools for the assistant. ``settings`` is the plugin's own section."""


@spec
def register_rankers(settings: dict[str, Any]) -> list[Ranker]:  # type: ignore[empty-body]
    """Return rankers whose candidates join the blend."""


@spec
def register_channels(settings: dict[str, Any]) -> list[Channel]:  # type: ignore[empty-body]
    """Return delivery channels for users who are away."""


@spec
def register_rpc(settings: dict[str, Any]) -> list[RpcMethod]:  # type: ignore[empty-body]
    """Return methods that pages may call over their connection."""


@spec
def register_exporters(settings: dict[str, Any]) -> list[Exporter]:  # type: ignore[empty-body]
    """Return systems that are told of usage and audit entries."""


@spec
def register_formats(settings: dict[str, Any]) -> list[Format]:  # type: ignore[empty-body]
    """Return formats that messages may have, beside the built-in ones."""


@spec
def register_audiences(settings: dict[str, Any]) -> list[Audience]:  # type: ignore[empty-body]
    """Return audiences that messages may be sent to by their name."""


@spec
def filter_message(
    message: OutgoingMessage, settings: dict[str, Any]
) -> OutgoingMessage | Drop | Defer | None:
    """Change (return a new one), drop, defer or keep (None) a message before it goes to its user."""


@spec
def filter_publication(channel: str, data: bytes, user: str, settings: dict[str, Any]) -> bytes | Drop | None:
    """Change, drop or keep what a client publishes to a channel."""


@spec
def filter_occasion(
    occasion: Event, history: tuple[Event, ...], settings: dict[str, Any]
) -> Event | Drop | None:
    """Change, drop or keep an occasion to write to a user, before it becomes an event of theirs."""


@spec
def filter_picks(
    items: tuple[Item, ...], user: User | None, settings: dict[str, Any]
) -> Sequence[Item] | Drop | None:
    """Leave out (return a part), drop or keep items that are about to be recommended to a user, or to nobody."""


@spec
def filter_question(question: Question, settings: dict[str, Any]) -> Question | Drop | None:
    """Change, drop or keep what a user writes in a chat, before it is stored and answered."""


@spec
def filter_prompt(text: str, exchange: Exchange, settings: dict[str, Any]) -> str | Drop | None:
    """Change, drop or keep one text before a language model reads it; ``exchange.hide`` makes placeholders."""


@spec
def filter_answer(text: str, exchange: Exchange, settings: dict[str, Any]) -> str | Drop | None:
    """Change, drop or keep a model's whole answer, what was hidden named again, before anybody reads it."""


@spec
def on_event(event: Event, settings: dict[str, Any]) -> None:
    """React to an event after it is stored."""


@spec
def on_receipt(receipt: Receipt, settings: dict[str, Any]) -> None:
    """React to a receipt after it is stored."""
