"""The people side on a test's database, with recorders around it."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from chatpush.clock import Clock
from chatpush.domain import TenantId, UserId
from chatpush.notify.audience.users import Users
from chatpush.notify.templates.renderers import Renderers
from chatpush.store.database import Database
from chatpush.store.vault import Vault
from chatpush.support.assistant.promises import Promises
from chatpush.support.conversations.conversations import Conversations
from chatpush.support.people.staffing import Staff, build_staff
from chatpush.support.ports import Letter, Publisher


@dataclass
class Staffed:
    """The people side, and what it told the rest of the house."""

    staff: Staff
    users: Users
    renderers: Renderers
    letters: list[Letter] = field(default_factory=list)
    online: set[str] = field(default_factory=set)
    names: dict[str, str] = field(default_factory=lambda: {"per_1": "Grace", "per_2": "Linus"})
    told: list[tuple[str, dict[str, Any]]] = field(default_factory=list)


def staffed(
    database: Database,
    vault: Vault,
    clock: Clock,
    conversations: Conversations,
    promises: Promises,
    publisher: Publisher,
    *,
    mail: bool = True,
) -> Staffed:
    """Build it; letters go into a list, people are who is in ``names``, users are there who are in ``online``."""
    letters: list[Letter] = []
    online: set[str] = set()
    names = {"per_1": "Grace", "per_2": "Linus"}
    told: list[tuple[str, dict[str, Any]]] = []

    async def send(letter: Letter) -> None:
        letters.append(letter)

    async def name_of(tenant: TenantId, person: str) -> str:
        return names.get(person, "")

    async def tell(tenant: TenantId, kind: str, data: Mapping[str, Any]) -> None:
        told.append((kind, dict(data)))

    def is_online(tenant: TenantId, user: UserId) -> bool:
        return user in online

    users, renderers = Users(database, vault, clock), Renderers()
    staff = build_staff(
        database, vault, clock, conversations, promises, publisher, users, renderers,
        send=send if mail else None, name_of=name_of, is_online=is_online, tell=tell,
    )  # fmt: skip
    return Staffed(staff, users, renderers, letters, online, names, told)
