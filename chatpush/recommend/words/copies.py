"""Keep the words tried for each cohort, how often they were seen and clicked, and which to use next.

A cohort is a slot's declared words, a language, a kind of item and a reason: for
all its readers a model is asked once. The declared words are always among those
tried, for a share of readers that never changes, so there is a control.
"""

import asyncio
import hashlib
import json
from collections import OrderedDict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from random import Random

from chatpush.clock import Clock
from chatpush.domain import TenantId, new_id, to_ms
from chatpush.notify.deciding.experiments import p_value
from chatpush.recommend.words.appeal import Tried, foretold
from chatpush.store.database import Database, Row, Transaction

TEMPLATE, WRITTEN = "template", "written"
REMEMBERED = 2000
KNOWN_SECONDS = 60.0
MOST_LISTED = 500


@dataclass(frozen=True, slots=True)
class Copy:
    """One set of words for a cohort's slots, fields not filled."""

    id: str
    cohort: str
    locale: str
    arm: str
    texts: Mapping[str, str]
    seen: int = 0
    clicked: int = 0

    @property
    def rate(self) -> float:
        """Clicks of those who saw it."""
        return self.clicked / self.seen if self.seen else 0.0


@dataclass(frozen=True, slots=True)
class Compared:
    """A set of words with the chance of such a difference to the declared ones if there were none."""

    copy: Copy
    p_value: float | None


class Copies:
    """The words of every tenant's cohorts."""

    def __init__(self, database: Database, clock: Clock, control: float = 0.2) -> None:
        self._database = database
        self._clock = clock
        self._control = control
        self._known: OrderedDict[tuple[TenantId, str], tuple[float, tuple[Copy, ...]]] = OrderedDict()
        self.locks: OrderedDict[tuple[TenantId, str], asyncio.Lock] = OrderedDict()

    async def of(self, tenant: TenantId, cohort: str) -> tuple[Copy, ...]:
        """Return the words of a cohort, empty if nobody wrote any yet; looked up once a minute."""
        known, now = self._known.get((tenant, cohort)), self._clock.monotonic()
        if known is not None and now - known[0] < KNOWN_SECONDS:
            return known[1]
        rows = await self._database.read(
            "SELECT * FROM copy_text WHERE tenant = :t AND cohort = :c ORDER BY id", t=tenant, c=cohort
        )
        return self._remember(tenant, cohort, tuple(_copy(row) for row in rows))

    async def keep(
        self, tenant: TenantId, cohort: str, locale: str, declared: Mapping[str, str],
        written: Sequence[Mapping[str, str]],
    ) -> tuple[Copy, ...]:  # fmt: skip
        """Store the declared words and those a model wrote."""
        arms = [(TEMPLATE, declared), *((WRITTEN, texts) for texts in written)]
        copies = tuple(Copy(new_id("cpy"), cohort, locale, arm, dict(texts)) for arm, texts in arms)
        now = to_ms(self._clock.now())
        rows: list[Row] = [
            {
                "tenant": tenant, "id": one.id, "cohort": cohort, "locale": locale, "arm": one.arm, "seen": 0,
                "texts": json.dumps(one.texts, ensure_ascii=False), "clicked": 0, "created_at": now,
            }
            for one in copies
        ]  # fmt: skip

        def store(tx: Transaction) -> bool:
            # Another node may have been as quick: the first words of a cohort stay.
            if tx.query(
                "SELECT 1 AS one FROM copy_text WHERE tenant = :t AND cohort = :c LIMIT 1", t=tenant, c=cohort
            ):
                return False
            tx.insert_many("copy_text", rows)
            return True

        if not await self._database.write(store):
            self._known.pop((tenant, cohort), None)
            return await self.of(tenant, cohort)
        return self._remember(tenant, cohort, copies)

    def choose(self, copies: Sequence[Copy], user: str) -> Copy:
        """Return the words for a user: for a fixed share the declared ones, else those likely clicked most."""
        control, written = copies[0], copies[1:]
        if not written or _share(f"{control.cohort}\x00{user}") < self._control:
            return control
        beliefs = foretold([Tried(" ".join(one.texts.values()), one.seen, one.clicked) for one in written])
        luck = Random(_share(f"{user}\x00{self._clock.now().date()}"))
        draws = [luck.betavariate(yes, no) for yes, no in beliefs]
        return written[draws.index(max(draws))]

    async def count(self, tenant: TenantId, copy: str, *, seen: bool, clicked: bool) -> None:
        """Count what a reader did with words."""
        await self._database.write(
            lambda tx: tx.execute(
                "UPDATE copy_text SET seen = seen + :s, clicked = clicked + :k WHERE tenant = :t AND id = :i",
                s=int(seen), k=int(clicked), t=tenant, i=copy,
            )
        )  # fmt: skip

    async def compared(self, tenant: TenantId) -> list[Compared]:
        """Return all words with their figures, by cohort, the declared ones first."""
        rows = await self._database.read(
            "SELECT * FROM copy_text WHERE tenant = :t ORDER BY cohort, id LIMIT :n", t=tenant, n=MOST_LISTED
        )
        found: list[Compared] = []
        control: Copy | None = None
        for row in rows:
            copy = _copy(row)
            if copy.arm == TEMPLATE:
                control = copy
            same = control is not None and control.cohort == copy.cohort and control.id != copy.id
            p = (
                p_value((control.clicked, control.seen), (copy.clicked, copy.seen))
                if same and control
                else None
            )
            found.append(Compared(copy, p))
        return found

    def lock(self, tenant: TenantId, cohort: str) -> asyncio.Lock:
        """Return what keeps two from asking a model for one cohort at once."""
        lock = self.locks.setdefault((tenant, cohort), asyncio.Lock())
        while len(self.locks) > REMEMBERED:
            self.locks.popitem(last=False)
        return lock

    def _remember(self, tenant: TenantId, cohort: str, copies: tuple[Copy, ...]) -> tuple[Copy, ...]:
        self._known[tenant, cohort] = (self._clock.monotonic(), copies)
        while len(self._known) > REMEMBERED:
            self._known.popitem(last=False)
        return copies


def _copy(row: Row) -> Copy:
    return Copy(
        row["id"], row["cohort"], row["locale"], row["arm"], json.loads(row["texts"]), row["seen"], row["clicked"]
    )  # fmt: skip


def _share(text: str) -> float:
    """Return a number from 0 up to 1 that follows from a text."""
    return int.from_bytes(hashlib.sha256(text.encode()).digest()[:8], "big") / 2**64
