"""What a file is, is told by what is in it; what is damaged, too large, or hides something is refused."""

import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chatpush.errors import InvalidInput
from chatpush.support.conversations.attachments import clean
from chatpush.support.conversations.file_kinds import goes_by, kind_of
from tests.support.files import GIF, JPEG, PNG, TEXT, WEBP, WHOLE, png

MOST = 1_000_000
PICTURES = {"png": PNG, "jpeg": JPEG, "gif": GIF, "webp": WEBP}
HOSTILE = {
    "html": b"<!DOCTYPE html><script>alert(1)</script>",
    "html after spaces": b"\n\n   <html><body onload=alert(1)>",
    "svg": b'<svg xmlns="http://www.w3.org/2000/svg"><script>alert(1)</script></svg>',
    "xml": b"<?xml version='1.0'?><!DOCTYPE x [<!ENTITY a 'aaa'>]>",
    "program": b"MZ\x90\x00\x03\x00\x00\x00",
    "elf": b"\x7fELF\x02\x01\x01",
    "zip": b"PK\x03\x04\x14\x00\x00\x00",
    "bytes": bytes(range(256)),
    "utf-16": "text".encode("utf-16"),
    "nothing": b"",
}


@pytest.mark.parametrize("kind", list(WHOLE))
def test_every_kind_is_told(kind: str) -> None:
    assert kind_of(WHOLE[kind], max_pixels=MOST) == kind


@pytest.mark.parametrize("name", list(HOSTILE))
def test_what_could_run_or_cannot_be_told_has_no_kind(name: str) -> None:
    with pytest.raises(InvalidInput):
        kind_of(HOSTILE[name], max_pixels=MOST)


@pytest.mark.parametrize("name", list(PICTURES))
@pytest.mark.parametrize("tail", [b"<script>alert(1)</script>", b"PK\x03\x04", b"\xff\xd8\xff"])
def test_nothing_hides_behind_a_picture(name: str, tail: bytes) -> None:
    with pytest.raises(InvalidInput):
        kind_of(PICTURES[name] + tail, max_pixels=MOST)


@pytest.mark.parametrize("name", list(PICTURES))
def test_a_picture_that_ends_early_is_refused(name: str) -> None:
    whole = PICTURES[name]
    for length in range(8, len(whole)):
        with pytest.raises(InvalidInput):
            kind_of(whole[:length], max_pixels=MOST)


def test_a_picture_that_unpacks_to_too_much_is_refused() -> None:
    with pytest.raises(InvalidInput, match="pixels"):
        kind_of(png(60_000, 60_000, pixels=b""), max_pixels=MOST)
    gif = GIF[:6] + struct.pack("<HH", 65_535, 65_535) + GIF[10:]
    with pytest.raises(InvalidInput, match="pixels"):
        kind_of(gif, max_pixels=MOST)


def test_a_damaged_picture_is_refused() -> None:
    spoilt = bytearray(PNG)
    spoilt[20] ^= 1
    with pytest.raises(InvalidInput, match="damaged"):
        kind_of(bytes(spoilt), max_pixels=MOST)


@given(st.binary(max_size=200), st.sampled_from(sorted(PICTURES)), st.integers(0, 60))
def test_no_bytes_do_more_than_be_refused(noise: bytes, name: str, keep: int) -> None:
    """Whatever comes, the answer is a kind or a refusal."""
    try:
        kind = kind_of(PICTURES[name][:keep] + noise, max_pixels=MOST)
    except InvalidInput:
        return
    assert kind in WHOLE


@pytest.mark.parametrize(
    ("name", "kind", "honest"),
    [
        ("a.png", "image/png", True), ("a.PNG", "image/png", True), ("a", "image/png", True),
        ("a.jpg", "image/png", False), ("a.html", "text/plain", False), ("a.png.exe", "image/png", False),
        ("notes.md", "text/plain", True), (".pdf", "application/pdf", True),
    ],
)  # fmt: skip
def test_a_name_must_not_lie(name: str, kind: str, honest: bool) -> None:
    assert goes_by(name, kind) is honest


def test_a_name_is_only_a_name() -> None:
    assert clean("../../etc/passwd") == "passwd"
    assert clean('C:\\temp\\a"b\r\nX: y.png') == "abX y.png"
    assert clean("invoice\u202egnp.exe") == "invoicegnp.exe"
    assert clean("...") == "file"
    assert len(clean("x" * 500 + ".png")) == 120
    assert kind_of(TEXT, max_pixels=1) == "text/plain"
