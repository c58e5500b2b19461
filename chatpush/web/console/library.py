"""Library: message templates with a preview."""

import json
import re
from dataclasses import dataclass

from aiohttp import web

from chatpush.account.audit import Audit
from chatpush.account.people import People
from chatpush.domain import Content, Role, User, UserId
from chatpush.errors import ChatpushError, InvalidInput
from chatpush.notify.listing import Window
from chatpush.notify.messages.drafts import MessageDraft, Recipient
from chatpush.notify.messages.messages import Messages
from chatpush.notify.templates.reviewing import review
from chatpush.notify.templates.template_source import Template
from chatpush.notify.templates.templates import Templates
from chatpush.recommend.analysis.advice import Advice, Adviser
from chatpush.recommend.analysis.labelling import Labelling
from chatpush.web.console import models
from chatpush.web.console.pages import Pages, Visit, visit_text
from chatpush.web.http import characters
from chatpush.web.http.doors import Door

pages = Pages()
LOOK = Door(role=Role.VIEWER)
SEND = Door(role=Role.EDITOR)
REVIEW = Door(role=Role.ADMIN)
MOST = 500
PASSAGES = 3
LONGEST_QUESTION = 500
ITEM = {
    "id": "22423", "title": "Regency Cakestand", "price": 12.75, "currency": "GBP", "image": "", "url": "/i/22423",
    "reason": "You like cakes",
}  # fmt: skip
SAMPLES: dict[str, object] = {
    "order": "536412", "order_id": "536412", "total": 24.2, "price": 12.75, "currency": "GBP", "count": 2,
    "url": "https://shop.example/orders/536412", "image": "", "item": ITEM, "items": [ITEM, ITEM],
    "picks": [ITEM, ITEM],
}  # fmt: skip
DATA = re.compile(r"\bdata\.([a-z_]\w*)")
BARE = re.compile(r"[{(,|=]\s*([a-z_]\w*)\b(?!\s*[(=])")
PREVIEW_NAME = "Emma"


@pages.get("/console/settings/templates", door=LOOK)
async def templates_page(visit: Visit) -> web.StreamResponse:
    """Show all templates in their newest version."""
    listed = await visit.need(Templates).list(visit.tenant, Window(MOST))
    lines = sorted((_template(template) for template in listed.data), key=lambda line: line.name)
    return visit.draw("settings_templates.html", templates=lines)


@pages.get("/console/settings/templates/{name}", door=LOOK)
async def template_page(visit: Visit) -> web.StreamResponse:
    """Show one template's texts, with a preview."""
    template = await visit.need(Templates).get(visit.tenant, visit.path["name"])
    detail = models.TemplateDetail(
        _template(template),
        tuple((locale, _parts(template, locale)) for locale in template.locales),
        json.dumps(sample(template), ensure_ascii=False, indent=2),
        relabelled=_reads_like_marketing(visit, template),
        reviewed_by=await _reviewer(visit, template.reviewed_by),
    )
    return visit.draw("settings_template.html", template=detail)


@pages.post("/console/settings/templates/{name}/review", door=REVIEW)
async def review_template(visit: Visit) -> web.StreamResponse:
    """Let a version's label stand, or its words be judged again."""
    name, version = visit.path["name"], visit.form.get("version", "")
    if not version.isdecimal():
        raise InvalidInput("a version is a number", param="version")
    reviewed = visit.form.get("reviewed", "") == "yes"
    await review(
        visit.need(Templates), visit.need(Audit), visit.identity, name, int(version), reviewed=reviewed
    )
    return visit.go(f"/console/settings/templates/{name}")


def _reads_like_marketing(visit: Visit, template: Template) -> bool:
    """Return whether its words overrule its label, if labels are judged here."""
    labelling = visit.find(Labelling)
    words = [f"{text.title}\n{text.body}" for text in template.locales.values()]
    return labelling is not None and labelling.judge(template.category, words) is not template.category


async def _reviewer(visit: Visit, who: str) -> str:
    """Return a person's name, or a key as the audit log has it."""
    kind, _, subject = who.partition(":")
    if kind != "person":
        return who
    people = await visit.need(People).list(visit.tenant)
    return next((person.name for person in people if person.id == subject), who)


@pages.post("/console/settings/templates/{name}/preview", door=LOOK)
async def preview(visit: Visit) -> web.StreamResponse:
    """Render a template with sample data."""
    tried = await _tried(visit)
    return visit.draw(
        "settings_preview.html", preview=tried.shown(), advice=await _advice(visit, tried.content)
    )


async def _advice(visit: Visit, content: Content | None) -> Advice | None:
    """Return what to think about before this is sent, under the template's label."""
    adviser = visit.find(Adviser)
    if adviser is None or content is None:
        return None
    template = await visit.need(Templates).get(visit.tenant, visit.path["name"])
    return await adviser.advise(
        visit.tenant, content.title, content.body, category=template.category,
        locale=visit.form.get("locale", ""), words_in=visit.shell.language,
    )  # fmt: skip


@dataclass(frozen=True, slots=True)
class _Tried:
    """What the sample data made of a template, or the problem."""

    content: Content | None = None
    problem: str = ""

    def shown(self, sent: str = "") -> models.PreviewText:
        if self.content is None:
            return models.PreviewText(problem=self.problem)
        return models.PreviewText(self.content.title, self.content.body, sent=sent)


async def _tried(visit: Visit) -> _Tried:
    locale, text = visit.form.get("locale", "en"), visit.form.get("data", "") or "{}"
    try:
        data = characters.read(text.encode())
        if not isinstance(data, dict):
            raise ValueError("{…}")  # noqa: TRY004, TRY301 - told in the same words as broken JSON
    except (ValueError, InvalidInput) as error:
        return _Tried(problem=visit_text(visit, "templates.bad_json", problem=str(error)[:200]))
    reader = User(visit.tenant, UserId("preview"), locale=locale, attributes={"name": PREVIEW_NAME})
    try:
        _, content = await visit.need(Templates).preview(
            visit.tenant, visit.path["name"], reader, locale, data
        )  # fmt: skip
    except ChatpushError as error:
        return _Tried(problem=error.message)
    return _Tried(content)


@pages.post("/console/settings/templates/{name}/test-send", door=SEND)
async def test_send(visit: Visit) -> web.StreamResponse:
    """Send a template with the sample data to one user."""
    made = await _tried(visit)
    user = visit.form.get("user", "").strip()
    if made.problem or not user:
        problem = made.problem or visit_text(visit, "templates.whom")
        return visit.draw("settings_preview.html", preview=models.PreviewText(problem=problem))
    draft = MessageDraft(to=(Recipient(user=UserId(user)),), content=made.content)
    try:
        await visit.need(Messages).accept(visit.tenant, draft)
    except ChatpushError as error:
        return visit.draw("settings_preview.html", preview=models.PreviewText(problem=error.message))
    sent = visit_text(visit, "templates.sent", user=user)
    return visit.draw("settings_preview.html", preview=made.shown(sent))


def sample(template: Template) -> dict[str, object]:
    """Return values to try a template with: for what it names below ``data``, and the usual ones."""
    source = " ".join(text for locale in template.locales for _, text in _parts(template, locale))
    named = DATA.findall(source) or [name for name in BARE.findall(source) if name in SAMPLES]
    return {name: SAMPLES.get(name, name.replace("_", " ")) for name in dict.fromkeys(named)}


def _template(template: Template) -> models.TemplateLine:
    return models.TemplateLine(
        template.name, template.version, template.category, tuple(template.locales), template.created_at
    )  # fmt: skip


def _parts(template: Template, locale: str) -> tuple[tuple[str, str], ...]:
    source = template.locales[locale]
    parts = {"title": source.title, "body": source.body, "url": source.url, "image": source.image}
    return tuple((name, text) for name, text in parts.items() if text)
