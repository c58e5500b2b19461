"""Check what a sender asks for before anything is written: people, channels, content, templates."""

from dataclasses import replace

from chatpush.clock import Clock
from chatpush.domain import Category, TenantId
from chatpush.errors import InvalidInput, NotFound
from chatpush.notify.audience.audience import Audience
from chatpush.notify.audience.users import checked_locale
from chatpush.notify.deciding.consenting import INBOX_NAMES
from chatpush.notify.messages import drafts
from chatpush.notify.messages.drafts import Accepted, MessageDraft
from chatpush.notify.templates.template_source import Template, check_content
from chatpush.notify.templates.templates import Templates


class Checking:
    """Checks the drafts of every tenant."""

    def __init__(
        self, audience: Audience, templates: Templates, clock: Clock, *, known_channels: frozenset[str],
        silent_channels: frozenset[str], max_recipients: int, judge: drafts.Judge | None,
    ) -> None:  # fmt: skip
        self._audience = audience
        self._templates = templates
        self._clock = clock
        self._channels = known_channels | INBOX_NAMES
        self._silent_channels = silent_channels | INBOX_NAMES
        self._max_recipients = max_recipients
        self._judge = judge

    async def accepted(self, tenant: TenantId, draft: MessageDraft) -> Accepted:
        """Return a draft as it is accepted: its templates pinned, its category settled.

        Raises:
            InvalidInput: something in it can't be.
        """
        now = self._clock.now()
        drafts.check(draft, now, self._max_recipients)
        if draft.locale is not None:
            checked_locale(draft.locale)
        if draft.content is not None:
            check_content(draft.content, formats=self._templates.formats.names)
            draft = replace(draft, content=await self._templates.formats.shape(draft.content))
        unknown = [name for name in draft.channels if name not in self._channels]
        if unknown:
            known = ", ".join(sorted(self._channels))
            raise InvalidInput(
                f"no channel {unknown[0][:64]!r}; there are {known}, and more by settings (channels) and plugins",
                param="channels",
            )
        loud = [name for name in draft.channels if draft.silent and name not in self._silent_channels]
        if loud:
            known = ", ".join(sorted(self._silent_channels))
            raise InvalidInput(f"{loud[0]} can't be silent; {known} can", param="channels")
        await self._audience.check(tenant, draft.to)
        if draft.variants:
            return await self._check_variants(tenant, draft)
        if draft.template is None:
            return drafts.accept(draft, "", draft.category or Category.TRANSACTIONAL, self._judge)
        template = await self._template(tenant, draft.template, "template")
        label = draft.category or template.category
        return await self._labelled(tenant, draft, template.pinned, label, [template])

    async def _check_variants(self, tenant: TenantId, draft: MessageDraft) -> Accepted:
        """Pin every variant's template; the first one's category is the message's."""
        found = [await self._template(tenant, one.template, "variants") for one in draft.variants]
        pinned = [replace(one, template=own.pinned) for one, own in zip(draft.variants, found, strict=True)]
        category = draft.category or found[0].category
        return await self._labelled(tenant, replace(draft, variants=tuple(pinned)), "", category, found)

    async def _labelled(
        self, tenant: TenantId, draft: MessageDraft, pinned: str, label: Category, templates: list[Template]
    ) -> Accepted:
        """Return the accepted message; the label of templates that somebody has reviewed stands."""
        words = [text for one in templates for text in one.locales.values()]
        accepted = drafts.accept(draft, pinned, label, self._judge, words)
        if not accepted.relabelled:
            return accepted
        reviewed = await self._templates.reviewed(tenant, templates)
        words = [text for one in templates if one.pinned not in reviewed for text in one.locales.values()]
        return drafts.accept(draft, pinned, label, self._judge, words)

    async def _template(self, tenant: TenantId, name: str, param: str) -> Template:
        try:
            found = await self._templates.get(tenant, name)
        except NotFound as error:
            raise InvalidInput(error.message, param=param) from error
        if found.published_at is None:
            raise InvalidInput(
                f"{found.pinned} is a draft; POST /v1/templates/{found.name}/publish publishes it",
                param=param,
            )
        return found
