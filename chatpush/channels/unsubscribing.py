"""Let a reader withdraw a consent with one click, without signing in (RFC 8058).

The link holds who and which category, and a keyed fingerprint that nobody
else can make; it stays good, because withdrawing must always work.
"""

import base64
import hmac
import json

from chatpush.domain import Category, TenantId, UserId
from chatpush.errors import NotFound
from chatpush.notify.audience.users import UserChange, Users
from chatpush.store.vault import Vault

FIELD = "unsubscribe"


class Unsubscribing:
    """Makes links and follows them."""

    def __init__(self, vault: Vault, users: Users, public_url: str) -> None:
        self._vault = vault
        self._users = users
        self._public_url = public_url.rstrip("/")

    async def link(self, tenant: TenantId, user: UserId, category: Category) -> str:
        """Return the address that withdraws a consent; empty without ``channels.public_url``."""
        if not self._public_url:
            return ""
        await self._vault.ready(tenant)
        said = json.dumps([tenant, user, category.value], ensure_ascii=False)
        text = base64.urlsafe_b64encode(said.encode()).rstrip(b"=").decode()
        return f"{self._public_url}/v1/unsubscribe/{text}.{self._vault.blind(tenant, FIELD, said)}"

    async def follow(self, token: str) -> str:
        """Withdraw the consent a link speaks of; return its category.

        Raises:
            NotFound: nobody here made this link.
        """
        tenant, user, category = await self._read(token)
        await self._users.put(tenant, user, UserChange(consents={category: False}), via="one-click")
        return category

    async def _read(self, token: str) -> tuple[TenantId, UserId, str]:
        text, _, given = token.partition(".")
        try:
            said = base64.urlsafe_b64decode(text + "=" * (-len(text) % 4)).decode()
            tenant, user, category = json.loads(said)
            # Who never was here has no link; nobody gets a key made for a made-up tenant.
            if await self._users.find(tenant, user) is None:
                raise NotFound("this link leads to nobody")
            await self._vault.ready(tenant)
            right = self._vault.blind(tenant, FIELD, said)
        except (ValueError, TypeError, AttributeError) as error:
            raise NotFound("this link is not one of ours") from error
        if not hmac.compare_digest(right, given):
            raise NotFound("this link is not one of ours")
        return TenantId(tenant), UserId(user), str(category)
