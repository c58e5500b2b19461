"""Let people say that a version's words are news although they read like advertising; it goes on record."""

from chatpush.account.audit import Audit, who_of
from chatpush.domain import Identity
from chatpush.notify.templates.template_source import Template
from chatpush.notify.templates.templates import Templates
from chatpush.store.database import Transaction


async def review(
    templates: Templates, audit: Audit, by: Identity, name: str, version: int, *, reviewed: bool
) -> Template:
    """Let a version's label stand, or its words be judged again; who did is in the audit log.

    Raises:
        NotFound: there is no such version.
    """
    action = "template.review" if reviewed else "template.review_withdrawn"

    def note(tx: Transaction) -> None:
        audit.record_in(tx, by.tenant, by, action, f"{name}@{version}")

    return await templates.review(by.tenant, name, version, who_of(by) if reviewed else "", note)
