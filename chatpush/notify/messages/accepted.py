"""Read accepted messages back, each opened once and then remembered."""

from collections import OrderedDict

from chatpush.domain import MessageId, TenantId
from chatpush.notify.messages.drafts import Accepted, accepted_of
from chatpush.store.database import Row
from chatpush.store.vault import Vault

REMEMBERED = 2000


def seal(vault: Vault, tenant: TenantId, owner: str, message: MessageId, accepted: Accepted) -> bytes:
    """Return an accepted message as it is stored; the owner's key must be ready."""
    return vault.seal_json(tenant, owner, "message", "draft", message, accepted.to_json())


class AcceptedMessages:
    """The messages on their way."""

    def __init__(self, vault: Vault) -> None:
        self._vault = vault
        self._known: OrderedDict[tuple[str, str], Accepted] = OrderedDict()

    async def of_row(self, row: Row) -> Accepted:
        """Return the message of a row of table ``message``.

        Raises:
            VaultError: its one recipient was erased.
        """
        place = (row["tenant"], row["id"])
        known = self._known.get(place)
        if known is not None:
            self._known.move_to_end(place)
            return known
        await self._vault.ready(row["tenant"], row["owner"])
        opened = accepted_of(
            self._vault.open_json(
                row["tenant"], row["owner"], "message", "draft", row["id"], row["draft_sealed"]
            )
        )
        self._known[place] = opened
        if len(self._known) > REMEMBERED:
            self._known.popitem(last=False)
        return opened
