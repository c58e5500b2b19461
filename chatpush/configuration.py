"""Read the settings from ``chatpush.toml`` and ``CHATPUSH_…`` variables, and explain mistakes.

A variable is the path of a setting in capitals joined by underscores
(``client.token.hmac_secret_key`` is ``CHATPUSH_CLIENT_TOKEN_HMAC_SECRET_KEY``);
lists and tables are given as JSON. An unknown key or a wrong value stops the
start with an ``InvalidSettings`` that names the key, the problem and the
nearest valid name.
"""

import difflib
import json
import re
import tomllib
import types
import typing
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ValidationError

from chatpush.errors import InvalidSettings
from chatpush.section import Section
from chatpush.settings import Settings

PREFIX = "CHATPUSH_"
COMMAND_LINE = {PREFIX + "CONFIG", PREFIX + "URL", PREFIX + "KEY"}
"""Variables of the command line, which are no settings: the file, and the server that commands talk to."""


def load(path: Path | None, env: Mapping[str, str]) -> Settings:
    """Read the file (if any), then the variables, and check everything.

    Raises:
        InvalidSettings: the file can't be read, or a key or value is wrong.
    """
    tree = _read(path) if path else {}
    if path:
        _place(tree, path.parent)
    for name, key in (
        ("OPENAI_BASE_URL", "base_url"),
        ("OPENAI_API_KEY", "api_key"),
        ("OPENAI_MODEL", "model"),
    ):
        if env.get(name):
            tree.setdefault("writer", {}).setdefault(key, env[name])
    _overlay(tree, env)
    try:
        return Settings.model_validate(tree)
    except ValidationError as error:
        raise InvalidSettings(_explain(error)) from error


def _place(tree: dict[str, Any], folder: Path) -> None:
    """Make the directories that a file names absolute: they are meant beside the file."""
    data_dir = tree.get("data_dir", ".")
    if isinstance(data_dir, str):
        tree["data_dir"] = str((folder / data_dir).resolve())
    for section, key in (("notify", "templates_dir"), ("plugins", "directory")):
        named = tree.get(section)
        if isinstance(named, dict) and isinstance(named.get(key), str) and named[key]:
            named[key] = str((folder / named[key]).resolve())


def table() -> Iterator[tuple[str, Any, str]]:
    """Yield (dotted name, default, help) of every setting, for docs and ``doctor``."""
    for dotted, (info, _) in _leaves(Settings).items():
        default = info.get_default(call_default_factory=True)
        yield dotted, default, info.description or ""


def _read(path: Path) -> dict[str, Any]:
    try:
        return tomllib.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError as error:
        raise InvalidSettings(f"{path}: no such file; `chatpush init` writes one") from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError, OSError) as error:
        raise InvalidSettings(f"{path}: {error}") from error


def _leaves(model: type[BaseModel], above: str = "") -> dict[str, tuple[Any, Any]]:
    """Return dotted name → (field, annotation) of every leaf below a section."""
    found: dict[str, tuple[Any, Any]] = {}
    for name, info in model.model_fields.items():
        annotation = info.annotation
        if isinstance(annotation, type) and issubclass(annotation, Section):
            found |= _leaves(annotation, f"{above}{name}.")
        else:
            found[above + name] = (info, annotation)
    return found


def _overlay(tree: dict[str, Any], env: Mapping[str, str]) -> None:
    leaves = {
        PREFIX + name.upper().replace(".", "_"): (name, kind) for name, (_, kind) in _leaves(Settings).items()
    }
    for variable, text in env.items():
        if not variable.startswith(PREFIX) or variable in COMMAND_LINE:
            continue
        if variable not in leaves:
            raise InvalidSettings(f"{variable}: no such setting{_nearest(variable, leaves)}")
        dotted, kind = leaves[variable]
        *sections, last = dotted.split(".")
        branch = tree
        for section in sections:
            branch = branch.setdefault(section, {})
        branch[last] = _decode(variable, text, kind)


def _decode(variable: str, text: str, kind: Any) -> Any:
    if (typing.get_origin(kind) or kind) not in (list, dict, types.GenericAlias):
        return text
    try:
        return json.loads(text)
    except json.JSONDecodeError as error:
        raise InvalidSettings(f"{variable}: must be JSON ({error})") from error


def _nearest(name: str, valid: typing.Iterable[str]) -> str:
    close = difflib.get_close_matches(name, list(valid), n=1, cutoff=0.5)
    return f"; did you mean {close[0]}?" if close else ""


def _explain(error: ValidationError) -> str:
    """Return one line per problem: the dotted key, what is wrong, the nearest name."""
    lines = []
    for problem in error.errors():
        dotted = ".".join(str(part) for part in problem["loc"])
        if problem["type"] == "extra_forbidden":
            lines.append(f"{dotted}: no such setting{_nearest(dotted, _leaves(Settings))}")
        else:
            message = re.sub(r"^(?:Input should|Value error, must) be", "must be", problem["msg"])
            lines.append(f"{dotted}: {message} (got {problem['input']!r})")
    return "\n".join(lines)
