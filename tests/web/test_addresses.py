"""Whom a limit by address counts as one caller."""

import pytest

from chatpush.errors import TooMany
from chatpush.web.http.addresses import Throttle, network_of
from tests.clocks import StillClock


@pytest.mark.parametrize(
    ("one", "other", "same"),
    [
        ("2001:db8:1:2::1", "2001:db8:1:2:ffff::9", True),
        ("2001:db8:1:2::1", "2001:db8:1:3::1", False),
        ("fe80::1%eth0", "fe80::2%eth0", True),
        ("::ffff:192.0.2.1", "192.0.2.1", True),
        ("::ffff:192.0.2.1", "::ffff:192.0.2.2", False),
        ("192.0.2.1", "192.0.2.2", False),
        ("", "unknown", False),
    ],
)
def test_an_ipv6_network_is_one_caller(one: str, other: str, same: bool) -> None:
    assert (network_of(one) == network_of(other)) is same


def test_changing_the_address_within_a_network_wins_nothing(still_clock: StillClock) -> None:
    throttle = Throttle(3, still_clock)
    for last in range(3):
        throttle.take(f"2001:db8:1:2::{last}")
    with pytest.raises(TooMany):
        throttle.take("2001:db8:1:2::3")
    throttle.take("2001:db8:1:3::1")
