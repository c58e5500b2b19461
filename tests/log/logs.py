"""Logs for tests: a sealing that shows whether data was sealed, and rules by prefix."""

from pathlib import Path

from chatpush.clock import Clock
from chatpush.domain import TenantId
from chatpush.log.contract import Retention, Sealing
from chatpush.log.embedded import EmbeddedLog

MASK = 0x5A
HUNDRED = Retention(size=100, ttl_seconds=0, durable=True)
RULES = {
    "disk": HUNDRED,
    "memory": Retention(size=100, ttl_seconds=0, durable=False),
    "small": Retention(size=3, ttl_seconds=0, durable=True),
    "small-memory": Retention(size=3, ttl_seconds=0, durable=False),
    "brief": Retention(size=100, ttl_seconds=10, durable=True),
    "brief-memory": Retention(size=100, ttl_seconds=10, durable=False),
}


async def _ready(tenant: TenantId, channel: str) -> None:
    return None


def _mask(tenant: TenantId, channel: str, place: str, data: bytes) -> bytes:
    return f"{tenant}|{place}|".encode() + bytes(byte ^ MASK for byte in data)


def _unmask(tenant: TenantId, channel: str, place: str, sealed: bytes) -> bytes:
    head = f"{tenant}|{place}|".encode()
    assert sealed.startswith(head), "sealed elsewhere"
    return bytes(byte ^ MASK for byte in sealed[len(head) :])


MASKING = Sealing(_ready, _mask, _unmask)


def rules(channel: str) -> Retention:
    """Return the retention of ``name:…``."""
    return RULES[channel.split(":", 1)[0]]


def embedded(path: Path, clock: Clock, *, tails_kept: int = 1000, write_queue: int = 10_000) -> EmbeddedLog:
    """Return an embedded log with the rules above."""
    return EmbeddedLog(
        path / "log.db", rules, MASKING, clock,
        synchronous="NORMAL", tails_kept=tails_kept, write_queue=write_queue,
    )  # fmt: skip
