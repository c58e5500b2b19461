"""Let a reader withdraw a consent with one click, without signing in (RFC 8058).

The link holds who, which category and by which channel, and a keyed fingerprint
that nobody else can make; it stays good, because withdrawing must always work.
It speaks of the letters it stands in: whoever is tired of mail keeps the same
news in the inbox, unless they say that they want it nowhere.
"""

import base64
import hmac
import json
from dataclasses import dataclass

from chatpush.domain import Category, TenantId, User, UserId
from chatpush.errors import NotFound
from chatpush.notify.audience.consents import Evidence
from chatpush.notify.audience.users import UserChange, Users
from chatpush.store.vault import Vault

FIELD = "unsubscribe"


@dataclass(frozen=True, slots=True)
class Subscription:
    """What a link speaks of; ``channel`` "" is all channels."""

    user: User
    category: str
    channel: str


class Unsubscribing:
    """Makes links and follows them."""

    def __init__(self, vault: Vault, users: Users, public_url: str) -> None:
        self._vault = vault
        self._users = users
        self._public_url = public_url.rstrip("/")

    async def link(self, tenant: TenantId, user: UserId, category: Category, channel: str) -> str:
        """Return the address that withdraws a consent; empty without ``channels.public_url``."""
        if not self._public_url:
            return ""
        await self._vault.ready(tenant)
        said = json.dumps([tenant, user, category.value, channel], ensure_ascii=False)
        text = base64.urlsafe_b64encode(said.encode()).rstrip(b"=").decode()
        return f"{self._public_url}/v1/unsubscribe/{text}.{self._vault.blind(tenant, FIELD, said)}"

    async def follow(
        self, token: str, *, everywhere: bool = False, via: str = "one-click", evidence: Evidence | None = None
    ) -> Subscription:  # fmt: skip
        """Withdraw the consent a link speaks of, or that category on all channels; return what has ended.

        Raises:
            NotFound: nobody here made this link.
        """
        ended = await self.read(token)
        user, category, channel = ended.user, ended.category, "" if everywhere else ended.channel
        if channel:
            change = UserChange(channel_consents={category: {channel: False}}, evidence=evidence)
        else:
            change = UserChange(consents={category: False}, evidence=evidence)
        await self._users.put(user.tenant, user.id, change, via=via)
        return Subscription(user, category, channel)

    async def read(self, token: str) -> Subscription:
        """Return what a link speaks of.

        Raises:
            NotFound: nobody here made this link.
        """
        text, _, given = token.partition(".")
        try:
            said = base64.urlsafe_b64decode(text + "=" * (-len(text) % 4)).decode()
            # Letters of before consents had channels said three things: their links are of all channels.
            tenant, user, category, channel = map(_text, (*json.loads(said), "")[:4])
            # Who never was here has no link; nobody gets a key made for a made-up tenant.
            found = await self._users.find(TenantId(tenant), UserId(user))
            if found is None:
                raise NotFound("this link leads to nobody")
            await self._vault.ready(found.tenant)
            right = self._vault.blind(found.tenant, FIELD, said)
        except (ValueError, TypeError, AttributeError, RecursionError) as error:
            raise NotFound("this link is not one of ours") from error
        if not hmac.compare_digest(right.encode(), given.encode()):
            raise NotFound("this link is not one of ours")
        return Subscription(found, category, channel)


def _text(part: object) -> str:
    """Return a part of a link.

    Raises:
        ValueError: it is no text that a database knows.
    """
    if not isinstance(part, str) or "\x00" in part:
        raise ValueError("a link is made of texts")
    part.encode()
    return part
