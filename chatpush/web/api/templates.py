"""Write templates, look at their versions, see what a user would read."""

from collections.abc import Mapping
from typing import Any

from pydantic import BaseModel, Field, JsonValue

from chatpush.domain import Category, Content, Role, User, UserId, iso
from chatpush.notify.listing import Window
from chatpush.notify.template_source import LocaleSource, Template
from chatpush.notify.templates import Templates
from chatpush.notify.users import Users, checked_locale
from chatpush.web.doors import Door
from chatpush.web.operations import Body, Call, Operations, PageQuery

routes = Operations("templates")
READERS = Door(scope="templates:write", role=Role.VIEWER)
WRITERS = Door(scope="templates:write", role=Role.EDITOR)


class ActionSource(Body):
    """A button; label and url are Jinja2."""

    id: str = Field(min_length=1, max_length=64)
    label: str = Field(min_length=1, max_length=1000)
    url: str | None = Field(None, max_length=4000)


class LocaleIn(Body):
    """One language's texts, in Jinja2."""

    title: str = Field(min_length=1)
    body: str
    url: str | None = None
    image: str | None = None
    format: str = "plain"
    actions: list[ActionSource] = Field(default_factory=list)

    def source(self) -> LocaleSource:
        """Return it as the pipeline knows it."""
        actions = tuple(action.model_dump(exclude_none=True) for action in self.actions)
        return LocaleSource(self.title, self.body, self.url, self.image, self.format, actions)


class TemplateIn(Body):
    """A template's new version."""

    locales: dict[str, LocaleIn] = Field(min_length=1, description="By language: en, zh-CN …")
    category: Category = Category.TRANSACTIONAL


class TemplateSaved(BaseModel):
    """The version that messages use from now on."""

    name: str
    version: int


class TemplateOut(TemplateSaved):
    """A template's version."""

    category: str
    locales: dict[str, dict[str, Any]]
    created_at: str


class TemplateDetail(TemplateOut):
    """A template with all its versions."""

    versions: list[int]


class TemplatePage(BaseModel):
    """A page of templates."""

    data: list[TemplateOut]
    has_more: bool


class PreviewIn(Body):
    """Whom and what to preview for."""

    locale: str | None = Field(None, max_length=35)
    data: dict[str, JsonValue] = Field(default_factory=dict)
    user: str | None = Field(None, max_length=128, description="A real user, else a made-up one.")


class Preview(BaseModel):
    """What the user would read."""

    locale: str
    title: str
    body: str
    url: str | None
    image: str | None
    format: str
    data: dict[str, Any]
    actions: list[dict[str, str]]


@routes.put("/v1/templates/{name}", door=WRITERS)
async def put_template(call: Call, body: TemplateIn) -> TemplateSaved:
    """Save a new version of a template; messages on their way keep theirs."""
    sources = {locale: texts.source() for locale, texts in body.locales.items()}
    saved = await call.need(Templates).put(call.identity.tenant, call.path["name"], sources, body.category)
    return TemplateSaved(name=saved.name, version=saved.version)


@routes.get("/v1/templates", door=READERS)
async def list_templates(call: Call, query: PageQuery) -> TemplatePage:
    """List templates in their newest version, by name, last first."""
    window = Window(query.limit, query.starting_after, query.ending_before)
    page = await call.need(Templates).list(call.identity.tenant, window)
    return TemplatePage(data=[TemplateOut(**_template(one)) for one in page.data], has_more=page.has_more)


@routes.get("/v1/templates/{name}", door=READERS)
async def get_template(call: Call) -> TemplateDetail:
    """Return a template by name, or one version by name@version."""
    templates, tenant = call.need(Templates), call.identity.tenant
    found = await templates.get(tenant, call.path["name"])
    versions = [one.version for one in await templates.versions(tenant, found.name)]
    return TemplateDetail(**_template(found), versions=versions)


@routes.post("/v1/templates/{name}/preview", door=READERS)
async def preview_template(call: Call, body: PreviewIn) -> Preview:
    """Show what a user would read."""
    tenant = call.identity.tenant
    if body.user is not None:
        user = await call.need(Users).get(tenant, UserId(body.user))
    else:
        user = User(tenant, UserId("preview"), attributes={"name": "Ada"})
    locale = checked_locale(body.locale) if body.locale else user.locale
    used, content = await call.need(Templates).preview(tenant, call.path["name"], user, locale, body.data)
    return Preview(locale=used, **_content(content))


def _template(template: Template) -> dict[str, Any]:
    return {
        "name": template.name,
        "version": template.version,
        "category": template.category.value,
        "locales": {locale: _source(source) for locale, source in template.locales.items()},
        "created_at": iso(template.created_at),
    }


def _source(source: LocaleSource) -> Mapping[str, Any]:
    return {
        "title": source.title,
        "body": source.body,
        "url": source.url,
        "image": source.image,
        "format": source.format,
        "actions": [dict(action) for action in source.actions],
    }


def _content(content: Content) -> dict[str, Any]:
    return {
        "title": content.title,
        "body": content.body,
        "url": content.url,
        "image": content.image,
        "format": content.format,
        "data": content.data,
        "actions": [dict(action) for action in content.actions],
    }
