"""What every log promises, over every engine and kind of retention."""

import asyncio
from collections.abc import AsyncIterator
from datetime import timedelta
from pathlib import Path

import pytest

from chatpush.domain import TenantId
from chatpush.errors import CursorLost
from chatpush.log.contract import ClientInfo, Cursor, Draft, Log, Publication
from tests.clocks import StillClock
from tests.log.logs import embedded


@pytest.fixture(params=["embedded"])
async def log(request: pytest.FixtureRequest, tmp_path: Path, still_clock: StillClock) -> AsyncIterator[Log]:
    """Every engine; the NATS one joins here when it exists."""
    log = embedded(tmp_path, still_clock)
    await log.start()
    yield log
    await log.stop()


both = pytest.mark.parametrize("kind", ["disk", "memory"])


def texts(publications: tuple[Publication, ...]) -> list[str]:
    return [publication.data.decode() for publication in publications]


async def fill(log: Log, tenant: TenantId, channel: str, *data: str) -> list[Cursor]:
    return [await log.append(tenant, channel, Draft(text.encode())) for text in data]


@both
async def test_what_is_appended_is_read_in_order(log: Log, tenant: TenantId, kind: str) -> None:
    start = await log.top(tenant, f"{kind}:a")
    positions = await fill(log, tenant, f"{kind}:a", "1", "2", "3")
    assert [position.offset for position in positions] == [1, 2, 3]
    assert {position.epoch for position in positions} == {start.epoch}
    assert texts((await log.after(tenant, f"{kind}:a", start, 10)).publications) == ["1", "2", "3"]
    part = await log.after(tenant, f"{kind}:a", start, 2)
    assert (texts(part.publications), part.top) == (["1", "2"], 3)
    assert (await log.after(tenant, f"{kind}:a", positions[2], 10)).publications == ()


@both
async def test_asking_twice_gives_the_same_answer(log: Log, tenant: TenantId, kind: str) -> None:
    start = await log.top(tenant, f"{kind}:a")
    await fill(log, tenant, f"{kind}:a", "1", "2")
    assert await log.after(tenant, f"{kind}:a", start, 10) == await log.after(tenant, f"{kind}:a", start, 10)


@both
async def test_everything_of_a_publication_comes_back(log: Log, tenant: TenantId, kind: str) -> None:
    info = ClientInfo("emma", "c1", {"name": "Emma"}, None)
    start = await log.top(tenant, f"{kind}:a")
    await log.append(tenant, f"{kind}:a", Draft(b"{}", info, {"lang": "en"}, "price"))
    found = (await log.history(tenant, f"{kind}:a", 10)).publications[0]
    assert (found.info, found.tags, found.key, found.data) == (info, {"lang": "en"}, "price", b"{}")
    assert (await log.after(tenant, f"{kind}:a", start, 1)).publications[0] == found


@both
async def test_tenants_and_channels_are_apart(log: Log, tenant: TenantId, kind: str) -> None:
    await fill(log, tenant, f"{kind}:a", "mine")
    other = TenantId("other")
    assert (await log.top(other, f"{kind}:a")).offset == 0
    assert (await log.top(tenant, f"{kind}:b")).offset == 0
    assert (await log.history(other, f"{kind}:a", 10)).publications == ()


@pytest.mark.parametrize("kind", ["small", "small-memory"])
async def test_what_retention_dropped_is_told(log: Log, tenant: TenantId, kind: str) -> None:
    positions = await fill(log, tenant, f"{kind}:a", *"123456")
    with pytest.raises(CursorLost):
        await log.after(tenant, f"{kind}:a", positions[1], 10)
    assert texts((await log.after(tenant, f"{kind}:a", positions[2], 10)).publications) == ["4", "5", "6"]
    assert texts((await log.history(tenant, f"{kind}:a", 10)).publications) == ["4", "5", "6"]


@pytest.mark.parametrize("kind", ["brief", "brief-memory"])
async def test_what_grew_old_is_told(log: Log, tenant: TenantId, kind: str, still_clock: StillClock) -> None:
    first, _ = await fill(log, tenant, f"{kind}:a", "1", "2")
    still_clock.forward(timedelta(seconds=11))
    third = (await fill(log, tenant, f"{kind}:a", "3"))[0]
    with pytest.raises(CursorLost):
        await log.after(tenant, f"{kind}:a", first, 10)
    assert texts((await log.history(tenant, f"{kind}:a", 10)).publications) == ["3"]
    assert (await log.after(tenant, f"{kind}:a", third, 10)).publications == ()


@both
async def test_a_cursor_of_another_epoch_or_the_future_is_lost(log: Log, tenant: TenantId, kind: str) -> None:
    position = (await fill(log, tenant, f"{kind}:a", "1"))[0]
    for cursor in (Cursor("other", 1), Cursor(position.epoch, 7)):
        with pytest.raises(CursorLost):
            await log.after(tenant, f"{kind}:a", cursor, 10)
    with pytest.raises(CursorLost):
        await log.history(tenant, f"{kind}:a", 10, Cursor("other", 1))


@both
async def test_history_goes_both_ways(log: Log, tenant: TenantId, kind: str) -> None:
    positions = await fill(log, tenant, f"{kind}:a", *"12345")
    history = log.history
    assert texts((await history(tenant, f"{kind}:a", 2)).publications) == ["1", "2"]
    assert texts((await history(tenant, f"{kind}:a", 2, None, True)).publications) == ["5", "4"]
    assert texts((await history(tenant, f"{kind}:a", 9, positions[2])).publications) == ["4", "5"]
    assert texts((await history(tenant, f"{kind}:a", 9, positions[2], True)).publications) == ["2", "1"]
    assert (await history(tenant, f"{kind}:a", 0)).top == 5


@both
async def test_a_key_appends_once_within_five_minutes(
    log: Log, tenant: TenantId, kind: str, still_clock: StillClock
) -> None:
    draft = Draft(b"1", idempotency_key="k")
    first, again = await asyncio.gather(*(log.append(tenant, f"{kind}:a", draft) for _ in range(2)))
    assert first == again
    assert (await log.append(tenant, f"{kind}:b", draft)).offset == 1
    still_clock.forward(timedelta(minutes=5, seconds=1))
    assert (await log.append(tenant, f"{kind}:a", draft)).offset == 2


@both
async def test_a_stale_version_is_not_appended(log: Log, tenant: TenantId, kind: str) -> None:
    async def version(number: int, epoch: str = "") -> int:
        draft = Draft(b"v", version=number, version_epoch=epoch)
        return (await log.append(tenant, f"{kind}:a", draft)).offset

    assert [await version(5), await version(5), await version(4), await version(6)] == [1, 1, 1, 2]
    assert await version(1, "restarted") == 3


@both
async def test_removal_keeps_the_position(log: Log, tenant: TenantId, kind: str) -> None:
    first, second = await fill(log, tenant, f"{kind}:a", "1", "2")
    await log.remove(tenant, f"{kind}:a")
    assert (await log.history(tenant, f"{kind}:a", 10)).publications == ()
    assert await log.top(tenant, f"{kind}:a") == second
    with pytest.raises(CursorLost):
        await log.after(tenant, f"{kind}:a", first, 10)
    assert (await fill(log, tenant, f"{kind}:a", "3"))[0].offset == 3


@both
async def test_watchers_hear_in_order_and_before_the_appender(log: Log, tenant: TenantId, kind: str) -> None:
    heard: list[int] = []
    log.watch(lambda _tenant, _channel, _epoch, publication: heard.append(publication.offset))
    positions = await asyncio.gather(*(log.append(tenant, f"{kind}:a", Draft(b"x")) for _ in range(50)))
    assert heard == [position.offset for position in positions] == list(range(1, 51))
    await log.append(tenant, f"{kind}:a", Draft(b"x", idempotency_key="k"))
    await log.append(tenant, f"{kind}:a", Draft(b"x", idempotency_key="k"))
    assert heard == list(range(1, 52))


@both
async def test_a_failing_watcher_stops_nobody(log: Log, tenant: TenantId, kind: str) -> None:
    heard: list[int] = []

    def fail(*_: object) -> None:
        raise ValueError("watcher")

    log.watch(fail)
    log.watch(lambda _tenant, _channel, _epoch, publication: heard.append(publication.offset))
    await fill(log, tenant, f"{kind}:a", "1")
    assert heard == [1]
