"""What every part of the settings tree is: frozen, and refusing names it does not know; and its kinds of text."""

import re
from typing import Annotated

from pydantic import AfterValidator, BaseModel, ConfigDict

WEB = re.compile(r"https?://[^\s/?#]+[^\s?#]*")
ORIGIN = re.compile(r"[a-z][a-z0-9+.-]*://[^\s/?#]+")


class Section(BaseModel):
    """A part of the tree."""

    model_config = ConfigDict(extra="forbid", frozen=True)


def _web_address(text: str) -> str:
    if text and not WEB.fullmatch(text):
        raise ValueError("must be an address such as https://push.example.com")
    return text


def _origin(text: str) -> str:
    # Browsers send an origin without a path: one with a slash at its end would never be met.
    if text not in ("*", "null") and not ORIGIN.fullmatch(text):
        raise ValueError(
            "must be an origin such as https://shop.example.com, without a path or a slash at its end"
        )
    return text


WebAddress = Annotated[str, AfterValidator(_web_address)]
Origin = Annotated[str, AfterValidator(_origin)]
