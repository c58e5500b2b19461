"""Reach people by email: plain text and simple HTML over SMTP, with one-click unsubscribing (RFC 8058)."""

import html
import re
from email.headerregistry import Address
from email.message import EmailMessage
from email.utils import format_datetime
from hashlib import sha256
from types import MappingProxyType
from typing import Protocol

import aiosmtplib

from chatpush.channel_settings import Email as EmailSettings
from chatpush.channels.fitting import cut
from chatpush.clock import Clock
from chatpush.domain import Category, OutgoingMessage, TenantId, UserId, language_of
from chatpush.errors import InvalidInput, Unavailable
from chatpush.plugins.contracts import Sent

NAME = "email"
SECONDS = 15.0
LONGEST_SUBJECT = 750
ADDRESS = re.compile(r"[^\s@<>\"',;:\x00-\x1f]{1,64}@[A-Za-z0-9.-]{1,253}")
PRIORITIES = {"high": "1", "normal": "3", "low": "5"}
UNSUBSCRIBE = {"en": "Unsubscribe", "zh": "退订"}


class UnsubscribeLink(Protocol):
    """Makes the address that withdraws a consent."""

    async def __call__(self, tenant: TenantId, user: UserId, category: Category, channel: str) -> str:
        """Return it, or nothing if this installation has no public address."""
        ...


class Email:
    """The channel of email addresses."""

    name = NAME
    concurrency = 8
    limits = MappingProxyType({"title": LONGEST_SUBJECT})

    def __init__(
        self, settings: EmailSettings, clock: Clock, unsubscribe: UnsubscribeLink, *, seconds: float = SECONDS
    ) -> None:
        self._settings = settings
        self._clock = clock
        self._unsubscribe = unsubscribe
        self._seconds = seconds

    async def send(self, message: OutgoingMessage, address: str) -> Sent:
        """Hand one message to the mail server.

        Raises:
            InvalidInput: the address is none, or the server refused it for good.
            Unavailable: the server can't be reached, or wants us to come back.
        """
        if not ADDRESS.fullmatch(address):
            raise InvalidInput("not an email address")
        link = ""
        if message.category is not Category.TRANSACTIONAL:
            link = await self._unsubscribe(message.tenant, message.user.id, message.category, NAME)
        settings = self._settings
        try:
            _, said = await aiosmtplib.send(
                self.letter(message, address, link),
                hostname=settings.host, port=settings.port, timeout=self._seconds,
                username=settings.username or None, password=settings.password or None,
                use_tls=settings.security == "tls", start_tls=settings.security == "starttls",
            )  # fmt: skip
        except aiosmtplib.SMTPRecipientsRefused as error:
            codes = [refusal.code for refusal in error.recipients]
            raise _refused(max(codes, default=550), "the address was refused") from error
        except aiosmtplib.SMTPResponseException as error:
            raise _refused(error.code, error.message) from error
        except (aiosmtplib.SMTPException, OSError, TimeoutError) as error:
            raise Unavailable(f"the mail server can't be reached: {type(error).__name__}") from error
        return Sent(said)

    def letter(self, message: OutgoingMessage, address: str, unsubscribe: str) -> EmailMessage:
        """Return the message as an email."""
        content, domain = message.content, self._settings.sender.rpartition("@")[2]
        made = EmailMessage()
        made["From"] = Address(self._settings.sender_name, addr_spec=self._settings.sender)
        made["To"] = Address(addr_spec=address)
        made["Subject"] = cut(" ".join(content.title.split()), LONGEST_SUBJECT)
        made["Date"] = format_datetime(self._clock.now())
        made["Message-ID"] = f"<{message.delivery}@{domain}>"
        made["X-Priority"] = PRIORITIES[message.priority]
        made["Auto-Submitted"] = "auto-generated"
        if message.collapse_key:
            # Mail can't be replaced; mail programs at least show what belongs together as one thread.
            made["References"] = f"<{sha256(message.collapse_key.encode()).hexdigest()[:32]}@{domain}>"
        if unsubscribe:
            made["List-Unsubscribe"] = f"<{unsubscribe}>"
            made["List-Unsubscribe-Post"] = "List-Unsubscribe=One-Click"
        foot = (
            f"\n\n--\n{UNSUBSCRIBE[language_of(message.user.locale)]}: {unsubscribe}" if unsubscribe else ""
        )
        made.set_content("\n\n".join(filter(None, [content.body, content.url])) + foot + "\n")
        made.add_alternative(_page(message, unsubscribe), subtype="html")
        return made


def _page(message: OutgoingMessage, unsubscribe: str) -> str:
    content = message.content
    parts = [f"<h1>{html.escape(content.title)}</h1>"]
    parts += [f"<p>{html.escape(line)}</p>" for line in content.body.split("\n") if line.strip()]
    if content.image and content.image.startswith("https://"):
        parts.append(f'<p><img src="{html.escape(content.image)}" alt="" style="max-width:100%"></p>')
    if content.url and content.url.startswith(("https://", "http://")):
        parts.append(f'<p><a href="{html.escape(content.url)}">{html.escape(content.url)}</a></p>')
    if unsubscribe:
        word = UNSUBSCRIBE[language_of(message.user.locale)]
        parts.append(f'<p><small><a href="{html.escape(unsubscribe)}">{word}</a></small></p>')
    return f"<!doctype html><html><body>{''.join(parts)}</body></html>"


def _refused(code: int, said: str) -> Exception:
    """Return what a reply code means: 4xx come back, 5xx never."""
    words = f"the mail server answered {code}: {said[:200]}"
    return Unavailable(words) if 400 <= code < 500 else InvalidInput(words)
