"""Show what a campaign would do now, without doing it: how many users, and a few messages as rendered."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from chatpush.domain import Content, TenantId, UserId
from chatpush.errors import ChatpushError, InvalidInput
from chatpush.notify.audience.audience import Audience
from chatpush.notify.templates.templates import Templates
from chatpush.schedule.campaigns import Campaigns
from chatpush.schedule.definition import Definition
from chatpush.schedule.drafting import Addressed, Drafting

MOST_SAMPLES = 10
PAGE = 1000


@dataclass(frozen=True, slots=True)
class Sample:
    """One user's message as it would be; ``problem`` says why it could not be written."""

    user: UserId
    locale: str
    title: str = ""
    body: str = ""
    items: Sequence[dict[str, Any]] = ()
    problem: str = ""


@dataclass(frozen=True, slots=True)
class DryRun:
    """What would happen."""

    users: int
    samples: list[Sample] = field(default_factory=list)


class DryRuns:
    """Tries campaigns without sending anything."""

    def __init__(
        self, campaigns: Campaigns, audience: Audience, templates: Templates, drafting: Drafting
    ) -> None:
        self._campaigns = campaigns
        self._audience = audience
        self._templates = templates
        self._drafting = drafting

    async def of(
        self, tenant: TenantId, campaign: str, samples: int = 3, user: UserId | None = None
    ) -> DryRun:
        """Return what a run would do now; samples are of ``user`` if given.

        Raises:
            NotFound: there is no such campaign.
            InvalidInput: an event campaign needs a ``user`` to show.
        """
        found = await self._campaigns.get(tenant, campaign)
        definition = found.definition
        if not definition.to and user is None:
            raise InvalidInput(
                "an event campaign has no audience; name a user to see their message", param="user"
            )
        first: list[UserId] = [user] if user else []
        users = 0 if definition.to else 1
        async for page in self._audience.users(tenant, definition.to, PAGE):
            users += len(page)
            if not user:
                first += page[: max(0, min(samples, MOST_SAMPLES) - len(first))]
        addressed = await self._drafting.address(tenant, definition, first, noted=False)
        shown = [await self._sample(tenant, definition, one) for one in addressed]
        missing = set(first) - {one.user for one in shown}
        shown += [Sample(one, "", problem="nothing to recommend") for one in sorted(missing)]
        return DryRun(users, shown)

    async def _sample(self, tenant: TenantId, definition: Definition, one: Addressed) -> Sample:
        locale = definition.locale or one.user.locale
        data = {**definition.data, **one.data}
        try:
            content = await self._content(tenant, definition, one, locale, data)
        except ChatpushError as error:
            return Sample(one.user.id, locale, problem=error.message)
        return Sample(one.user.id, locale, content.title, content.body, data.get("items", ()))

    async def _content(
        self, tenant: TenantId, definition: Definition, one: Addressed, locale: str, data: dict[str, Any]
    ) -> Content:
        if definition.content is not None:
            return definition.content
        assert definition.template is not None
        _, content = await self._templates.preview(tenant, definition.template, one.user, locale, data)
        return content
