"""``chatpush plugins``: a new plugin works at once, a broken one is told in a line."""

import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from chatpush.cli.plugins import plugins
from chatpush.errors import ChatpushError, Conflict, InvalidInput, InvalidSettings, PluginFailed
from chatpush.plugins import skeleton
from chatpush.plugins.host import Plugins
from chatpush.plugins.loader import load_file

ROOT = Path(__file__).parent.parent.parent


def run(config: Path, *arguments: str) -> Result:
    """Run the command as ``main`` does: what is raised on purpose reaches it."""
    return CliRunner().invoke(plugins, list(arguments), obj=config)


def raised(result: Result) -> Any:
    assert isinstance(result.exception, ChatpushError)
    return result.exception


@pytest.fixture
def config(tmp_path: Path) -> Path:
    path = tmp_path / "chatpush.toml"
    path.write_text('[plugins]\ndirectory = "plugins"\nenabled = ["content_filter"]\n', encoding="utf-8")
    (tmp_path / "plugins").mkdir()
    return path


def test_a_new_plugin_works_and_its_test_passes(config: Path) -> None:
    result = run(config, "new", "word_watch")
    assert result.exit_code == 0, result.output
    test = config.parent / "plugins" / "test_word_watch.py"
    assert f"wrote {test}" in result.output
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "--rootdir", config.parent, str(test)],
        cwd=config.parent, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr
    assert "3 passed" in done.stdout
    assert run(config, "check").output.splitlines() == [
        "ok content_filter: filter_message, filter_publication, filter_answer", "ok word_watch: filter_message",
    ]  # fmt: skip
    listed = run(config, "list").output
    assert "Word watch: say what it does" in listed
    assert [line.split()[1] for line in listed.splitlines() if line.startswith("order_lookup")] == ["off"]


def test_the_skeleton_passes_the_houses_own_checks(tmp_path: Path) -> None:
    plugin, test = skeleton.write("word_watch", tmp_path)
    for command in (["ruff", "check"], ["ruff", "format", "--check"], ["mypy", "--strict"]):
        options = [] if command[0] == "mypy" else ["--config", str(ROOT / "pyproject.toml")]
        done = subprocess.run(
            [sys.executable, "-m", *command, *options, str(plugin), str(test)],
            cwd=ROOT, capture_output=True, text=True, check=False,
        )  # fmt: skip
        assert done.returncode == 0, done.stdout + done.stderr


def test_without_a_configuration_it_is_written_beside_and_says_how_to_load_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    result = run(Path("chatpush.toml"), "new", "word_watch")
    assert result.exit_code == 0, result.output
    assert (tmp_path / "plugins" / "word_watch.py").exists()
    assert f'directory = "{tmp_path / "plugins"}"' in result.output
    assert run(Path("chatpush.toml"), "check").output.startswith("no plugins are configured")


@pytest.mark.parametrize("name", ["Word", "word-watch", "1word", "class", "test_word", "", "a/b", "词"])
def test_bad_names_are_refused(config: Path, name: str) -> None:
    assert isinstance(raised(run(config, "new", name)), InvalidInput)
    assert list((config.parent / "plugins").iterdir()) == []


def test_a_file_that_exists_stays(config: Path) -> None:
    run(config, "new", "word_watch")
    before = (config.parent / "plugins" / "word_watch.py").read_text(encoding="utf-8")
    assert isinstance(raised(run(config, "new", "word_watch")), Conflict)
    assert (config.parent / "plugins" / "word_watch.py").read_text(encoding="utf-8") == before


def test_check_tells_a_broken_files_line(config: Path) -> None:
    broken = config.parent / "broken.py"
    broken.write_text("x = 1\nx.y\n", encoding="utf-8")
    assert f"{broken}:2: AttributeError" in raised(run(config, "check", str(broken))).message
    assert isinstance(raised(run(config, "check", str(broken))), PluginFailed)
    good = config.parent / "good.py"
    good.write_text(skeleton.PLUGIN.format(name="good", title="Good"), encoding="utf-8")
    assert run(config, "check", str(good)).output == "ok good: filter_message\n"
    assert Plugins({"good": load_file(good)}).has("filter_message")


def test_a_configuration_that_is_named_must_exist(tmp_path: Path) -> None:
    assert isinstance(raised(run(tmp_path / "missing.toml", "list")), InvalidSettings)
