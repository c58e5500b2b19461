"""``chatpush items import`` and ``chatpush events import``: a file into a running chatpush."""

import hashlib
import json
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from itertools import islice
from pathlib import Path

import click
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from chatpush.cli.remote import Refused, Remote, remote_options
from chatpush.cli.rows import Row, count_rows, event_of_csv, item_of_csv, read
from chatpush.errors import InvalidInput

BATCH = 500
FILE = click.Path(path_type=Path)


@click.group()
def items() -> None:
    """What can be recommended."""


@click.group()
def events() -> None:
    """What users did."""


@items.command("import")
@click.argument("file", type=FILE)
@remote_options
def import_items(file: Path, url: str, key: str) -> None:
    """Import items from FILE (.csv or .jsonl, also .gz).

    CSV columns: id, title, text, price, currency, stock, url, image, tags (separated by ;),
    valid_from, valid_to, language, audience; any other column becomes an attribute.
    """
    changes: dict[str, int] = {}

    def put(remote: Remote, rows: list[Row]) -> None:
        for change in remote.put("/v1/items", {"items": rows})["changes"]:
            changes[change["kind"]] = changes.get(change["kind"], 0) + 1

    total = _import(file, item_of_csv, put, "items", url, key)
    told = "".join(f", {count} {kind.replace('_', ' ')}" for kind, count in sorted(changes.items()))
    click.echo(f"{total} items imported{told}")


@events.command("import")
@click.argument("file", type=FILE)
@remote_options
def import_events(file: Path, url: str, key: str) -> None:
    """Import events from FILE (.csv or .jsonl, also .gz).

    CSV columns: user, type, item, at (with its offset), id; any other column becomes a
    property. Rows with a time but no id get one from their content, so that importing a
    file again changes nothing.
    """
    taken = {"accepted": 0, "duplicates": 0, "dropped": 0}

    def post(remote: Remote, rows: list[Row]) -> None:
        answer = remote.post("/v1/events", {"events": rows})
        for name in taken:
            taken[name] += answer[name]

    _import(file, event_of_csv, post, "events", url, key, named=EventNames())
    click.echo(
        f"{taken['accepted']} events imported, {taken['duplicates']} known before, {taken['dropped']} noise"
    )


def _import(
    file: Path,
    of_csv: Callable[[Mapping[str, str]], Row],
    send: Callable[[Remote, list[Row]], None],
    what: str,
    url: str,
    key: str,
    named: Callable[[Row], Row] = lambda row: row,
) -> int:
    total = 0
    with Remote(url, key) as remote, _bar() as progress:
        task = progress.add_task(what, total=count_rows(file))
        for batch in _batches(read(file, of_csv)):
            rows = [named(row) for _, row in batch]
            try:
                send(remote, rows)
            except Refused as error:
                raise _placed(file, batch, error) from error
            total += len(rows)
            progress.update(task, completed=total)
        progress.update(task, completed=total, total=total)  # blank lines and cells of many lines are no rows
    return total


class EventNames:
    """Gives events an id from their content; the second of two equal rows gets another one."""

    def __init__(self) -> None:
        self._seen: Counter[bytes] = Counter()

    def __call__(self, row: Row) -> Row:
        """Return the row with an id, unless it has one or says no time (then it happens now, and again)."""
        if row.get("id") or not row.get("at"):
            return row
        digest = hashlib.sha256(json.dumps(row, sort_keys=True).encode()).digest()[:12]
        self._seen[digest] += 1
        return {**row, "id": f"import_{digest.hex()}_{self._seen[digest]}"}


def _batches(rows: Iterator[tuple[int, Row]]) -> Iterator[list[tuple[int, Row]]]:
    while batch := list(islice(rows, BATCH)):
        yield batch


def _placed(file: Path, batch: list[tuple[int, Row]], error: Refused) -> Exception:
    """Return the refusal with the line it is about: ``items.3.price`` is the batch's fourth row."""
    parts = (error.param or "").split(".")
    if len(parts) > 1 and parts[1].isdigit() and int(parts[1]) < len(batch):
        return InvalidInput(f"{file}:{batch[int(parts[1])][0]}: {error.message}")
    if error.status < 500 and error.status not in (401, 403):
        return InvalidInput(f"{file}:{batch[0][0]}-{batch[-1][0]}: {error.message}")
    return error


def _bar() -> Progress:
    return Progress(
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeRemainingColumn(),
        console=Console(stderr=True),
        transient=False,
    )
