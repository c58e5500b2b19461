"""The settings of the ways to people and programs outside: ``[channels]``."""

from typing import Literal

from pydantic import Field

from chatpush.section import Section, WebAddress


class Email(Section):
    """Sending email; without host it is off."""

    host: str = Field("", description="The mail server; empty: no email.")
    port: int = Field(587, ge=1, le=65_535, description="Its port.")
    security: Literal["starttls", "tls", "none"] = Field("starttls", description="How it is secured.")
    username: str = Field("", description="User name at the mail server; empty: none.")
    password: str = Field("", description="Its password.")
    sender: str = Field("", description="The address letters come from.")
    sender_name: str = Field("", description="The name beside it.")


class WebPush(Section):
    """Web Push to closed browsers; without contact it is off."""

    contact: str = Field("", description="mailto: or https: address push services may write to; empty: off.")


class Fcm(Section):
    """Push to Android (and more) by Firebase Cloud Messaging, HTTP v1; without credentials it is off."""

    credentials_file: str = Field(
        "", description="The service account's JSON key, below data_dir unless absolute; empty: off."
    )
    endpoint: str = Field("https://fcm.googleapis.com", description="Where messages are sent.")
    token_endpoint: str = Field("", description="Where access tokens come from; empty: as the key says.")


class Apns(Section):
    """Push to iPhones by Apple's service, with provider tokens; without key_file it is off."""

    key_file: str = Field("", description="The .p8 signing key, below data_dir unless absolute; empty: off.")
    key_id: str = Field("", description="The key's id, ten characters.")
    team_id: str = Field("", description="The developer team's id, ten characters.")
    topic: str = Field("", description="The app's bundle id.")
    endpoint: str = Field(
        "https://api.push.apple.com",
        description="Where pushes are sent; https://api.sandbox.push.apple.com for development builds.",
    )


class Apprise(Section):
    """Any service that apprise knows, by its URL; needs the ``apprise`` extra."""

    enabled: bool = Field(False, description="Switch the channel on.")
    workers: int = Field(2, ge=1, le=16, description="Processes that send, each of some 60 MB.")
    seconds: float = Field(15.0, gt=0, le=18, description="Longest time of one send.")
    from_users: bool = Field(
        False, description="Users may bring URLs of their own (/v1/me/endpoints), not only the app."
    )


class ChannelLimit(Section):
    """What one channel's provider stands."""

    concurrency: int | None = Field(None, ge=1, le=1000, description="Messages at once; the channel's own.")
    per_second: float | None = Field(
        None, ge=0, description="Messages a second; 0: as fast as it goes; the channel's own."
    )


class Channels(Section):
    """Ways to people and programs outside."""

    public_url: WebAddress = Field(
        "", description="Where readers reach this server, for unsubscribe links: https://push.example.com."
    )
    allow_private: bool = Field(
        False, description="Let webhooks and push subscriptions lead into private networks (development)."
    )
    limits: dict[str, ChannelLimit] = Field(
        default_factory=dict, description="[channels.limits.<channel>] instead of the channel's own limits."
    )
    email: Email = Field(default_factory=Email, description="Email.")
    web_push: WebPush = Field(default_factory=WebPush, description="Web Push.")
    fcm: Fcm = Field(default_factory=Fcm, description="Firebase Cloud Messaging.")
    apprise: Apprise = Field(default_factory=Apprise, description="Apprise's services.")
    apns: Apns = Field(default_factory=Apns, description="Apple Push Notification service.")
