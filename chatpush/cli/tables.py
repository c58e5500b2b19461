"""Print rows so that what is in them can be copied: an id is never cut, a cell never shortened."""

from rich.console import Console
from rich.table import Table

PIPED_WIDTH = 240  # a pipe has no width of its own; lines must not break in it


def table(first: str, *others: str) -> Table:
    """Return an empty table; its first column, usually an id, keeps to one line."""
    made = Table(box=None, pad_edge=False)
    made.add_column(first, no_wrap=True, overflow="fold")
    for name in others:
        made.add_column(name, overflow="fold")
    return made


def show(rows: Table) -> None:
    """Print a table to standard output."""
    console = Console()
    if not console.is_terminal:
        console.width = PIPED_WIDTH
    console.print(rows)
