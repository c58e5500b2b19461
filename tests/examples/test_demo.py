"""The demo's own safeguards; the whole of it is started in the journeys."""

import socket
from pathlib import Path

import pytest

from examples.shop.demo import Addresses, DemoFailed, forget, must_be_free
from examples.shop.preparation import MARK


def test_it_forgets_only_what_it_made(tmp_path: Path) -> None:
    strangers = tmp_path / "photos"
    strangers.mkdir()
    (strangers / "cat.jpg").write_text("meow", encoding="utf-8")
    with pytest.raises(DemoFailed, match="left alone"):
        forget(strangers)
    own = tmp_path / "demo"
    own.mkdir()
    (own / MARK).touch()
    forget(own)
    assert not own.exists()
    forget(own)


def test_a_taken_port_is_named_with_the_way_out() -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        with pytest.raises(DemoFailed, match="--shop-port"):
            must_be_free(taken.getsockname()[1])


def test_addresses() -> None:
    addresses = Addresses(8000, 8100)
    assert (addresses.chatpush, addresses.shop) == ("http://127.0.0.1:8000", "http://127.0.0.1:8100")
