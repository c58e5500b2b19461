"""A hook exists only with a test, a heading in the docs, an example that runs, and a first-party user."""

import ast
import re
from dataclasses import replace
from pathlib import Path
from types import ModuleType

import pytest

from chatpush import settings as configuration
from chatpush.domain import Category, DeliveryId, Identity, IdentityKind, OutgoingMessage, ReceiptKind
from chatpush.errors import Forbidden, NotFound
from chatpush.plugins import samples
from chatpush.plugins.acceptance import SPECIFIED, hooks_of
from chatpush.plugins.contracts import Drop, RankingRequest, Sent
from chatpush.plugins.host import Plugins
from chatpush.plugins.loader import FIRST_PARTY, files, load_file
from tests.plugins import test_hooks

ROOT = Path(__file__).parent.parent.parent
PAGE = (ROOT / "docs" / "plugins.md").read_text(encoding="utf-8")
SECTIONS = dict(re.findall(r"^## (\w+)$\n(.*?)(?=^## |\Z)", PAGE, re.MULTILINE | re.DOTALL))
FIRST_PARTY_TABLE = dict(re.findall(r"^\| `([a-z]+_[a-z]+)` \| (.*?) \|", PAGE, re.MULTILINE))
PUBLIC = (
    "chatpush.domain",
    "chatpush.errors",
    "chatpush.clock",
    "chatpush.plugins.contracts",
    "chatpush.plugins.hooks",
)


def example(hook_name: str, tmp_path: Path) -> ModuleType:
    """Return the documentation's example of a hook, loaded as a plugin is."""
    (code,) = re.findall(r"```python\n(.*?)```", SECTIONS[hook_name], re.DOTALL)
    path = tmp_path / f"{hook_name}.py"
    path.write_text(code, encoding="utf-8")
    return load_file(path)


def host_of(module: ModuleType, **own: str) -> Plugins:
    return Plugins({"example": module}, configuration.Plugins(settings={"example": own}))


@pytest.mark.parametrize("hook_name", SPECIFIED)
def test_every_hook_is_tested_documented_and_used(hook_name: str, tmp_path: Path) -> None:
    assert hasattr(test_hooks, f"test_hook_{hook_name}"), f"write test_hook_{hook_name} in test_hooks.py"
    assert hook_name in SECTIONS, f"docs/plugins.md needs a heading ## {hook_name}"
    assert hook_name in hooks_of("example", example(hook_name, tmp_path))
    users = [path.stem for path in files(FIRST_PARTY) if hook_name in hooks_of(path.stem, load_file(path))]
    assert users, f"no first-party plugin uses {hook_name}; a hook nobody uses is not one"
    used = [name for name in users if f"`{hook_name}`" in FIRST_PARTY_TABLE.get(name, "")]
    assert used == users, "the table of first-party plugins names every hook they use"


def test_nothing_is_documented_that_does_not_exist() -> None:
    assert set(SECTIONS) == set(SPECIFIED)
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


async def test_the_example_of_filter_message(tmp_path: Path) -> None:
    plugins = host_of(example("filter_message", tmp_path), signature="Wick")
    signed = await plugins.filter_message(samples.message(body="New lamps"))
    assert isinstance(signed, OutgoingMessage)
    assert signed.content.body == "New lamps\nWick"
    assert await plugins.filter_message(samples.message(title="BUY")) == Drop("shouts")
    order = samples.message(title="PAID", category=Category.TRANSACTIONAL)
    assert await plugins.filter_message(order) is order


async def test_the_example_of_filter_publication(tmp_path: Path) -> None:
    plugins = host_of(example("filter_publication", tmp_path))
    assert await plugins.filter_publication("news:all", b"{}", "emma") == Drop("only staff write here")
    assert await plugins.filter_publication("news:all", b"{}", "staff_ada") == b"{}"
    assert await plugins.filter_publication("chat:1", b" " * 2001, "emma") == Drop("too long")


async def test_the_example_of_register_tools(tmp_path: Path) -> None:
    (tool,) = host_of(example("register_tools", tmp_path)).tools()
    assert "1200" in (await tool.call(samples.identity("emma"), {})).text["en"]
    with pytest.raises(NotFound):
        await tool.call(samples.identity("lin"), {"user": "emma"})


async def test_the_example_of_register_rankers(tmp_path: Path) -> None:
    (ranker,) = host_of(example("register_rankers", tmp_path)).rankers()
    items = {item.id: item for item in (samples.item("lamp", tags=("handmade",)), samples.item("cup"))}
    found = await ranker.rank(RankingRequest(samples.TENANT, None, (), 5, "en"), items)
    assert [(one.item, one.reason_values["en"]) for one in found] == [("lamp", "Made in our own workshop")]


async def test_the_example_of_register_channels(tmp_path: Path) -> None:
    (channel,) = host_of(example("register_channels", tmp_path), directory=str(tmp_path)).channels()
    assert await channel.send(samples.message("Shipped"), "room 7") == Sent("dlv_1")
    assert (tmp_path / "spool.tsv").read_text(encoding="utf-8") == "room 7\tShipped\n"


async def test_the_example_of_register_rpc(tmp_path: Path) -> None:
    (method,) = host_of(example("register_rpc", tmp_path)).rpc_methods()
    emma = replace(samples.identity("emma"), meta={"points": 120})
    assert await method.call(emma, {"goal": 200}) == {"to_go": 80}
    assert await method.call(samples.identity("emma"), None) == {"to_go": 500}
    with pytest.raises(Forbidden):
        await method.call(Identity(samples.TENANT, IdentityKind.ANONYMOUS), None)


async def test_the_example_of_on_event(tmp_path: Path) -> None:
    module = example("on_event", tmp_path)
    for _ in range(2):
        await host_of(module).on_event(samples.event("view"))
    assert module.counts == {"view": 1}


async def test_the_example_of_on_receipt(tmp_path: Path) -> None:
    module = example("on_receipt", tmp_path)
    plugins = host_of(module, name="mine")
    for kind in (ReceiptKind.SEEN, ReceiptKind.CLICKED):
        await plugins.on_receipt(samples.receipt(kind, delivery=DeliveryId("dlv_7")))
    assert module.told == [("mine", "dlv_7")]
