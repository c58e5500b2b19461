"""The wheel carries everything a `pip install` needs to run, and nothing of the workshop."""

import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
NEEDED = [
    "chatpush/web/static/widget.js",
    "chatpush/web/static/widget/main-",
    "chatpush/web/static/widget/chatpush-sw.js",
    "chatpush/web/static/widget/manifest.json",
    "chatpush/web/console/templates/frame.html",
    "chatpush/web/console/texts/zh-CN.json",
    "chatpush/web/console/static/vendor/",
    "chatpush/store/migrations/0001_account.sql",
    "chatpush/first_party/plugins/order_lookup.py",
    "chatpush/first_party/prompts/support/system.j2",
    "chatpush/py.typed",
]
WORKSHOP = ["node_modules", "tests/", "examples/", "bench/", ".db", "master.key"]


@pytest.fixture(scope="module")
def names(tmp_path_factory: pytest.TempPathFactory) -> list[str]:
    """Return what the wheel contains."""
    directory = tmp_path_factory.mktemp("wheel")
    command = [sys.executable, "-m", "pip", "wheel", str(ROOT), "--no-deps", "--no-build-isolation", "-q"]
    subprocess.run([*command, "-w", str(directory)], check=True, capture_output=True, timeout=100)
    [wheel] = directory.glob("chatpush-*.whl")
    with zipfile.ZipFile(wheel) as archive:
        return archive.namelist()


@pytest.mark.parametrize("needed", NEEDED)
def test_what_is_needed_is_there(names: list[str], needed: str) -> None:
    assert any(name.startswith(needed) for name in names)


@pytest.mark.parametrize("part", WORKSHOP)
def test_the_workshop_stays_at_home(names: list[str], part: str) -> None:
    assert [name for name in names if part in name] == []
