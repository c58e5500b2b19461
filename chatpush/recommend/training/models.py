"""Keep what training learned: versions on disk, sealed, one of them serving.

A file is written whole beside its place, flushed and renamed, and only then does
one transaction make it the serving one: a crash at any moment leaves the old
version serving. A file that doesn't open any more is passed over for the one
before it, and if none opens the plain walk serves.
"""

import asyncio
import hashlib
import json
import os
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

import structlog

from chatpush.clock import Clock
from chatpush.domain import TenantId, from_ms, new_id, to_ms
from chatpush.errors import NotFound, VaultError
from chatpush.recommend.training.learned import DamagedModel, Learned, unpacked
from chatpush.store.database import Database, Row, Transaction
from chatpush.store.vault import Vault

log = structlog.get_logger(__name__)
KEPT = 4
HISTORY = 100
MODE = 0o600
PIECE = 4 * 1024 * 1024
"""Bytes sealed at once: the interpreter is kept meanwhile, and others want their turn."""
LENGTH_BYTES = 4


@dataclass(frozen=True, slots=True)
class Version:
    """One trained model: when, how, from how many events, and whether it serves."""

    id: str
    serving: bool
    method: str
    events: int
    seconds: float
    report: dict[str, Any]
    created_at: datetime


@dataclass(frozen=True, slots=True)
class Trained:
    """What one training found on its hold-out, and from how many events in how many seconds."""

    id: str
    method: str
    events: int
    seconds: float
    recall: float
    ndcg: float
    created_at: datetime


class Models:
    """The trained models of all tenants."""

    def __init__(self, database: Database, vault: Vault, clock: Clock, directory: Path) -> None:
        self._database = database
        self._vault = vault
        self._clock = clock
        self._directory = directory

    async def keep(self, tenant: TenantId, learned: Learned, events: int, seconds: float) -> Version:
        """Write a model and make it the serving one; the oldest beyond a few are deleted."""
        await self._vault.ready(tenant)
        name = new_id("mdl")
        await asyncio.to_thread(self._write, tenant, name, learned)
        row: Row = {
            "tenant": tenant, "id": name, "serving": 1, "method": learned.settings.method, "events": events,
            "seconds": seconds, "report": json.dumps(learned.report, ensure_ascii=False),
            "created_at": to_ms(self._clock.now()),
        }  # fmt: skip

        past: Row = {
            name: row[name] for name in ("tenant", "id", "method", "events", "seconds", "created_at")
        }
        past |= {name: float(learned.report.get(name, 0.0)) for name in ("recall", "ndcg")}

        def store(tx: Transaction) -> list[str]:
            tx.execute("UPDATE model SET serving = 0 WHERE tenant = :t", t=tenant)
            tx.insert("model", row)
            tx.insert("model_history", past)
            old = tx.query(
                "SELECT id FROM model WHERE tenant = :t ORDER BY created_at DESC, id DESC LIMIT 1000 OFFSET :n",
                t=tenant, n=KEPT,
            )  # fmt: skip
            for one in old:
                tx.execute("DELETE FROM model WHERE tenant = :t AND id = :i", t=tenant, i=one["id"])
            return [one["id"] for one in old]

        for gone in await self._database.write(store):
            self._path(tenant, gone).unlink(missing_ok=True)
        return _version(row)

    async def list(self, tenant: TenantId) -> list[Version]:
        """Return the versions, newest first."""
        rows = await self._database.read(
            "SELECT * FROM model WHERE tenant = :t ORDER BY created_at DESC, id DESC", t=tenant
        )
        return [_version(row) for row in rows]

    async def history(self, tenant: TenantId, limit: int = HISTORY) -> Sequence[Trained]:
        """Return what trainings found, the newest last."""
        rows = await self._database.read(
            "SELECT * FROM model_history WHERE tenant = :t ORDER BY created_at DESC, id DESC LIMIT :n",
            t=tenant, n=limit,
        )  # fmt: skip
        return [
            Trained(
                row["id"], row["method"], row["events"], row["seconds"], row["recall"], row["ndcg"],
                from_ms(row["created_at"]),
            )
            for row in reversed(rows)
        ]  # fmt: skip

    async def serve(self, tenant: TenantId, version: str) -> None:
        """Make another version the serving one; nodes that run take it up within a minute.

        Raises:
            NotFound: there is no such version.
        """

        def store(tx: Transaction) -> int:
            found = tx.execute(
                "UPDATE model SET serving = 1 WHERE tenant = :t AND id = :i", t=tenant, i=version
            )
            if found:
                tx.execute("UPDATE model SET serving = 0 WHERE tenant = :t AND id <> :i", t=tenant, i=version)
            return found

        if not await self._database.write(store):
            raise NotFound(f"no model {version!r}", param="version")

    async def serving(self, tenant: TenantId) -> str:
        """Return the serving version's name, empty without one."""
        rows = await self._database.read(
            "SELECT id FROM model WHERE tenant = :t AND serving = 1 ORDER BY created_at DESC LIMIT 1",
            t=tenant,
        )
        return str(rows[0]["id"]) if rows else ""

    async def load(self, tenant: TenantId) -> tuple[Version, Learned] | None:
        """Return the serving model; if its file is damaged or of an older form, the newest other one that opens."""
        versions = await self.list(tenant)
        if not versions:
            return None
        await self._vault.ready(tenant)
        for version in sorted(versions, key=lambda one: not one.serving):
            try:
                return version, await asyncio.to_thread(self._read, tenant, version.id)
            except (DamagedModel, VaultError, OSError) as error:
                log.error("model passed over", tenant=tenant, model=version.id, error=str(error))
        return None

    def _path(self, tenant: TenantId, name: str) -> Path:
        return self._directory / hashlib.sha256(tenant.encode()).hexdigest()[:16] / f"{name}.model"

    def _write(self, tenant: TenantId, name: str, learned: Learned) -> None:
        packed = memoryview(learned.packed())
        pieces = [bytes(packed[start : start + PIECE]) for start in range(0, len(packed), PIECE)]
        path = self._path(tenant, name)
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        for left in path.parent.glob("*.part"):
            left.unlink(missing_ok=True)  # of a training that was killed
        part = path.with_suffix(".part")
        with os.fdopen(os.open(part, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, MODE), "wb") as file:
            for number, piece in enumerate(pieces, 1):
                sealed = self._vault.seal(tenant, "", "model", "file", _row(name, number, len(pieces)), piece)
                file.write(len(sealed).to_bytes(LENGTH_BYTES, "big") + sealed)
            file.flush()
            os.fsync(file.fileno())
        part.replace(path)

    def _read(self, tenant: TenantId, name: str) -> Learned:
        pieces = _pieces(self._path(tenant, name).read_bytes())
        return unpacked(
            b"".join(
                self._vault.open(tenant, "", "model", "file", _row(name, number, len(pieces)), piece)
                for number, piece in enumerate(pieces, 1)
            )
        )


def _row(name: str, number: int, count: int) -> str:
    """Return what a piece is bound to: none can be left out, moved or taken from elsewhere."""
    return f"{name}:{number}/{count}"


def _pieces(file: bytes) -> list[bytes]:
    found, at = [], 0
    while at < len(file):
        length = int.from_bytes(file[at : at + LENGTH_BYTES], "big")
        at += LENGTH_BYTES
        found.append(file[at : at + length])
        at += length
    return found


def _version(row: Row) -> Version:
    return Version(
        row["id"], bool(row["serving"]), row["method"], int(row["events"]), float(row["seconds"]),
        json.loads(row["report"]), from_ms(row["created_at"]),
    )  # fmt: skip
