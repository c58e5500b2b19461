"""Between bytes and messages: newline-delimited JSON, several to a frame, or Protobuf.

What goes to many is encoded once: a ``Frame`` carries the payload together
with its finished WebSocket frame (servers do not mask), so that fanning out
is a write per connection and nothing else. Its Protobuf twin is made when the
first connection that speaks it asks.
"""

from typing import Any

import msgspec
from msgspec import Raw

from chatpush.domain import Json
from chatpush.errors import InvalidInput
from chatpush.log.contract import ClientInfo, Publication
from chatpush.realtime.protocol import fossil, frames, protobuf

TEXT = 0x81
BINARY = 0x82
AROUND_PUSH = b'{"push":'
# As numbers: asking for bytes in bytes fails at reading them as a number first, 0.1 µs each.
BACKSLASH, NEWLINE, RETURN = b"\\\n\r"
_commands = msgspec.json.Decoder(frames.Command)
_connect = msgspec.json.Decoder(frames.ConnectRequest)
_emulation = msgspec.json.Decoder(frames.EmulationRequest)
_raw = msgspec.json.Decoder()
_grammar = msgspec.json.Decoder(Raw)
_encoder = msgspec.json.Encoder()


class BadFrame(Exception):
    """What came in is no frame of the protocol."""


class Frame:
    """One payload, ready for every connection."""

    __slots__ = ("_alone", "_message", "_twin", "payload", "websocket")

    def __init__(self, payload: bytes, message: frames.Reply | None = None, opcode: int = TEXT) -> None:
        self.payload = payload
        self.websocket = _header(opcode, len(payload)) + payload
        self._message = message
        self._twin: Frame | None = None
        self._alone: Frame | None = None

    def alone(self) -> "Frame":
        """Return a push as one-way transports send it: without the reply around it."""
        if self._alone is None:
            is_push = self.payload.startswith(AROUND_PUSH)
            self._alone = Frame(self.payload[len(AROUND_PUSH) : -1]) if is_push else self
        return self._alone

    def in_protobuf(self) -> "Frame":
        """Return the same message in Protobuf, encoded once."""
        if self._twin is None:
            self._twin = Frame(protobuf.delimited(self._message or frames.Reply()), opcode=BINARY)
        return self._twin


class PublicationFrame(Frame):
    """A publication's push, and its other forms for those who asked for them."""

    __slots__ = ("_channel", "_forms", "_positioned", "previous", "publication")

    def __init__(
        self, channel: str, publication: Publication, *, positioned: bool, previous: Publication | None
    ) -> None:
        self.publication = publication
        self.previous = previous
        self._channel = channel
        self._positioned = positioned
        self._forms: dict[tuple[int, str], Frame] | None = None
        message = self._message_of(publication_of(publication, positioned=positioned), 0)
        super().__init__(_encoder.encode(message), message)

    def form(self, number: int, data: str = "") -> Frame:
        """Return the push with the channel's number (0: its name) and data as it is, "whole" or "delta".

        Both of the latter are texts in JSON; a delta that would not be shorter is sent whole.
        """
        if not number and not data:
            return self
        if self._forms is None:
            self._forms = {}
        made = self._forms.get((number, data))
        if made is None:
            made = self._forms[number, data] = self._form(number, data)
        return made

    def _form(self, number: int, data: str) -> Frame:
        shown = publication_of(self.publication, positioned=self._positioned)
        if not data:
            message = self._message_of(shown, number)
            return Frame(_encoder.encode(message), message)
        if data == "delta" and self.previous is not None:
            difference = fossil.delta(self.previous.data, self.publication.data)
            if difference is not None:
                shown.data, shown.delta = Raw(difference), True
        binary = self._message_of(shown, number)
        return Frame(_encoder.encode(self._message_of(as_text(shown), number)), binary)

    def _message_of(self, shown: frames.Publication, number: int) -> frames.Reply:
        push = frames.Push(id=number, channel="" if number else self._channel, pub=shown)
        return frames.Reply(push=push)


def _header(opcode: int, length: int) -> bytes:
    """Return the header of an unmasked frame (RFC 6455 §5.2)."""
    if length < 126:
        return bytes((opcode, length))
    if length < 65_536:
        return bytes((opcode, 126)) + length.to_bytes(2, "big")
    return bytes((opcode, 127)) + length.to_bytes(8, "big")


PING = Frame(b"{}", frames.Reply())


def decode(frame: bytes | str) -> list[frames.Command]:
    """Return the commands of a frame.

    Raises:
        BadFrame: it is no JSON, has wrong types, or holds nothing.
    """
    try:
        commands = _commands.decode_lines(frame)
    except (msgspec.MsgspecError, RecursionError, UnicodeError) as error:
        raise BadFrame(str(error)) from error
    if not commands:
        raise BadFrame("an empty frame")
    return commands


def decode_protobuf(frame: bytes | str) -> list[frames.Command]:
    """Return the commands of a frame in Protobuf.

    Raises:
        BadFrame: it is text, can't be read, or holds nothing.
    """
    if isinstance(frame, str):
        raise BadFrame("text, where Protobuf was agreed on")
    try:
        commands = [protobuf.decode(one, frames.Command) for one in protobuf.split(frame)]
    except protobuf.Malformed as error:
        raise BadFrame(str(error)) from error
    if not commands:
        raise BadFrame("an empty frame")
    return commands


def decode_connect(data: bytes | str) -> frames.ConnectRequest:
    """Return the connect request that opens a one-way connection; nothing is an empty one.

    Raises:
        BadFrame: it is no JSON or has wrong types.
    """
    try:
        return _connect.decode(data or b"{}")
    except (msgspec.MsgspecError, RecursionError, UnicodeError) as error:
        raise BadFrame(str(error)) from error


def decode_emulation(data: bytes, *, binary: bool) -> frames.EmulationRequest:
    """Return commands that came by a request of their own; ``data`` is what a frame would hold.

    Raises:
        BadFrame: it can't be read.
    """
    try:
        if binary:
            found: frames.EmulationRequest = protobuf.decode(data, frames.EmulationRequest)
            return found
        asked = _emulation.decode(data)
        if bytes(asked.data).startswith(b'"'):  # commands as text, as SDKs send them
            asked.data = Raw(_raw.decode(asked.data).encode())
    except (msgspec.MsgspecError, RecursionError, ValueError) as error:
        raise BadFrame(str(error)) from error
    return asked


def reply(message: frames.Reply) -> Frame:
    """Return the frame of a reply."""
    return Frame(_encoder.encode(message), message)


def push(message: frames.Push) -> Frame:
    """Return the frame of a push."""
    return reply(frames.Reply(push=message))


def encode(value: Any) -> bytes:
    """Return JSON."""
    return _encoder.encode(value)


def compact(data: bytes, *, was_read: bool = False) -> bytes:
    """Return JSON on one line, checked; lines separate messages on the wire.

    ``was_read``: it was a ``Raw`` part of JSON that has been read, so its grammar holds.

    Raises:
        InvalidInput: it is not JSON.
    """
    try:
        # Where there are plain characters only, the grammar is all; others have to be decoded.
        if not data.isascii() or BACKSLASH in data:
            _raw.decode(data)
        elif not was_read:
            _grammar.decode(data)
        return data if NEWLINE not in data and RETURN not in data else msgspec.json.format(data, indent=-1)
    except (msgspec.MsgspecError, RecursionError, UnicodeError) as error:
        raise InvalidInput(f"data must be JSON: {error}", param="data") from error


def raw(value: Json) -> Raw:
    """Return a value as raw JSON; nothing for None."""
    return frames.NONE if value is None else Raw(_encoder.encode(value))


def value(data: Raw) -> Json:
    """Return raw JSON as a value; None for nothing.

    Raises:
        InvalidInput: it is not JSON.
    """
    if not bytes(data):
        return None
    try:
        found: Json = _raw.decode(data)
    except (msgspec.MsgspecError, RecursionError, UnicodeError) as error:
        raise InvalidInput(f"data must be JSON: {error}", param="data") from error
    return found


def info_of(info: ClientInfo) -> frames.ClientInfo:
    """Return a client's info as on the wire."""
    return frames.ClientInfo(info.user, info.client, raw(info.conn_info), raw(info.chan_info))


def as_text(publication: frames.Publication) -> frames.Publication:
    """Return a publication as delta readers get it in JSON: its data as a text."""
    text = Raw(_encoder.encode(bytes(publication.data).decode()))
    return msgspec.structs.replace(publication, data=text)


def publication_of(publication: Publication, *, positioned: bool = True) -> frames.Publication:
    """Return a publication as on the wire; channels without history show no offset."""
    return frames.Publication(
        Raw(publication.data),
        None if publication.info is None else info_of(publication.info),
        publication.offset if positioned else 0,
        publication.tags,
    )
