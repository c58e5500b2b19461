"""Tell what a file is by what is in it, never by what it is called.

A picture is walked through from its first mark to its last: what ends early,
goes on after its end (a script or an archive can hide there), or claims more
pixels than anybody should have to unpack is refused. Formats: PNG (W3C PNG 3rd
edition), JPEG (ITU T.81), GIF89a, WebP (RFC 9649), PDF (ISO 32000), plain text
in UTF-8. What can run code where it is opened, such as SVG or HTML, has no kind.
"""

import struct
import zlib
from collections.abc import Callable
from pathlib import PurePosixPath

from chatpush.errors import InvalidInput

PNG_MARK = b"\x89PNG\r\n\x1a\n"
EXTENSIONS = {
    "image/png": {"png"},
    "image/jpeg": {"jpg", "jpeg", "jpe", "jfif"},
    "image/gif": {"gif"},
    "image/webp": {"webp"},
    "application/pdf": {"pdf"},
    "text/plain": {"txt", "log", "md", "csv", "json"},
}
"""The kinds that can be told, and the names they may go by."""
MARKUP = (b"<!doctype", b"<html", b"<svg", b"<script", b"<?xml", b"<head", b"<body", b"<iframe")
# JPEG marks that stand alone, without a length: restarts, begin, TEM.
ALONE = frozenset({0x01, *range(0xD0, 0xD9)})
FRAMES = frozenset({*range(0xC0, 0xD0)} - {0xC4, 0xC8, 0xCC})
LAST_PDF_BYTES = 1024


class Broken(InvalidInput):
    """The file is not whole, or is not what its first bytes say."""


def kind_of(body: bytes, *, max_pixels: int) -> str:
    """Return the MIME type of a file.

    Raises:
        InvalidInput: it has no kind we know, is damaged, hides something, or is too large a picture.
    """
    for mark, kind, check in MARKS:
        if body.startswith(mark):
            size = check(body)
            if size is not None and not 0 < size[0] * size[1] <= max_pixels:
                raise Broken(f"a picture may have {max_pixels} pixels", param="file")
            return kind
    if _is_text(body):
        return "text/plain"
    raise InvalidInput("this kind of file cannot be told; send a picture, a PDF or plain text", param="file")


def goes_by(name: str, kind: str) -> bool:
    """Return whether a file of this kind may have this name; one without an extension may."""
    extension = PurePosixPath(name).suffix.removeprefix(".").lower()
    return not extension or extension in EXTENSIONS[kind]


def _png(body: bytes) -> tuple[int, int]:
    at, size = len(PNG_MARK), (0, 0)
    while at + 12 <= len(body):
        length, name = struct.unpack(">I4s", body[at : at + 8])
        end = at + 12 + length
        if end > len(body):
            break
        if zlib.crc32(body[at + 4 : end - 4]) != int.from_bytes(body[end - 4 : end], "big"):
            raise Broken("the PNG is damaged", param="file")
        if name == b"IHDR":
            size = struct.unpack(">II", body[at + 8 : at + 16])
        if name == b"IEND":
            return _ends(body, end, size)
        at = end
    raise Broken("the PNG ends early", param="file")


def _jpeg(body: bytes) -> tuple[int, int]:
    at, size = 2, (0, 0)
    while at + 4 <= len(body):
        if body[at] != 0xFF:
            raise Broken("the JPEG is damaged", param="file")
        mark = body[at + 1]
        if mark == 0xD9:
            return _ends(body, at + 2, size)
        if mark in ALONE or mark == 0xFF:
            at += 1 if mark == 0xFF else 2
            continue
        length = int.from_bytes(body[at + 2 : at + 4], "big")
        if mark in FRAMES and at + 9 <= len(body):
            height, width = struct.unpack(">HH", body[at + 5 : at + 9])
            size = (width, height)
        at += 2 + length
        if mark == 0xDA:
            at = _after_scan(body, at)
    if body[at : at + 2] == b"\xff\xd9":
        return _ends(body, at + 2, size)
    raise Broken("the JPEG ends early", param="file")


def _after_scan(body: bytes, at: int) -> int:
    """Return where the coded data ends: at the next mark that is no restart and no stuffed byte."""
    while (at := body.find(b"\xff", at)) >= 0 and at + 1 < len(body):
        if body[at + 1] != 0 and not 0xD0 <= body[at + 1] <= 0xD7:
            return at
        at += 2
    raise Broken("the JPEG ends early", param="file")


def _gif(body: bytes) -> tuple[int, int]:
    if len(body) < 14:
        raise Broken("the GIF ends early", param="file")
    size = struct.unpack("<HH", body[6:10])
    at = 13 + (3 << ((body[10] & 7) + 1) if body[10] & 0x80 else 0)
    while at < len(body):
        block = body[at]
        if block == 0x3B:
            return _ends(body, at + 1, size)
        if block == 0x2C and at + 10 < len(body):
            flags = body[at + 9]
            at += 11 + (3 << ((flags & 7) + 1) if flags & 0x80 else 0)
        elif block == 0x21:
            at += 2
        else:
            raise Broken("the GIF is damaged", param="file")
        while at < len(body) and body[at]:
            at += 1 + body[at]
        at += 1
    raise Broken("the GIF ends early", param="file")


def _webp(body: bytes) -> tuple[int, int]:
    if body[8:12] != b"WEBP" or len(body) < 30:
        raise Broken("this is no WebP", param="file")
    _ends(body, 8 + int.from_bytes(body[4:8], "little"), (1, 1))
    name, data = body[12:16], body[20:30]
    if name == b"VP8X":
        return int.from_bytes(data[4:7], "little") + 1, int.from_bytes(data[7:10], "little") + 1
    if name == b"VP8L":
        bits = int.from_bytes(data[1:5], "little")
        return (bits & 0x3FFF) + 1, (bits >> 14 & 0x3FFF) + 1
    if name == b"VP8 ":
        return int.from_bytes(data[6:8], "little") & 0x3FFF, int.from_bytes(data[8:10], "little") & 0x3FFF
    raise Broken("this WebP begins with no picture", param="file")


def _pdf(body: bytes) -> None:
    if b"%%EOF" not in body[-LAST_PDF_BYTES:]:
        raise Broken("the PDF ends early", param="file")


def _ends(body: bytes, end: int, size: tuple[int, int]) -> tuple[int, int]:
    if end > len(body):
        raise Broken("the picture ends early", param="file")
    if body[end:].strip(b"\x00\n\r "):
        raise Broken("something is hidden after the end of the picture", param="file")
    return size


def _is_text(body: bytes) -> bool:
    """Return whether this is UTF-8 without control characters, and no markup that a browser might run."""
    try:
        text = body.decode("utf-8-sig")
    except UnicodeDecodeError:
        return False
    if not text or any(ord(char) < 32 and char not in "\t\n\r\f" for char in text):
        return False
    return not any(mark in body[:1024].lower() for mark in MARKUP)


MARKS: list[tuple[bytes, str, Callable[[bytes], tuple[int, int] | None]]] = [
    (PNG_MARK, "image/png", _png),
    (b"\xff\xd8\xff", "image/jpeg", _jpeg),
    (b"GIF87a", "image/gif", _gif),
    (b"GIF89a", "image/gif", _gif),
    (b"RIFF", "image/webp", _webp),
    (b"%PDF-", "application/pdf", _pdf),
]
