"""Measure the assistant's answers on public data sets, and how quickly it finds them.

Usage: python -m bench.support [--quick] [--seeds N] [--embeddings DIRECTORY]

The data is not part of the project: it is read from the folder named by
CHATPUSH_DATA, or from ``../shared/data`` beside the checkout; what is not there
is told and left out. Settings were chosen on training and validation parts
alone. Without --quick the figures go into docs/support-quality.md.
"""

import argparse
import asyncio
import csv
import datetime
import os
import random
import statistics
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

from rich.console import Console
from rich.progress import Progress, TaskID

from chatpush.domain import DEFAULT_TENANT
from chatpush.support.assistant.asking import ask, open_shelf, run
from chatpush.support.judging.datasets import Task, task
from chatpush.support.judging.evaluation import Asked, Report, picture, report
from chatpush.support.knowledge.reading import read_file
from chatpush.support.knowledge.shelf import ComparedHere, Shelf, TrainedHere, bare
from chatpush.support.retrieval.embedding import LocalEmbedder
from chatpush.support.retrieval.retrieval import Retrieval
from chatpush.support_settings import Support

ROOT = Path(__file__).parent.parent
PAGE = ROOT / "docs" / "support-quality.md"
PICTURES = ROOT / "docs" / "images"
WORDS, VECTORS = "figures", "vectors"
OWN = ROOT / "tests" / "support" / "data" / "shop-questions.tsv"
SHOP = ROOT / "examples" / "shop" / "knowledge"
OWN_HEAD = (
    "own questions", "right section first / in five", "answered", "of those right", "strange answered",
)  # fmt: skip
CHUNKS = 10_000
TIMED = 400
ANSWER_AT = Support().confidence
Goals = tuple[float, float]
CHINESE = "chinese-faq"  # a folder with standard-questions.tsv
GOALS: dict[str, Goals] = {
    "stackfaq": (74, 58),
    "banking77": (91.5, 75),
    "clinc150": (92.5, 79),
    CHINESE: (54, 79),
}
VECTOR_GOALS: dict[str, Goals] = {"stackfaq": (94, 82), "banking77": (94, 84.8), "clinc150": (95.9, 85)}


def data_folder() -> Path:
    """Return where the data sets lie, if they do."""
    named = os.environ.get("CHATPUSH_DATA")
    return Path(named) if named else ROOT.parent / "shared" / "data"


class Told:
    """The progress of one measurement."""

    def __init__(self, progress: Progress, name: str, total: int) -> None:
        self._progress = progress
        self._name = name
        self._line: TaskID = progress.add_task(name, total=total)

    def doing(self, what: str) -> None:
        """Say what is being done."""
        self._progress.update(self._line, description=f"{self._name}: {what}")

    def step(self) -> None:
        """Count one question."""
        self._progress.advance(self._line)


@dataclass(frozen=True, slots=True)
class Run:
    """What one run measures with: where the data is, how many samples, and vectors if they are compared."""

    folder: Path
    seeds: int
    console: Console
    progress: Progress
    vectors: ComparedHere | None = None

    def rows(self) -> list[tuple[str, ...]]:
        """Return a row per figure that has a goal."""
        rows: list[tuple[str, ...]] = []
        for name, goals in (GOALS if self.vectors is None else VECTOR_GOALS).items():
            if (self.folder / name).is_dir():
                rows += DATA_SETS[name](self, goals)
            elif name != CHINESE:  # not to be passed on: who has it puts it there
                self.console.print(
                    f"[yellow]{name} is not in {self.folder}[/]: set CHATPUSH_DATA to where it is"
                )
                rows.append((name, "the data is not here", "", "", ""))
        return rows

    def measure(self, wanted: Task) -> Report:
        """Return the figures of one data set."""
        told = Told(self.progress, wanted.name, len(wanted.asked) + len(wanted.validation))
        judged, validation = asyncio.run(run(wanted, today(), told.doing, told.step, self.vectors))
        return report(judged, ANSWER_AT, validation)

    def stackfaq(self, goals: Goals) -> list[tuple[str, ...]]:
        """Search questions, then answers."""
        rows = []
        for passages, goal in zip((False, True), goals, strict=True):
            found = self.measure(task(self.folder / "stackfaq", passages=passages))
            searched = "passages" if passages else "questions"
            rows.append(row(f"StackFAQ R@1, {searched}", found.accuracy, goal, found))
        return rows

    def banking(self, goals: Goals) -> list[tuple[str, ...]]:
        """Learn every example, then ten an answer."""
        folder = self.folder / "banking77"
        found = self.measure(task(folder))
        draw(found, folder.name, self.vectors)
        several = [self.measure(task(folder, 10, seed)) for seed in range(self.seeds)]
        mean = statistics.mean(one.accuracy for one in several)
        few = f"Banking77 accuracy, 10 per answer, mean of {self.seeds}"
        return [
            row("Banking77 accuracy, all examples", found.accuracy, goals[0], found),
            row(few, mean, goals[1], several[0]),
        ]

    def clinc(self, goals: Goals) -> list[tuple[str, ...]]:
        """Tell what is in scope from what is not."""
        found = self.measure(task(self.folder / "clinc150"))
        draw(found, "clinc150", self.vectors)
        return [
            row("CLINC150 accuracy in scope", found.accuracy, goals[0], found),
            row("CLINC150 out of scope caught, 95 % of validation kept", found.caught, goals[1], found),
        ]

    def chinese(self, goals: Goals) -> list[tuple[str, ...]]:
        """Search Chinese standard questions, alone and with ten other wordings each."""
        rows = []
        for similar, goal in zip((None, 10), goals, strict=True):
            found = self.measure(task(self.folder / CHINESE, similar))
            learned = f"{similar} similar questions each" if similar else "standard questions"
            rows.append(row(f"Chinese FAQ R@1, {learned}", found.accuracy, goal, found))
        return rows


DATA_SETS: dict[str, Callable[[Run, Goals], list[tuple[str, ...]]]] = {
    "stackfaq": Run.stackfaq,
    "banking77": Run.banking,
    "clinc150": Run.clinc,
    CHINESE: Run.chinese,
}


def row(name: str, value: float, goal: float, found: Report) -> tuple[str, ...]:
    """Return a line of the table."""
    return (
        name, f"{value:.1%}", f"{goal} %", f"{found.coverage:.1%}", f"{found.precision:.1%}",
    )  # fmt: skip


def own_shop(progress: Progress) -> list[tuple[str, ...]]:
    """Return a row per language of the shop's own questions, of the half not tuned on."""
    drafts = [
        read_file(path, f"{place}:{path.stem}")
        for place in ("en", "zh")
        for path in sorted((SHOP / place).glob("*.md"))
    ]
    with OWN.open(encoding="utf-8") as file:
        rows = [one for one in csv.DictReader(file, delimiter="\t") if one["half"] == "check"]
    every = [
        Asked(one["question"], tuple(filter(None, one["expected"].split("|"))), one["language"])
        for one in rows
    ]
    told = Told(progress, "shop", len(every))

    async def work() -> list[tuple[str, ...]]:
        retrieval = Retrieval(Shelf.of(drafts, today()), TrainedHere())
        told_of: list[tuple[str, ...]] = []
        for language in ("en", "zh"):
            judged = await ask(retrieval, [one for one in every if one.language == language], told.step)
            found = report(judged, ANSWER_AT)
            told_of.append(
                (
                    f"shop, {language}: {found.known} known and {found.strange} strange questions",
                    f"{found.accuracy:.1%} / {found.in_five:.1%}", f"{found.coverage:.1%}",
                    f"{found.precision:.1%}", f"{found.strange_answered:.1%}",
                )
            )  # fmt: skip
        return told_of

    return asyncio.run(work())


def speed(folder: Path, progress: Progress) -> list[tuple[str, ...]]:
    """Return how long a search takes among many sections, and a head's word."""
    order = random.Random(1)
    words = sorted({word for path in SHOP.rglob("*.md") for word in path.read_text(encoding="utf-8").split()})
    articles = [
        bare(str(number), " ".join(order.choices(words, k=6)), [" ".join(order.choices(words, k=90))])
        for number in range(CHUNKS)
    ]
    told = Told(progress, "speed", TIMED)
    asked = [line.split("\t")[4] for line in OWN.read_text(encoding="utf-8").splitlines()[1:]]

    async def work() -> list[float]:
        retrieval, _ = await open_shelf(articles, today())
        took = []
        for number in range(TIMED):
            begun = time.thread_time()
            await retrieval.search(DEFAULT_TENANT, asked[number % len(asked)], "en")
            took.append((time.thread_time() - begun) * 1000)
            told.step()
        return took

    took = statistics.quantiles(asyncio.run(work()), n=100)
    rows: list[tuple[str, ...]] = [
        (f"search among {CHUNKS:,} sections", f"{took[49]:.1f} ms", f"{took[94]:.1f} ms", "15 ms")
    ]
    if (folder / "banking77").is_dir():
        wanted = task(folder / "banking77", 30)

        async def decide() -> list[float]:
            _, head = await open_shelf(wanted.articles, today(), told.doing)
            trained = head.get(DEFAULT_TENANT)
            found = []
            for one in wanted.asked[:TIMED]:
                begun = time.thread_time()
                if trained is not None:
                    trained.decide(one.text)
                found.append((time.thread_time() - begun) * 1000)
            return found

        cuts = statistics.quantiles(asyncio.run(decide()), n=100)
        rows.append(
            (
                f"a head's word, {len(wanted.articles)} answers",
                f"{cuts[49]:.1f} ms",
                f"{cuts[94]:.1f} ms",
                "15 ms",
            )
        )
    return rows


def table(head: tuple[str, ...], rows: list[tuple[str, ...]]) -> str:
    """Return a Markdown table."""
    lines = [head, tuple("---" for _ in head), *rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def draw(found: Report, name: str, vectors: ComparedHere | None) -> None:
    """Write the calibration picture of a data set, that of words alone."""
    if vectors is not None:
        return
    PICTURES.mkdir(exist_ok=True)
    (PICTURES / f"calibration-{name}.svg").write_text(
        picture(found, f"Calibration: {name}"), encoding="utf-8"
    )


def today() -> datetime.date:
    """Return the day."""
    return datetime.datetime.now(datetime.UTC).date()


def main() -> None:
    """Measure, print and write."""
    parser = argparse.ArgumentParser(prog="bench.support", description=__doc__)
    parser.add_argument("--quick", action="store_true", help="one sample each, and leave the page alone")
    parser.add_argument("--seeds", type=int, default=3, help="samples of 10 examples per answer")
    parser.add_argument("--embeddings", type=Path, help="a local sentence model, to measure vectors as well")
    given = parser.parse_args()
    console = Console()
    with Progress(console=console, transient=True) as progress:
        by_words = Run(data_folder(), 1 if given.quick else given.seeds, console, progress)
        sets = by_words.rows()
        compared = []
        if given.embeddings is not None:
            compared = replace(by_words, vectors=ComparedHere(LocalEmbedder(given.embeddings))).rows()
        shop = own_shop(progress)
        speeds = speed(data_folder(), progress)
    measured = ("what", "reached", "goal", "answered", "of those right")
    parts = {
        WORDS: "\n\n".join(
            [
                f"Measured {today()}, one thread of a shared two-core machine, no model, no key, no network.",
                table(measured, sets),
                table(OWN_HEAD, shop),
                table(("speed, CPU time of one thread", "p50", "p95", "goal p95"), speeds),
            ]
        )
    }
    if compared:
        parts[VECTORS] = f"Measured {today()}.\n\n" + table(
            ("with vectors of a local model", *measured[1:]), compared
        )
    for name, text in parts.items():
        console.print(text, highlight=False, markup=False)
        if not given.quick:
            write(name, text)


def write(name: str, text: str) -> None:
    """Put what was measured between the page's marks of this name; what was not keeps its figures."""
    begin, end = f"<!-- {name} -->", f"<!-- /{name} -->"
    head, _, rest = PAGE.read_text(encoding="utf-8").partition(begin)
    PAGE.write_text(f"{head}{begin}\n{text}\n{end}{rest.partition(end)[2]}", encoding="utf-8")


if __name__ == "__main__":
    main()
