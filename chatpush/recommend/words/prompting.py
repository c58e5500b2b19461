"""Render what the recommender asks a model, from ``prompts/recommend`` and ``prompts/analysis``.

The files lie beside the package in development and inside it when installed;
an operator can read and change them. No rule rests on a prompt: code checks.
"""

from functools import cache
from pathlib import Path
from typing import Any

import jinja2

PACKAGE = Path(__file__).resolve().parent.parent.parent
PLACES = (PACKAGE.parent / "prompts", PACKAGE / "first_party" / "prompts")


@cache
def _environment() -> jinja2.Environment:
    return jinja2.Environment(
        loader=jinja2.FileSystemLoader(PLACES), undefined=jinja2.StrictUndefined, trim_blocks=True,
        lstrip_blocks=True, autoescape=False, auto_reload=False,
    )  # fmt: skip


def prompt(name: str, **values: Any) -> str:
    """Return a prompt such as ``recommend/copy`` with its values; these are text and not rendered again."""
    return _environment().get_template(f"{name}.j2").render(**values).strip()
