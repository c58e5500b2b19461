"""Give an answer again that the model has given to the same question: free, and at once.

Only what depends on nothing personal is kept, which the caller sees to: no
tools, no history, no figures in the question. The key is the question in one
spelling together with everything else the answer rests on (language, version
of the knowledge, day, prompt, models, audience), blinded; the answer is sealed.
A change of the knowledge makes every older answer unreachable, and the next one
kept sweeps them out.
"""

import re
import unicodedata
from collections.abc import Sequence
from dataclasses import asdict
from datetime import timedelta

from chatpush.clock import Clock
from chatpush.domain import Source, TenantId, to_ms
from chatpush.store.database import Database, Transaction
from chatpush.store.vault import Vault
from chatpush.support.assistant.answers import Answer

MOST_ANSWERS = 5_000  # of a tenant
LONGEST_QUESTION = 300
_EDGES = re.compile(r"^[\s\W_]+|[\s\W_]+$")


def normalised(question: str) -> str:
    """Return a question in one spelling: width, case, spaces and end marks make no difference."""
    text = unicodedata.normalize("NFKC", question).casefold()
    return _EDGES.sub("", " ".join(text.split()))


def is_impersonal(question: str) -> bool:
    """Return whether a question may be answered for everybody: short, and without figures or addresses."""
    text = normalised(question)
    return bool(text) and len(text) <= LONGEST_QUESTION and not re.search(r"[\d@]", text)


class AnswerCache:
    """Answers of every tenant that may be given again."""

    def __init__(self, database: Database, vault: Vault, clock: Clock, hours: float) -> None:
        self._database = database
        self._vault = vault
        self._clock = clock
        self._life = timedelta(hours=hours)

    def key(self, tenant: TenantId, question: str, *rests_on: str) -> str:
        """Return the blinded key of a question and what its answer rests on; the tenant's key is ready."""
        parts = [normalised(question), self._clock.now().date().isoformat(), *rests_on]
        return self._vault.blind(tenant, "answer_cache", "\x00".join(parts))

    async def find(self, tenant: TenantId, key: str) -> Answer | None:
        """Return the answer kept under a key, if it is young enough."""
        if not self._life:
            return None
        rows = await self._database.read(
            "SELECT content_sealed FROM answer_cache WHERE tenant = :t AND same = :s AND made_at > :m",
            t=tenant, s=key, m=to_ms(self._clock.now() - self._life),
        )  # fmt: skip
        if not rows:
            return None
        content = self._vault.open_json(
            tenant, "", "answer_cache", "content_sealed", key, rows[0]["content_sealed"]
        )
        sources = tuple(Source(**one) for one in content["sources"])
        return Answer(content["text"], "cached", sources=sources)

    async def keep(self, tenant: TenantId, key: str, knowledge: int, answer: Answer) -> None:
        """Keep an answer; those of older knowledge, too old ones and too many go."""
        if not self._life:
            return
        content = {"text": answer.text, "sources": _plain(answer.sources)}
        now = self._clock.now()
        row = {
            "tenant": tenant, "same": key, "knowledge": knowledge, "made_at": to_ms(now),
            "content_sealed": self._vault.seal_json(
                tenant, "", "answer_cache", "content_sealed", key, content
            ),
        }  # fmt: skip

        def put(tx: Transaction) -> None:
            tx.execute(
                "DELETE FROM answer_cache WHERE tenant = :t AND (same = :s OR knowledge <> :k OR made_at <= :m)",
                t=tenant, s=key, k=knowledge, m=to_ms(now - self._life),
            )  # fmt: skip
            tx.execute(
                "DELETE FROM answer_cache WHERE tenant = :t AND same IN (SELECT same FROM answer_cache "
                "WHERE tenant = :t ORDER BY made_at DESC, same LIMIT 1 OFFSET :n)",
                t=tenant, n=MOST_ANSWERS - 1,
            )  # fmt: skip
            tx.insert("answer_cache", row)

        await self._database.write(put)


def _plain(sources: Sequence[Source]) -> list[dict[str, str]]:
    return [asdict(one) for one in sources]
