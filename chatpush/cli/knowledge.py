"""``chatpush knowledge``: feed the assistant's knowledge to a running server.

Files are read here and sent as articles; what did not change is not stored
again. A file that can't be read is told and left out, the others go on.
"""

import json
import sys
import urllib.error
import urllib.parse
import urllib.request
from collections import Counter
from dataclasses import asdict
from pathlib import Path
from typing import Any

import click
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn
from rich.table import Table

from chatpush.errors import InvalidInput, InvalidKnowledge, Unavailable
from chatpush.support.reading import SUFFIXES, Draft, read_file

PER_REQUEST = 25
SECONDS = 60
MAX_FILES = 20_000

url_option = click.option(
    "--url",
    envvar="CHATPUSH_URL",
    default="http://127.0.0.1:8000",
    show_default=True,
    help="The running server.",
)
key_option = click.option(
    "--key",
    envvar="CHATPUSH_KEY",
    required=True,
    help="A secret key with scope knowledge:write (or $CHATPUSH_KEY).",
)


@click.group()
def knowledge() -> None:
    """Import, list, try and delete what the assistant knows."""


@knowledge.command("import")
@click.argument("path", type=click.Path(path_type=Path))
@url_option
@key_option
def import_(path: Path, url: str, key: str) -> None:
    """Import a Markdown, text or HTML file, or a folder of them."""
    console = Console(stderr=True)
    drafts, problems = read_all(path, console)
    counted: Counter[str] = Counter()
    with _progress(console) as progress:
        task = progress.add_task("storing", total=len(drafts))
        for start in range(0, len(drafts), PER_REQUEST):
            group = drafts[start : start + PER_REQUEST]
            answer = request(
                url, key, "POST", "/v1/knowledge", {"articles": [_article(one) for one in group]}
            )
            counted.update(one["status"] for one in answer["data"])
            progress.advance(task, len(group))
    for problem in problems:
        console.print(f"[red]left out[/] {problem}", highlight=False)
    told = ", ".join(f"{counted[name]} {name}" for name in ("added", "updated", "unchanged"))
    click.echo(f"{told}, {len(problems)} left out")
    if problems:
        sys.exit(1)


@knowledge.command("list")
@url_option
@key_option
def list_(url: str, key: str) -> None:
    """List the articles."""
    table = Table("id", "title", "language", "sections", box=None, pad_edge=False)
    after = ""
    while True:
        page = request(url, key, "GET", f"/v1/knowledge?limit=100&starting_after={_quoted(after)}")
        for one in page["data"]:
            table.add_row(one["id"], one["title"], one["language"], str(one["chunks"]))
            after = one["id"]
        if not page["has_more"]:
            break
    Console(soft_wrap=True).print(table)


@knowledge.command()
@click.argument("question")
@click.option("--locale", default="en", show_default=True, help="The asker's language.")
@url_option
@key_option
def search(question: str, locale: str, url: str, key: str) -> None:
    """Try a question: what is found for it, and how sure that is."""
    body = {"query": question, "locale": locale}
    found = request(url, key, "POST", "/v1/knowledge/search", body)
    click.echo(f"confidence {found['confidence']:.2f}")
    for one in found["data"]:
        heading = f" › {one['heading']}" if one["heading"] else ""
        click.echo(f"{one['score']:8.2f}  {one['title']}{heading}  ({one['article']})")


@knowledge.command()
@click.argument("article")
@url_option
@key_option
def delete(article: str, url: str, key: str) -> None:
    """Forget an article."""
    request(url, key, "DELETE", f"/v1/knowledge/{_quoted(article)}")
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
        files = [one for one in files if one.suffix.lower() in SUFFIXES]
    if not files:
        raise InvalidKnowledge(f"{path}: no {', '.join(SUFFIXES)} files in this folder")
    if len(files) > MAX_FILES:
        raise InvalidKnowledge(f"{path}: {len(files):,} files; at most {MAX_FILES:,} at once")
    drafts, problems = [], []
    with _progress(console) as progress:
        for file in progress.track(files, description="reading"):
            name = file.relative_to(root).with_suffix("").as_posix().replace("/", ":")
            try:
                drafts.append(read_file(file, name))
            except InvalidKnowledge as error:
                problems.append(error.message)
    return drafts, problems


def request(url: str, key: str, method: str, path: str, body: Any = None) -> Any:
    """Return the server's answer.

    Raises:
        Unavailable: it can't be reached.
        InvalidInput: it refuses; the message is its own.
    """
    if not url.startswith(("http://", "https://")):
        raise InvalidInput(f"--url {url}: begins with http:// or https://")
    data = json.dumps(body).encode() if body is not None else None
    headers = {"Authorization": f"Bearer {key}", "Content-Type": "application/json"}
    call = urllib.request.Request(url.rstrip("/") + path, data, headers, method=method)
    try:
        with urllib.request.urlopen(call, timeout=SECONDS) as answer:
            text = answer.read()
            return json.loads(text) if text else None
    except urllib.error.HTTPError as error:
        raise InvalidInput(f"the server refused ({error.code}): {_problem(error)}") from error
    except (OSError, ValueError) as error:
        raise Unavailable(f"no answer from {url}: {error}; is `chatpush serve` running?") from error


def _problem(error: urllib.error.HTTPError) -> str:
    with error:
        try:
            problem = json.loads(error.read())
        except ValueError:
            return str(error.reason)
    return str(problem.get("detail") or problem.get("title") or error.reason)


def _article(draft: Draft) -> dict[str, Any]:
    return {key: list(value) if isinstance(value, tuple) else value for key, value in asdict(draft).items()}


def _quoted(text: str) -> str:
    return urllib.parse.quote(text, safe="")


def _progress(console: Console) -> Progress:
    return Progress(
        TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), console=console, transient=True
    )
