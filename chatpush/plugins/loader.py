"""Find plugins and load them: installed ones, first-party ones, files in a directory.

Installed packages announce theirs by an entry point of group ``chatpush`` and
are always loaded. First-party plugins (``plugins/`` of the repository, inside
the wheel when installed) are loaded when ``plugins.enabled`` names them. Each
``*.py`` file in ``plugins.directory`` is one plugin, named after the file;
``test_*.py`` and ``_*.py`` are not. A file is run anew for each app, so two
apps never share a plugin's state. Anything broken stops the start, and says
where it is and what to do about it.
"""

import difflib
import importlib.metadata
import importlib.util
import inspect
import traceback
from collections.abc import Callable
from dataclasses import dataclass
from importlib.machinery import SourceFileLoader
from pathlib import Path
from types import CodeType, ModuleType

from chatpush.clock import Clock
from chatpush.errors import PluginFailed
from chatpush.plugins.host import Plugins
from chatpush.settings import Settings

GROUP = "chatpush"
PACKAGE = Path(__file__).parent.parent
INSTALLED = PACKAGE / "first_party" / "plugins"
DEVELOPMENT = PACKAGE.parent / "plugins"
FIRST_PARTY = INSTALLED if INSTALLED.is_dir() else DEVELOPMENT
NOT_PLUGINS = ("test_", "_")


@dataclass(frozen=True, slots=True)
class Found:
    """A plugin that the configuration names, not loaded yet."""

    name: str
    load: Callable[[], object]


class _FreshSource(SourceFileLoader):
    """Runs the file as it is now: cached bytecode may be of a version of the same second and size."""

    def get_code(self, fullname: str) -> CodeType:
        path = self.get_filename(fullname)
        code: CodeType = self.source_to_code(self.get_data(path), path)
        return code


def found(settings: Settings) -> list[Found]:
    """Return the app's plugins: installed ones, then first-party ones, then the directory's.

    Raises:
        PluginFailed: one is named that isn't there.
    """
    entries = sorted(importlib.metadata.entry_points(group=GROUP), key=lambda entry: entry.name)
    result = [Found(entry.name, _loading_entry(entry)) for entry in entries]
    paths = [first_party(name) for name in settings.plugins.enabled]
    if settings.plugins.directory:
        paths += files(settings.path(settings.plugins.directory))
    return [*result, *map(found_in, paths)]


def found_in(path: Path) -> Found:
    """Return a file as a plugin, not loaded yet."""
    return Found(path.stem, lambda: load_file(path))


def load(settings: Settings, clock: Clock | None = None) -> Plugins:
    """Return the app's plugins, loaded.

    Raises:
        PluginFailed: one is missing, broken, or breaks its contract.
    """
    plugins = Plugins(settings=settings.plugins, clock=clock)
    for one in found(settings):
        plugins.add(one.name, one.load())
    know_all_settings({state.name for state in plugins.states()}, settings)
    return plugins


def first_party(name: str) -> Path:
    """Return the file of a first-party plugin.

    Raises:
        PluginFailed: there is none of this name.
    """
    known = {path.stem: path for path in files(FIRST_PARTY)}
    if name not in known:
        close = difflib.get_close_matches(name, known, n=1)
        hint = f"did you mean {close[0]}?" if close else f"there are {', '.join(known)}"
        raise PluginFailed(f"plugins.enabled: no first-party plugin {name!r}; {hint}")
    return known[name]


def files(directory: Path) -> list[Path]:
    """Return a directory's plugin files, by name.

    Raises:
        PluginFailed: there is no such directory.
    """
    if not directory.is_dir():
        raise PluginFailed(f"plugins.directory: {directory} is not a directory; make it, or unset it")
    return sorted(path for path in directory.glob("*.py") if not path.name.startswith(NOT_PLUGINS))


def load_file(path: Path) -> ModuleType:
    """Run a plugin's file and return it as a module.

    Raises:
        PluginFailed: it can't be read or run; the message names file, line and remedy.
    """
    name = f"chatpush_plugin_{path.stem}"
    source = _FreshSource(name, str(path))
    spec = importlib.util.spec_from_file_location(name, path, loader=source)
    if spec is None or path.suffix != ".py":
        raise PluginFailed(f"{path}: not a Python file; its name must end with .py")
    module = importlib.util.module_from_spec(spec)
    try:
        source.exec_module(module)
    except SyntaxError as error:
        where = error.filename or path
        raise PluginFailed(f"{where}:{error.lineno}: {error.msg}; correct this line") from error
    except ModuleNotFoundError as error:
        raise PluginFailed(
            f"{path}:{_line(error, path)}: it needs {error.name}, which is not installed; "
            f"`pip install` it where chatpush runs"
        ) from error
    except (Exception, SystemExit) as error:
        raise PluginFailed(
            f"{path}:{_line(error, path)}: {type(error).__name__}: {error}; "
            "correct it, or move the file out of the way to start without it"
        ) from error
    return module


def load_entry(entry: importlib.metadata.EntryPoint) -> object:
    """Import what an installed package announces; a class is instantiated.

    Raises:
        PluginFailed: it can't be imported or made.
    """
    try:
        found = entry.load()
        return found() if inspect.isclass(found) else found
    except (Exception, SystemExit) as error:
        package = entry.dist.name if entry.dist else entry.value
        raise PluginFailed(
            f"plugin {entry.name} ({entry.value}) of package {package}: {type(error).__name__}: {error}; "
            f"mend it, or uninstall {package}"
        ) from error


def know_all_settings(loaded: set[str], settings: Settings) -> None:
    """Check that settings and budgets belong to somebody; a first-party plugin that is off may keep its own.

    Raises:
        PluginFailed: nobody has this name.
    """
    known = loaded | {path.stem for path in files(FIRST_PARTY)}
    named = [(f"[plugins.settings.{name}]", name) for name in settings.plugins.settings]
    named += [
        (f"[plugins.budgets] {name}", name.partition(".")[0])
        for name in settings.plugins.budgets
        if "." in name
    ]
    for where, name in named:
        if name not in known:
            close = difflib.get_close_matches(name, known, n=1)
            hint = f"; did you mean {close[0]}?" if close else ""
            raise PluginFailed(f"{where}: no plugin of this name is loaded{hint}")


def _loading_entry(entry: importlib.metadata.EntryPoint) -> Callable[[], object]:
    return lambda: load_entry(entry)


def _line(error: BaseException, path: Path) -> int:
    """Return the last line of the file itself that an error passed through."""
    steps = [step.lineno for step in traceback.extract_tb(error.__traceback__) if step.filename == str(path)]
    return steps[-1] if steps and steps[-1] else 1
