"""Measure whole picks at the scale of Gowalla: candidates, filters, spread, reasons, from records on disk."""

import asyncio
import gc
import os
import statistics
import tempfile
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path

import numpy as np
from scipy import sparse

from chatpush.clock import SystemClock
from chatpush.domain import DEFAULT_TENANT, ItemId, TenantId, User, UserId, to_ms
from chatpush.plugins.host import Plugins
from chatpush.process import GC_THRESHOLDS
from chatpush.recommend.behaviour.behaviour import Behaviour, event
from chatpush.recommend.catalogue import Catalogue
from chatpush.recommend.recommender import Recommender
from chatpush.recommend.training.learned import Learned
from chatpush.recommend.training.learning import Learning
from chatpush.recommend.training.models import Models
from chatpush.settings import Settings
from chatpush.store.database import Database, Row
from chatpush.store.opening import open_database
from chatpush.store.vault import Vault, create_master_key, read_master_key

PAGE = 20_000
ONE_BY_ONE, TOGETHER = 200, 1000
LIMIT = 10
TICK_SECONDS = 0.005


@dataclass(frozen=True)
class Picking:
    """Milliseconds for one user, processor seconds for a thousand, and how long the event loop was ever held."""

    one_p50_ms: float
    one_p95_ms: float
    thousand_seconds: float
    new_event_ms: float
    picking_pause_ms: float
    training_pause_ms: float


@asynccontextmanager
async def filled(
    pairs: sparse.csr_matrix[np.float32],
) -> AsyncIterator[tuple[Recommender, Behaviour, Models]]:
    """Yield a recommender on records of these users × items, one view each, the behaviour it reads, its models."""
    with tempfile.TemporaryDirectory() as directory:
        settings = Settings(data_dir=directory)
        key = settings.path(settings.store.master_key_file)
        if not key.exists():
            create_master_key(key)
        database, clock = open_database(settings), SystemClock()
        await database.start()
        try:
            vault = Vault(database, read_master_key(key))
            now = to_ms(clock.now() - timedelta(days=1))
            await _fill(database, pairs, now)

            async def find(tenant: TenantId, user: UserId) -> User | None:
                return User(tenant, user)

            behaviour = Behaviour(database, vault, clock)
            recommender = Recommender(database, Catalogue(database, clock), behaviour, Plugins(), clock, find)
            yield recommender, behaviour, Models(database, vault, clock, Path(directory) / "models")
        finally:
            await database.stop()


async def _fill(database: Database, pairs: sparse.csr_matrix[np.float32], now: int) -> None:
    items: list[Row] = [
        {
            "tenant": DEFAULT_TENANT, "id": str(n), "title": f"Place {n} of kind {n % 97}", "text": "", "price": "9.5",
            "currency": "GBP", "stock": n % 50, "url": "", "image": "", "tags": f'["kind{n % 97}"]',
            "attributes": "{}", "created_at": 0, "updated_at": now,
        }
        for n in range(pairs.shape[1])
    ]  # fmt: skip
    found = pairs.tocoo()
    for start in range(0, len(items), PAGE):
        await database.write(lambda tx, rows=items[start : start + PAGE]: tx.insert_many("item", rows))  # type: ignore[misc]
    for start in range(0, found.nnz, PAGE):
        rows: list[Row] = [
            {
                "tenant": DEFAULT_TENANT, "id": f"e{n}", "user_id": f"u{found.row[n]}", "type": "view",
                "item": str(found.col[n]), "at": now - n % 1000, "received_at": n, "properties_sealed": None,
            }
            for n in range(start, min(start + PAGE, found.nnz))
        ]  # fmt: skip
        await database.write(lambda tx, rows=rows: tx.insert_many("event", rows))  # type: ignore[misc]


async def measure(pairs: sparse.csr_matrix[np.float32], learned: Learned) -> Picking:
    """Return how quick picks are with this model, and how long the loop is held by picking and by training."""
    async with filled(pairs) as (recommender, behaviour, models):
        training = recommender.training
        await training.refit(DEFAULT_TENANT)
        await training.swap(DEFAULT_TENANT, lambda: recommender.likeminded.adopt(DEFAULT_TENANT, learned))
        users = [
            UserId(f"u{n}") for n in np.random.default_rng(2).choice(pairs.shape[0], TOGETHER, replace=False)
        ]
        await recommender.pick_many(DEFAULT_TENANT, users[:100], LIMIT)
        gc.collect()
        gc.freeze()
        gc.set_threshold(*GC_THRESHOLDS)  # as the server runs
        took = []
        for user in users[:ONE_BY_ONE]:
            began = time.process_time()
            await recommender.pick(DEFAULT_TENANT, user, LIMIT)
            took.append((time.process_time() - began) * 1000)
        async with watched() as picking:
            began = time.process_time()
            await recommender.pick_many(DEFAULT_TENANT, users, LIMIT)
            thousand = time.process_time() - began
        began = time.process_time()
        fresh = event(DEFAULT_TENANT, users[0], "view", SystemClock().now(), ItemId("7"))
        await behaviour.record(DEFAULT_TENANT, [fresh])
        await recommender.pick(DEFAULT_TENANT, users[0], LIMIT)
        counted = (time.process_time() - began) * 1000
        async with watched() as taught:
            learning = Learning(training, recommender.likeminded, models, SystemClock())
            await learning.train(DEFAULT_TENANT)
            await Learning(training, recommender.likeminded, models, SystemClock()).take_up(DEFAULT_TENANT)
    took.sort()
    p95 = took[int(len(took) * 0.95)]
    return Picking(statistics.median(took), p95, thousand, counted, picking.longest_ms, taught.longest_ms)


@dataclass
class Watch:
    """The longest pause of the loop, in milliseconds."""

    longest_ms: float = 0.0


@asynccontextmanager
async def watched() -> AsyncIterator[Watch]:
    """Watch how long the loop is held.

    The process is kept on one core and counts its own processor time from one
    tick to the next, so that it is no matter what else the machine does: what
    passes while the loop wants to run and another thread keeps the interpreter
    or the core. The tick itself counts as well.
    """
    cores = os.sched_getaffinity(0)
    os.sched_setaffinity(0, {min(cores)})
    watch = Watch()
    task = asyncio.create_task(_tick(watch))
    try:
        yield watch
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
        os.sched_setaffinity(0, cores)


async def _tick(watch: Watch) -> None:
    while True:
        began = time.process_time()
        await asyncio.sleep(TICK_SECONDS)
        watch.longest_ms = max(watch.longest_ms, (time.process_time() - began) * 1000)
