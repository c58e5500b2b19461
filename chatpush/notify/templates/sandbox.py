"""Render Jinja2 text that strangers wrote, within bounds of size, memory and time.

The language's sandbox keeps templates away from Python's insides but stops
neither an endless loop nor an 800 MB string. So this module has two ends:
``compile_parts`` and ``render_parts`` are plain functions (used in-process for
trusted files), and ``python -m chatpush.notify.templates.sandbox`` is a worker that runs
them for everybody else under an address-space limit and a timer, while
``renderers.py`` watches it from outside and kills it when it hangs in C code.

Text is not escaped: a notification is text, not HTML, and whoever shows it as
HTML must escape it (the widget does). A name that is not in the data is an
error (StrictUndefined), and ``order.items`` means the data's key before any
method of that name.

One reply per context goes back, as soon as it is ready.
"""

import resource
import signal
import sys
import traceback
from collections import OrderedDict
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from types import FrameType
from typing import Any, BinaryIO

from jinja2 import DictLoader, StrictUndefined, Template, TemplateSyntaxError, nodes, pass_context
from jinja2.exceptions import SecurityError
from jinja2.meta import find_referenced_templates
from jinja2.runtime import Context
from jinja2.sandbox import ImmutableSandboxedEnvironment

from chatpush.errors import InvalidTemplate
from chatpush.notify.templates import formats
from chatpush.notify.templates.pipes import frame, read_frame

MEMORY_BYTES = 512 * 1024 * 1024
LONGEST_REPEAT = 100_000
LARGEST_BITS = 4096
CACHED_SOURCES = 256


class TimeIsUp(Exception):
    """The timer of one rendering went off."""


class Environment(ImmutableSandboxedEnvironment):
    """The sandbox, its arithmetic bounded."""

    intercepted_binops = frozenset({"*", "**", "%"})

    def call_binop(self, context: Context, operator: str, left: Any, right: Any) -> Any:
        """Refuse what would grow beyond use: huge repeats, powers and widths."""
        if operator == "%" and isinstance(left, str):
            raise SecurityError("write text with ~ and filters; % formatting is switched off")
        if operator == "*" and not _fits(left, right):
            raise SecurityError("this product is too large")
        if operator == "**" and (not _small(left) or not _small(right)):
            raise SecurityError("this power is too large")
        return super().call_binop(context, operator, left, right)

    def getattr(self, obj: Any, attribute: str) -> Any:
        """Return the data's own key first, so that ``order.items`` is the items."""
        if isinstance(obj, dict) and attribute in obj:
            return obj[attribute]
        return super().getattr(obj, attribute)


def _fits(left: Any, right: Any) -> bool:
    """Return whether a product stays small: a repeated text by its length, a number by its bits."""
    if isinstance(left, str | list | tuple) or isinstance(right, str | list | tuple):
        return _length(left) * _length(right) <= LONGEST_REPEAT
    if isinstance(left, int) and isinstance(right, int):
        return left.bit_length() + right.bit_length() <= LARGEST_BITS
    return True


def _length(value: Any) -> int:
    if isinstance(value, str | list | tuple):
        return len(value)
    return abs(value) if isinstance(value, int) else 1


def _small(value: Any) -> bool:
    return isinstance(value, float) or (isinstance(value, int) and abs(value) <= 64)


@pass_context
def _money(context: Context, value: Any, currency: str = "") -> str:
    return formats.money(value, currency, str(context.get("locale", "en")))


@pass_context
def _date(context: Context, value: Any, style: str = "medium") -> str:
    zone_name = str(context.get("timezone", "UTC"))
    return formats.moment(value, style, str(context.get("locale", "en")), zone_name)


def _environment() -> Environment:
    environment = Environment(undefined=StrictUndefined, autoescape=False, cache_size=0)
    environment.filters |= {"money": _money, "date": _date, "number": formats.number}
    del environment.globals["lipsum"]
    return environment


ENVIRONMENT = _environment()


def compile_parts(
    parts: Mapping[str, str], where: str, includes: Mapping[str, str] | None = None
) -> dict[str, Template]:
    """Return the compiled texts of one locale; ``where`` names it in errors, ``includes`` are by name.

    Raises:
        InvalidTemplate: one does not parse; the message has its line.
    """
    compiled, included = {}, includes or {}
    environment = ENVIRONMENT.overlay(loader=DictLoader(dict(included)), cache_size=len(included))
    for part, source in {**parts, **{f"include {name}": text for name, text in included.items()}}.items():
        try:
            _check_includes(environment, source, included)
            _check_names(environment, source)
            template = compiled[part] = environment.from_string(source)
            # Jinja looks globals up through a chain of dictionaries, for every rendering anew.
            template.globals = dict(template.globals)
        except TemplateSyntaxError as error:
            raise _problem(where, part, error.lineno, error.message or "syntax error") from error
        except (RecursionError, MemoryError, OverflowError, SyntaxError, ValueError) as error:
            raise _problem(where, part, None, f"can't be compiled: {error or 'too complex'}") from error
    return compiled


def _check_includes(environment: Environment, source: str, included: Mapping[str, str]) -> None:
    """Refuse to name what was not found when the template was saved."""
    if "{%" in source:
        for name in find_referenced_templates(environment.parse(source)):
            if name not in included:
                raise ValueError(
                    "include takes a name in quotes, and import and extends are switched off"
                    if name is None
                    else f"{name[:64]!r} was not found"
                )


def _check_names(environment: Environment, source: str) -> None:
    """Refuse Python's own names when a template is saved, not when its first message is due."""
    if "__" in source:
        for node in environment.parse(source).find_all((nodes.Getattr, nodes.Getitem, nodes.Name)):
            name = _named(node)
            if isinstance(name, str) and name.startswith("__") and name.endswith("__"):
                raise TemplateSyntaxError(f"{name[:64]!r} is unsafe; name what is in the data", node.lineno)


def _named(node: nodes.Node) -> Any:
    """Return what an attribute, a subscript or a name asks for, None if only rendering will tell."""
    if isinstance(node, nodes.Getattr):
        return node.attr
    if isinstance(node, nodes.Getitem):
        return node.arg.value if isinstance(node.arg, nodes.Const) else None
    return node.name if isinstance(node, nodes.Name) else None


def render_parts(
    compiled: Mapping[str, Template], context: Mapping[str, Any], max_bytes: int, where: str
) -> dict[str, str]:
    """Return the rendered texts.

    Raises:
        InvalidTemplate: a name is missing, the text grew beyond ``max_bytes``, or it failed otherwise.
    """
    values = {**ENVIRONMENT.globals, **context}
    return {
        part: _render(template, values, max_bytes, where, part)
        for part, template in compiled.items()
        if not part.startswith("include ")
    }


def _render(template: Template, values: dict[str, Any], max_bytes: int, where: str, part: str) -> str:
    """Return one text; ``values`` hold the globals too, so that they are put together once for all parts."""
    try:
        text = _bounded(template.root_render_func(template.new_context(values, shared=True)), max_bytes)
    except TimeIsUp:
        raise
    # A template runs foreign code: whatever it raises is its author's problem, never ours.
    except Exception as error:
        words = "it needs too much memory" if isinstance(error, MemoryError) else str(error)
        raise _problem(where, part, _line(template), words or type(error).__name__) from error
    if text is None:
        raise _problem(where, part, None, f"the text grew beyond {max_bytes} bytes")
    return text


def _bounded(pieces: Iterator[str], max_bytes: int) -> str | None:
    """Return the pieces together, or None as soon as they are too many bytes."""
    kept, size = [], 0
    for piece in pieces:
        size += len(piece) if piece.isascii() else len(piece.encode())
        if size > max_bytes:
            return None
        kept.append(piece)
    return "".join(kept)


def _line(template: Template) -> int | None:
    """Return the template's line that the exception being handled came from."""
    try:
        template.environment.handle_exception()
    except Exception as error:  # the same one, speaking of the template's lines instead of its code's
        frames = traceback.extract_tb(error.__traceback__)
    lines = [frame.lineno for frame in frames if frame.filename == "<template>"]
    return lines[-1] if lines else None


def _problem(where: str, part: str, line: int | None, words: str) -> InvalidTemplate:
    place = f"{where}.{part}" if where else part
    return InvalidTemplate(f"{place}{f', line {line}' if line else ''}: {words}", param=f"locales.{place}")


# -- the worker ----------------------------------------------------------------


@contextmanager
def _limited(seconds: float) -> Iterator[None]:
    """Raise TimeIsUp inside the block when it takes too long."""

    def ring(_signal: int, _stack: FrameType | None) -> None:
        raise TimeIsUp

    signal.signal(signal.SIGALRM, ring)
    signal.setitimer(signal.ITIMER_REAL, seconds)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)


def _answer(request: dict[str, Any], context: Any, cache: "OrderedDict[str, dict[str, Template]]") -> Any:
    """Return one context's texts, or what is wrong with the template. No context: only compile."""
    where, seconds, fingerprint = request["where"], request["seconds"], request["fingerprint"]
    try:
        with _limited(seconds):
            if fingerprint not in cache:
                cache[fingerprint] = compile_parts(request["parts"], where, request["includes"])
            if context is None:
                return {"texts": {}}
            return {"texts": render_parts(cache[fingerprint], context, request["max_bytes"], where)}
    except InvalidTemplate as error:
        return {"error": error.message, "param": error.param}
    except TimeIsUp:
        return {"error": f"{where}: rendering took longer than {seconds:g} s", "param": f"locales.{where}"}


def work(requests: BinaryIO, replies: BinaryIO) -> None:
    """Answer requests until the pipe closes."""
    resource.setrlimit(resource.RLIMIT_AS, (MEMORY_BYTES, MEMORY_BYTES))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    resource.setrlimit(resource.RLIMIT_FSIZE, (0, 0))
    cache: OrderedDict[str, dict[str, Template]] = OrderedDict()
    while (request := read_frame(requests)) is not None:
        for context in request["contexts"]:
            replies.write(frame(_answer(request, context, cache)))
            replies.flush()
        while len(cache) > CACHED_SOURCES:
            cache.popitem(last=False)


if __name__ == "__main__":
    work(sys.stdin.buffer, sys.stdout.buffer)
