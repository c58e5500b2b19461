"""Plugins are found by three ways, and a broken one says where it is and what to do."""

import importlib.metadata
from pathlib import Path
from typing import Any

import pytest

from chatpush.errors import PluginFailed
from chatpush.plugins import loader, samples
from chatpush.plugins.contracts import Drop
from chatpush.settings import Settings

GOOD = """
'''Counts.'''
from chatpush.plugins.contracts import Drop
from chatpush.plugins.hooks import hook
seen = []

@hook
def filter_message(message, settings):
    seen.append(message)
    return Drop(f"{settings.get('mark', '')}{len(seen)}")
"""


def settings(data_dir: Path, **plugins: Any) -> Settings:
    return Settings.model_validate({"data_dir": str(data_dir), "plugins": plugins})


def write(directory: Path, name: str, text: str) -> Path:
    path = directory / name
    path.write_text(text, encoding="utf-8")
    return path


async def test_a_directorys_files_are_plugins_and_its_tests_are_not(tmp_path: Path) -> None:
    write(tmp_path, "counter.py", GOOD)
    write(tmp_path, "test_counter.py", "raise RuntimeError('a test is no plugin')")
    write(tmp_path, "_parts.py", "raise RuntimeError('neither is this')")
    plugins = loader.load(settings(tmp_path, directory=".", settings={"counter": {"mark": "n"}}))
    assert [(state.name, state.description) for state in plugins.states()] == [("counter", "Counts.")]
    assert await plugins.filter_message(samples.message()) == Drop("n1")


async def test_two_apps_never_share_a_plugins_state(tmp_path: Path) -> None:
    write(tmp_path, "counter.py", GOOD)
    for _ in range(2):
        plugins = loader.load(settings(tmp_path, directory="."))
        assert await plugins.filter_message(samples.message()) == Drop("1")


def test_first_party_plugins_are_loaded_by_name_in_the_order_given(tmp_path: Path) -> None:
    names = ["promotion_strategy", "content_filter"]
    assert [state.name for state in loader.load(settings(tmp_path, enabled=names)).states()] == names
    with pytest.raises(
        PluginFailed, match="no first-party plugin 'content_filtr'; did you mean content_filter"
    ):
        loader.load(settings(tmp_path, enabled=["content_filtr"]))
    with pytest.raises(PluginFailed, match=r"there are .*order_lookup"):
        loader.load(settings(tmp_path, enabled=["zzz"]))


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("x = 1\ndef f(:\n    pass\n", r"broken\.py:2: .*correct this line"),
        ("x = 1\n\nx.y\n", r"broken\.py:3: AttributeError: .*move the file out of the way"),
        ("import no_such_library\n", r"broken\.py:1: it needs no_such_library.*pip install"),
        ("def f():\n    raise ValueError('no')\nf()\n", r"broken\.py:2: ValueError: no"),
        ("import sys\nsys.exit(1)\n", r"broken\.py:2: SystemExit: 1"),
        ("x = 1\n", r"plugin broken: it has no hooks; mark functions with @hook"),
        ("x = '\udcff'\n".encode("utf-8", "surrogateescape"), r"broken\.py"),
        (b"\x00\x00", r"broken\.py"),
        ("from chatpush.plugins.hooks import hook\n\n@hook\ndef filter_mesage(message): ...\n",
         r"broken\.py:\d: plugin broken: there is no hook filter_mesage; did you mean filter_message"),
        ("from chatpush.plugins.hooks import hook\n\n@hook\ndef register_tools():\n    return 1 / 0\n",
         r"register_tools failed: ZeroDivisionError: .*broken\.py:5"),
    ],
)  # fmt: skip
def test_a_broken_file_stops_the_start_and_says_why(tmp_path: Path, text: str | bytes, words: str) -> None:
    write(tmp_path, "counter.py", GOOD)
    (tmp_path / "broken.py").write_bytes(text if isinstance(text, bytes) else text.encode())
    with pytest.raises(PluginFailed, match=words):
        loader.load(settings(tmp_path, directory="."))


def test_a_missing_directory_and_settings_of_nobody_stop_the_start(tmp_path: Path) -> None:
    with pytest.raises(PluginFailed, match="nowhere is not a directory; make it, or unset it"):
        loader.load(settings(tmp_path, directory="nowhere"))
    write(tmp_path, "counter.py", GOOD)
    with pytest.raises(PluginFailed, match=r"\[plugins\.settings\.conter\]: .*did you mean counter"):
        loader.load(settings(tmp_path, directory=".", settings={"conter": {}}))
    # What belongs to a first-party plugin that is off may stay in the file.
    loader.load(settings(tmp_path, settings={"order_lookup": {"url": "x"}}))


def test_two_plugins_of_one_name_stop_the_start(tmp_path: Path) -> None:
    write(tmp_path, "content_filter.py", GOOD)
    with pytest.raises(PluginFailed, match="plugin content_filter: there is one of this name already"):
        loader.load(settings(tmp_path, directory=".", enabled=["content_filter"]))


def test_installed_packages_announce_theirs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write(
        tmp_path,
        "announced_plugin.py",
        GOOD + "\nclass Made:\n    filter_message = staticmethod(filter_message)\n",
    )
    write(tmp_path, "announced_broken.py", "1 / 0")
    monkeypatch.syspath_prepend(tmp_path)
    entries = {
        "as_module": "announced_plugin", "as_class": "announced_plugin:Made", "broken": "announced_broken",
        "missing": "announced_plugin:Nothing",
    }  # fmt: skip

    def announce(*names: str) -> None:
        found = [importlib.metadata.EntryPoint(name, entries[name], loader.GROUP) for name in names]
        monkeypatch.setattr(
            importlib.metadata, "entry_points", lambda group: found if group == loader.GROUP else []
        )

    announce("as_module", "as_class")
    states = loader.load(settings(tmp_path)).states()
    assert [(state.name, state.hooks) for state in states] == [
        ("as_class", ("filter_message",)), ("as_module", ("filter_message",)),
    ]  # fmt: skip
    for name in ("broken", "missing"):
        announce(name)
        with pytest.raises(PluginFailed, match=rf"plugin {name} .*uninstall"):
            loader.load(settings(tmp_path))


def test_the_wheel_and_the_repository_hold_the_same_plugins() -> None:
    assert loader.FIRST_PARTY in (loader.INSTALLED, loader.DEVELOPMENT)
    names = [path.stem for path in loader.files(loader.FIRST_PARTY)]
    assert {"order_lookup", "content_filter", "promotion_strategy", "chat_webhook"} <= set(names)
