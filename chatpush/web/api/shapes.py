"""What payloads look like that rooms make as plain JSON: turns, and messages in an inbox.

Channels carry the same. Nothing is copied or checked on its way out: the
document shows these shapes, and the tests hold every answer to them.
"""

from dataclasses import dataclass
from typing import Annotated, Any, Literal, NotRequired

from pydantic import BaseModel, GetJsonSchemaHandler, JsonValue, StrictBool, StrictInt, TypeAdapter
from pydantic_core import CoreSchema
from typing_extensions import TypedDict

from chatpush.domain import Category, Speaker
from chatpush.web.http.moments import Moment


class OfficeOut(BaseModel):
    """Whether people are there, and when they are back if that is known."""

    open: bool
    opens_at: Moment | None


class RatingOut(BaseModel):
    """What the user thought of it."""

    score: int
    comment: str


class ReadOut(BaseModel):
    """Up to which turn each side has read."""

    user: str | None
    agent: str | None


@dataclass(frozen=True)
class ShownAs:
    """Says in an annotation what a plain JSON object looks like."""

    shape: Any

    def __get_pydantic_json_schema__(self, _: CoreSchema, handler: GetJsonSchemaHandler) -> dict[str, Any]:
        return handler(TypeAdapter(self.shape).core_schema)


class SourceShape(TypedDict):
    """Where an answer comes from."""

    title: str
    url: str
    quote: NotRequired[str]


class ChoiceShape(TypedDict):
    """A button below a turn; pressing it says ``value``."""

    id: str
    label: str
    value: str


class CardShape(TypedDict):
    """An item in a turn; its price as it is written there, empty if there is none."""

    id: str
    title: str
    price: str
    currency: str
    image: str
    url: str
    reason: str


class PromiseShape(TypedDict):
    """What the assistant has promised to tell; its state where a conversation is read whole."""

    id: str
    text: str
    until: Moment
    state: NotRequired[str]


class FileShape(TypedDict):
    """A file sent with a turn; ``size`` is in bytes."""

    id: str
    name: str
    type: str
    size: int
    url: str


class TurnShape(TypedDict):
    """One utterance; ``text`` is Markdown. One that is still written has ``seq``, its last piece."""

    id: str
    by: Speaker
    name: str
    text: str
    at: Moment
    sources: list[SourceShape]
    actions: list[ChoiceShape]
    cards: list[CardShape]
    promise: PromiseShape | None
    streaming: bool
    client_id: str | None
    attachments: list[FileShape]
    seq: NotRequired[int]


class ButtonShape(TypedDict):
    """A button of a message."""

    id: str
    label: str
    url: NotRequired[str]


class InboxItem(TypedDict):
    """A message in the inbox, as its channel carried it, and what its user did with it."""

    delivery: str
    message: str
    category: Category
    template: str
    title: str
    body: str
    url: str | None
    image: str | None
    format: str
    data: dict[str, JsonValue]
    actions: list[ButtonShape]
    collapse_key: str | None
    silent: bool
    badge: StrictBool | StrictInt | None
    display_seconds: int | None
    tags: list[str]
    at: Moment
    seen: bool
    read: bool
    clicked: bool
    dismissed: bool
    archived: bool
    snoozed_until: Moment | None


class Tombstone(TypedDict):
    """A message that was taken back."""

    delivery: str
    deleted: Literal[True]


TurnPayload = Annotated[dict[str, Any], ShownAs(TurnShape)]
Shelved = Annotated[dict[str, Any], ShownAs(InboxItem | Tombstone)]
