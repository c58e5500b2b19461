"""``chatpush recommend`` on real records; a training that is killed leaves the old model serving."""

import asyncio
import os
import signal
import subprocess
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from chatpush.app import Chatpush
from chatpush.cli.main import cli
from chatpush.configuration import load
from chatpush.domain import DEFAULT_TENANT, Item, ItemId, UserId
from chatpush.recommend.behaviour.behaviour import event


def run(config: Path, *arguments: str) -> Result:
    result = CliRunner().invoke(cli, ["--config", str(config), *arguments], catch_exceptions=False)
    assert result.exit_code == 0, result.output
    return result


async def fill(config: Path, users: int = 80, items: int = 40) -> None:
    now = datetime.now(UTC)
    async with Chatpush(load(config, os.environ)).records() as chatpush:
        await chatpush.catalogue.upsert(
            DEFAULT_TENANT, [Item(DEFAULT_TENANT, ItemId(f"i{n}"), f"Thing {n}") for n in range(items)]
        )
        await chatpush.behaviour.record(
            DEFAULT_TENANT,
            [
                event(
                    DEFAULT_TENANT, UserId(f"u{user}"), "purchase",
                    now - timedelta(hours=step * 30 + user % 7),
                    ItemId(f"i{(user % 2) * (items // 2) + (user * 3 + step * 7) % (items // 2)}"),
                )
                for user in range(users)
                for step in range(8)
            ],
        )  # fmt: skip


@pytest.fixture
def config(tmp_path: Path) -> Path:
    file = tmp_path / "chatpush.toml"
    assert CliRunner().invoke(cli, ["init", str(tmp_path)]).exit_code == 0
    asyncio.run(fill(file))
    return file


def test_train_judge_ask_explain_and_roll_back(config: Path, tmp_path: Path) -> None:
    first = run(config, "recommend", "train").output.split(":")[0]
    second = run(config, "recommend", "train").output.split(":")[0]
    assert second in run(config, "recommend", "models").output
    assert f"{first} serves" in run(config, "recommend", "rollback", first).output
    assert "source: personal" in run(config, "recommend", "for", "u1", "--limit", "3").output
    assert "likeminded: place" in run(config, "recommend", "explain", "u1", _unseen(config)).output
    assert "not on the shelf" in run(config, "recommend", "explain", "u1", "nothing").output
    when = run(config, "recommend", "when", "u1").output
    assert "best moment: " in when
    assert "next purchase: " in when
    picture = tmp_path / "quality.svg"
    judged = run(config, "recommend", "evaluate", "--picture", str(picture)).output
    assert "item-kNN" in judged
    assert picture.read_text(encoding="utf-8").startswith("<svg")


def _unseen(config: Path) -> str:
    """Return the first pick of u1."""

    async def ask() -> str:
        async with Chatpush(load(config, os.environ)).records() as chatpush:
            picks = await chatpush.recommender.pick(DEFAULT_TENANT, UserId("u1"), 1)
            return str(picks[0].item.id)

    return asyncio.run(ask())


KILLED = """
import asyncio, os, signal, sys
from pathlib import Path
from chatpush.app import Chatpush
from chatpush.configuration import load
from chatpush.domain import DEFAULT_TENANT
at, name = sys.argv[2], sys.argv[3]
if at == "writing":
    def die(*_):
        os.kill(os.getpid(), signal.SIGKILL)
    setattr(Path, name, die)
def tell(text):
    if text.startswith(at):
        os.kill(os.getpid(), signal.SIGKILL)
async def main():
    async with Chatpush(load(Path(sys.argv[1]), os.environ)).records() as chatpush:
        await chatpush.learning.train(DEFAULT_TENANT, tell)
asyncio.run(main())
"""


@pytest.mark.parametrize("at", ["trying settings", "fitting", "keeping", "writing"])
def test_a_killed_training_leaves_the_old_model_serving(config: Path, at: str) -> None:
    old = run(config, "recommend", "train").output.split(":")[0]
    arguments = [sys.executable, "-c", KILLED, str(config), at, "replace"]
    killed = subprocess.run(arguments, check=False, capture_output=True, timeout=120)
    assert killed.returncode == -signal.SIGKILL, killed.stderr.decode()
    listed = [line for line in run(config, "recommend", "models").output.splitlines() if "*" in line]
    assert len(listed) == 1
    assert old in listed[0]
    assert "source: personal" in run(config, "recommend", "for", "u1").output
    new = run(config, "recommend", "train").output.split(":")[0]
    assert new != old
    assert not list(config.parent.rglob("*.part"))
