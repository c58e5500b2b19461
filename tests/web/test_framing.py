"""Frames of clients, good and bad, in any pieces."""

import os
import random

import pytest

from chatpush.web.transports.framing import (
    BINARY,
    CLOSE,
    PING,
    PONG,
    TEXT,
    FrameReader,
    Message,
    answer_to_close,
    closing,
    frame,
    unmask,
)

LIMIT = 70_000
MASK = b"\x37\xfa\x21\x3d"


def sent(payload: bytes, opcode: int = TEXT, *, fin: bool = True, mask: bytes = MASK, rsv: int = 0) -> bytes:
    """Return a client's frame."""
    head = bytes(((0x80 if fin else 0) | rsv | opcode,))
    length = len(payload)
    if length < 126:
        head += bytes((0x80 | length,))
    elif length < 65_536:
        head += b"\xfe" + length.to_bytes(2, "big")
    else:
        head += b"\xff" + length.to_bytes(8, "big")
    return head + mask + bytes(byte ^ mask[place % 4] for place, byte in enumerate(payload))


def read(*pieces: bytes, limit: int = LIMIT) -> tuple[list[Message], int]:
    """Return the messages of some pieces, and the close code if they were broken."""
    reader = FrameReader(limit)
    found: list[Message] = []
    for piece in pieces:
        found += reader.feed(piece)
    return found, reader.broken.code if reader.broken else 0


@pytest.mark.parametrize("length", [0, 1, 2, 3, 4, 5, 125, 126, 127, 1000, 65_535, 65_536, 69_999])
def test_every_length_is_read(length: int) -> None:
    payload = (b"0123456789" * 7000)[:length]
    assert read(sent(payload)) == ([(TEXT, payload)], 0)


@pytest.mark.parametrize("mask", [b"\0\0\0\0", b"\xff\xff\xff\xff", MASK, b"\x01\0\0\0"])
def test_every_mask_is_taken_off(mask: bytes) -> None:
    payload = os.urandom(1001)
    assert read(sent(payload, BINARY, mask=mask)) == ([(BINARY, payload)], 0)
    assert unmask(b"", mask) == b""


def test_frames_come_in_any_pieces() -> None:
    stream = sent(b"one") + sent(b"x" * 300) + sent(b"", PING) + sent(b"two", fin=False) + sent(b"", 0)
    whole = ([(TEXT, b"one"), (TEXT, b"x" * 300), (PING, b""), (TEXT, b"two")], 0)
    for size in (1, 2, 3, 5, 7, 100, len(stream)):
        pieces = [stream[start : start + size] for start in range(0, len(stream), size)]
        assert read(*pieces) == whole


def test_a_message_in_fragments_with_a_ping_between() -> None:
    parts = sent("grü".encode()[:3], fin=False), sent(b"hi", PING), sent("grü".encode()[3:] + b"n", 0)
    assert read(*parts) == ([(PING, b"hi"), (TEXT, "grün".encode())], 0)


@pytest.mark.parametrize(
    ("stream", "code"),
    [
        (b"\x81\x02{}", 1002),
        (sent(b"{}", rsv=0x40), 1002),
        (sent(b"{}", rsv=0x10), 1002),
        (sent(b"{}", 3), 1002),
        (sent(b"{}", 11), 1002),
        (sent(b"", PING, fin=False), 1002),
        (sent(b"x" * 126, PING), 1002),
        (sent(b"late", 0), 1002),
        (sent(b"a", fin=False) + sent(b"b"), 1002),
        (b"\x81\xfe\x00\x05" + MASK + b"12345", 1002),
        (b"\x81\xff" + (126).to_bytes(8, "big") + MASK + b"x" * 126, 1002),
        (sent(b"\xff\xfe"), 1007),
        (sent(b"\xed\xa0\x80"), 1007),
        (sent(b"\xc3", fin=False) + sent(b"(", 0), 1007),
        (sent(b"x" * (LIMIT + 1)), 1009),
        (b"\x81\xff" + b"\xff" * 8, 1009),
        (sent(b"x" * 40_000, fin=False) + sent(b"x" * 40_000, 0), 1009),
    ],
)
def test_what_is_broken_has_its_code(stream: bytes, code: int) -> None:
    assert read(stream)[1] == code
    assert read(*(stream[place : place + 1] for place in range(len(stream))))[1] == code
    assert read(sent(b"good") + stream) == ([(TEXT, b"good"), *read(stream)[0]], code)


def test_nothing_is_read_after_something_was_broken() -> None:
    reader = FrameReader(LIMIT)
    reader.feed(b"\x81\x02{}")
    assert reader.feed(sent(b"{}")) == []


def test_a_giant_is_refused_before_it_comes() -> None:
    reader = FrameReader(1000)
    assert reader.feed(b"\x82\xff" + (2**40).to_bytes(8, "big")) == []
    assert reader.broken is not None
    assert reader.broken.code == 1009


def test_ten_thousand_random_frames_never_raise() -> None:
    dice = random.Random(11)
    codes = set()
    for _ in range(10_000):
        reader = FrameReader(1000)
        for _ in range(dice.randrange(1, 5)):
            if dice.random() < 0.5:
                piece = dice.randbytes(dice.randrange(1, 60))
            else:
                opcode, fin = dice.choice((0, 1, 2, 8, 9, 10)), dice.random() < 0.7
                piece = sent(dice.randbytes(dice.randrange(40)), opcode, fin=fin)
            reader.feed(piece)
        codes.add(reader.broken.code if reader.broken else 0)
    assert codes == {0, 1002, 1007, 1009}


@pytest.mark.parametrize(
    ("payload", "answer"),
    [
        (b"", b""),
        (b"\x03\xe8bye", b"\x03\xe8"),
        (b"\x0d\xac", b"\x0d\xac"),
        (b"\x03", b"\x03\xea"),
        (b"\x03\xed", b"\x03\xea"),
        (b"\x03\xee", b"\x03\xea"),
        (b"\x00\x00", b"\x03\xea"),
        (b"\x13\x88", b"\x03\xea"),
        (b"\x03\xe8\xff", b"\x03\xef"),
    ],
)
def test_a_close_is_answered_by_the_book(payload: bytes, answer: bytes) -> None:
    found = answer_to_close(payload)
    assert found[0] == 0x80 | CLOSE
    assert found[2:4] == answer


def test_a_long_reason_is_cut_between_characters() -> None:
    found = closing(3000, "ü" * 100)
    assert found[1] == len(found) - 2 <= 125
    assert found[4:].decode() == "ü" * 61


@pytest.mark.parametrize("length", [0, 125, 126, 65_535, 65_536])
def test_a_server_frame_is_not_masked(length: int) -> None:
    found = frame(PONG, b"x" * length)
    assert found[0] == 0x80 | PONG
    assert not found[1] & 0x80
    assert found.endswith(b"x" * length)
