"""What a campaign's author may want to think about: hour, length, subject, and what the text is taken for.

Looking costs nothing: the embedded classifier judges. Asking the language model,
if there is one, is a button of its own, because it takes tokens.
"""

from collections.abc import AsyncIterator
from dataclasses import dataclass

from aiohttp import web

from chatpush.domain import Category, Content, Role, User, UserId
from chatpush.errors import ChatpushError
from chatpush.notify.templates.template_source import Template
from chatpush.notify.templates.templates import Templates
from chatpush.recommend.analysis.advice import Adviser
from chatpush.recommend.words.slots import filled
from chatpush.schedule.campaigns import Campaigns
from chatpush.schedule.definition import Definition
from chatpush.web.console.library import ITEM, PREVIEW_NAME, sample
from chatpush.web.console.models import recommending
from chatpush.web.console.pages import Pages, Visit
from chatpush.web.http.doors import Door

pages = Pages()
LOOK = Door(role=Role.VIEWER)
EDIT = Door(role=Role.EDITOR)
MOST_TEXTS = 8
FACTS = {name: str(ITEM[name]) for name in ("title", "price", "currency")} | {"stock": "12", "count": "3"}
"""What declared words are filled with to be looked at."""


@dataclass(frozen=True, slots=True)
class _Text:
    name: str
    locale: str
    category: Category
    content: Content | None = None
    problem: str = ""


@pages.get("/console/campaigns/{id}/advice", door=LOOK)
async def advice(visit: Visit) -> web.StreamResponse:
    """Show advice on each text of a campaign."""
    return await _shown(visit, ask=False)


@pages.post("/console/campaigns/{id}/advice", door=EDIT)
async def asked(visit: Visit) -> web.StreamResponse:
    """Show advice, with the language model's."""
    return await _shown(visit, ask=True)


async def _shown(visit: Visit, *, ask: bool) -> web.StreamResponse:
    adviser = visit.need(Adviser)
    campaign = await visit.need(Campaigns).get(visit.tenant, visit.path["id"])
    definition = campaign.definition
    texts = [
        await _advised(visit, adviser, definition, text, ask=ask) async for text in _texts(visit, definition)
    ]
    shown = recommending.CampaignAdvice(
        campaign.id,
        tuple(texts),
        next((one.advice.hours for one in texts if one.advice), ()),
        definition.best_hour,
        adviser.has_model and not ask and visit.shell.may(Role.EDITOR),
    )
    return visit.draw("campaign_advice.html", advised=shown)


async def _advised(
    visit: Visit, adviser: Adviser, definition: Definition, text: _Text, *, ask: bool
) -> recommending.AdvisedText:
    if text.content is None:
        return recommending.AdvisedText(text.name, text.locale, problem=text.problem)
    found = await adviser.advise(
        visit.tenant, text.content.title, text.content.body, category=text.category,
        channels=definition.channels, locale=text.locale, words_in=visit.shell.language, ask=ask,
    )  # fmt: skip
    return recommending.AdvisedText(text.name, text.locale, text.content.title, found)


async def _texts(visit: Visit, definition: Definition) -> AsyncIterator[_Text]:
    """Yield a campaign's texts, filled with sample data: each template in each language, or the literal one."""
    left = MOST_TEXTS
    if definition.content is not None:
        category = definition.category or Category.TRANSACTIONAL
        yield _Text("", definition.locale or "", category, definition.content)
    names = [one.template for one in definition.variants] or [definition.template or ""]
    for name in filter(None, dict.fromkeys(names)):
        try:
            template = await visit.need(Templates).get(visit.tenant, name)
        except ChatpushError as error:
            yield _Text(name, "", Category.TRANSACTIONAL, problem=error.message)
            continue
        for locale in list(template.locales)[:left]:
            left -= 1
            yield await _filled(visit, definition, template, locale)


async def _filled(visit: Visit, definition: Definition, template: Template, locale: str) -> _Text:
    category = definition.category or template.category
    reader = User(visit.tenant, UserId("preview"), locale=locale, attributes={"name": PREVIEW_NAME})
    words = {name: filled(slot.declared(locale), FACTS) for name, slot in definition.slots.items()}
    data = {**sample(template), **words, **definition.data}
    try:
        _, content = await visit.need(Templates).preview(visit.tenant, template.name, reader, locale, data)
    except ChatpushError as error:
        return _Text(template.name, locale, category, problem=error.message)
    return _Text(template.name, locale, category, content)
