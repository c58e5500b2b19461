"""A node for every test of realtime."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.clocks import StillClock
from tests.realtime.node import RealtimeNode, realtime_node


@pytest.fixture(autouse=True)
def quiet(no_errors: None) -> None:
    """No test of realtime may end in a logged exception."""


@pytest.fixture
async def node(tmp_path: Path, still_clock: StillClock) -> AsyncIterator[RealtimeNode]:
    """A node whose clock stands still."""
    async with realtime_node(tmp_path, still_clock) as node:
        yield node
