"""``chatpush plugins``: a new plugin works at once, a broken one is told in a line."""

import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from chatpush.cli.main import main
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
        "ok content_filter: filter_message, filter_publication, filter_picks, filter_answer",
        "ok word_watch: filter_message (examples: 1)",
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
    assert run(config, "check", str(good)).output == "ok good: filter_message (examples: 1)\n"
    assert Plugins({"good": load_file(good)}).has("filter_message")


def test_check_tells_all_mistakes_each_in_a_line(config: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    directory = config.parent / "plugins"
    (directory / "a.py").write_text("x = (", encoding="utf-8")
    (directory / "b.py").write_text("x = 1", encoding="utf-8")
    lies = skeleton.PLUGIN.format(name="c", title="C").replace("This is SECRET", "This is fine")
    (directory / "c.py").write_text(lies, encoding="utf-8")
    wrong = lies.replace("run(plugins", "rum(plugins")
    (directory / "d.py").write_text(wrong, encoding="utf-8")
    config.write_text(config.read_text() + "[plugins.settings.content_filter]\nmsk = []\n", encoding="utf-8")
    lines = raised(run(config, "check")).message.splitlines()
    assert lines[0] == "[plugins.settings.content_filter] msk: no such setting; did you mean mask?"
    assert lines[1].startswith(f"{directory / 'a.py'}:1: ")
    assert lines[2].startswith("plugin b: it has no hooks")
    assert re.match(
        re.escape(str(directory / "c.py")) + r":10: the example 'run\(.*' gave OutgoingMessage\(.*"
        r"not Drop\(reason=\"contains 'secret'\"\)", lines[3],
    )  # fmt: skip
    assert lines[4].endswith("raised NameError: name 'rum' is not defined")
    assert len(lines) == 5
    monkeypatch.setattr(sys, "argv", ["chatpush", "--config", str(config), "plugins", "check"])
    with pytest.raises(SystemExit) as ended:
        main()
    assert ended.value.code == 2


def test_check_says_which_places_nobody_has(config: Path) -> None:
    path = config.parent / "plugins" / "polite.py"
    path.write_text(
        "from chatpush.plugins.hooks import hook\nafter = ['content_filter', 'pii_redactor']\n"
        "@hook(fail_closed=True, budget_milliseconds=9)\ndef filter_message(message): ...\n",
        encoding="utf-8",
    )
    assert run(config, "check").output.splitlines()[1:] == [
        "ok polite: filter_message", "   polite asks for a place beside pii_redactor, which isn't loaded",
    ]  # fmt: skip
    listed = run(config, "list").output.splitlines()
    assert [line.split()[:6] for line in listed if line.startswith("polite")] == [
        ["polite", "2", "filter_message", "9", "ms,", "closed"]
    ]


def test_a_configuration_that_is_named_must_exist(tmp_path: Path) -> None:
    assert isinstance(raised(run(tmp_path / "missing.toml", "list")), InvalidSettings)
