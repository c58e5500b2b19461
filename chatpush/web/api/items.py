"""Put what can be recommended into the catalogue."""

from datetime import datetime
from decimal import Decimal
from typing import Any

from pydantic import BaseModel, Field, JsonValue, field_validator, model_validator

from chatpush.domain import Item, ItemId, Role, TenantId
from chatpush.errors import InvalidInput
from chatpush.notify.audience.users import checked_locale
from chatpush.recommend.catalogue import Catalogue
from chatpush.recommend.rankers.audiences import checked_audience
from chatpush.web.http.doors import Door
from chatpush.web.http.moments import Instant
from chatpush.web.http.operations import Body, Call, Operations, Query

routes = Operations("items")
BATCH = 1000
ID = r"^[^\s\x00-\x1f\x7f]{1,128}$"
WRITERS = Door(scope="items:write", role=Role.EDITOR)
READERS = Door(scope="items:write", role=Role.VIEWER)


class ItemIn(Body):
    """One item, whole: what is left out is empty."""

    id: str = Field(pattern=ID)
    title: str = Field(min_length=1, max_length=500)
    text: str = Field("", max_length=20_000, description="Plain text; found by its words.")
    price: Decimal | None = Field(None, ge=0, max_digits=18, decimal_places=6, allow_inf_nan=False)
    currency: str = Field("", pattern=r"^([A-Z]{3})?$", description="ISO 4217, such as GBP.")
    stock: int | None = Field(None, ge=-1_000_000_000, le=1_000_000_000, description="0: never recommended.")
    url: str = Field("", max_length=2048)
    image: str = Field("", max_length=2048)
    tags: list[str] = Field(default_factory=list, max_length=50, description="The first is its kind.")
    attributes: dict[str, JsonValue] = Field(default_factory=dict, max_length=100)
    valid_from: Instant | None = Field(None, description="Not recommended before, with its offset.")
    valid_to: Instant | None = Field(None, description="Not recommended from then on.")
    language: str = Field(
        "",
        max_length=35,
        description="Of its text; recommended to readers of this language only. Empty: to all.",
    )
    audience: str = Field(
        "",
        max_length=1000,
        description="Whom it is for, as a segment's condition over attributes; empty: everybody.",
    )

    @model_validator(mode="after")
    def with_some_time(self) -> "ItemIn":
        """Refuse a time that never is."""
        if self.valid_from is not None and self.valid_to is not None and self.valid_from >= self.valid_to:
            raise ValueError("valid_from must be before valid_to")
        return self

    @field_validator("language")
    @classmethod
    def with_a_real_language(cls, value: str) -> str:
        """Refuse what is no locale."""
        return checked_locale(value, "language") if value else value

    @field_validator("audience")
    @classmethod
    def with_a_readable_audience(cls, value: str) -> str:
        """Refuse a condition that can't be asked."""
        try:
            return checked_audience(value.strip())
        except InvalidInput as error:
            raise ValueError(error.message) from error

    @field_validator("title", "text", "url", "image")
    @classmethod
    def without_nul(cls, value: str) -> str:
        """Refuse what one of the databases can't keep."""
        if "\x00" in value:
            raise ValueError("text can't contain NUL characters")
        return value

    def item(self, tenant: TenantId) -> Item:
        """Return it as the services know it."""
        return Item(
            tenant, ItemId(self.id), self.title, self.text, self.price, self.currency, self.stock, self.url,
            self.image, tuple(tag[:100] for tag in self.tags), dict(self.attributes), self.valid_from,
            self.valid_to, self.language, self.audience,
        )  # fmt: skip


class ItemsIn(Body):
    """Up to 1,000 items."""

    items: list[ItemIn] = Field(min_length=1, max_length=BATCH)


class ChangeOut(BaseModel):
    """What a batch changed about an item that was there."""

    item: str
    kind: str
    before: str
    after: str


class ItemsTaken(BaseModel):
    """How many items there were, and which prices and stocks changed."""

    items: int
    changes: list[ChangeOut]


class ItemOut(BaseModel):
    """An item."""

    id: str
    title: str
    text: str
    price: float | None
    currency: str
    stock: int | None
    url: str
    image: str
    tags: list[str]
    attributes: dict[str, Any]
    valid_from: datetime | None
    valid_to: datetime | None
    language: str
    audience: str


class ItemQuery(Query):
    """Which part of the catalogue, by id."""

    limit: int = Field(10, ge=1, le=100)
    starting_after: str = Field("", max_length=128)


class ItemPage(BaseModel):
    """A page of items."""

    data: list[ItemOut]
    has_more: bool


@routes.put("/v1/items", door=WRITERS)
async def put_items(call: Call, body: ItemsIn) -> ItemsTaken:
    """Add items or replace them whole."""
    tenant = call.identity.tenant
    imported = await call.need(Catalogue).upsert(tenant, [one.item(tenant) for one in body.items])
    changes = [
        ChangeOut(item=one.item, kind=one.kind, before=one.before, after=one.after)
        for one in imported.changes
    ]
    return ItemsTaken(items=imported.items, changes=changes)


@routes.get("/v1/items", door=READERS)
async def list_items(call: Call, query: ItemQuery) -> ItemPage:
    """List items by id."""
    found = await call.need(Catalogue).list(call.identity.tenant, query.limit + 1, query.starting_after)
    return ItemPage(data=[item_out(one) for one in found[: query.limit]], has_more=len(found) > query.limit)


@routes.get("/v1/items/{id}", door=READERS)
async def get_item(call: Call) -> ItemOut:
    """Return an item."""
    return item_out(await call.need(Catalogue).get(call.identity.tenant, ItemId(call.path["id"])))


def item_out(item: Item) -> ItemOut:
    """Return an item as the API shows it."""
    return ItemOut(
        id=item.id, title=item.title, text=item.text,
        price=None if item.price is None else float(item.price), currency=item.currency, stock=item.stock,
        url=item.url, image=item.image, tags=list(item.tags), attributes=item.attributes,
        valid_from=item.valid_from, valid_to=item.valid_to, language=item.language, audience=item.audience,
    )  # fmt: skip
