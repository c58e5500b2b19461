"""Watch prices for customers: small changes are no news, and who named a price hears when it is reached.

chatpush finds out itself when something got cheaper that somebody looked at
(``item.price_drop``). This plugin leaves out drops of less than ``least_percent``.
Who asked for a price, by an event ``price.watch`` of theirs with the property
``below``, hears nothing until it is reached, and then by the event
``item.price_reached``, which a campaign of its own can start from. A new watch
takes the place of the one before; ``"below": null`` ends it.

    [plugins.settings.price_watch]
    least_percent = 5

>>> watching = event("price.watch", "lamp", properties={"below": "30.00"})
>>> drop = event("item.price_drop", "lamp", properties={"before": "40.00", "after": "29.00"})
>>> run(plugins.filter_occasion(drop, (watching,))).type
'item.price_reached'
>>> small = event("item.price_drop", "lamp", properties={"before": "40.00", "after": "39.50"})
>>> run(plugins.filter_occasion(small, ()))
Drop(reason='only 1.2 % cheaper')
"""

from dataclasses import replace
from decimal import Decimal, InvalidOperation
from typing import Any

from pydantic import BaseModel, ConfigDict, Field

from chatpush.domain import Event
from chatpush.plugins.contracts import Drop
from chatpush.plugins.hooks import hook

inline = True
DROP, REACHED, WATCH = "item.price_drop", "item.price_reached", "price.watch"


class Settings(BaseModel):
    """What may be set in ``[plugins.settings.price_watch]``."""

    model_config = ConfigDict(extra="forbid")

    least_percent: float = Field(5.0, ge=0, lt=100, description="A drop of less is no news.")


@hook
def filter_occasion(
    occasion: Event, history: tuple[Event, ...], settings: dict[str, Any]
) -> Event | Drop | None:
    """Judge a price drop by what its user asked for, or else by its size."""
    if occasion.type != DROP:
        return None
    before, after = _price(occasion.properties.get("before")), _price(occasion.properties.get("after"))
    if before is None or after is None or before <= 0:
        return None
    wanted = _watched(occasion, history)
    if wanted is not None and after > wanted:
        return Drop(f"waits for {wanted}")
    if wanted is not None:
        return replace(occasion, type=REACHED, properties={**occasion.properties, "below": str(wanted)})
    percent = (1 - after / before) * 100
    return Drop(f"only {percent:.1f} % cheaper") if percent < settings["least_percent"] else None


def _watched(occasion: Event, history: tuple[Event, ...]) -> Decimal | None:
    """Return the price that a user waits for, by their newest watch of the item."""
    watches = [one for one in history if one.type == WATCH and one.item == occasion.item]
    newest = max(watches, key=lambda one: one.at, default=None)
    return _price(newest.properties.get("below")) if newest else None


def _price(value: Any) -> Decimal | None:
    try:
        price = Decimal(str(value))
    except InvalidOperation:
        return None
    return price if price.is_finite() else None
