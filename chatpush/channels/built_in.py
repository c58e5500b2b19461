"""Bring the channels the settings switch on, by the door plugins use, and build what stands beside them."""

from dataclasses import dataclass

from chatpush.channels.email import Email, UnsubscribeLink
from chatpush.channels.outgoing import Outgoing
from chatpush.channels.unsubscribing import Unsubscribing
from chatpush.channels.web_push import WebPush
from chatpush.channels.webhook_calls import WebhookCalls
from chatpush.channels.webhooks import Webhooks
from chatpush.clock import Clock
from chatpush.errors import InvalidSettings
from chatpush.notify.users import Users
from chatpush.plugins.contracts import Channel
from chatpush.plugins.hooks import hook
from chatpush.settings import Settings
from chatpush.store.database import Database
from chatpush.store.vault import Vault

NAME = "channels"


class BuiltInChannels:
    """Email and Web Push, as far as they are configured."""

    def __init__(
        self, settings: Settings, clock: Clock, outgoing: Outgoing, unsubscribe: UnsubscribeLink
    ) -> None:
        channels = settings.channels
        self.web_push: WebPush | None = None
        self.email: Email | None = None
        if channels.web_push.contact:
            if not channels.web_push.contact.startswith(("mailto:", "https://")):
                raise InvalidSettings("channels.web_push.contact: write mailto:you@example.com")
            self.web_push = WebPush(settings.path("vapid.pem"), channels.web_push.contact, outgoing)
        if channels.email.host:
            if "@" not in channels.email.sender:
                raise InvalidSettings("channels.email.sender: name the address letters come from")
            self.email = Email(channels.email, clock, unsubscribe)

    @hook
    def register_channels(self) -> list[Channel]:
        """Return those that are switched on."""
        return [one for one in (self.web_push, self.email) if one is not None]


@dataclass(frozen=True, slots=True)
class Outside:
    """Everything of this room that an app holds."""

    outgoing: Outgoing
    unsubscribing: Unsubscribing
    channels: BuiltInChannels
    webhook_calls: WebhookCalls
    webhooks: Webhooks


def build(settings: Settings, database: Database, vault: Vault, users: Users, clock: Clock) -> Outside:
    """Return the room, wired.

    Raises:
        InvalidSettings: a channel is half configured.
    """
    private = settings.channels.allow_private
    outgoing = Outgoing(allow_private=private)
    unsubscribing = Unsubscribing(vault, users, settings.channels.public_url)
    channels = BuiltInChannels(settings, clock, outgoing, unsubscribing.link)
    calls = WebhookCalls(database, vault, clock, outgoing)
    webhooks = Webhooks(database, vault, clock, calls.ring, allow_private=private)
    return Outside(outgoing, unsubscribing, channels, calls, webhooks)
