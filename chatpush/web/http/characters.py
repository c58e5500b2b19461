"""Refuse what no store, page or header can hold, before anybody works with it.

NUL characters (PostgreSQL keeps none), halves of characters (lone surrogates,
which no encoding writes), headers that are not UTF-8 and numbers that JSON
does not have (RFC 8259 §6, §8). All of it is the caller's mistake, so it is
told at the door and never met further in.
"""

import json
import re
from typing import Any, NoReturn

from aiohttp import web

from chatpush.errors import InvalidInput

NUL = "\x00"
# Only a text with one of these escapes can hold what is refused; pairs are told from halves by looking.
_SUSPICIOUS = re.compile(r"\\u(?:0000|[dD][89a-fA-F])")
_HALF = re.compile(r"[\ud800-\udfff]")


def check_head(request: web.Request) -> None:
    """Let a request through whose address and headers can be read.

    Raises:
        InvalidInput: a NUL in the address, or a header that is not UTF-8.
    """
    if "%00" in request.raw_path:
        raise InvalidInput("the address holds a NUL character (%00); leave it out")
    for name, value in request.raw_headers:
        if not value.isascii():
            try:
                value.decode()
            except UnicodeDecodeError:
                shown = name.decode("ascii", "replace")
                raise InvalidInput(f"header {shown} is not UTF-8", param=shown) from None


def check_text(text: str, param: str) -> None:
    """Let a text through that can be kept.

    Raises:
        InvalidInput: it holds a NUL or half a character.
    """
    if NUL in text:
        raise InvalidInput("a text holds a NUL character; leave it out", param=param)
    if _HALF.search(text):
        raise InvalidInput("a text holds half a character (a lone surrogate); leave it out", param=param)


def read(body: bytes) -> Any:
    """Return a body's JSON.

    Raises:
        InvalidInput: it isn't JSON in UTF-8, or holds what can't be kept.
    """
    return _read(body)[1]


def checked(body: bytes) -> str:
    """Return a body that is JSON as text.

    Raises:
        InvalidInput: it isn't JSON in UTF-8, or holds what can't be kept.
    """
    return _read(body)[0]


def _read(body: bytes) -> tuple[str, Any]:
    try:
        text = body.decode("utf-8-sig")
        value = json.loads(text, parse_constant=_refuse)
    except (ValueError, RecursionError) as error:
        raise InvalidInput(f"the body is not JSON: {error}") from error
    if _SUSPICIOUS.search(text):
        _check_all(value)
    return text, value


def _refuse(constant: str) -> NoReturn:
    raise ValueError(f"JSON has no {constant}")


def _check_all(value: Any) -> None:
    waiting: list[tuple[str, Any]] = [("", value)]
    while waiting:
        place, one = waiting.pop()
        if isinstance(one, str):
            check_text(one, place)
        elif isinstance(one, list):
            waiting += [(f"{place}.{i}".lstrip("."), item) for i, item in enumerate(one)]
        elif isinstance(one, dict):
            for name, item in one.items():
                check_text(name, place)
                waiting.append((f"{place}.{name}".lstrip("."), item))
