"""``chatpush recommend``: train, judge, explain and roll back the recommender, on the records themselves."""

import asyncio
import json
import os
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import TypeVar

import click
from rich.console import Console
from rich.progress import Progress, SpinnerColumn, TextColumn, TimeElapsedColumn
from rich.table import Table

from chatpush.app import Chatpush
from chatpush.configuration import load
from chatpush.domain import DEFAULT_TENANT, TenantId, User, UserId
from chatpush.errors import InvalidInput
from chatpush.recommend.training.counterfactual import from_log
from chatpush.recommend.training.evaluation import Evaluation, evaluate, picture

T = TypeVar("T")
Tell = Callable[[str], None]
TENANT = click.option(
    "--tenant", default=str(DEFAULT_TENANT), show_default=True, help="Whose items and users."
)


@click.group()
def recommend() -> None:
    """Train and judge the recommender, and ask it."""


@recommend.command()
@TENANT
@click.pass_obj
def train(config: Path, tenant: str) -> None:
    """Choose the method on a hold-out, fit it, and serve it; a running server takes it up within a minute."""

    async def job(chatpush: Chatpush, tell: Tell) -> None:
        version = await chatpush.learning.train(TenantId(tenant), tell)
        click.echo(f"{version.id}: {version.method}, {version.events:,} events, {version.seconds:.1f} s")
        for one in version.report.get("tried", ()):
            click.echo(f"  {one['name']:<18} recall@20 {one['recall']:.4f}  ndcg@20 {one['ndcg']:.4f}")

    _run(config, job)


@recommend.command("evaluate")
@TENANT
@click.option("--at", "k", default=20, show_default=True, type=click.IntRange(1, 100), help="List length.")
@click.option("--picture", "file", type=click.Path(path_type=Path, dir_okay=False), help="Write an SVG here.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
@click.pass_obj
def evaluate_command(config: Path, tenant: str, k: int, file: Path | None, as_json: bool) -> None:
    """Learn from the first four fifths of time, foretell the last, beside popularity and item-kNN."""

    async def job(chatpush: Chatpush, tell: Tell) -> Evaluation:
        tell("reading events")
        await chatpush.recommender.training.refit(TenantId(tenant))
        prints = chatpush.recommender.likeminded.prints(TenantId(tenant))
        if prints is None:
            raise InvalidInput("there are no items and events to judge by")
        found = await asyncio.to_thread(evaluate, prints, k, tell)
        logged = await from_log(chatpush.database, TenantId(tenant))
        if logged is not None and not as_json:
            click.echo(
                f"from {logged.shown:,} shown items: {logged.logged.mean:.4f} responses each; without exploring"
                f" {logged.exploit_snips:.4f} (SNIPS), {logged.exploit_ips.mean:.4f} (IPS,"
                f" {logged.exploit_ips.low:.4f} to {logged.exploit_ips.high:.4f});"
                f" explored {logged.explored_snips:.4f}"
            )
        return found

    found = _run(config, job)
    if file is not None:
        file.write_text(picture(found), encoding="utf-8")
    if as_json:
        click.echo(json.dumps(found.report(), indent=2))
    else:
        _show(found)


@recommend.command("for")
@TENANT
@click.argument("user")
@click.option("--limit", default=10, show_default=True, type=click.IntRange(1, 100), help="How many.")
@click.pass_obj
def picks_for(config: Path, tenant: str, user: str, limit: int) -> None:
    """Show a user's picks with their reasons."""

    async def job(chatpush: Chatpush, _: Tell) -> None:
        await chatpush.learning.take_up(TenantId(tenant))
        found = await chatpush.recommender.picked(TenantId(tenant), UserId(user), limit)
        table = Table("item", "title", "score", "reason")
        for pick in found.picks:
            table.add_row(pick.item.id, pick.item.title, f"{pick.score:.3f}", pick.reason.text)
        Console().print(table)
        click.echo(f"source: {found.source}")

    _run(config, job)


@recommend.command()
@TENANT
@click.argument("user")
@click.pass_obj
def when(config: Path, tenant: str, user: str) -> None:
    """Say when a user is best written to, how likely they open it, and whether they buy again."""

    async def job(chatpush: Chatpush, _: Tell) -> None:
        name = UserId(user)
        known = await chatpush.users.find(TenantId(tenant), name) or User(TenantId(tenant), name)
        found = await chatpush.outlooks.of(TenantId(tenant), known)
        click.echo(f"opens the next message: {found.opens:.0%}")
        click.echo(f"best moment: {found.best_at:%Y-%m-%d %H:%M} UTC ({known.timezone})")
        for day, chances in zip(("weekdays", "weekends"), found.chances, strict=True):
            best = sorted(range(24), key=lambda hour: -chances[hour])[:3]
            hours = ", ".join(f"{hour}:00 {chances[hour]:.0%}" for hour in best)
            click.echo(f"  {day}: {hours}")
        if found.buying is not None:
            click.echo(
                f"next purchase: {found.buying.next_at:%Y-%m-%d}; gone for good: {found.buying.churn:.0%}"
            )
        if found.spare:
            click.echo("leave alone: advertising does users of this kind no good")

    _run(config, job)


@recommend.command()
@TENANT
@click.argument("user")
@click.argument("item")
@click.pass_obj
def explain(config: Path, tenant: str, user: str, item: str) -> None:
    """Say where an item stands for a user, who proposed it, or what forbids it."""

    async def job(chatpush: Chatpush, _: Tell) -> None:
        await chatpush.learning.take_up(TenantId(tenant))
        lines = await chatpush.recommender.explained(TenantId(tenant), UserId(user), item)
        click.echo("\n".join(lines))

    _run(config, job)


@recommend.command()
@TENANT
@click.pass_obj
def models(config: Path, tenant: str) -> None:
    """List the trained models; the serving one is marked."""

    async def job(chatpush: Chatpush, _: Tell) -> None:
        for one in await chatpush.learning.models.list(TenantId(tenant)):
            recall, ndcg = (one.report.get(name, 0.0) for name in ("recall", "ndcg"))
            click.echo(
                f"{'*' if one.serving else ' '} {one.id}  {one.created_at:%Y-%m-%d %H:%M}  {one.method}, "
                f"{one.events:,} events, recall@20 {recall:.4f}, ndcg@20 {ndcg:.4f}"
            )

    _run(config, job)


@recommend.command()
@TENANT
@click.argument("model")
@click.pass_obj
def rollback(config: Path, tenant: str, model: str) -> None:
    """Serve an earlier model again."""

    async def job(chatpush: Chatpush, _: Tell) -> None:
        await chatpush.learning.models.serve(TenantId(tenant), model)
        click.echo(f"{model} serves")

    _run(config, job)


def _run(config: Path, job: Callable[[Chatpush, Tell], Awaitable[T]]) -> T:
    settings = load(config, os.environ)

    async def work() -> T:
        async with Chatpush(settings).records() as chatpush:
            columns = (SpinnerColumn(), TextColumn("{task.description}"), TimeElapsedColumn())
            with Progress(*columns, console=Console(stderr=True), transient=True) as progress:
                task = progress.add_task("opening the records")
                return await job(chatpush, lambda text: progress.update(task, description=text))

    return asyncio.run(work())


def _show(found: Evaluation) -> None:
    table = Table(
        "method", *(f"{name}@{found.k}" for name in ("recall", "ndcg", "map")), "coverage", "novelty"
    )
    for method, figures in found.figures.items():
        cells = [f"{one.mean:.4f} ({one.low:.4f} to {one.high:.4f})" for one in figures.values()]
        table.add_row(method, *cells[:3], f"{found.coverage[method]:.1%}", cells[3])
    console = Console()
    console.print(table)
    console.print(f"{found.users:,} users; method: {found.choice.settings.method}")
    for method, figure in found.ahead.items():
        sure = "surely ahead of" if figure.low > 0 else "not surely ahead of"
        console.print(f"NDCG {sure} {method}: {figure.mean:+.4f} ({figure.low:+.4f} to {figure.high:+.4f})")
