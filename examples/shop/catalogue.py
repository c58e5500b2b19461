"""Read the order lines of a real gift shop and lay out a shop from them.

Items, prices, what is bought together and every customer's baskets come from
the data; only the stock level is made up (it is not in the data), always the
same for an item. What is not a sale of goods to a known customer is left out:
cancellations, returns, guests, postage, fees, vouchers and corrections.
"""

import csv
import gzip
import re
import statistics
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from functools import cached_property
from itertools import combinations
from pathlib import Path

from examples.shop.colours import colour_of, number
from examples.shop.kinds import Department, Kind, department_of, kind_of
from examples.shop.people import name_of_customer
from examples.shop.titles import title

DATA = Path(__file__).parent / "data" / "online-retail-2010-12.csv.gz"
CURRENCY = "GBP"
_GOODS = re.compile(r"^\d{5}[A-Z]{0,2}$")
_OUT_OF_STOCK = 3
_SCARCE = 12
_BESTSELLER = 40


@dataclass(frozen=True)
class Line:
    """One line of an invoice."""

    invoice: str
    code: str
    description: str
    quantity: int
    at: datetime
    price: Decimal
    customer: str
    country: str

    @property
    def is_goods(self) -> bool:
        """Whether it is a thing one can put in a basket, at a price."""
        return bool(_GOODS.match(self.code)) and self.price > 0

    @property
    def is_sale(self) -> bool:
        """Whether a known customer bought and kept it."""
        return (
            self.is_goods and self.quantity > 0 and bool(self.customer) and not self.invoice.startswith("C")
        )


@dataclass(frozen=True)
class Item:
    """A thing the shop sells."""

    id: str
    title: str
    price: Decimal
    kind: Kind
    department: Department
    colour: str
    stock: int
    buyers: int = 0
    countries: int = 0

    @property
    def tags(self) -> list[str]:
        """Words a recommender can hold on to."""
        words = [word for word in re.findall(r"[a-z]+", self.title.lower()) if len(word) > 3]
        return list(dict.fromkeys([self.department.id, self.kind.id, self.colour, *words]))[:12]

    def text(self, locale: str = "en") -> str:
        """Describe the item with what the data knows, and nothing else."""
        shelf = self.department.name[locale]
        if locale == "zh-CN":
            bought = f"今冬已有 {self.buyers} 位顾客买过" if self.buyers > 1 else "本季新品"
            abroad = f"，寄往 {self.countries} 个国家和地区" if self.countries > 1 else ""
            return f"{self.kind.name[locale]}，选自「{shelf}」系列。{bought}{abroad}。"
        bought = f"Chosen by {self.buyers} customers this winter" if self.buyers > 1 else "New this season"
        abroad = f", sent to {self.countries} countries" if self.countries > 1 else ""
        return f"From our {shelf} shelf. {bought}{abroad}."


@dataclass(frozen=True)
class Purchase:
    """A customer bought a number of one item."""

    id: str
    user: str
    item: str
    quantity: int
    price: Decimal
    invoice: str
    at: datetime


@dataclass(frozen=True)
class Catalogue:
    """The whole shop: items by id, and what was bought."""

    items: Mapping[str, Item]
    purchases: list[Purchase]
    countries: Mapping[str, str] = field(default_factory=dict)

    @cached_property
    def popular(self) -> list[Item]:
        """Items in stock, the most widely bought first."""
        stocked = (item for item in self.items.values() if item.stock)
        return sorted(stocked, key=lambda item: (-item.buyers, item.id))

    @cached_property
    def by_department(self) -> dict[str, list[Item]]:
        """Popular items by shelf."""
        shelves: dict[str, list[Item]] = defaultdict(list)
        for item in self.popular:
            shelves[item.department.id].append(item)
        return dict(shelves)

    @cached_property
    def _together(self) -> dict[str, Counter[str]]:
        baskets: dict[str, set[str]] = defaultdict(set)
        for purchase in self.purchases:
            baskets[purchase.invoice].add(purchase.item)
        pairs: dict[str, Counter[str]] = defaultdict(Counter)
        for basket in baskets.values():
            if len(basket) <= 60:  # a wholesaler's basket says nothing about taste
                for one, other in combinations(sorted(basket), 2):
                    pairs[one][other] += 1
                    pairs[other][one] += 1
        return pairs

    def bought_with(self, item: Item, limit: int = 4) -> list[Item]:
        """Return what was most often bought together with an item, relative to how common it is."""
        shared = self._together.get(item.id, Counter())
        scored = [
            (count / (self.items[other].buyers + 8) ** 0.5, other)
            for other, count in shared.items()
            if count > 1 and self.items[other].stock
        ]
        best = [self.items[other] for _, other in sorted(scored, reverse=True)[:limit]]
        spare = (near for near in self.by_department.get(item.department.id, []) if near not in [item, *best])
        return [*best, *spare][:limit]

    def search(self, words: str, limit: int = 24) -> list[Item]:
        """Return items whose title, kind or shelf holds every word, popular ones first."""
        wanted = words.lower().split()
        return [item for item in self.popular if all(word in _haystack(item) for word in wanted)][:limit]


def _haystack(item: Item) -> str:
    names = [*item.kind.name.values(), *item.department.name.values()]
    return " ".join([item.id, item.title, *names]).lower()


def read_lines(path: Path = DATA) -> Iterator[Line]:
    """Yield every line of the file."""
    with gzip.open(path, "rt", encoding="utf-8", newline="") as file:
        for row in csv.DictReader(file):
            yield Line(
                invoice=row["InvoiceNo"],
                code=row["StockCode"].upper(),
                description=row["Description"],
                quantity=int(row["Quantity"]),
                at=datetime.strptime(row["InvoiceDate"], "%Y-%m-%d %H:%M").replace(tzinfo=UTC),
                price=Decimal(row["UnitPrice"]),
                customer=row["CustomerID"],
                country=row["Country"],
            )


def load(path: Path = DATA, now: datetime | None = None) -> Catalogue:
    """Return the catalogue; with ``now``, its dates are moved by whole weeks to end within the last one."""
    lines = list(read_lines(path))
    sales = [line for line in lines if line.is_sale]
    items = {item.id: item for item in _items(lines, sales)}
    kept = [line for line in sales if line.code in items]
    shift = timedelta(weeks=(now - max(line.at for line in kept)).days // 7) if now else timedelta()
    countries = {name_of_customer(line.customer): line.country for line in kept}
    return Catalogue(items, list(_purchases(kept, shift)), countries)


def _items(lines: Iterable[Line], sales: Iterable[Line]) -> Iterator[Item]:
    descriptions: dict[str, Counter[str]] = defaultdict(Counter)
    prices: dict[str, list[Decimal]] = defaultdict(list)
    shop_prices: dict[str, list[Decimal]] = defaultdict(list)
    for line in lines:
        if line.is_goods and line.description == line.description.upper() and len(line.description) > 3:
            descriptions[line.code][line.description] += 1
            prices[line.code].append(line.price)
    buyers: dict[str, set[str]] = defaultdict(set)
    lands: dict[str, set[str]] = defaultdict(set)
    for line in sales:
        shop_prices[line.code].append(line.price)
        buyers[line.code].add(line.customer)
        lands[line.code].add(line.country)
    for code, names in descriptions.items():
        description = names.most_common(1)[0][0]
        kind = kind_of(description)
        yield Item(
            id=code,
            title=title(description),
            price=statistics.median_low(shop_prices[code] or prices[code]),
            kind=kind,
            department=department_of(description, kind),
            colour=colour_of(code, description),
            stock=_stock(code, len(buyers[code])),
            buyers=len(buyers[code]),
            countries=len(lands[code]),
        )


def _stock(code: str, buyers: int) -> int:
    """Simulate a stock level: about 3% sold out, 9% nearly so, the rest and what everybody buys plentiful."""
    draw = number(code, "stock") % 100 if buyers < _BESTSELLER else 100
    if draw < _OUT_OF_STOCK:
        return 0
    return 1 + draw % 5 if draw < _SCARCE else 12 + number(code, "shelf") % 220


def _purchases(sales: Iterable[Line], shift: timedelta) -> Iterator[Purchase]:
    """Join the lines of one invoice that name the same item."""
    joined: dict[tuple[str, str], list[Line]] = defaultdict(list)
    for line in sales:
        joined[line.invoice, line.code].append(line)
    for (invoice, code), same in joined.items():
        first = same[0]
        yield Purchase(
            id=f"uci-{invoice}-{code}",
            user=name_of_customer(first.customer),
            item=code,
            quantity=sum(line.quantity for line in same),
            price=first.price,
            invoice=invoice,
            at=first.at + shift,
        )
