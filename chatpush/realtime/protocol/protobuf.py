"""The protocol's messages in Protobuf's binary form, from one table of fields.

The table below is the protocol's own list (number, name, type); coders are
built from it once, straight onto the types in ``frames``, so nothing is
generated and nothing is copied. ``data`` holds JSON here too. Unknown fields
are skipped; what is out of place is a ``Malformed``.
"""

import re
from typing import Any

from msgspec import Raw, Struct

from chatpush.realtime.protocol import frames

FIELDS = """
Error: 1 code uint32; 2 message string; 3 temporary bool
Command: 1 id uint32; 4 connect ConnectRequest; 5 subscribe SubscribeRequest; 6 unsubscribe UnsubscribeRequest;
  7 publish PublishRequest; 8 presence ChannelRequest; 9 presence_stats ChannelRequest; 10 history HistoryRequest;
  11 ping Empty; 12 send SendRequest; 13 rpc RpcRequest; 14 refresh RefreshRequest; 15 sub_refresh SubRefreshRequest
Reply: 1 id uint32; 2 error Error; 4 push Push; 5 connect ConnectResult; 6 subscribe SubscribeResult;
  7 unsubscribe Empty; 8 publish Empty; 9 presence PresenceResult; 10 presence_stats PresenceStatsResult;
  11 history HistoryResult; 12 ping Empty; 13 rpc RpcResult; 14 refresh RefreshResult; 15 sub_refresh SubRefreshResult
Push: 1 id int64; 2 channel string; 4 pub Publication; 5 join Presence; 6 leave Presence; 7 unsubscribe Unsubscribed;
  8 message Message; 9 subscribe Subscribed; 10 connect Connected; 11 disconnect Disconnected; 12 refresh Refreshed
ClientInfo: 1 user string; 2 client string; 3 conn_info bytes; 4 chan_info bytes
Publication: 4 data bytes; 5 info ClientInfo; 6 offset uint64; 7 tags strings; 8 delta bool; 9 time int64
Presence: 1 info ClientInfo
Unsubscribed: 2 code uint32; 3 reason string
Subscribed: 1 recoverable bool; 4 epoch string; 5 offset uint64; 6 positioned bool; 7 data bytes
Message: 1 data bytes
Connected: 1 client string; 2 version string; 3 data bytes; 4 subs SubscribeResult{}; 5 expires bool; 6 ttl uint32;
  7 ping uint32; 8 pong bool; 9 session string; 10 node string; 11 time int64
Disconnected: 1 code uint32; 2 reason string; 3 reconnect bool
Refreshed: 1 expires bool; 2 ttl uint32
ConnectRequest: 1 token string; 2 data bytes; 3 subs SubscribeRequest{}; 4 name string; 5 version string;
  6 headers strings; 8 dict string
ConnectResult: 1 client string; 2 version string; 3 expires bool; 4 ttl uint32; 5 data bytes;
  6 subs SubscribeResult{}; 7 ping uint32; 8 pong bool; 9 session string; 10 node string; 11 time int64
RefreshRequest: 1 token string
RefreshResult: 1 client string; 2 version string; 3 expires bool; 4 ttl uint32
SubscribeRequest: 1 channel string; 2 token string; 3 recover bool; 6 epoch string; 7 offset uint64; 8 data bytes;
  9 positioned bool; 10 recoverable bool; 11 join_leave bool; 12 delta string; 13 tf FilterNode; 14 flag int64;
  15 type int32
SubscribeResult: 1 expires bool; 2 ttl uint32; 3 recoverable bool; 6 epoch string; 7 publications Publication[];
  8 recovered bool; 9 offset uint64; 10 positioned bool; 11 data bytes; 12 was_recovering bool; 13 delta bool;
  14 id int64
SubRefreshRequest: 1 channel string; 2 token string; 3 type int32
SubRefreshResult: 1 expires bool; 2 ttl uint32
UnsubscribeRequest: 1 channel string
PublishRequest: 1 channel string; 2 data bytes; 3 type int32; 4 key string; 5 removed bool
ChannelRequest: 1 channel string
PresenceResult: 1 presence ClientInfo{}
PresenceStatsResult: 1 num_clients uint32; 2 num_users uint32
StreamPosition: 1 offset uint64; 2 epoch string
HistoryRequest: 1 channel string; 7 limit int32; 8 since StreamPosition; 9 reverse bool
HistoryResult: 1 publications Publication[]; 2 epoch string; 3 offset uint64
RpcRequest: 1 data bytes; 2 method string
RpcResult: 1 data bytes
SendRequest: 1 data bytes
FilterNode: 1 op string; 2 key string; 3 cmp string; 4 val string; 5 vals string[]; 6 nodes FilterNode[]
EmulationRequest: 1 node string; 2 session string; 3 data bytes
Empty:
"""
DEEPEST = 32
VARINT, FIXED64, BLOCK, FIXED32 = 0, 1, 2, 5
LARGEST = {"uint32": 2**32 - 1, "uint64": 2**63 - 1, "bool": 2**64 - 1}


class Malformed(ValueError):
    """These bytes are no such message."""


class _Field:
    """One field: its tag, how its value is written and read."""

    __slots__ = ("kind", "many", "mapped", "name", "number", "scalar")

    def __init__(self, number: int, name: str, kind: str) -> None:
        self.number = number
        self.name = name
        self.many = kind.endswith("[]")
        self.mapped = kind.endswith("{}") or kind == "strings"
        self.kind = "string" if kind == "strings" else kind.rstrip("[]{}")
        self.scalar = self.kind in ("uint32", "uint64", "int32", "int64", "bool")


def _table() -> dict[type[Struct], list[_Field]]:
    found: dict[type[Struct], list[_Field]] = {}
    for line in re.sub(r"\n\s+", " ", FIELDS).strip().splitlines():
        name, _, listed = line.partition(":")
        fields = [entry.split() for entry in listed.split(";") if entry.strip()]
        found[getattr(frames, name)] = [_Field(int(number), field, kind) for number, field, kind in fields]
    return found


_TABLE = _table()
_BY_NUMBER = {kind: {field.number: field for field in fields} for kind, fields in _TABLE.items()}


def varint(value: int) -> bytes:
    """Return a number in the variable-length form; negative ones as 64-bit."""
    value &= 2**64 - 1
    if value < 0x80:
        return bytes((value,))
    out = bytearray()
    while value >= 0x80:
        out.append(value & 0x7F | 0x80)
        value >>= 7
    out.append(value)
    return bytes(out)


def encode(message: Struct) -> bytes:
    """Return a message; fields with their default are left out."""
    out = bytearray()
    for field in _TABLE[type(message)]:
        value = getattr(message, field.name)
        if value is None or value in (0, ""):
            continue
        if field.mapped:
            for key, item in value.items():
                _write(
                    out, field.number, b"\x0a" + _block(key.encode()) + b"\x12" + _block(_bytes(field, item))
                )
        elif field.many:
            for item in value:
                _write(out, field.number, _bytes(field, item))
        elif field.scalar:
            out += varint(field.number << 3) + varint(int(value))
        elif (block := _bytes(field, value)) or field.kind not in ("bytes", "string"):
            _write(out, field.number, block)
    return bytes(out)


def delimited(message: Struct) -> bytes:
    """Return a message with its length before it, as several go into one frame."""
    return _block(encode(message))


def _write(out: bytearray, number: int, block: bytes) -> None:
    out += varint(number << 3 | BLOCK) + varint(len(block)) + block


def _block(data: bytes) -> bytes:
    return varint(len(data)) + data


def _bytes(field: _Field, value: Any) -> bytes:
    if field.kind == "string":
        return str(value).encode()
    return bytes(value) if field.kind == "bytes" else encode(value)


def decode(data: bytes, kind: type[Struct], depth: int = 0) -> Any:
    """Return the message of this kind that the bytes hold.

    Raises:
        Malformed: they hold none.
    """
    if depth > DEEPEST:
        raise Malformed("messages within messages without end")
    known = _BY_NUMBER[kind]
    values: dict[str, Any] = {}
    at, end = 0, len(data)
    while at < end:
        tag, at = _read_varint(data, at)
        field = known.get(tag >> 3)
        value, at = _read_value(data, at, tag & 7)
        if tag >> 3 == 0:
            raise Malformed("field number 0")
        if field is None:
            continue
        if (tag & 7 == BLOCK) is field.scalar:
            raise Malformed(f"{field.name} has the wrong wire type")
        if field.mapped:
            key, item = _entry(field, value, depth)
            values.setdefault(field.name, {})[key] = item
        elif field.many:
            values.setdefault(field.name, []).append(_value(field, value, depth))
        else:
            values[field.name] = _value(field, value, depth)
    return kind(**values)


def split(data: bytes) -> list[bytes]:
    """Return the messages of a frame, each of which has its length before it.

    Raises:
        Malformed: a length points beyond the frame.
    """
    found = []
    at, end = 0, len(data)
    while at < end:
        size, at = _read_varint(data, at)
        if at + size > end:
            raise Malformed("a message is longer than its frame")
        found.append(data[at : at + size])
        at += size
    return found


def _value(field: _Field, value: Any, depth: int) -> Any:
    if field.scalar:
        return _number(field, value)
    if not isinstance(value, bytes):
        raise Malformed(f"{field.name} has the wrong wire type")
    if field.kind == "string":
        return _text(value)
    return Raw(value) if field.kind == "bytes" else decode(value, getattr(frames, field.kind), depth + 1)


def _number(field: _Field, value: int) -> int | bool:
    if field.kind == "bool":
        return bool(value)
    if field.kind in LARGEST:
        if value > LARGEST[field.kind]:
            raise Malformed(f"{field.name} is too large")
        return value
    return value - 2**64 if value >= 2**63 else value


def _entry(field: _Field, data: Any, depth: int) -> tuple[str, Any]:
    """Return one entry of a map."""
    if not isinstance(data, bytes):
        raise Malformed(f"{field.name} has the wrong wire type")
    key, item, at = "", b"", 0
    while at < len(data):
        tag, at = _read_varint(data, at)
        value, at = _read_value(data, at, tag & 7)
        if tag not in (0x0A, 0x12):
            continue
        if tag == 0x0A:
            key = _text(value)
        else:
            item = value
    return key, _value(field, item, depth)


def _text(value: bytes) -> str:
    try:
        return value.decode()
    except UnicodeDecodeError as error:
        raise Malformed("a text is not UTF-8") from error


def _read_varint(data: bytes, at: int) -> tuple[int, int]:
    value = shift = 0
    while at < len(data) and shift < 70:
        byte = data[at]
        at += 1
        value |= (byte & 0x7F) << shift
        if byte < 0x80:
            return value & (2**64 - 1), at
        shift += 7
    raise Malformed("a number has no end")


def _read_value(data: bytes, at: int, wire_type: int) -> tuple[Any, int]:
    if wire_type == VARINT:
        return _read_varint(data, at)
    size = 8 if wire_type == FIXED64 else 4
    if wire_type == BLOCK:
        size, at = _read_varint(data, at)
    elif wire_type not in (FIXED64, FIXED32):
        raise Malformed(f"wire type {wire_type} is unknown")
    if at + size > len(data):
        raise Malformed("a field is longer than its message")
    block = data[at : at + size]
    return (block if wire_type == BLOCK else int.from_bytes(block, "little")), at + size
