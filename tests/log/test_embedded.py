"""The embedded log: restarts, kills, sealing, limits."""

import asyncio
import signal
import sqlite3
import sys
from datetime import timedelta
from pathlib import Path

import pytest

from chatpush.clock import SystemClock
from chatpush.domain import TenantId
from chatpush.errors import CursorLost, Unavailable, VaultError
from chatpush.log import together
from chatpush.log.contract import Cursor, Draft, Sealing
from chatpush.log.embedded import EmbeddedLog
from chatpush.log.together import Together
from tests.clocks import StillClock
from tests.log.logs import HUNDRED, MASKING, embedded

PUBLISHER = """
import asyncio, sys
from pathlib import Path
from chatpush.clock import SystemClock
from chatpush.domain import DEFAULT_TENANT
from chatpush.log.contract import Draft
from tests.log.logs import embedded

async def main():
    log = embedded(Path(sys.argv[1]), SystemClock())
    await log.start()
    async def publish(channel):
        for number in range(1_000_000):
            position = await log.append(DEFAULT_TENANT, f"disk:{channel}", Draft(b"%d" % number))
            sys.stdout.write(f"{channel} {position.epoch} {position.offset} {number}\\n")
            sys.stdout.flush()
    await asyncio.gather(*(publish(channel) for channel in range(20)))

asyncio.run(main())
"""


def everything_in(directory: Path) -> bytes:
    return b"".join(file.read_bytes() for file in directory.iterdir())


async def test_positions_and_epoch_survive_a_restart(
    tmp_path: Path, tenant: TenantId, still_clock: StillClock
) -> None:
    before = embedded(tmp_path, still_clock)
    await before.start()
    untouched = await before.top(tenant, "disk:new")
    position = await before.append(tenant, "disk:a", Draft(b"1", idempotency_key="k"))
    await before.stop()
    after = embedded(tmp_path, still_clock)
    await after.start()
    assert await after.top(tenant, "disk:a") == position
    assert await after.top(tenant, "disk:new") == untouched
    assert await after.append(tenant, "disk:a", Draft(b"1", idempotency_key="k")) == position
    second = await after.append(tenant, "disk:a", Draft(b"2"))
    assert second == Cursor(position.epoch, 2)
    found = await after.after(tenant, "disk:a", Cursor(position.epoch, 0), 10)
    assert [publication.data for publication in found.publications] == [b"1", b"2"]
    await after.stop()


async def test_memory_channels_start_a_new_epoch(
    tmp_path: Path, tenant: TenantId, still_clock: StillClock
) -> None:
    before = embedded(tmp_path, still_clock)
    await before.start()
    position = await before.append(tenant, "memory:a", Draft(b"1"))
    await before.stop()
    after = embedded(tmp_path, still_clock)
    await after.start()
    with pytest.raises(CursorLost):
        await after.after(tenant, "memory:a", position, 10)
    await after.stop()


async def test_every_acknowledged_append_survives_a_kill(tmp_path: Path, tenant: TenantId) -> None:
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-c", PUBLISHER, str(tmp_path), stdout=asyncio.subprocess.PIPE
    )
    assert process.stdout is not None
    acknowledged = [(await process.stdout.readline()).split() for _ in range(2000)]
    process.send_signal(signal.SIGKILL)
    rest = (await process.stdout.read()).splitlines(keepends=True)
    acknowledged += [line.split() for line in rest if line.endswith(b"\n")]
    await process.wait()
    log = embedded(tmp_path, SystemClock())
    await log.start()
    newest: dict[str, tuple[str, int, bytes]] = {}
    for told_channel, told_epoch, told_offset, number in acknowledged:
        newest[told_channel.decode()] = (told_epoch.decode(), int(told_offset), number)
    assert len(newest) == 20
    for channel, (epoch, offset, number) in newest.items():
        found = await log.after(tenant, f"disk:{channel}", Cursor(epoch, offset - 1), 100)
        assert found.publications[0].data == number
        offsets = [publication.offset for publication in found.publications]
        assert offsets == list(range(offset, offset + len(offsets)))
    await log.stop()


async def test_nothing_readable_is_on_disk(tmp_path: Path, tenant: TenantId, still_clock: StillClock) -> None:
    log = embedded(tmp_path, still_clock)
    await log.start()
    await log.append(tenant, "disk:a", Draft("退款 secret".encode(), tags={"order": "secret-tag"}))
    await log.stop()
    content = everything_in(tmp_path)
    assert b"secret" not in content
    assert "退款".encode() not in content


async def test_what_left_the_tail_is_read_from_disk(
    tmp_path: Path, tenant: TenantId, still_clock: StillClock
) -> None:
    log = embedded(tmp_path, still_clock, tails_kept=2)
    await log.start()
    first = await log.append(tenant, "disk:a", Draft(b"1"))
    for number in range(5):
        await log.append(tenant, f"disk:{number}", Draft(b"x"))
    await log.append(tenant, "disk:a", Draft(b"2"))
    found = await log.after(tenant, "disk:a", Cursor(first.epoch, 0), 10)
    assert [publication.data for publication in found.publications] == [b"1", b"2"]
    await log.stop()


async def test_an_evicted_memory_channel_never_reuses_a_position(
    tmp_path: Path, tenant: TenantId, still_clock: StillClock
) -> None:
    log = embedded(tmp_path, still_clock, tails_kept=1)
    await log.start()
    first = await log.append(tenant, "memory:a", Draft(b"1"))
    await log.append(tenant, "memory:b", Draft(b"1"))
    again = await log.append(tenant, "memory:a", Draft(b"1"))
    assert (again.offset, again.epoch != first.epoch) == (1, True)
    await log.stop()


async def test_erased_owners_leave_a_gap_and_no_error(
    tmp_path: Path, tenant: TenantId, still_clock: StillClock
) -> None:
    log = embedded(tmp_path, still_clock)
    await log.start()
    first = await log.append(tenant, "disk:a", Draft(b"1"))
    await log.stop()

    def gone(*_: object) -> bytes:
        raise VaultError("erased")

    sealing = Sealing(MASKING.ready, MASKING.seal, gone)
    log = EmbeddedLog(tmp_path / "log.db", lambda _: HUNDRED, sealing, still_clock)
    await log.start()
    assert (await log.history(tenant, "disk:a", 10)).publications == ()
    with pytest.raises(CursorLost):
        await log.after(tenant, "disk:a", Cursor(first.epoch, 0), 10)
    await log.stop()


async def test_what_can_not_be_sealed_fails_alone(
    tmp_path: Path, tenant: TenantId, still_clock: StillClock
) -> None:
    def seal(tenant: TenantId, channel: str, place: str, data: bytes) -> bytes:
        if channel == "bad":
            raise VaultError("no key")
        return data

    sealing = Sealing(MASKING.ready, seal, MASKING.open)
    log = EmbeddedLog(tmp_path / "log.db", lambda _: HUNDRED, sealing, still_clock)
    await log.start()
    results = await asyncio.gather(
        *(log.append(tenant, channel, Draft(b"x")) for channel in ("good", "bad", "good", "bad")),
        return_exceptions=True,
    )
    assert [result.offset if isinstance(result, Cursor) else type(result) for result in results] == [
        1, VaultError, 2, VaultError,
    ]  # fmt: skip
    await log.stop()


async def test_too_many_waiting_are_refused(
    tmp_path: Path, tenant: TenantId, still_clock: StillClock
) -> None:
    log = embedded(tmp_path, still_clock, write_queue=5)
    await log.start()
    results = await asyncio.gather(
        *(log.append(tenant, "disk:a", Draft(b"x")) for _ in range(20)), return_exceptions=True
    )
    assert sum(isinstance(result, Unavailable) for result in results) == 15
    assert (await log.append(tenant, "disk:a", Draft(b"x"))).offset == 6
    await log.stop()


async def test_a_sweep_deletes_what_expired_and_forgets_old_channels(
    tmp_path: Path, tenant: TenantId, still_clock: StillClock
) -> None:
    log = embedded(tmp_path, still_clock)
    await log.start()
    position = await log.append(tenant, "brief:a", Draft(b"1", idempotency_key="k"))
    kept = await log.append(tenant, "disk:a", Draft(b"1"))
    still_clock.forward(timedelta(days=31))
    await log.sweep()
    await log.stop()
    file = sqlite3.connect(tmp_path / "log.db")
    counts = [
        file.execute(f"SELECT COUNT(*) FROM {table}").fetchone()[0] for table in ("publication", "channel")
    ]
    file.close()
    assert counts == [1, 1]
    log = embedded(tmp_path, still_clock)
    await log.start()
    assert await log.top(tenant, "disk:a") == kept
    again = await log.append(tenant, "brief:a", Draft(b"1"))
    assert (again.offset, again.epoch != position.epoch) == (1, True)
    await log.stop()


async def test_trimming_keeps_the_file_small(
    tmp_path: Path, tenant: TenantId, still_clock: StillClock
) -> None:
    log = embedded(tmp_path, still_clock)
    await log.start()
    await asyncio.gather(*(log.append(tenant, "small:a", Draft(b"x")) for _ in range(500)))
    await log.append(tenant, "small:a", Draft(b"x"))
    await log.stop()
    file = sqlite3.connect(tmp_path / "log.db")
    assert file.execute("SELECT COUNT(*) FROM publication").fetchone()[0] < 30
    file.close()


async def test_an_unreadable_file_stops_the_start(tmp_path: Path, still_clock: StillClock) -> None:
    (tmp_path / "log.db").write_bytes(b"this is no database at all, certainly not" * 100)
    with pytest.raises(Unavailable, match="can't be opened"):
        await embedded(tmp_path, still_clock).start()


async def test_many_who_ask_at_once_are_told_apart(
    tmp_path: Path, tenant: TenantId, still_clock: StillClock
) -> None:
    before = embedded(tmp_path, still_clock)
    await before.start()
    names = [f"disk:{number}" for number in range(1000)]
    written = await asyncio.gather(*(before.append(tenant, name, Draft(b"1")) for name in names[::3]))
    await before.stop()
    log = embedded(tmp_path, still_clock, tails_kept=10_000)
    await log.start()
    found = await asyncio.gather(*(log.top(tenant, name) for name in names))
    assert found[::3] == written
    assert {top.offset for top in found[1::3] + found[2::3]} == {0}
    assert await log.top(TenantId("another"), "disk:0") == Cursor(written[0].epoch, 0)
    assert log.file_reads <= 3
    await log.stop()


async def test_who_asks_a_moment_after_others_is_answered_with_those_who_follow(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(together, "BREATH_SECONDS", 0.2)  # longer than a busy machine needs for four turns
    asked: list[list[int]] = []

    async def answer(several: list[int]) -> list[int]:
        asked.append(several)
        return [2 * question for question in several]

    questions: Together[int, int] = Together(answer)
    assert await questions.ask(1) == 2
    waiting = []
    for question in range(2, 6):
        waiting.append(asyncio.ensure_future(questions.ask(question)))
        await asyncio.sleep(0)
    assert await asyncio.gather(*waiting) == [4, 6, 8, 10]
    assert asked == [[1], [2, 3, 4, 5]]
