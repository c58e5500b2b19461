"""The audience of text files: read anew when they change, and nothing else is ever read."""

import os
from pathlib import Path
from typing import Any

import pytest

from chatpush.domain import TenantId, UserId
from chatpush.errors import InvalidInput
from chatpush.plugins.loader import FIRST_PARTY, load_file

MODULE: Any = load_file(FIRST_PARTY / "listed_audience.py")
TENANT = TenantId("default")


async def test_a_list_is_paged_sorted_and_read_anew(tmp_path: Path) -> None:
    (tmp_path / "default").mkdir()
    file = tmp_path / "default" / "vip.txt"
    file.write_text("zoe\nann\n\nbob\nann\n", encoding="utf-8")
    listed = MODULE.Listed(tmp_path)
    assert await listed.page(TENANT, {"file": "vip"}, UserId(""), 2) == ["ann", "bob"]
    assert await listed.page(TENANT, {"file": "vip"}, UserId("bob"), 2) == ["zoe"]
    file.write_text("eve\n", encoding="utf-8")
    os.utime(file, ns=(1, 1))
    assert await listed.page(TENANT, {"file": "vip"}, UserId(""), 2) == ["eve"]
    with pytest.raises(InvalidInput, match="no list"):
        await listed.page(TenantId("other"), {"file": "vip"}, UserId(""), 2)


async def test_nothing_but_lists_is_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    listed = MODULE.Listed(tmp_path)
    for name in ("../vip", "/etc/passwd", "", "a.b", None):
        with pytest.raises(InvalidInput):
            await listed.page(TENANT, {"file": name}, UserId(""), 2)
    (tmp_path / "default").mkdir()
    (tmp_path / "default" / "big.txt").write_text("a\nb\n", encoding="utf-8")
    monkeypatch.setattr(MODULE, "LARGEST_BYTES", 2)
    with pytest.raises(InvalidInput, match="over 2 bytes"):
        await listed.page(TENANT, {"file": "big"}, UserId(""), 2)
