"""Run every scenario and write the figures, with their conditions, into docs/performance.md.

Usage: python -m bench [--quick]

Each figure stands beside a baseline measured in the same run, because machines
differ and this one may be busy: read the ratios.
"""

import argparse
import asyncio
import datetime
import functools
import os
import platform
import statistics
from collections.abc import Awaitable, Callable
from pathlib import Path

from rich.console import Console
from rich.progress import Progress

from bench import scenarios
from bench.servers import CLIENT_CORE, Served, baseline, chatpush, pin

PAGE = Path(__file__).parent.parent / "docs" / "performance.md"
BEGIN, END = "<!-- figures -->", "<!-- /figures -->"
Row = tuple[str, str, str, str]


async def measure(rounds: int, tell: Callable[[str], None]) -> list[Row]:
    """Return (what, chatpush, baseline, ratio) rows."""
    rows: list[Row] = []
    for subscribers in (1000, 5000):
        ours, theirs = await _pair(
            rounds, tell, functools.partial(scenarios.fan_out, subscribers=subscribers), "fan-out"
        )
        rows.append(_rate(f"deliveries/s to {subscribers:,} subscribers of one channel", ours, theirs))
    tell("latency")
    async with chatpush() as server:
        ours_latency = await scenarios.latency(server)
    async with baseline() as server:
        their_latency = await scenarios.latency(server)
    for name in ("p50", "p99"):
        mine, other = getattr(ours_latency, name), getattr(their_latency, name)
        rows.append(
            (
                f"publish → receive {name}, 1,000 × 10/s",
                f"{mine:.1f} ms",
                f"{other:.1f} ms",
                f"{mine / other:.2f}×",
            )
        )
    ours, theirs = await _pair(1, tell, scenarios.idle_kib, "idle memory")
    rows.append(
        ("memory per idle connection, 5,000", f"{ours:.1f} KiB", f"{theirs:.1f} KiB", f"{ours / theirs:.2f}×")
    )
    tell("messages")
    async with chatpush() as server:
        accepted = await scenarios.messages(server)
    rows.append(("POST /v1/messages to an open inbox, per second", f"{accepted:,.0f}", "—", "—"))
    return rows


async def _pair(
    rounds: int, tell: Callable[[str], None], run: Callable[[Served], Awaitable[float]], name: str
) -> tuple[float, float]:
    """Return the medians of alternating runs of both servers."""
    ours, theirs = [], []
    for number in range(rounds):
        tell(f"{name} {number + 1}/{rounds}")
        async with chatpush() as server:
            ours.append(await run(server))
        async with baseline() as server:
            theirs.append(await run(server))
    return statistics.median(ours), statistics.median(theirs)


def _rate(name: str, ours: float, theirs: float) -> Row:
    return name, f"{ours:,.0f}", f"{theirs:,.0f}", f"{ours / theirs:.2f}×"


def write(rows: list[Row]) -> None:
    """Put the table between its marks in the page."""
    when = datetime.datetime.now(datetime.UTC).date()
    table = "\n".join(
        [
            f"Measured {when}: Python {platform.python_version()}, {os.cpu_count()} shared cores, server and load "
            "generator on a core each, loopback, no TLS, 128-byte payloads, medians.",
            "",
            "| what | chatpush | aiohttp `send_str` loop | ratio |",
            "|---|---|---|---|",
            *(f"| {' | '.join(row)} |" for row in rows),
        ]
    )
    text = PAGE.read_text(encoding="utf-8")
    head, _, rest = text.partition(BEGIN)
    _, _, tail = rest.partition(END)
    PAGE.write_text(f"{head}{BEGIN}\n{table}\n{END}{tail}", encoding="utf-8")


def main() -> None:
    """Measure, print and write."""
    parser = argparse.ArgumentParser(prog="bench", description=__doc__)
    parser.add_argument("--quick", action="store_true", help="one round each, and leave the page alone")
    quick = parser.parse_args().quick
    pin(CLIENT_CORE)
    console = Console()
    with Progress(console=console, transient=True) as progress:
        task = progress.add_task("measuring", total=None)
        rows = asyncio.run(measure(1 if quick else 3, lambda name: progress.update(task, description=name)))
    for row in rows:
        console.print("  ".join(row))
    if not quick:
        write(rows)


if __name__ == "__main__":
    main()
