"""Generate the reference pages from the program; ``python -m tests.reference`` writes them.

Tests compare the committed pages with what this module makes, so that the
reference can't go stale.
"""

import inspect
import json
import re
import tempfile
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any, get_type_hints

import click

from chatpush import errors
from chatpush.app import Chatpush
from chatpush.cli.main import cli
from chatpush.configuration import PREFIX, table
from chatpush.plugins import hooks
from chatpush.plugins.acceptance import SPECIFIED, hooks_of
from chatpush.plugins.loader import FIRST_PARTY, files, load_file
from chatpush.realtime.polls.grants import Dismissed, GrantExpired
from chatpush.realtime.protocol import codes
from chatpush.settings import ChannelOptions
from chatpush.web import routes
from chatpush.web.http import openapi
from chatpush.web.http.doors import Door
from chatpush.web.http.moments import WALL_TIME
from chatpush.web.http.operations import JSON, Operation
from chatpush.web.http.problems import status_of
from chatpush.web.monitoring import realtime_metrics
from tests.serving import settings_for

DIRECTORY = Path(__file__).parent.parent / "docs" / "reference"
GENERATED = "<!-- Made by `python -m tests.reference`; changes go into the program. -->"
OPERATIONS = [operation for noun in routes.ALL for operation in noun.all]


def settings_page() -> str:
    """Return docs/reference/settings.md."""
    rows = [
        (f"`{name}`", f"`{_shown(default)}`", text)
        for name, default, text in table()
        if name != "channel.namespaces"
    ]
    options = [
        (f"`{name}`", f"`{_shown(info.default)}`", info.description or "")
        for name, info in ChannelOptions.model_fields.items()
    ]
    return _page(
        "Settings",
        "Read from `chatpush.toml`, then from variables: `client.insecure` is "
        f"`{PREFIX}CLIENT_INSECURE`; lists and tables are given as JSON. An unknown name stops the start.",
        "",
        *_table(("setting", "default", "meaning"), rows),
        "",
        "## Channels",
        "",
        "Rules for channels without a colon stand under `[channel.without_namespace]`, those of a namespace in a "
        "`[[channel.namespaces]]` table with its `name`. `user`, `conversation`, `console` are built in; a table "
        "of the same name replaces them.",
        "",
        *_table(("option", "default", "meaning"), options),
    )


def cli_page() -> str:
    """Return docs/reference/cli.md."""
    context = click.Context(cli, info_name="chatpush")
    return _page(
        "Command line",
        "Commands that talk to a running server take `--url` and `--key`, or `$CHATPUSH_URL` and `$CHATPUSH_KEY`. "
        "A mistake ends with one line on standard error and exit code 2.",
        "",
        *_command(cli, context),
    )


def _command(command: click.Command, context: click.Context) -> Iterator[str]:
    """Yield the section of a command, then those of the commands below it."""
    usage = [context.command_path, *command.collect_usage_pieces(context)]
    yield from (f"## {context.command_path}", "", _markdown(command.help), "")
    yield from ("```shell", " ".join(usage), "```", "")
    options = [
        (_option(one), _default(one), one.help or "")
        for one in command.params
        if isinstance(one, click.Option) and one.name != "help"
    ]
    if options:
        yield from _table(("option", "default", "meaning"), options)
        yield ""
    if isinstance(command, click.Group):
        for name in command.list_commands(context):
            below = command.get_command(context, name)
            if below is not None:
                yield from _command(below, click.Context(below, info_name=name, parent=context))


def _option(option: click.Option) -> str:
    span = option.type
    bounds = f"{span.min}-{span.max}" if isinstance(span, click.IntRange) else ""
    kind = "" if option.is_flag else f" {bounds or option.make_metavar(click.Context(cli))}"
    return f"`{', '.join(option.opts)}{kind}`"


def _default(option: click.Option) -> str:
    if option.required:
        return "required"
    if isinstance(option.show_default, str):
        return option.show_default
    return f"`{option.default}`" if option.show_default and option.default is not None else ""


def api_page() -> str:
    """Return docs/reference/api.md."""
    document = openapi.document(OPERATIONS)
    schemas = document["components"]["schemas"]
    tags = list(dict.fromkeys(operation.tag for operation in OPERATIONS))
    lines = [
        "Every operation with what opens its door. [openapi.json](openapi.json) is the same for machines, and a "
        "running server has it at `/openapi.json`. Errors are [problems](errors.md). Lists are newest first unless "
        "they say otherwise; `starting_after` takes the last id of the page before. "
        "`*` marks what must be given.",
        "",
    ]
    for tag in tags:
        own = [operation for operation in OPERATIONS if operation.tag == tag]
        rows = [(f"`{one.method} {one.path}`", one.summary, _opens(one.door)) for one in own]
        lines += [f"## {tag.capitalize()}", "", *_table(("operation", "what it does", "door"), rows), ""]
        for operation in own:
            described = document["paths"][operation.path][operation.method.lower()]
            lines += _fields(operation, described, schemas)
    return _page("HTTP API", *lines)


def _opens(door: Door) -> str:
    ways = [f"`{door.scope}`" if door.scope else "", "a user" if door.user else ""]
    ways += [f"console: {door.role}" if door.role else "", "a publishable key" if door.publishable else ""]
    return "anyone" if door.anyone else ", ".join(filter(None, ways))


def _fields(operation: Operation, described: dict[str, Any], schemas: dict[str, Any]) -> Iterator[str]:
    """Yield the tables of an operation's query and body, if it has any."""
    rows = [
        (
            _name(one["name"], one["required"]),
            one["in"],
            _kind(one["schema"], schemas),
            one.get("description", ""),
        )
        for one in described["parameters"]
        if one["in"] != "path"
    ]
    body = described.get("requestBody")
    if body:
        for media, content in body["content"].items():
            if media == JSON:
                rows += _body(content["schema"], schemas, "")
            else:
                rows.append(("body *", "body", "bytes", "The file itself."))
    if rows:
        yield from (f"### {operation.method} {operation.path}", "", operation.summary.rstrip(".") + ".", "")
        yield from _table(("name", "in", "type", "meaning"), rows)
        yield ""


def _body(schema: dict[str, Any], schemas: dict[str, Any], above: str) -> Iterator[tuple[str, str, str, str]]:
    """Yield a body's fields, those of objects inside it below them."""
    model = _resolved(schema, schemas)
    for name, field in model.get("properties", {}).items():
        required = name in model.get("required", ())
        yield _name(above + name, required), "body", _kind(field, schemas), field.get("description", "")
        inner = _inner(field, schemas)
        if inner is not None and above.count(".") < 2:
            yield from _body(inner, schemas, f"{above}{name}.")


def _inner(field: dict[str, Any], schemas: dict[str, Any]) -> dict[str, Any] | None:
    """Return the object a field holds, alone, in a list or by names."""
    for one in [field, *field.get("anyOf", ())]:
        for found in (one, one.get("items"), one.get("additionalProperties")):
            if isinstance(found, dict) and "properties" in _resolved(found, schemas):
                return found
    return None


def _resolved(schema: dict[str, Any], schemas: dict[str, Any]) -> dict[str, Any]:
    found: dict[str, Any] = schemas[schema["$ref"].rpartition("/")[2]] if "$ref" in schema else schema
    return found


def _kind(schema: dict[str, Any], schemas: dict[str, Any]) -> str:
    """Return a JSON Schema's type in a few words."""
    schema = _resolved(schema, schemas)
    if "anyOf" in schema:
        kinds = [_kind(one, schemas) for one in schema["anyOf"] if one.get("type") != "null"]
        return " or ".join(dict.fromkeys(kinds))
    if "enum" in schema or "const" in schema:
        return ", ".join(
            f"`{str(one).lower() if one is True else one}`"
            for one in schema.get("enum", [schema.get("const")])
        )
    if schema.get("type") == "array":
        return f"list of {_kind(schema.get('items', {}), schemas)}"
    if schema.get("type") == "object":
        return "object"
    if schema.get("pattern") == f"^{WALL_TIME.pattern}$":
        return "time"
    named = {"date-time": "time", "date": "date"}.get(schema.get("format", ""))
    return named or str(schema.get("type", "any"))


def _name(name: str, required: bool) -> str:
    return f"`{name}`{' *' if required else ''}"


def openapi_document() -> str:
    """Return docs/reference/openapi.json."""
    return json.dumps(openapi.document(OPERATIONS), indent=2, ensure_ascii=False) + "\n"


def hooks_page() -> str:
    """Return docs/reference/hooks.md."""
    lines = [
        inspect.cleandoc(hooks.__doc__ or ""),
        "",
        "[Plugins](../plugins/README.md) has a working example of each.",
        "",
    ]
    for name in SPECIFIED:
        function = getattr(hooks, name)
        lines += [f"## {name}", "", "```python", _signature(name, function), "```", ""]
        lines += [_markdown(function.__doc__), ""]
    return _page("Hooks", *lines)


def plugins_page() -> str:
    """Return docs/reference/plugins.md."""
    lines = [
        "Switched on by name in `plugins.enabled`, set in `[plugins.settings.<name>]`. "
        "[Plugins](../plugins/README.md) says how one is written.",
        "",
    ]
    for path in files(FIRST_PARTY):
        module = load_file(path)
        words = inspect.cleandoc(module.__doc__ or "").partition("\n>>>")[0].rstrip()
        terms = [f"`{name} = True`" for name in ("fail_closed", "inline") if getattr(module, name, False)]
        lines += [f"## {path.stem}", "", _fenced(_markdown(words)), ""]
        names = ", ".join(f"`{name}`" for name in hooks_of(path.stem, module))
        lines += [f"Hooks: {names}." + (f" It says {' and '.join(terms)}." if terms else ""), ""]
        settings = getattr(module, "Settings", None)
        if settings is not None:
            rows = [
                (
                    f"`{name}`",
                    f"`{_shown(info.get_default(call_default_factory=True))}`",
                    info.description or "",
                )
                for name, info in settings.model_fields.items()
            ]
            lines += [*_table(("setting", "default", "meaning"), rows), ""]
    return _page("First-party plugins", *lines)


def _fenced(text: str) -> str:
    """Return a docstring with its indented blocks fenced, as TOML."""
    return re.sub(r"(?m)(?:^    .*\n?|^\n(?=    ))+", _fence, text + "\n").rstrip()


def _fence(found: re.Match[str]) -> str:
    block = inspect.cleandoc(found[0])
    return f"\n```toml\n{block}\n```\n"


def _signature(name: str, function: Any) -> str:
    hints = get_type_hints(function)
    given = ", ".join(f"{one}: {_annotation(hints[one])}" for one in inspect.signature(function).parameters)
    return f"def {name}({given}) -> {_annotation(hints['return'])}"


def _annotation(hint: Any) -> str:
    return re.sub(r"\b(?:[a-z_]+\.)+(?=[A-Z])", "", inspect.formatannotation(hint)).replace(
        "NoneType", "None"
    )


def errors_page() -> str:
    """Return docs/reference/errors.md."""
    kinds: list[type[errors.ChatpushError]] = [*_tree(errors.ChatpushError), GrantExpired, Dismissed]
    rows = [(f"`{kind.code}`", str(_status(kind)), _meaning(kind)) for kind in kinds]
    wire = [
        (str(one.code), one.message, "yes" if one.temporary else "") for one in _constants(codes.ErrorCode)
    ]
    closed = [
        (str(one.code), one.reason, "" if one.code >= 3500 else "yes") for one in _constants(codes.Disconnect)
    ]
    ended = [
        (str(one.code), one.reason, "yes" if one.code >= 2500 else "")
        for one in _constants(codes.Unsubscribe)
    ]
    return _page(
        "Errors",
        "## Over HTTP",
        "",
        "Every refusal is `application/problem+json` (RFC 9457): `type`, `title`, `status`, `detail` for people, "
        "`code` for programs, the `doc_url` that explains it, `param` naming the field at fault, and the "
        "`request_id` that the log has, too (`instance` is the same as a URI). "
        "429 and 503 carry `Retry-After`. When several fields are wrong, `errors` lists them all. "
        "Wrong addresses have the codes `not_found` (404) and `method_not_allowed` (405); "
        "what can't be read as HTTP has `bad_request` (400).",
        "",
        *_table(("code", "status", "meaning"), rows),
        "",
        "In a program that embeds chatpush they are exceptions of `chatpush.errors`:",
        "",
        "```",
        *_drawing(),
        "```",
        "",
        "## Over the realtime connection",
        "",
        "A command that fails is answered with `error`; a client may repeat temporary ones.",
        "",
        *_table(("code", "message", "temporary"), wire),
        "",
        "A connection is closed with a code that says whether to come back.",
        "",
        *_table(("code", "reason", "reconnect"), closed),
        "",
        "A subscription that the server ends has a code that says whether to subscribe again.",
        "",
        *_table(("code", "reason", "resubscribe"), ended),
    )


def _tree(kind: type[errors.ChatpushError]) -> Iterator[type[errors.ChatpushError]]:
    """Yield the errors of ``chatpush.errors`` as they are declared, children after their parent."""
    yield kind
    for below in kind.__subclasses__():
        if below.__module__ == errors.__name__:
            yield from _tree(below)


def _drawing() -> list[str]:
    """Return the tree that the module's docstring draws."""
    lines = inspect.cleandoc(errors.__doc__ or "").splitlines()
    return [line[4:] for line in lines if line.startswith("    ")]


def _meaning(kind: type[errors.ChatpushError]) -> str:
    if kind is errors.ChatpushError:
        return "Something went wrong here that is not your fault; it is logged."
    return (kind.__doc__ or "").strip()


def _status(kind: type[errors.ChatpushError]) -> int:
    return status_of(kind("any"))


def _constants(kind: type[Any]) -> list[Any]:
    found = [value for value in vars(codes).values() if isinstance(value, kind)]
    return sorted(found, key=lambda one: one.code)


def _page(title: str, *lines: str) -> str:
    return "\n".join([f"# {title}", "", GENERATED, "", *lines]).rstrip() + "\n"


def _table(head: tuple[str, ...], rows: Iterable[tuple[str, ...]]) -> list[str]:
    drawn = [f"| {' | '.join(head)} |", "|" + "---|" * len(head)]
    return drawn + [f"| {' | '.join(map(_cell, row))} |" for row in rows]


def _cell(text: str) -> str:
    """Return a cell: one line, no bar that ends it, no angle bracket that begins HTML."""
    parts = " ".join(_markdown(text).split()).replace("|", "\\|").split("`")
    return "`".join(part if number % 2 else part.replace("<", "&lt;") for number, part in enumerate(parts))


def _markdown(docstring: str | None) -> str:
    """Return a docstring with its code marked as Markdown does."""
    return inspect.cleandoc(docstring or "").replace("``", "`")


def _shown(default: object) -> str:
    if isinstance(default, bool):
        return str(default).lower()
    if isinstance(default, str):
        return f'"{default}"'
    return str(default)


def metrics_page() -> str:
    """Return docs/reference/metrics.md."""
    with tempfile.TemporaryDirectory() as directory:
        described = Chatpush(settings_for(Path(directory))).metrics.described()
    rows = [
        (f"`{name}{'_total' * (kind == 'counter')}`", kind, ", ".join(f"`{one}`" for one in labels), text)
        for name, kind, labels, text in described
    ]
    return _page(
        "Metrics",
        "What `/metrics` shows, in Prometheus' text format. "
        + _markdown(realtime_metrics.__doc__).split("\n\n", 1)[1].replace("\n", " "),
        "",
        *_table(("name", "kind", "labels", "meaning"), rows),
    )


PAGES = {
    "metrics.md": metrics_page,
    "settings.md": settings_page,
    "cli.md": cli_page,
    "api.md": api_page,
    "openapi.json": openapi_document,
    "hooks.md": hooks_page,
    "plugins.md": plugins_page,
    "errors.md": errors_page,
}


if __name__ == "__main__":
    DIRECTORY.mkdir(parents=True, exist_ok=True)
    for name, page in PAGES.items():
        (DIRECTORY / name).write_text(page(), encoding="utf-8")
