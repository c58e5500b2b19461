"""``chatpush support``: say how good the assistant's answers are before customers do.

Questions with the answers expected are asked of a running server, of a folder
of articles, or of a public data set; the figures and the calibration say where
it may answer by itself and what it hands over.
"""

import asyncio
import datetime
from collections.abc import Sequence
from pathlib import Path

import click
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

from chatpush.cli.knowledge import read_all
from chatpush.cli.remote import DEFAULT_URL, Remote
from chatpush.support.assistant.asking import ask, judge, run
from chatpush.support.judging.datasets import Task, questions, task
from chatpush.support.judging.evaluation import Asked, Judged, Report, picture, report
from chatpush.support.knowledge.shelf import ComparedHere, Shelf, TrainedHere
from chatpush.support.retrieval.embedding import LocalEmbedder
from chatpush.support.retrieval.retrieval import Passage, Retrieval
from chatpush.support_settings import Support

BAR = 24


@click.group()
def support() -> None:
    """Evaluate the assistant's answers."""


@support.command()
@click.argument("file", type=click.Path(path_type=Path, exists=True))
@click.option(
    "--knowledge", "folder", type=click.Path(path_type=Path, exists=True),
    help="Ask the articles of this folder instead of a server.",
)  # fmt: skip
@click.option(
    "--per-answer", type=click.IntRange(1), help="Of a data set, learn only so many examples per answer."
)
@click.option("--passages", is_flag=True, help="Of StackFAQ, search the answers instead of the questions.")
@click.option("--answer-at", type=click.FloatRange(0, 1), default=Support().confidence, show_default=True,
              help="The confidence from which an answer is given.")  # fmt: skip
@click.option("--embeddings", type=click.Path(path_type=Path, exists=True, file_okay=False),
              help="Compare vectors as well, made by the sentence model in this directory.")  # fmt: skip
@click.option("--svg", type=click.Path(path_type=Path), help="Write the calibration picture here.")
@click.option("--wrong", type=click.IntRange(0), default=0, help="Show so many of the worst mistakes.")
@click.option("--url", envvar="CHATPUSH_URL", default=DEFAULT_URL, show_default=True, help="The server.")
@click.option("--key", envvar="CHATPUSH_KEY", default="", help="A secret key with knowledge:write.")
def evaluate(
    file: Path,
    folder: Path | None,
    per_answer: int | None,
    passages: bool,
    answer_at: float,
    embeddings: Path | None,
    svg: Path | None,
    wrong: int,
    url: str,
    key: str,
) -> None:
    """Ask the questions of FILE and print accuracy, coverage, hand-over and calibration.

    FILE is CSV, TSV or JSON Lines with question, expected and language, or the
    folder of a data set (Banking77, CLINC150, StackFAQ, train.csv and test.csv, or
    standard-questions.tsv with standard and question).
    """
    console = Console(stderr=True)
    validation: list[Judged] = []
    with _progress(console) as progress:
        if file.is_dir():
            wanted = task(file, per_answer, passages=passages)
            name, judged, validation = _data_set(wanted, _embedder(embeddings), progress)
        elif folder is not None:
            asked = questions(file)
            name, judged = file.name, _folder(asked, folder, _embedder(embeddings), console, progress)
        else:
            if not key:
                raise click.UsageError("give --key (or $CHATPUSH_KEY) to ask a server, or --knowledge FOLDER")
            if embeddings is not None:
                raise click.UsageError(
                    "a server compares by its own support.embeddings_directory; --embeddings is for a data set's "
                    "folder and --knowledge"
                )
            name, judged = file.name, _server(questions(file), url, key, progress)
    found = report(judged, answer_at, validation)
    _tell(name, found, answer_at)
    if wrong:
        _mistakes(judged, wrong)
    if svg is not None:
        svg.write_text(picture(found, f"Calibration: {name}"), encoding="utf-8")
        click.echo(f"calibration picture: {svg}")


def _embedder(directory: Path | None) -> LocalEmbedder | None:
    return LocalEmbedder(directory) if directory is not None else None


def _data_set(
    wanted: Task, embedder: LocalEmbedder | None, progress: Progress
) -> tuple[str, list[Judged], list[Judged]]:
    line = progress.add_task("reading", total=len(wanted.asked) + len(wanted.validation))

    def tell(doing: str) -> None:
        progress.update(line, description=doing)

    vectors = ComparedHere(embedder, tell) if embedder is not None else None
    judged, validation = asyncio.run(run(wanted, _today(), tell, lambda: progress.advance(line), vectors))
    return wanted.name, judged, validation


def _folder(
    asked: Sequence[Asked], folder: Path, embedder: LocalEmbedder | None, console: Console, progress: Progress
) -> list[Judged]:
    drafts, problems = read_all(folder, console)
    for problem in problems:
        console.print(f"[red]left out[/] {problem}", highlight=False)
    line = progress.add_task("asking", total=len(asked))

    def tell(doing: str) -> None:
        progress.update(line, description=doing)

    async def work() -> list[Judged]:
        vectors = ComparedHere(embedder, tell) if embedder is not None else None
        retrieval = Retrieval(Shelf.of(drafts, _today()), TrainedHere(tell, vectors), vectors)
        return await ask(retrieval, asked, lambda: progress.advance(line))

    return asyncio.run(work())


def _server(asked: Sequence[Asked], url: str, key: str, progress: Progress) -> list[Judged]:
    judged = []
    line = progress.add_task("asking", total=len(asked))
    with Remote(url, key) as remote:
        for one in asked:
            body = {"query": one.text[:4000], "locale": one.language, "limit": 10}
            found = remote.post("/v1/knowledge/search", body)
            passages = [
                Passage(
                    hit["article"], hit.get("position", 0), hit["title"], hit["heading"], hit["text"],
                    hit["url"], hit["language"], hit["score"],
                )
                for hit in found["data"]
            ]  # fmt: skip
            judged.append(judge(one, passages, found["confidence"]))
            progress.advance(line)
    return judged


def _tell(name: str, found: Report, answer_at: float) -> None:
    """Print the figures and a calibration picture made of characters."""
    rows = [
        ("questions", f"{found.known} known, {found.strange} strange"),
        ("accuracy", f"{found.accuracy:.1%} first, {found.in_five:.1%} among five"),
        ("coverage", f"{found.coverage:.1%} of known questions answered (confidence ≥ {answer_at})"),
        ("precision", f"{found.precision:.1%} of those answers right"),
        ("hand-over", f"precision {found.hand_over_precision:.1%}, recall {found.hand_over_recall:.1%}"),
    ]
    if found.strange:
        rows += [
            (
                "strangers",
                f"{found.strange_answered:.1%} answered; {found.caught:.1%} caught keeping 95% of known",
            ),
            ("overall", f"{found.overall_precision:.1%} of everything answered right"),
        ]
    click.echo(name)
    for label, text in rows:
        click.echo(f"  {label:<10} {text}")
    click.echo(f"  {'calibration':<10} mean distance {found.error:.1%}")
    for one in found.bins:
        bar = "█" * round(one.right * BAR)
        click.echo(f"    {one.low:.1f}-{one.high:.1f}  {bar:<{BAR}} {one.right:4.0%} right of {one.count}")


def _mistakes(judged: Sequence[Judged], count: int) -> None:
    worst = sorted((one for one in judged if not one.right), key=lambda one: -one.confidence)
    for one in worst[:count]:
        wanted = " | ".join(one.asked.expected) or "a person"
        click.echo(f"  {one.confidence:.2f}  {one.asked.text}  → wanted {wanted}")


def _today() -> datetime.date:
    return datetime.datetime.now(datetime.UTC).date()


def _progress(console: Console) -> Progress:
    return Progress(
        TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn(),
        console=console, transient=True,
    )  # fmt: skip
