"""The protocol's numbers: clients decide by them, so each is written down here once more."""

from chatpush.realtime.protocol import codes
from chatpush.realtime.protocol.codes import Disconnect, ErrorCode, Unsubscribe

ERRORS = {
    100: "internal server error", 101: "unauthorized", 102: "unknown channel", 103: "permission denied",
    104: "method not found", 105: "already subscribed", 106: "limit exceeded", 107: "bad request",
    108: "not available", 109: "token expired", 110: "expired", 111: "too many requests",
    112: "unrecoverable position",
}  # fmt: skip
DISCONNECTS = {
    3000: "connection closed", 3001: "shutdown", 3004: "internal server error", 3005: "connection expired",
    3006: "subscription expired", 3008: "slow", 3009: "write error", 3010: "insufficient state",
    3011: "force reconnect", 3012: "no pong", 3013: "too many requests", 3014: "state invalidated",
    3500: "invalid token", 3501: "bad request", 3502: "stale", 3503: "force disconnect",
    3504: "connection limit", 3505: "channel limit", 3506: "inappropriate protocol",
    3507: "permission denied", 3508: "not available", 3509: "too many errors",
}  # fmt: skip
UNSUBSCRIBES = {
    2000: "server unsubscribe", 2500: "insufficient state", 2501: "subscription expired", 2502: "state invalidated",
}  # fmt: skip


def test_the_numbers_are_those_of_the_protocol() -> None:
    known = list(vars(codes).values())
    assert {one.code: one.message for one in known if isinstance(one, ErrorCode)} == ERRORS
    assert {one.code for one in known if isinstance(one, ErrorCode) and one.temporary} == {100, 111}
    assert {one.code: one.reason for one in known if isinstance(one, Disconnect)} == DISCONNECTS
    assert {one.code: one.reason for one in known if isinstance(one, Unsubscribe)} == UNSUBSCRIBES
