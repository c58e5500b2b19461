"""Run the examples in a plugin's docstrings and say which no longer hold.

An example is a ``>>>`` line with what it prints below it, as in Python's own
documentation. ``plugins`` is a host with this plugin alone, ``run`` awaits for
it, and every sample of ``chatpush.plugins.samples`` is at hand::

    >>> run(plugins.filter_message(message(body="SECRET")))
    Drop(reason="contains 'secret'")
"""

import doctest
import inspect
from dataclasses import dataclass
from types import ModuleType
from typing import Any

from chatpush import settings as configuration
from chatpush.plugins import samples
from chatpush.plugins.host import Plugins

SAMPLES = (
    "event", "exchange", "identity", "item", "message", "question", "ranking", "receipt", "run", "user",
    "TENANT", "MOMENT",
)  # fmt: skip
OPTIONS = doctest.ELLIPSIS | doctest.NORMALIZE_WHITESPACE
SHOWN = 200


@dataclass(frozen=True, slots=True)
class Examples:
    """How many examples were run, and one line for each that does not hold."""

    run: int
    failures: tuple[str, ...]


def run_examples(name: str, plugin: object, settings: dict[str, Any] | None = None) -> Examples:
    """Run all examples of a plugin with settings of its own; not from within a running loop.

    Raises:
        PluginFailed: the plugin can't be used at all.
    """
    module = plugin if isinstance(plugin, ModuleType) else inspect.getmodule(plugin)
    tests = doctest.DocTestFinder(exclude_empty=True).find(plugin, name, module=module)
    runner = _Runner(optionflags=OPTIONS)
    for test in tests:
        if not test.examples:
            continue
        host = Plugins({name: plugin}, configuration.Plugins(settings={name: settings or {}}))
        offered = {sample: getattr(samples, sample) for sample in SAMPLES}
        test.globs = {**vars(module), **offered, "plugins": host}
        try:
            runner.run(test, out=lambda _text: None, clear_globs=False)
        finally:
            host.close()
    return Examples(runner.tries, tuple(runner.problems))


class _Runner(doctest.DocTestRunner):
    """Keeps one line for each failure instead of a report for each."""

    def __init__(self, optionflags: int) -> None:
        super().__init__(verbose=False, optionflags=optionflags)
        self.problems: list[str] = []

    def report_failure(
        self,
        out: Any,  # noqa: ARG002 - doctest asks so
        test: doctest.DocTest,
        example: doctest.Example,
        got: str,
    ) -> None:
        self._note(test, example, f"gave {_short(got) or 'nothing'}, not {_short(example.want) or 'nothing'}")

    def report_unexpected_exception(
        self,
        out: Any,  # noqa: ARG002 - doctest asks so
        test: doctest.DocTest,
        example: doctest.Example,
        exc_info: Any,
    ) -> None:
        self._note(test, example, f"raised {exc_info[0].__name__}: {_short(str(exc_info[1]))}")

    def _note(self, test: doctest.DocTest, example: doctest.Example, what: str) -> None:
        line = (test.lineno or 0) + example.lineno + 1
        self.problems.append(f"{test.filename}:{line}: the example {_short(example.source)!r} {what}")


def _short(text: str) -> str:
    line = " ".join(text.split())
    return line if len(line) <= SHOWN else f"{line[:SHOWN]}…"
