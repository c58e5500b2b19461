"""Who is in the shop: one visit per browser, with its basket."""

import json
import secrets
from dataclasses import dataclass, field
from datetime import UTC, datetime

from examples.shop.people import CUSTOMERS, Customer
from examples.shop.storage import Storage

LOCALES = ("en", "zh-CN")
MOST_OF_ONE = 99


@dataclass
class Visit:
    """A browser's visit."""

    id: str
    customer_id: str = ""
    locale: str = "en"
    basket: dict[str, int] = field(default_factory=dict)

    @property
    def customer(self) -> Customer | None:
        """Who it is, if signed in."""
        return CUSTOMERS.get(self.customer_id)

    @property
    def count(self) -> int:
        """How many things lie in the basket."""
        return sum(self.basket.values())

    def put(self, item: str, quantity: int) -> None:
        """Set how many of an item lie in the basket; none takes it out."""
        if quantity <= 0:
            self.basket.pop(item, None)
        else:
            self.basket[item] = min(quantity, MOST_OF_ONE)


class Visits:
    """All visits, by the secret in the browser's cookie."""

    def __init__(self, storage: Storage) -> None:
        self._storage = storage

    def open(self, visit_id: str | None, languages: str) -> Visit:
        """Return the visit, or a new one in the language that the browser prefers."""
        rows = self._storage.rows("SELECT * FROM visits WHERE id = ?", visit_id or "")
        if rows:
            row = rows[0]
            return Visit(row["id"], row["customer"], row["locale"], json.loads(row["basket"]))
        return Visit(
            secrets.token_urlsafe(24), locale="zh-CN" if languages.lower().startswith("zh") else "en"
        )

    def keep(self, visit: Visit) -> None:
        """Remember the visit as it is now."""
        self._storage.run(
            "INSERT INTO visits (id, customer, locale, basket, seen_at) VALUES (?, ?, ?, ?, ?) ON CONFLICT (id) DO"
            " UPDATE SET customer = excluded.customer, locale = excluded.locale, basket = excluded.basket,"
            " seen_at = excluded.seen_at",
            visit.id, visit.customer_id, visit.locale, json.dumps(visit.basket), datetime.now(UTC).isoformat(),
        )  # fmt: skip
