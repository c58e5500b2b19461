"""The shop example's real purchases, split in time: learn from the first weeks, ask about the last."""

import csv
import gzip
from collections import defaultdict
from datetime import UTC, datetime
from pathlib import Path

from chatpush.domain import DEFAULT_TENANT, Event, EventId, Item, ItemId, UserId

FILE = Path(__file__).parents[2] / "examples" / "shop" / "data" / "online-retail-2010-12.csv.gz"
SPLIT = datetime(2010, 12, 16, tzinfo=UTC)


def lines() -> list[dict[str, str]]:
    """Return the order lines of known customers, returns left out."""
    with gzip.open(FILE, "rt", encoding="utf-8", newline="") as file:
        return [
            row
            for row in csv.DictReader(file)
            if row["CustomerID"]
            and row["InvoiceNo"].isdigit()
            and int(row["Quantity"]) > 0
            and float(row["UnitPrice"]) > 0
        ]


def items(rows: list[dict[str, str]]) -> list[Item]:
    """Return the catalogue: a title per stock code."""
    titles = {row["StockCode"]: row["Description"] for row in rows}
    return [Item(DEFAULT_TENANT, ItemId(code), title) for code, title in sorted(titles.items())]


def purchases(rows: list[dict[str, str]]) -> list[Event]:
    """Return one purchase per order line, in the order of time."""
    return [
        Event(
            DEFAULT_TENANT, EventId(f"line_{n}"), UserId(row["CustomerID"]), "purchase",
            datetime.fromisoformat(row["InvoiceDate"]).replace(tzinfo=UTC), ItemId(row["StockCode"]),
        )
        for n, row in enumerate(rows)
    ]  # fmt: skip


def split(events: list[Event]) -> tuple[list[Event], dict[UserId, set[ItemId]]]:
    """Return what is known, and what each known user bought afterwards for the first time."""
    before = [event for event in events if event.at < SPLIT]
    had: dict[UserId, set[ItemId]] = defaultdict(set)
    for event in before:
        had[event.user].add(event.item)  # type: ignore[arg-type]
    later: dict[UserId, set[ItemId]] = defaultdict(set)
    for event in events:
        if event.at >= SPLIT and event.user in had and event.item not in had[event.user]:
            later[event.user].add(event.item)  # type: ignore[arg-type]
    return before, dict(later)


def recall(picked: dict[UserId, list[str]], later: dict[UserId, set[ItemId]]) -> float:
    """Return the mean share of the later purchases that was picked (at most the list's length counts)."""
    shares = [
        len(later[user] & set(picked[user])) / min(len(later[user]), len(picked[user])) for user in later
    ]
    return sum(shares) / len(shares)
