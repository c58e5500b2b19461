"""Bring the channels the settings switch on, by the door plugins use, and build what stands beside them."""

from dataclasses import dataclass
from typing import Protocol

from chatpush import channel_settings
from chatpush.channels.apns import Apns
from chatpush.channels.apprise_channel import AppriseChannel
from chatpush.channels.email import Email, UnsubscribeLink
from chatpush.channels.fcm import Fcm
from chatpush.channels.outgoing import Outgoing
from chatpush.channels.provider_tokens import AppleKey, ServiceAccount
from chatpush.channels.unsubscribing import Unsubscribing
from chatpush.channels.web_push import WebPush
from chatpush.channels.webhook_calls import WebhookCalls
from chatpush.channels.webhook_events import WebhookEvents
from chatpush.channels.webhooks import Webhooks
from chatpush.clock import Clock
from chatpush.errors import InvalidSettings
from chatpush.notify.audience.users import Users
from chatpush.plugins.contracts import Channel
from chatpush.plugins.hooks import hook
from chatpush.settings import Settings
from chatpush.store.database import Database
from chatpush.store.vault import Vault

NAME = "channels"


class Addressable(Protocol):
    """A channel whose addresses can be looked at before they are kept."""

    name: str

    async def check(self, address: str) -> None:
        """Look at an address.

        Raises:
            InvalidInput: it can't be one.
            Forbidden: it leads into a private network.
        """
        ...


class BuiltInChannels:
    """Email, Web Push and the phones' push services, as far as they are configured."""

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
        self.fcm = _fcm(settings, outgoing, clock) if channels.fcm.credentials_file else None
        self.apns = _apns(settings, clock) if channels.apns.key_file else None
        self.apprise = _apprise(channels) if channels.apprise.enabled else None
        self._apprise_from_users = channels.apprise.from_users

    @hook
    def register_channels(self) -> list[Channel]:
        """Return those that are switched on."""
        every = (self.web_push, self.email, self.fcm, self.apns, self.apprise)
        return [one for one in every if one is not None]

    def open_to_users(self) -> dict[str, "Addressable"]:
        """Return the channels whose addresses users bring themselves; each ``check``s them."""
        theirs = (self.fcm, self.apns, self.apprise if self._apprise_from_users else None)
        return {one.name: one for one in theirs if one is not None}

    async def close(self) -> None:
        """Close what is open."""
        for one in (self.apns, self.apprise):
            if one is not None:
                await one.close()


def _fcm(settings: Settings, outgoing: Outgoing, clock: Clock) -> Fcm:
    given = settings.channels.fcm
    _checked_endpoint(given.endpoint, "channels.fcm.endpoint", settings.channels)
    account = ServiceAccount(
        settings.path(given.credentials_file), outgoing, clock, token_endpoint=given.token_endpoint
    )
    return Fcm(account, given.endpoint, outgoing, clock)


def _apns(settings: Settings, clock: Clock) -> Apns:
    given = settings.channels.apns
    _checked_endpoint(given.endpoint, "channels.apns.endpoint", settings.channels)
    for name in ("key_id", "team_id", "topic"):
        if not getattr(given, name):
            raise InvalidSettings(f"channels.apns.{name}: missing; Apple's developer pages show it")
    key = AppleKey(settings.path(given.key_file), given.key_id, given.team_id, clock)
    return Apns(key, given.topic, given.endpoint, clock)


def _apprise(channels: channel_settings.Channels) -> AppriseChannel:
    given = channels.apprise
    return AppriseChannel(workers=given.workers, seconds=given.seconds, allow_private=channels.allow_private)


def _checked_endpoint(endpoint: str, setting: str, channels: channel_settings.Channels) -> None:
    allowed = ("https://", "http://") if channels.allow_private else ("https://",)
    if not endpoint.startswith(allowed):
        raise InvalidSettings(f"{setting}: an address that begins with https://")


@dataclass(frozen=True, slots=True)
class Outside:
    """Everything of this room that an app holds."""

    outgoing: Outgoing
    unsubscribing: Unsubscribing
    channels: BuiltInChannels
    webhook_calls: WebhookCalls
    webhooks: Webhooks
    webhook_events: WebhookEvents


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
    events = WebhookEvents(database, webhooks)
    return Outside(outgoing, unsubscribing, channels, calls, webhooks, events)
