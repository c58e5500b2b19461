"""What a provider said, without whom it was about."""

import pytest

from chatpush.notify.sending.told import LONGEST, told

TOKEN = "cGxlYXNlIGRvIG5vdCByZWFkIG1lIDEyMzQ1Njc4OTA6QVBBOTFi"


@pytest.mark.parametrize(
    ("words", "address", "kept"),
    [
        ("550 5.1.1 <emma@example.com>: no such user", "emma@example.com", "550 5.1.1 <(address)>: no such user"),
        ("relayed for <emma.w@home.example>", "emma@example.com", "relayed for <(address)>"),
        (f"token {TOKEN} is not registered", "", "token (address) is not registered"),
        ("DISCORD://1234/abcd said 404", "DISCORD://1234/abcd", "(address) said 404"),
        ("452 mailbox\r\n  full", "", "452 mailbox full"),
        ("the push service answered 413: payload too large", "", "the push service answered 413: payload too large"),
    ],
)  # fmt: skip
def test_the_cause_stays_and_the_address_goes(words: str, address: str, kept: str) -> None:
    assert told(words, address) == kept


def test_a_provider_that_does_not_stop_talking_is_cut() -> None:
    assert len(told("no " * 10_000, "")) == LONGEST
