"""Write templates, look at their versions, see what a user would read."""

from collections.abc import Mapping
from dataclasses import asdict
from datetime import datetime
from typing import Any, Literal

from pydantic import BaseModel, Field, JsonValue

from chatpush.account.audit import Audit
from chatpush.domain import Category, Content, Role, User, UserId, iso
from chatpush.errors import NotFound
from chatpush.notify.audience.users import Users, checked_locale
from chatpush.notify.listing import Window
from chatpush.notify.messages.drafts import LIVE, MessageDraft, Recipient
from chatpush.notify.messages.messages import Messages
from chatpush.notify.sending.away import Away
from chatpush.notify.templates.content_limits import cuts
from chatpush.notify.templates.reviewing import review
from chatpush.notify.templates.template_source import LocaleSource, Template
from chatpush.notify.templates.templates import Templates
from chatpush.web.http.doors import Door
from chatpush.web.http.moments import Moment
from chatpush.web.http.operations import Body, Call, Operations, PageQuery

routes = Operations("templates")
READERS = Door(scope="templates:write", role=Role.VIEWER)
WRITERS = Door(scope="templates:write", role=Role.EDITOR)
REVIEWERS = Door(scope="templates:review", role=Role.ADMIN)
SENDERS = Door(scope="messages:write", role=Role.EDITOR)


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
    publish: bool = Field(True, description="false: save a draft; messages keep using what is published.")


class TemplateSaved(BaseModel):
    """A version; messages use it from now on if it is published."""

    name: str
    version: int
    state: Literal["published", "draft"]


class TemplateOut(TemplateSaved):
    """A template's version."""

    category: Category
    locales: dict[str, dict[str, Any]]
    created_at: Moment


class TemplateDetail(TemplateOut):
    """A template with all its versions."""

    versions: list[int]


class TemplatePage(BaseModel):
    """A page of templates."""

    data: list[TemplateOut]
    has_more: bool


class VersionOut(BaseModel):
    """One version of a template."""

    version: int
    state: Literal["in use", "published", "draft"] = Field(description="published: it was in use once.")
    created_at: Moment
    published_at: Moment | None
    reviewed_by: str | None = Field(description="Who lets its label stand; null: its words are judged.")


class Versions(BaseModel):
    """All versions, newest first."""

    data: list[VersionOut]


class PublishIn(Body):
    """Which version to use; none: the newest."""

    version: int | None = Field(None, ge=1, le=2**31, description="An older one goes back to it.")


class ReviewIn(Body):
    """Which version's label stands."""

    version: int = Field(ge=1, le=2**31)
    reviewed: bool = Field(True, description="false: its words are judged again.")


class ReviewOut(BaseModel):
    """A version and who lets its label stand; null: nobody."""

    name: str
    version: int
    reviewed_by: str | None


class PreviewIn(Body):
    """Whom and what to preview for."""

    locale: str | None = Field(None, max_length=35)
    data: dict[str, JsonValue] = Field(default_factory=dict)
    user: str | None = Field(None, max_length=128, description="A real user, else a made-up one.")


class TestSendIn(PreviewIn):
    """Who gets a test, and of what."""

    user: str = Field(min_length=1, max_length=128, description="Who gets it.")
    channels: list[str] = Field(default_factory=lambda: [LIVE], min_length=1, max_length=10)


class TestSent(BaseModel):
    """The message that was sent."""

    id: str


class CutOut(BaseModel):
    """What a channel will cut."""

    channel: str
    part: str
    limit: int = Field(description="Bytes of UTF-8.")
    bytes: int


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
    cuts: list[CutOut] = Field(description="What is too long for a channel and will be cut there.")


@routes.put("/v1/templates/{name}", door=WRITERS)
async def put_template(call: Call, body: TemplateIn) -> TemplateSaved:
    """Save a new version of a template; messages on their way keep theirs."""
    sources = {locale: texts.source() for locale, texts in body.locales.items()}
    saved = await call.need(Templates).put(
        call.identity.tenant, call.path["name"], sources, body.category, publish=body.publish
    )
    return _saved(saved)


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
    used, content = await _rendered(call, body)
    cut = [CutOut(**asdict(one)) for one in cuts(content, call.need(Away).limits)]
    return Preview(locale=used, **_content(content), cuts=cut)


@routes.post("/v1/templates/{name}/test-send", door=SENDERS, status=202, location="/v1/messages/{id}")
async def test_send_template(call: Call, body: TestSendIn) -> TestSent:
    """Send a template, or a draft by name@version, to one user; caps and consent are not asked."""
    used, content = await _rendered(call, body)
    draft = MessageDraft(
        to=(Recipient(user=UserId(body.user)),), content=content, locale=used, channels=tuple(body.channels)
    )
    return TestSent(id=await call.need(Messages).accept(call.identity.tenant, draft))


@routes.get("/v1/templates/{name}/versions", door=READERS)
async def list_template_versions(call: Call) -> Versions:
    """List a template's versions, newest first, and which is in use."""
    found = await call.need(Templates).versions(call.identity.tenant, call.path["name"])
    if not found:
        raise NotFound(f"no template {call.path['name'][:64]!r}", param="name")
    used = max((one.published_at for one in found if one.published_at), default=None)
    return Versions(data=[_version(one, used) for one in found])


@routes.post("/v1/templates/{name}/publish", door=WRITERS)
async def publish_template(call: Call, body: PublishIn) -> TemplateSaved:
    """Use a version from now on: a draft, or an older one to go back to it."""
    return _saved(await call.need(Templates).publish(call.identity.tenant, call.path["name"], body.version))


async def _rendered(call: Call, body: PreviewIn) -> tuple[str, Content]:
    tenant = call.identity.tenant
    if body.user is not None:
        user = await call.need(Users).get(tenant, UserId(body.user))
    else:
        user = User(tenant, UserId("preview"), attributes={"name": "Ada"})
    locale = checked_locale(body.locale) if body.locale else user.locale
    return await call.need(Templates).preview(tenant, call.path["name"], user, locale, body.data)


@routes.put("/v1/templates/{name}/review", door=REVIEWERS)
async def review_template(call: Call, body: ReviewIn) -> ReviewOut:
    """Let a version keep its label although its words read like advertising; it goes into the audit log."""
    found = await review(
        call.need(Templates),
        call.need(Audit),
        call.identity,
        call.path["name"],
        body.version,
        reviewed=body.reviewed,
    )
    return ReviewOut(name=found.name, version=found.version, reviewed_by=found.reviewed_by or None)


def _saved(template: Template) -> TemplateSaved:
    return TemplateSaved(name=template.name, version=template.version, state=_state(template))


def _state(template: Template) -> Literal["published", "draft"]:
    return "draft" if template.published_at is None else "published"


def _version(template: Template, used: datetime | None) -> VersionOut:
    published = template.published_at
    return VersionOut(
        version=template.version,
        state="in use" if published is not None and published == used else _state(template),
        created_at=iso(template.created_at),
        published_at=iso(published) if published else None,
        reviewed_by=template.reviewed_by or None,
    )


def _template(template: Template) -> dict[str, Any]:
    return {
        "name": template.name,
        "version": template.version,
        "state": _state(template),
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
        "includes": sorted(source.includes),
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
