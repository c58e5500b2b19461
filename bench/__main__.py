"""Run every scenario and write the figures, with their conditions, into docs/performance.md.

Usage: python -m bench [--quick] [--rounds N] [--only WORD] [--realtime]

What answers over the network comes first, in three rounds, as medians; then
the benches of the other rooms (``bench.notify``, ``bench.support``,
``bench.recommend``) print theirs.

Each figure stands beside baselines measured in the same run, because machines
differ and this one may be busy: read the ratios. What is missing (a C
compiler, nginx with nchan) is said, and its columns stay empty.
"""

import argparse
import asyncio
import datetime
import os
import platform
import statistics
import subprocess
import sys
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from pathlib import Path

from rich.console import Console
from rich.progress import BarColumn, Progress, TaskID, TextColumn, TimeElapsedColumn

from bench import scenarios, storage
from bench.crowd import compiler
from bench.machine import load
from bench.scenarios import NCHAN, PLAIN_C, PROTOCOL
from bench.servers import Served, Start, c_send, chatpush, naive, nchan, nchan_missing

PAGE = Path(__file__).parent.parent / "docs" / "performance.md"
BEGIN, END = "<!-- figures -->", "<!-- /figures -->"
NONE = "—"
# Rows of the table, and the benches that print their own.
ROWS = 24
ROOMS = ("notify", "support", "recommend")
OWN = scenarios.Dialect({}, {})
Run = Callable[[Served], Awaitable[float]]


@dataclass(slots=True)
class Bench:
    """Collects rows: what, chatpush, then the three baselines, each with its ratio."""

    rounds: int
    only: str
    console: Console
    rows: list[list[str]] = field(default_factory=list)
    with_nchan: bool = True

    progress: Progress | None = None
    task: TaskID | None = None

    async def compare(
        self, name: str, ours: Run, others: dict[str, tuple[Start, Run]], show: Callable[[float], str]
    ) -> None:
        """Measure in turns and add a row of medians."""
        if self.only and self.only not in name:
            return
        runs: dict[str, tuple[Start, Run]] = {"chatpush": (chatpush, ours), **others}
        if not self.with_nchan:
            runs.pop("nchan", None)
        found: dict[str, list[float]] = {who: [] for who in runs}
        longest = 0.0
        for number in range(self.rounds):
            for who, (start, run) in runs.items():
                self.say(f"{name}: {who}, round {number + 1}")
                try:
                    async with start() as server:
                        if who == "chatpush":
                            server.begin_watch()
                        found[who].append(await run(server))
                        if who == "chatpush":
                            longest = max(longest, server.longest_turn_ms())
                except (RuntimeError, OSError, TimeoutError) as error:
                    self.console.print(f"{who}: {name}: {error}", style="red", markup=False)
        middle = {who: statistics.median(values) for who, values in found.items() if values}
        mine = middle.get("chatpush")
        row = [name, NONE if mine is None else show(mine)]
        for who in ("C `send()`", "nchan", "aiohttp `send_str`"):
            other = middle.get(who)
            row.append(NONE if other is None or mine is None else f"{show(other)} ({mine / other:.2f}×)")
        row.append(ms(longest) if mine is not None else NONE)
        self.add(row)

    async def alone(self, name: str, run: Run, show: Callable[[float], str]) -> None:
        """Measure what nothing here compares with."""
        await self.compare(name, run, {}, show)

    def add(self, row: list[str]) -> None:
        """Keep a row and show it."""
        row += [NONE] * (6 - len(row))
        self.rows.append(row)
        self.console.print("  ".join(row), markup=False)
        if self.progress is not None and self.task is not None:
            self.progress.advance(self.task)

    def say(self, text: str) -> None:
        """Show what is being measured."""
        if self.progress is not None and self.task is not None:
            self.progress.update(self.task, description=text)


def rate(value: float) -> str:
    """Show something a second."""
    return f"{value:,.0f}/s"


def kib(value: float) -> str:
    """Show memory."""
    return f"{value:.1f} KiB"


def ms(value: float) -> str:
    """Show a time."""
    return f"{value:.1f} ms"


def seconds(value: float) -> str:
    """Show a longer time."""
    return f"{value:.1f} s"


async def measure(bench: Bench) -> None:
    """Run everything."""
    await _fan_out(bench)
    await _latency(bench)
    await _connections(bench)
    await _http(bench)
    await _storage(bench)
    await _messages(bench)


def _three(make: Callable[[scenarios.Dialect], Run]) -> dict[str, tuple[Start, Run]]:
    return {
        "C `send()`": (c_send, make(PLAIN_C)),
        "nchan": (nchan, make(NCHAN)),
        "aiohttp `send_str`": (naive, make(PROTOCOL)),
    }


async def _fan_out(bench: Bench) -> None:
    for window in (8, 1):
        for subscribers in (1000, 5000):

            def make(dialect: scenarios.Dialect, size: int = subscribers, outstanding: int = window) -> Run:
                return lambda server: scenarios.fan_out(server, dialect, size, outstanding)

            name = f"fan-out to {subscribers:,}, {window} outstanding"
            await bench.compare(name, make(PROTOCOL), _three(make), rate)


async def _latency(bench: Bench) -> None:
    for percentile in ("p50", "p99"):

        def make(dialect: scenarios.Dialect, which: str = percentile) -> Run:
            async def run(server: Served) -> float:
                return float(getattr(await scenarios.latency(server, dialect), which))

            return run

        await bench.compare(f"latency {percentile}, 1,000 × 10/s", make(PROTOCOL), _three(make), ms)


async def _connections(bench: Bench) -> None:
    def idle(dialect: scenarios.Dialect) -> Run:
        return lambda server: scenarios.idle_kib(server, dialect)

    def polls(dialect: scenarios.Dialect) -> Run:
        return lambda server: scenarios.polls_kib(server, dialect)

    def woken(dialect: scenarios.Dialect) -> Run:
        return lambda server: scenarios.wake_ups(server, dialect)

    without_c = {who: how for who, how in _three(idle).items() if not who.startswith("C ")}
    await bench.compare("RSS per idle connection, 10,000", idle(PROTOCOL), without_c, kib)
    await bench.compare("RSS per held long-poll, 10,000", polls(OWN), {"nchan": (nchan, polls(NCHAN))}, kib)
    await bench.compare("long-poll wake-ups, 1,000", woken(OWN), {"nchan": (nchan, woken(NCHAN))}, rate)
    await bench.alone("connects: handshake, JWT, subscribe", scenarios.connects, rate)
    await bench.alone("reconnect storm, 10,000 × 10 missed", scenarios.storm, seconds)


async def _http(bench: Bench) -> None:
    await bench.alone("publish, one a request", scenarios.publishes, rate)
    await bench.alone("publish, batches of 100", scenarios.batches, rate)
    others: dict[str, tuple[Start, Run]] = {"nchan": (nchan, scenarios.unicast_nchan)}
    await bench.compare("unicast to 5,000 channels", scenarios.unicast, others, rate)
    await bench.compare(
        "unicast to 5,000 channels, batches of 100",
        lambda server: scenarios.unicast(server, 100),
        others,
        rate,
    )
    await bench.alone(
        "durable publish over HTTP, FULL, 512 outstanding",
        lambda server: scenarios.publishes(server, "durable:a", 512), rate,
    )  # fmt: skip
    await bench.alone(
        "durable publish over HTTP, FULL, batches of 100",
        lambda server: scenarios.batches(server, "durable:a"),
        rate,
    )


async def _storage(bench: Bench) -> None:
    if bench.only and bench.only not in "storage":
        return
    for synchronous in ("NORMAL", "FULL"):
        found = [await storage.in_process(synchronous) for _ in range(bench.rounds)]
        middle = statistics.median(one["rate"] for one in found)
        turn = max(one["turn_ms"] for one in found)
        name = f"durable log, {synchronous}, 512 outstanding"
        bench.add([name, rate(middle), NONE, NONE, NONE, ms(turn)])
    found = [await storage.in_process("channels") for _ in range(bench.rounds)]
    took, size = (statistics.median(one[key] for one in found) for key in ("seconds", "bytes"))
    shown = f"{took:.1f} s, {size:,.0f} bytes an idle channel"
    turn = max(one["turn_ms"] for one in found)
    bench.add(["start and stop 300,000 channels", shown, NONE, NONE, NONE, ms(turn)])


async def _messages(bench: Bench) -> None:
    if bench.only and bench.only not in "messages":
        return
    async with chatpush() as server:
        server.begin_watch()
        accepted = await scenarios.messages_accepted(server)
        shown = (
            f"{rate(accepted.posted / accepted.took)}, p50 {accepted.p50:.0f} ms, p99 {accepted.p99:.0f} ms"
        )
        turn = ms(server.longest_turn_ms())
        bench.add(["POST /v1/messages, 32 connections", shown, NONE, NONE, NONE, turn])
        server.begin_watch()
        seen = await scenarios.messages_seen(server)
        shown, turn = f"p50 {seen.p50:.1f} ms, p99 {seen.p99:.1f} ms", ms(server.longest_turn_ms())
        bench.add(["message → open page at 50/s", shown, NONE, NONE, NONE, turn])


def write(rows: list[list[str]], rounds: int) -> None:
    """Put the table between its marks in the page."""
    when = datetime.datetime.now(datetime.UTC).date()
    how_often = "one round" if rounds == 1 else f"medians of {rounds} rounds"
    table = "\n".join(
        [
            f"Measured {when}: Python {platform.python_version()}, {os.cpu_count()} cores "
            f"(load {load():.1f}), server and generator on a core each at nice −10, loopback, no TLS, messages of "
            f"about 128 bytes, {how_often}. In brackets: chatpush ÷ baseline. Longest turn: so much CPU "
            "time of chatpush's loop went by at most before other work had its turn.",
            "",
            "| what | chatpush | C `send()` | nchan | aiohttp `send_str` | longest turn of the loop |",
            "|---|---|---|---|---|---|",
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
    parser.add_argument(
        "--only", default="", help="only what has this word in its name; leaves the page alone"
    )
    parser.add_argument("--rounds", type=int, default=0, help="so many rounds, and write the page")
    parser.add_argument("--realtime", action="store_true", help="without the other rooms' benches")
    given = parser.parse_args()
    console = Console()
    if compiler() is None:
        raise SystemExit("the load generator needs a C compiler: apt-get install gcc libc6-dev")
    bench = Bench(given.rounds or (1 if given.quick else 3), given.only, console)
    if missing := nchan_missing():
        bench.with_nchan = False
        console.print(f"without nchan: {missing}", style="yellow")
    with Progress(
        TextColumn("{task.description}"), BarColumn(), TimeElapsedColumn(), console=console
    ) as progress:
        bench.progress, bench.task = progress, progress.add_task("", total=ROWS)
        asyncio.run(measure(bench))
    if not given.quick and not given.only:
        write(bench.rows, bench.rounds)
    if not given.only and not given.realtime:
        for room in ROOMS:
            console.rule(f"bench.{room}")
            subprocess.run([sys.executable, "-m", f"bench.{room}"], check=False)


if __name__ == "__main__":
    main()
