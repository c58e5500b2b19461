"""Say how one publication differs from the one before it, in Fossil's delta format.

The format is a list of "copy this much from there" and "insert these bytes"
with a checksum at the end. Matches are looked for at every 16th byte of the
source and grown to both sides, which is quick and good enough for documents
that change in a few places. Inserted bytes are whole characters, so a delta
of UTF-8 is UTF-8.
"""

import struct

BLOCK = 16
# Above this size looking for matches would hold up the loop.
LARGEST_BYTES = 32_768
DIGITS = b"0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ_abcdefghijklmnopqrstuvwxyz~"


def delta(source: bytes, target: bytes) -> bytes | None:
    """Return what makes ``target`` of ``source``; None if sending the target whole is better."""
    if max(len(source), len(target)) > LARGEST_BYTES:
        return None
    blocks = {source[at : at + BLOCK]: at for at in range(len(source) - BLOCK, -1, -BLOCK)}
    out = [_number(len(target)), b"\n"]
    done = at = 0
    while at <= len(target) - BLOCK:
        found = blocks.get(target[at : at + BLOCK])
        if found is None:
            at += 1
            continue
        start, end, place = _grown(source, target, found, at, done)
        start, end, place = _whole_characters(target, start, end, place)
        if end - start < BLOCK // 2:
            at += 1
            continue
        _insert(out, target[done:start])
        out += [_number(end - start), b"@", _number(place), b","]
        done = at = end
    _insert(out, target[done:])
    out += [_number(checksum(target)), b";"]
    made = b"".join(out)
    return made if len(made) < len(target) else None


def checksum(data: bytes) -> int:
    """Return the sum of the data's 32-bit words."""
    padded = data + b"\0" * (-len(data) % 4)
    total: int = sum(struct.unpack(f">{len(padded) // 4}I", padded))
    return total & 0xFFFFFFFF


def _grown(source: bytes, target: bytes, found: int, at: int, done: int) -> tuple[int, int, int]:
    """Return a match's (start, end) in the target and its place in the source, as long as can be."""
    start, place = at, found
    while start > done and place > 0 and target[start - 1] == source[place - 1]:
        start, place = start - 1, place - 1
    end, follow = at + BLOCK, found + BLOCK
    step = BLOCK
    while step:
        if source[follow : follow + step] == target[end : end + step] != b"":
            step = min(step, len(source) - follow, len(target) - end)
            end, follow = end + step, follow + step
            step *= 2
        else:
            step //= 2
    return start, end, place


def _whole_characters(target: bytes, start: int, end: int, place: int) -> tuple[int, int, int]:
    """Shrink a match so that neither what is before nor what is after it begins within a character."""
    while start < end and _within_character(target, start):
        start, place = start + 1, place + 1
    while start < end and _within_character(target, end):
        end -= 1
    return start, end, place


def _within_character(data: bytes, at: int) -> bool:
    return at < len(data) and data[at] & 0xC0 == 0x80


def _insert(out: list[bytes], data: bytes) -> None:
    if data:
        out += [_number(len(data)), b":", data]


def _number(value: int) -> bytes:
    """Return a number in Fossil's base 64."""
    digits = bytearray()
    while True:
        digits.append(DIGITS[value & 63])
        value >>= 6
        if not value:
            return bytes(reversed(digits))
