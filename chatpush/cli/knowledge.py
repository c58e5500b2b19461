"""``chatpush knowledge``: feed the assistant's knowledge to a running server.

Files are read here and sent as articles; what did not change is not stored
again. A file that can't be read is told and left out, the others go on.
"""

import sys
import time
from collections import Counter
from dataclasses import asdict
from pathlib import Path
from typing import Any
from urllib.parse import quote

import click
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn

from chatpush.cli.remote import Remote, remote_options
from chatpush.cli.tables import show, table
from chatpush.errors import InvalidKnowledge, Unavailable
from chatpush.support.knowledge.reading import SUFFIXES, Draft, read_file
from chatpush.support.knowledge.reading_pairs import SUFFIXES as PAIRS
from chatpush.support.knowledge.reading_pairs import read_pairs
from chatpush.support.knowledge.reading_pdf import SUFFIX as PDF
from chatpush.support.knowledge.reading_pdf import read_pdf

PER_REQUEST = 25
MAX_FILES = 20_000
READABLE = (*SUFFIXES, *PAIRS, PDF)
POLL_SECONDS = 1.0


@click.group()
def knowledge() -> None:
    """Import, list, try and delete what the assistant knows."""


@knowledge.command("import")
@click.argument("source")
@click.option(
    "--pages", type=click.IntRange(1, 2000), default=200, show_default=True, help="Most pages of a site."
)
@click.option("--depth", type=click.IntRange(0, 20), default=5, show_default=True, help="Most links away.")
@remote_options
def import_(source: str, pages: int, depth: int, url: str, key: str) -> None:
    """Import SOURCE: a file, a folder, or a site beginning with https://.

    A file is Markdown, text, HTML, PDF, or a list of questions and answers. A
    site is read by the server: one host, by its robots.txt and sitemap.

    A list is CSV, TSV or JSON Lines with the columns question and answer; id,
    title, language, url, tags, questions (similar ones, separated by |),
    valid_from and valid_until may be there.
    """
    console = Console(stderr=True)
    if source.startswith(("https://", "http://")):
        _import_site({"url": source, "pages": pages, "depth": depth}, url, key, console)
        return
    drafts, problems = read_all(Path(source), console)
    counted: Counter[str] = Counter()
    with Remote(url, key) as remote, _progress(console) as progress:
        task = progress.add_task("storing", total=len(drafts))
        for start in range(0, len(drafts), PER_REQUEST):
            group = drafts[start : start + PER_REQUEST]
            answer = remote.post("/v1/knowledge", {"articles": [_article(one) for one in group]})
            counted.update(one["status"] for one in answer["data"])
            progress.advance(task, len(group))
    for problem in problems:
        console.print(f"[red]left out[/] {problem}", highlight=False)
    told = ", ".join(f"{counted[name]} {name}" for name in ("added", "updated", "unchanged"))
    click.echo(f"{told}, {len(problems)} left out")
    if problems:
        sys.exit(1)


@knowledge.command("list")
@remote_options
def list_(url: str, key: str) -> None:
    """List the articles."""
    rows = table("id", "title", "language", "sections")
    after = ""
    with Remote(url, key) as remote:
        while True:
            page = remote.get("/v1/knowledge", limit=100, starting_after=after)
            for one in page["data"]:
                rows.add_row(one["id"], one["title"], one["language"], str(one["chunks"]))
                after = one["id"]
            if not page["has_more"]:
                break
    show(rows)


@knowledge.command()
@click.argument("question")
@click.option("--locale", default="en", show_default=True, help="The asker's language.")
@remote_options
def search(question: str, locale: str, url: str, key: str) -> None:
    """Try a question: what is found for it, and how sure that is."""
    body = {"query": question, "locale": locale}
    with Remote(url, key) as remote:
        found = remote.post("/v1/knowledge/search", body)
    click.echo(f"confidence {found['confidence']:.2f}")
    for one in found["data"]:
        heading = f" › {one['heading']}" if one["heading"] else ""
        click.echo(f"{one['score']:8.2f}  {one['title']}{heading}  ({one['article']})")


@knowledge.command()
@click.argument("article")
@remote_options
def delete(article: str, url: str, key: str) -> None:
    """Forget an article."""
    with Remote(url, key) as remote:
        remote.send("DELETE", f"/v1/knowledge/{quote(article, safe='')}")
    click.echo(f"forgot {article}")


def read_all(path: Path, console: Console) -> tuple[list[Draft], list[str]]:
    """Return the articles of a file or folder, and what could not be read.

    Raises:
        InvalidKnowledge: there is nothing to read at all.
    """
    if not path.exists():
        raise InvalidKnowledge(f"{path}: no such file or folder")
    root = path if path.is_dir() else path.parent
    files = sorted(one for one in path.rglob("*") if one.is_file()) if path.is_dir() else [path]
    if path.is_dir():
        files = [one for one in files if one.suffix.lower() in READABLE]
    if not files:
        raise InvalidKnowledge(f"{path}: no {', '.join(READABLE)} files in this folder")
    if len(files) > MAX_FILES:
        raise InvalidKnowledge(f"{path}: {len(files):,} files; at most {MAX_FILES:,} at once")
    drafts, problems = [], []
    with _progress(console) as progress:
        for file in progress.track(files, description="reading"):
            name = file.relative_to(root).with_suffix("").as_posix().replace("/", ":")
            try:
                if file.suffix.lower() in PAIRS:
                    drafts += read_pairs(file, name)
                elif file.suffix.lower() == PDF:
                    drafts.append(read_pdf(file, name))
                else:
                    drafts.append(read_file(file, name))
            except InvalidKnowledge as error:
                problems.append(error.message)
    return drafts, problems


def _import_site(body: dict[str, Any], url: str, key: str, console: Console) -> None:
    """Have the server read a site, and show how far it is."""
    with Remote(url, key) as remote, _progress(console) as progress:
        told = remote.post("/v1/knowledge-imports", body)
        task = progress.add_task("reading", total=None)
        while told["state"] == "running":
            time.sleep(POLL_SECONDS)
            told = remote.get(f"/v1/knowledge-imports/{told['id']}")
            progress.update(task, completed=told["looked"], total=told["looked"] + told["waiting"])
    for problem in told["problems"]:
        console.print(f"[red]left out[/] {problem}", highlight=False)
    click.echo(f"{told['looked']} pages, {told['changed']} changed, {told['gone']} gone")
    if told["state"] == "failed":
        raise Unavailable(told["error"])


def _article(draft: Draft) -> dict[str, Any]:
    return {key: list(value) if isinstance(value, tuple) else value for key, value in asdict(draft).items()}


def _progress(console: Console) -> Progress:
    return Progress(
        TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), console=console, transient=True
    )
