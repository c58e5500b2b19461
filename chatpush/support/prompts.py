"""Render the assistant's prompts: Jinja2 files an operator can read and change.

They lie in ``prompts/support`` of the repository, or inside the installed
package. What they are given is text; nothing in it is rendered again.
"""

from pathlib import Path
from typing import Any

import jinja2

from chatpush.errors import InvalidSettings

PACKAGE = Path(__file__).resolve().parent.parent
PLACES = (PACKAGE.parent / "prompts", PACKAGE / "first_party" / "prompts")


def prompts_directory() -> Path:
    """Return where the prompts are: beside the package in development, inside it when installed.

    Raises:
        InvalidSettings: they are nowhere; the installation is broken.
    """
    for place in PLACES:
        if (place / "support" / "system.j2").is_file():
            return place
    raise InvalidSettings(f"no prompts in {' or '.join(str(place) for place in PLACES)}; reinstall chatpush")


class Prompts:
    """The prompts of one directory."""

    def __init__(self, directory: Path | None = None) -> None:
        self._environment = jinja2.Environment(
            loader=jinja2.FileSystemLoader(directory or prompts_directory()),
            undefined=jinja2.StrictUndefined,
            trim_blocks=True,
            lstrip_blocks=True,
            autoescape=False,
            auto_reload=False,
        )

    def render(self, name: str, **values: Any) -> str:
        """Return a prompt with its values."""
        return self._environment.get_template(name).render(**values).strip()
