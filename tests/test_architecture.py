"""The house keeps its shape: floors, rooms for libraries, sizes and names."""

import ast
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
PACKAGE = ROOT / "chatpush"
FLOORS = [
    {
        "errors",
        "fullness",
        "chance",
        "clock",
        "domain",
        "section",
        "channel_settings",
        "writer_settings",
        "support_settings",
        "settings",
        "configuration",
        "newest",
        "rounds",
        "__init__",
    },
    {"plugins"},
    {"store", "log"},
    {"account"},
    {"realtime"},
    {"notify"},
    {"channels"},
    {"recommend"},
    {"support"},
    {"schedule"},
    {"web"},
    {"bridges", "describing", "housekeeping"},
    {"rooms"},
    {"app"},
    {"process"},
    {"cli", "__main__"},
]
ROOMS = {
    "aiohttp": {"web", "app", "channels", "support/model/endpoint"},
    "openai": {"support/model/writer"},
    "jinja2": {"notify", "recommend/words/prompting", "support/model/prompts", "web/console"},
    "apscheduler": {"schedule/alarm"},
    "aiosmtplib": {"channels/email"},
    "pywebpush": {"channels/web_push"},
    "py_vapid": {"channels/web_push"},
    "standardwebhooks": {"channels/webhook_calls"},
    "cryptography": {"channels/web_push", "store/vault"},
    "jwt": {"realtime/identity/tokens", "realtime/identity/public_keys", "channels/provider_tokens"},
    "httpx2": {"channels/apns"},
    "apprise": {"channels/apprise_worker"},
    "argon2": {"account/people"},
    "sqlite_utils": {"store/database", "log"},
    "psycopg": {"store/postgres"},
    "psycopg_pool": {"store/postgres"},
    "pluggy": {"plugins"},
    "click": {"cli"},
    "rich": {"cli"},
    "prometheus_client": {"web/monitoring/metrics"},
    "msgspec": {"realtime", "web", "log", "store"},
    "numpy": {"recommend", "support"},
    "scipy": {"recommend", "support"},
    "sklearn": {"recommend", "support"},
    "uvloop": {"process"},
}
NAMELESS = {"utils", "util", "helpers", "helper", "base", "common", "manager", "misc"}
LONGEST_FILE = 450
LONGEST_FUNCTION = 60
FILES = sorted(path for path in PACKAGE.rglob("*.py") if "node_modules" not in path.parts)


def room_of(path: Path) -> str:
    """Return a module's place below the package, such as ``store/vault``."""
    return path.relative_to(PACKAGE).with_suffix("").as_posix()


def floor_of(module: str) -> int:
    """Return the floor of a top-level name."""
    for number, names in enumerate(FLOORS):
        if module in names:
            return number
    raise AssertionError(f"{module} stands on no floor; add it to FLOORS")


def imports(tree: ast.AST) -> list[tuple[str, int]]:
    """Return (module, line) of every import below a tree."""
    found = []
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            found += [(name.name, node.lineno) for name in node.names]
        elif isinstance(node, ast.ImportFrom) and node.module:
            found += [(f"{node.module}.{name.name}", node.lineno) for name in node.names]
    return found


@pytest.mark.parametrize("path", FILES, ids=room_of)
def test_a_module_keeps_the_house_rules(path: Path) -> None:
    tree = ast.parse(path.read_text(encoding="utf-8"))
    room = room_of(path)
    here = floor_of(room.split("/", 1)[0])
    problems = []
    for module, line in imports(tree):
        first, _, rest = module.partition(".")
        if (
            first == "chatpush"
            and rest
            and floor_of(rest.split(".")[0].replace("__version__", "__init__")) > here
        ):
            problems.append(f"line {line}: {module} stands above {room}")
        allowed = ROOMS.get(first)
        if allowed is not None and not any(
            room == place or room.startswith(f"{place}/") for place in allowed
        ):
            problems.append(f"line {line}: {first} belongs in {', '.join(sorted(allowed))}")
    for node in ast.walk(tree):
        if not isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            continue
        problems += [f"line {line}: import inside {node.name}" for _, line in imports(node)]
        length = (node.end_lineno or node.lineno) - node.lineno + 1
        if length > LONGEST_FUNCTION:
            problems.append(f"{node.name} has {length} lines")
    lines = path.read_text(encoding="utf-8").count("\n")
    if lines > LONGEST_FILE:
        problems.append(f"{lines} lines: the house needs a room")
    if path.stem in NAMELESS:
        problems.append("a room without a name")
    if not ast.get_docstring(tree) and path.read_text(encoding="utf-8").strip():
        problems.append("no docstring that says what it promises")
    assert not problems, f"{room}: " + "; ".join(problems)


def test_no_two_modules_import_each_other() -> None:
    graph = {}
    names = {f"chatpush.{room_of(path).replace('/', '.').removesuffix('.__init__')}" for path in FILES}
    for path in FILES:
        own = f"chatpush.{room_of(path).replace('/', '.').removesuffix('.__init__')}"
        targets = set()
        for module, _ in imports(ast.parse(path.read_text(encoding="utf-8"))):
            targets |= {name for name in (module, module.rpartition(".")[0]) if name in names}
        graph[own] = targets - {own}
    assert cycle_in(graph) == []


def cycle_in(graph: dict[str, set[str]]) -> list[str]:
    """Return one cycle of a graph, or nothing."""
    done: set[str] = set()

    def visit(node: str, path: list[str]) -> list[str]:
        if node in path:
            return [*path[path.index(node) :], node]
        if node in done:
            return []
        for target in sorted(graph.get(node, ())):
            found = visit(target, [*path, node])
            if found:
                return found
        done.add(node)
        return []

    sys.setrecursionlimit(10_000)
    for node in sorted(graph):
        found = visit(node, [])
        if found:
            return found
    return []


def test_the_cycle_finder_finds_cycles() -> None:
    assert cycle_in({"a": {"b"}, "b": {"c"}, "c": {"a"}}) == ["a", "b", "c", "a"]
    assert cycle_in({"a": {"b", "c"}, "b": {"c"}, "c": set()}) == []
