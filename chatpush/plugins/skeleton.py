"""Write a new plugin that works, with a test that passes: a start, not a form to fill in."""

import keyword
import re
from pathlib import Path

from chatpush.errors import Conflict, InvalidInput

NAME = re.compile(r"[a-z][a-z0-9_]{0,62}")

PLUGIN = '''\
"""{title}: say what it does in this line; the console shows it.

Its settings, with their defaults:

    [plugins.settings.{name}]
    words = ["secret"]

What it does, as ``chatpush plugins check`` makes sure:

>>> run(plugins.filter_message(message(body="This is SECRET")))
Drop(reason="contains 'secret'")
"""

from dataclasses import replace
from typing import Any

from pydantic import BaseModel, ConfigDict, Field

from chatpush.domain import OutgoingMessage
from chatpush.plugins.contracts import Drop
from chatpush.plugins.hooks import hook

inline = True  # only computes; remove this line if it ever waits for a disk or a network


class Settings(BaseModel):
    """What may be set in ``[plugins.settings.{name}]``; checked at the start."""

    model_config = ConfigDict(extra="forbid")

    words: list[str] = Field(["secret"], description="Words that keep a message from being sent.")


@hook
def filter_message(message: OutgoingMessage, settings: dict[str, Any]) -> OutgoingMessage | Drop | None:
    """Drop a message with a forbidden word, tidy its title, leave others alone."""
    text = f"{{message.content.title}} {{message.content.body}}".lower()
    for word in settings["words"]:
        if word.lower() in text:
            return Drop(f"contains {{word!r}}")
    title = message.content.title.strip()
    if title == message.content.title:
        return None
    return replace(message, content=replace(message.content, title=title))
'''

TEST = '''\
"""Tests of the plugin {name}."""

from pathlib import Path

from chatpush.plugins.contracts import Drop
from chatpush.plugins.host import Plugins
from chatpush.plugins.loader import load_file
from chatpush.plugins.samples import message, run

plugins = Plugins({{"{name}": load_file(Path(__file__).with_name("{name}.py"))}})


def test_a_forbidden_word_drops_the_message() -> None:
    verdict = run(plugins.filter_message(message(body="This is SECRET")))
    assert verdict == Drop("contains 'secret'")


def test_a_title_is_tidied() -> None:
    assert run(plugins.filter_message(message(title=" Hello "))).content.title == "Hello"


def test_other_messages_pass_as_they_are() -> None:
    sent = message()
    assert run(plugins.filter_message(sent)) is sent
'''


def write(name: str, directory: Path) -> tuple[Path, Path]:
    """Write ``name.py`` and ``test_name.py`` into a directory and return their paths.

    Raises:
        InvalidInput: the name can't be a module's.
        Conflict: there is such a file already; nothing is replaced.
    """
    if not NAME.fullmatch(name) or keyword.iskeyword(name) or name.startswith("test_"):
        raise InvalidInput(
            f"{name!r} can't name a plugin: use a-z, 0-9 and _, starting with a letter, not test_",
            param="name",
        )
    plugin, test = directory / f"{name}.py", directory / f"test_{name}.py"
    for path in (plugin, test):
        if path.exists():
            raise Conflict(f"{path} exists already; choose another name")
    directory.mkdir(parents=True, exist_ok=True)
    title = name.replace("_", " ").capitalize()
    plugin.write_text(PLUGIN.format(name=name, title=title), encoding="utf-8")
    test.write_text(TEST.format(name=name), encoding="utf-8")
    return plugin, test
