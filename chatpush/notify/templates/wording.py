"""Give deliveries their words: each template rendered once for all its users, then past the filters.

Filters see the rendered text, because that is what they judge.
"""

import asyncio
from collections.abc import Sequence
from typing import Any

import structlog

from chatpush.domain import Content, DeliveryState, OutgoingMessage, TenantId, from_ms
from chatpush.errors import ChatpushError, InvalidTemplate
from chatpush.notify.deciding.digests import gathered
from chatpush.notify.sending.claims import Outcome
from chatpush.notify.sending.jobs import Concluded, Job, outgoing
from chatpush.notify.templates.template_source import Rendering
from chatpush.notify.templates.templates import Templates
from chatpush.plugins.contracts import Defer, Drop
from chatpush.plugins.host import Plugins
from chatpush.store.vault import Vault

log = structlog.get_logger(__name__)

LONGEST_REASON = 500
Gathered = dict[str, list[dict[str, Any]]]
Worded = list[tuple[Job, OutgoingMessage]]


class Wording:
    """Renders and filters."""

    def __init__(self, templates: Templates, plugins: Plugins, vault: Vault) -> None:
        self._templates = templates
        self._plugins = plugins
        self._vault = vault

    async def render(
        self, tenant: TenantId, jobs: Sequence[Job], digests: Gathered
    ) -> tuple[Worded, list[Concluded]]:
        """Return the messages of those that can be rendered, and what became of the others."""
        by_template: dict[str, list[Job]] = {}
        for job in jobs:
            by_template.setdefault(job.template, []).append(job)
        rendered: Worded = []
        concluded: list[Concluded] = []
        for template, own in by_template.items():
            for job, content in zip(own, await self._contents(tenant, template, own, digests), strict=True):
                if isinstance(content, Content):
                    rendered.append((job, outgoing(tenant, job, template, content)))
                    continue
                reason = f"{content.code}: {content.message}"[:LONGEST_REASON]
                log.warning("rendering failed", delivery=job.row["id"], problem=content.code)
                concluded.append((job.row, Outcome(DeliveryState.FAILED, reason), "template"))
        if len(by_template) > 1:
            order = {job.row["id"]: place for place, job in enumerate(jobs)}
            rendered.sort(key=lambda one: order[one[0].row["id"]])
        return rendered, concluded

    async def filter(self, rendered: Worded) -> tuple[Worded, list[Concluded]]:
        """Pass every message through the plugins, all at once; the first Drop ends it."""
        if not self._plugins.has("filter_message"):
            return rendered, []
        verdicts = await asyncio.gather(*(self._plugins.filter_message(message) for _, message in rendered))
        passed: Worded = []
        dropped: list[Concluded] = []
        for (job, message), verdict in zip(rendered, verdicts, strict=True):
            if isinstance(verdict, Drop):
                dropped.append((job.row, _suppressed(verdict), "filter"))
            elif not isinstance(verdict, Defer):
                passed.append((job, verdict))
            elif job.row["settled_at"] is not None:
                passed.append((job, message))  # its reader has it already
            else:
                dropped.append((job.row, _waiting(job, verdict), "filter"))
        return passed, dropped

    async def _contents(
        self, tenant: TenantId, template: str, jobs: Sequence[Job], digests: Gathered
    ) -> Sequence[Content | ChatpushError]:
        if not template:
            return [
                gathered(job.accepted.content, digests.get(job.row["id"], []))
                if job.accepted.content
                else InvalidTemplate("the message has no content")
                for job in jobs
            ]
        try:
            version = await self._templates.get(tenant, template)
        except ChatpushError as error:
            return [error for _ in jobs]
        return await self._templates.render(
            version,
            [
                Rendering(job.user, job.accepted.locale or job.user.locale, self._data(tenant, job, digests))
                for job in jobs
            ],
        )

    def _data(self, tenant: TenantId, job: Job, digests: Gathered) -> dict[str, Any]:
        """Return the message's data with the recipient's own over it, and what a digest gathered."""
        items = digests.get(job.row["id"])
        more = {"digest": {"count": len(items), "items": items}} if items else {}
        return {**job.accepted.data, **self._own(tenant, job), **more}

    def _own(self, tenant: TenantId, job: Job) -> dict[str, Any]:
        if job.own is not None:
            return dict(job.own)
        sealed = job.row["data_sealed"]
        if sealed is None:
            return {}
        opened: dict[str, Any] = self._vault.open_json(
            tenant, job.user.id, "delivery", "data", job.row["id"], sealed
        )
        return opened


def _suppressed(verdict: Drop | Defer) -> Outcome:
    return Outcome(DeliveryState.SUPPRESSED, verdict.reason[:LONGEST_REASON] or "filtered", by=verdict.by)


def _waiting(job: Job, verdict: Defer) -> Outcome:
    """Return what a filter's Defer means: later, or never if its time is over by then."""
    expires = job.row["expires_at"]
    if expires is not None and verdict.until >= from_ms(expires):
        return _suppressed(verdict)
    reason = verdict.reason[:LONGEST_REASON] or "filtered"
    return Outcome(DeliveryState.SCHEDULED, reason, verdict.until, by=verdict.by)
