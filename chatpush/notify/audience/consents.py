"""Keep the ledger of consents: who agreed to what, on which channel, when, through what, in which words, from where.

Lines are only added, one for each word that changed something, so that who
asks for a consent can prove it (GDPR Art. 7) and the present state follows from
the ledger alone. What proves a consent is sealed with the user's own key.
"""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import datetime

from chatpush.domain import Category, TenantId, UserId, from_ms, new_id
from chatpush.errors import InvalidInput
from chatpush.notify.deciding.consenting import Word, canonical
from chatpush.notify.listing import checked_name
from chatpush.store.database import Database, Row, Transaction
from chatpush.store.vault import Vault

CHOOSABLE = (Category.MARKETING, Category.ALERT)
MOST_CHANNELS = 50


@dataclass(frozen=True, slots=True)
class Evidence:
    """What proves a consent: the words that were agreed to, and the address it came from; "" unknown."""

    text: str = ""
    address: str = ""


@dataclass(frozen=True, slots=True)
class ConsentEntry:
    """One line of the ledger; ``channel`` "" is all channels."""

    category: str
    channel: str
    granted: bool
    via: str
    at: datetime
    evidence: Evidence | None = None


class Ledger:
    """The consents given and withdrawn by every tenant's users."""

    def __init__(self, database: Database, vault: Vault) -> None:
        self._database = database
        self._vault = vault

    async def of(self, tenant: TenantId, user: UserId) -> list[ConsentEntry]:
        """Return every consent given or withdrawn, oldest first."""
        rows = await self._database.read(
            "SELECT * FROM consent_entry WHERE tenant = :t AND user_id = :u ORDER BY id", t=tenant, u=user
        )
        if any(row["evidence_sealed"] is not None for row in rows):
            await self._vault.ready(tenant, user)
        return [
            ConsentEntry(
                row["category"], row["channel"], bool(row["granted"]), row["via"], from_ms(row["at"]),
                self._evidence(row),
            )
            for row in rows
        ]  # fmt: skip

    def add_in(
        self, tx: Transaction, tenant: TenantId, user: UserId, words: Sequence[Word], via: str,
        evidence: Evidence | None, now_ms: int,
    ) -> None:  # fmt: skip
        """Add a line for each word, in the caller's transaction; the user's key must be ready in the vault."""
        rows: list[Row] = []
        for word in words:
            entry, sealed = new_id("cns"), None
            if evidence is not None:
                sealed = self._vault.seal_json(
                    tenant, user, "consent_entry", "evidence", entry, asdict(evidence)
                )
            rows.append({
                "tenant": tenant, "id": entry, "user_id": user, "category": word.category,
                "channel": word.channel, "granted": int(word.granted), "via": via, "at": now_ms,
                "evidence_sealed": sealed,
            })  # fmt: skip
        tx.insert_many("consent_entry", rows)

    def _evidence(self, row: Row) -> Evidence | None:
        sealed = row["evidence_sealed"]
        if sealed is None:
            return None
        opened = self._vault.open_json(
            row["tenant"], row["user_id"], "consent_entry", "evidence", row["id"], sealed
        )
        return Evidence(**opened)


def checked_words(
    overall: Mapping[str, bool], by_channel: Mapping[str, Mapping[str, bool]]
) -> list[Word]:  # fmt: skip
    """Return what a change says, all channels first, so that an exception can come with its rule.

    Raises:
        InvalidInput: a category can't be chosen, or a channel's name can't be one.
    """
    words = []
    for category, granted in overall.items():
        _check_category(category, "consents")
        words.append(Word(category, granted))
    for category, own in by_channel.items():
        _check_category(category, "channel_consents")
        if len(own) > MOST_CHANNELS:
            raise InvalidInput(f"at most {MOST_CHANNELS} channels", param=f"channel_consents.{category}")
        for channel, granted in own.items():
            checked_name(channel, f"channel_consents.{category}")
            words.append(Word(category, granted, canonical(channel)))
    return words


def _check_category(category: str, param: str) -> None:
    if category == Category.TRANSACTIONAL:
        raise InvalidInput("transactional messages can't be switched off", param=f"{param}.transactional")
    if category not in set(CHOOSABLE):
        choices = ", ".join(CHOOSABLE)
        raise InvalidInput(f"no category {category[:40]!r}; use {choices}", param=f"{param}.{category[:40]}")
