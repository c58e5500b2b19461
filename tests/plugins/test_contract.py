"""A hook exists only with a test, a page with an example that runs, and a first-party user."""

import ast
import re
from pathlib import Path

import pytest

from chatpush.plugins import examples
from chatpush.plugins.acceptance import SPECIFIED, hooks_of
from chatpush.plugins.loader import FIRST_PARTY, files, load_file
from tests.plugins import test_hooks

ROOT = Path(__file__).parent.parent.parent
PAGES = ROOT / "docs" / "plugins"
INDEX = (PAGES / "README.md").read_text(encoding="utf-8")
LINKED = re.findall(r"^\| \[(\w+)\]\(\1\.md\) \| \w", INDEX, re.MULTILINE)
FIRST_PARTY_TABLE = dict(re.findall(r"^\| `([a-z]+_[a-z]+)` \| (.*?) \|", INDEX, re.MULTILINE))
PUBLIC = (
    "chatpush.domain",
    "chatpush.errors",
    "chatpush.clock",
    "chatpush.plugins.contracts",
    "chatpush.plugins.exchange",
    "chatpush.plugins.hooks",
)


@pytest.mark.parametrize("hook_name", SPECIFIED)
def test_every_hook_is_tested_documented_and_used(hook_name: str) -> None:
    assert hasattr(test_hooks, f"test_hook_{hook_name}"), f"write test_hook_{hook_name} in test_hooks.py"
    assert (PAGES / f"{hook_name}.md").exists(), (
        f"write docs/plugins/{hook_name}.md with a whole plugin in it"
    )
    assert hook_name in LINKED, f"docs/plugins/README.md has no line on {hook_name}"
    users = [path.stem for path in files(FIRST_PARTY) if hook_name in hooks_of(path.stem, load_file(path))]
    assert users, f"no first-party plugin uses {hook_name}; a hook nobody uses is not one"
    used = [name for name in users if f"`{hook_name}`" in FIRST_PARTY_TABLE.get(name, "")]
    assert used == users, "the table of first-party plugins names every hook they use"


@pytest.mark.parametrize("hook_name", SPECIFIED)
def test_the_example_on_a_hooks_page_does_what_it_shows(hook_name: str, tmp_path: Path) -> None:
    (code,) = re.findall(
        r"```python\n(.*?)```", (PAGES / f"{hook_name}.md").read_text(encoding="utf-8"), re.DOTALL
    )
    path = tmp_path / f"{hook_name}.py"
    path.write_text(code, encoding="utf-8")
    plugin = load_file(path)
    assert hook_name in hooks_of("example", plugin)
    seen = examples.run_examples("example", plugin)
    assert not seen.failures, "\n".join(seen.failures)
    assert seen.run >= 1, "an example shows what it does"


def test_nothing_is_documented_that_does_not_exist() -> None:
    assert {path.stem for path in PAGES.glob("*.md")} == {"README", *SPECIFIED}
    assert sorted(LINKED) == sorted(SPECIFIED)
    assert set(FIRST_PARTY_TABLE) == {path.stem for path in files(FIRST_PARTY)}


@pytest.mark.parametrize("path", files(FIRST_PARTY), ids=lambda path: path.stem)
def test_first_party_plugins_use_only_the_public_api(path: Path) -> None:
    tree = ast.parse(path.read_text(encoding="utf-8"))
    assert ast.get_docstring(tree)
    for node in ast.walk(tree):
        modules = [node.module or ""] if isinstance(node, ast.ImportFrom) else []
        modules += [name.name for name in node.names] if isinstance(node, ast.Import) else []
        private = [name for name in modules if name.startswith("chatpush") and name not in PUBLIC]
        assert not private, f"{path.name} imports {private}"
    assert path.read_text(encoding="utf-8").count("\n") < 250, "one readable file"


@pytest.mark.parametrize("path", files(FIRST_PARTY), ids=lambda path: path.stem)
def test_the_examples_of_first_party_plugins_hold(path: Path) -> None:
    seen = examples.run_examples(path.stem, load_file(path))
    assert not seen.failures, "\n".join(seen.failures)
