"""The one door that every answer of the assistant leaves by, with a model or without.

Texts keep only links to our own hosts, no pictures and no HTML; a source keeps
its address only if it is one. Documents, item titles and tool results are
written by others, so this holds for answers without a model, too.
"""

from dataclasses import replace

from chatpush.domain import Source, TenantId
from chatpush.support.assistant.answers import Answer
from chatpush.support.assistant.sanitising import LinkRules, host_of, sanitised
from chatpush.support.assistant.trail import note
from chatpush.support.ports import Described
from chatpush.support.retrieval.retrieval import Retrieval
from chatpush.support_settings import Support


class Gate:
    """Lets answers out."""

    def __init__(self, retrieval: Retrieval, settings: Support) -> None:
        self._retrieval = retrieval
        self._settings = settings

    async def release(self, tenant: TenantId, answer: Answer, about: Described | None = None) -> Answer:
        """Return an answer as it may be said."""
        rules = await self._rules(tenant, answer.sources, about)
        sources = tuple(_plain(one) for one in answer.sources)
        text = sanitised(answer.text, rules)
        if text != answer.text:
            note("guard", what="links and markup", decision="changed")
        return replace(answer, text=text, sources=sources)

    async def greeting(self, tenant: TenantId, text: str, about: Described | None) -> str:
        """Return the first words of a conversation, which may quote what it is about."""
        return sanitised(text, await self._rules(tenant, (), about))

    async def _rules(
        self, tenant: TenantId, sources: tuple[Source, ...], about: Described | None
    ) -> LinkRules:
        rules = await self._retrieval.link_rules(tenant, self._settings.link_hosts)
        return rules.with_urls([*(one.url for one in sources), *([about.url] if about is not None else [])])


def _plain(source: Source) -> Source:
    """Return a source whose address is one of the web, or of this site."""
    own = source.url.startswith("/") and not source.url.startswith(("//", "/\\"))
    return source if own or host_of(source.url) else replace(source, url="")
