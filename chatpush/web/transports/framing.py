"""Read a client's WebSocket frames (RFC 6455): bytes in, whole messages out. No socket in sight.

Sizes are bounded before anything is collected, a fragmented message as a
whole. What is broken comes with its close code, after the messages before it.
"""

CONTINUATION, TEXT, BINARY, CLOSE, PING, PONG = 0, 1, 2, 8, 9, 10
NORMAL, PROTOCOL_ERROR, BAD_DATA, TOO_BIG = 1000, 1002, 1007, 1009
LARGEST_CONTROL = 125
NO_MASK = b"\0\0\0\0"
Message = tuple[int, bytes]


class Broken(Exception):
    """The client's framing is wrong; ``code`` is what RFC 6455 closes with."""

    def __init__(self, code: int, reason: str) -> None:
        super().__init__(reason)
        self.code = code
        self.reason = reason


class FrameReader:
    """Collects one connection's messages of at most ``limit`` bytes."""

    __slots__ = ("_limit", "_need", "_opcode", "_parts", "_rest", "_size", "broken")

    def __init__(self, limit: int) -> None:
        self._limit = limit
        # The beginning of a frame, and how many bytes it must have before a second look.
        self._rest: bytearray | None = None
        self._need = 0
        # A fragmented message so far.
        self._opcode = 0
        self._parts: list[bytes] | None = None
        self._size = 0
        # Set once something was wrong; nothing is read any more.
        self.broken: Broken | None = None

    def feed(self, data: bytes) -> list[Message]:
        """Return (opcode, payload) of the messages and control frames that are whole now."""
        found: list[Message] = []
        if self.broken is not None:
            return found
        whole: bytes | bytearray = data
        if self._rest is not None:
            self._rest += data
            if len(self._rest) < self._need:
                return found
            whole, self._rest = self._rest, None
        position = 0
        try:
            while (end := self._frame(whole, position, found)) > position:
                position = end
        except Broken as broken:
            self.broken = broken
            self._parts = None
            return found
        if position < len(whole):
            self._rest = bytearray(whole[position:])
        return found

    def _frame(self, data: bytes | bytearray, start: int, found: list[Message]) -> int:
        """Take the frame at ``start``; return where it ends, or ``start`` if it is not whole."""
        there = len(data) - start
        self._need = 2
        if there < 2:
            return start
        first, length = data[start], data[start + 1] & 0x7F
        opcode = first & 0x0F
        self._check(first, opcode, data[start + 1])
        head = 2
        if length > LARGEST_CONTROL:
            head = 4 if length == 126 else 10
            self._need = head
            if there < head:
                return start
            length = int.from_bytes(data[start + 2 : start + head], "big")
            if length < (126 if head == 4 else 65_536):
                raise Broken(PROTOCOL_ERROR, "a length written longer than needed")
        if opcode < CLOSE and self._size + length > self._limit:
            raise Broken(TOO_BIG, f"at most {self._limit} bytes a message")
        self._need = head + 4 + length
        if there < self._need:
            return start
        body = start + head + 4
        end = body + length
        payload = unmask(bytes(data[body:end]), bytes(data[body - 4 : body]))
        if opcode >= CLOSE:
            found.append((opcode, payload))
        else:
            self._collect(opcode, payload, first >= 0x80, found)
        return end

    def _check(self, first: int, opcode: int, second: int) -> None:
        if first & 0x70:
            raise Broken(PROTOCOL_ERROR, "reserved bits are set")
        if not second & 0x80:
            raise Broken(PROTOCOL_ERROR, "a client's frames are masked")
        if opcode >= CLOSE:
            if opcode > PONG or first < 0x80 or second & 0x7F > LARGEST_CONTROL:
                raise Broken(PROTOCOL_ERROR, "not a control frame")
        elif opcode > BINARY:
            raise Broken(PROTOCOL_ERROR, "an unknown kind of frame")
        elif (opcode == CONTINUATION) != (self._parts is not None):
            raise Broken(PROTOCOL_ERROR, "fragments out of order")

    def _collect(self, opcode: int, payload: bytes, final: bool, found: list[Message]) -> None:
        if self._parts is None:
            if final:
                found.append((opcode, _checked(opcode, payload)))
                return
            self._opcode, self._parts = opcode, []
        self._size += len(payload)
        if payload:
            self._parts.append(payload)
        if final:
            message = b"".join(self._parts)
            self._parts, self._size = None, 0
            found.append((self._opcode, _checked(self._opcode, message)))


def unmask(payload: bytes, mask: bytes) -> bytes:
    """Return a payload without its mask: one big XOR, not a loop."""
    length = len(payload)
    if mask == NO_MASK or not length:
        return payload
    key = (mask * (length // 4 + 1))[:length]
    return (int.from_bytes(payload, "little") ^ int.from_bytes(key, "little")).to_bytes(length, "little")


def frame(opcode: int, payload: bytes = b"") -> bytes:
    """Return a server's frame: final, unmasked."""
    length = len(payload)
    if length < 126:
        return bytes((0x80 | opcode, length)) + payload
    if length < 65_536:
        return bytes((0x80 | opcode, 126)) + length.to_bytes(2, "big") + payload
    return bytes((0x80 | opcode, 127)) + length.to_bytes(8, "big") + payload


def closing(code: int, reason: str) -> bytes:
    """Return a close frame; a long reason is cut between characters."""
    text = reason.encode()[: LARGEST_CONTROL - 2].decode(errors="ignore").encode()
    return frame(CLOSE, code.to_bytes(2, "big") + text)


def answer_to_close(payload: bytes) -> bytes:
    """Return the close frame that answers a client's, which says what was wrong with it if anything."""
    if not payload:
        return frame(CLOSE)
    code = int.from_bytes(payload[:2], "big")
    allowed = 3000 <= code < 5000 or 1000 <= code <= 1003 or 1007 <= code <= 1014
    if len(payload) == 1 or not allowed:
        return closing(PROTOCOL_ERROR, "no such close code")
    try:
        payload[2:].decode()
    except UnicodeDecodeError:
        return closing(BAD_DATA, "a reason is UTF-8")
    return frame(CLOSE, payload[:2])


def _checked(opcode: int, payload: bytes) -> bytes:
    if opcode == TEXT and not payload.isascii():
        try:
            payload.decode()
        except UnicodeDecodeError as error:
            raise Broken(BAD_DATA, "text is UTF-8") from error
    return payload
