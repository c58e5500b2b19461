"""A changed file counts at once, a broken one changes nothing."""

import os
from pathlib import Path
from typing import Any

import pytest
import structlog

from chatpush.plugins import samples
from chatpush.plugins.contracts import Drop
from chatpush.plugins.host import Plugins
from chatpush.plugins.loader import load
from chatpush.plugins.reloading import Reloading
from chatpush.settings import Settings
from tests.waiting import until

DROPS = """
from chatpush.plugins.contracts import Drop
from chatpush.plugins.hooks import hook

@hook
def filter_message(message):
    return Drop("{reason}")
"""
TOOLS = """
from chatpush.plugins.contracts import ToolResult
from chatpush.plugins.hooks import hook

class Tool:
    description, parameters, slots = "", {{}}, {{}}
    questions = {{"en": ["?"]}}
    def __init__(self, name):
        self.name = name
    async def call(self, identity, arguments):
        return ToolResult({{"en": "{said}"}})

@hook
def register_tools():
    return [Tool(name) for name in {names}]
"""


def opened(directory: Path) -> tuple[Plugins, Reloading]:
    settings = Settings.model_validate(
        {"data_dir": str(directory), "plugins": {"directory": ".", "reload": True}}
    )
    plugins = load(settings)
    return plugins, Reloading(plugins, settings)


def write(path: Path, text: str) -> None:
    """Write a file so that its time differs, however quickly it follows."""
    before = path.stat().st_mtime_ns if path.exists() else 0
    path.write_text(text, encoding="utf-8")
    os.utime(path, ns=(before + 1_000_000, before + 1_000_000))


async def test_a_changed_file_counts_even_in_the_same_second_and_size(tmp_path: Path) -> None:
    path = tmp_path / "judge.py"
    write(path, DROPS.format(reason="old"))
    plugins, reloading = opened(tmp_path)
    assert await plugins.filter_message(samples.message()) == Drop("old")
    assert await reloading.look() == []
    write(path, DROPS.format(reason="new"))
    assert await reloading.look() == ["judge"]
    assert await plugins.filter_message(samples.message()) == Drop("new")
    assert await reloading.look() == []
    assert os.listdir(tmp_path) == ["judge.py"], "no bytecode that could be stale"


@pytest.mark.parametrize(
    "broken", ["x = (", "1 / 0", "x = 1", DROPS.format(reason="x") + "after = 7\n", "\x00"]
)
async def test_a_broken_file_changes_nothing_and_is_told_once_in_a_line(tmp_path: Path, broken: str) -> None:
    path = tmp_path / "judge.py"
    write(path, DROPS.format(reason="old"))
    plugins, reloading = opened(tmp_path)
    write(path, broken)
    with structlog.testing.capture_logs() as logged:
        for _ in range(2):
            assert await reloading.look() == []
    (line,) = logged
    assert line["event"] == "plugin not reloaded; what was there stays"
    assert "\n" not in line["problem"]
    assert await plugins.filter_message(samples.message()) == Drop("old")
    write(path, DROPS.format(reason="mended"))
    assert await reloading.look() == ["judge"]
    assert await plugins.filter_message(samples.message()) == Drop("mended")


async def test_files_come_and_go(tmp_path: Path) -> None:
    plugins, reloading = opened(tmp_path)
    write(tmp_path / "judge.py", DROPS.format(reason="here"))
    assert await reloading.look() == ["judge"]
    assert await plugins.filter_message(samples.message()) == Drop("here")
    (tmp_path / "judge.py").unlink()
    assert await reloading.look() == []
    sent = samples.message()
    assert await plugins.filter_message(sent) is sent
    assert plugins.states() == []


async def test_what_was_registered_does_what_the_new_file_says(tmp_path: Path) -> None:
    path = tmp_path / "tools.py"
    write(path, TOOLS.format(said="old", names=["one", "two"]))
    plugins, reloading = opened(tmp_path)
    held: Any = plugins.tools()[0]
    write(path, TOOLS.format(said="new", names=["one", "three"]))
    with structlog.testing.capture_logs() as logged:
        await reloading.look()
    assert (await held.call(samples.identity(), {})).text == {"en": "new"}
    assert [(line["event"], line["name"]) for line in logged if "name" in line] == [
        ("restart to use what is new", "three"), ("restart to lose what is gone", "two"),
    ]  # fmt: skip
    assert [tool.name for tool in plugins.tools()] == ["one", "three"]


async def test_two_tools_of_one_name_are_refused_on_reload_too(tmp_path: Path) -> None:
    write(tmp_path / "first.py", TOOLS.format(said="first", names=["one"]))
    write(tmp_path / "second.py", TOOLS.format(said="second", names=["two"]))
    plugins, reloading = opened(tmp_path)
    write(tmp_path / "second.py", TOOLS.format(said="second", names=["one"]))
    assert await reloading.look() == []
    assert [tool.name for tool in plugins.tools()] == ["one", "two"]


async def test_it_looks_by_itself_only_when_asked_to(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("chatpush.plugins.reloading.LOOK_SECONDS", 0.01)
    path = tmp_path / "judge.py"
    write(path, DROPS.format(reason="old"))
    plugins, reloading = opened(tmp_path)
    await reloading.start()
    write(path, DROPS.format(reason="new"))

    async def is_new() -> bool:
        return await plugins.filter_message(samples.message()) == Drop("new")

    await until(is_new)
    await reloading.stop()
    settings = Settings.model_validate({"data_dir": str(tmp_path), "plugins": {"directory": "."}})
    resting = Reloading(plugins, settings)
    await resting.start()
    assert resting._loop is None
    await resting.stop()
