"""What a page needs before anybody has signed in: a visitor's token and the widget's texts."""

from datetime import timedelta
from zoneinfo import available_timezones

from pydantic import BaseModel, Field

from chatpush.channels.built_in import BuiltInChannels
from chatpush.domain import DEFAULT_LOCALE, VISITOR_PREFIX, UserId, new_id
from chatpush.errors import Forbidden, Unauthenticated
from chatpush.notify.audience.users import UserChange, Users
from chatpush.realtime.hub import Hub
from chatpush.realtime.identity.tokens import Tokens
from chatpush.settings import Settings
from chatpush.support.conversations.joining import Joining
from chatpush.web.http.addresses import Throttle, address_of
from chatpush.web.http.doors import Door
from chatpush.web.http.operations import Body, Call, Operations

VISITOR_LIFE = timedelta(days=30)
routes = Operations("browser")


class VisitorIn(Body):
    """What the page knows of its visitor."""

    locale: str = Field("en", max_length=35)
    timezone: str = Field("UTC", max_length=64, description="An IANA name; one nobody knows counts as UTC.")


class Visitor(BaseModel):
    """An anonymous visitor's id and the token that proves it."""

    user: str
    token: str


class WidgetTheme(BaseModel):
    """Colours and corner; empty values leave the widget's own."""

    accent: str
    mode: str
    position: str


class UploadRules(BaseModel):
    """What files the widget may offer to send; sizes in bytes."""

    max_bytes: int
    types: list[str]
    per_turn: int


class PrechatOut(BaseModel):
    """One field of the form before a conversation."""

    name: str
    type: str
    labels: dict[str, str]
    required: bool
    options: list[str]


class PrechatForm(BaseModel):
    """The form before the first conversation; ``whom`` is visitors or everyone."""

    whom: str
    fields: list[PrechatOut]


class PushOut(BaseModel):
    """What a page subscribes to Web Push with."""

    public_key: str


class WidgetConfig(BaseModel):
    """What the widget shows before it connects."""

    name: dict[str, str]
    greeting: dict[str, str]
    suggestions: dict[str, list[str]]
    theme: WidgetTheme
    attachments: UploadRules | None = Field(description="null: files cannot be sent.")
    push: PushOut | None = Field(description="null: Web Push is off.")
    prechat: PrechatForm | None = Field(description="null: there is no form.")


@routes.post("/v1/visitors", door=Door(publishable=True, user=True), status=201)
async def make_visitor(call: Call, body: VisitorIn) -> Visitor:
    """Give an anonymous visitor an identity of their own."""
    call.need(Throttle).take(address_of(call.request, call.need(Settings)))
    tenant = call.identity.tenant
    user = UserId(VISITOR_PREFIX + new_id("v").removeprefix("v_"))
    zone = body.timezone if body.timezone in available_timezones() else "UTC"
    change = UserChange(locale=body.locale, timezone=zone)
    await call.need(Users).put(tenant, user, change, via="visitor")
    token = await call.need(Tokens).issue_connection(tenant, user, VISITOR_LIFE)
    return Visitor(user=user, token=token)


class JoinIn(Body):
    """The proof of having been a visitor."""

    visitor_token: str = Field(min_length=1, max_length=4096, description="The token POST /v1/visitors gave.")


class JoinOut(BaseModel):
    """How much became the user's own."""

    conversations: int
    events: int


@routes.post("/v1/me/join", door=Door(user=True))
async def join(call: Call, body: JoinIn) -> JoinOut:
    """Make what I said and did as a visitor of this site my own; the visitor is no more."""
    tenant, user = call.identity.tenant, call.identity.user
    try:
        claims = await call.need(Tokens).verify_connection(tenant, body.visitor_token)
    except Unauthenticated as error:
        raise Forbidden(f"the visitor's token: {error}") from error
    joined = await call.need(Joining).join(tenant, claims.user, user)
    if joined.conversations or joined.others:
        await call.need(Users).ensure(tenant, {user})
    await call.need(Hub).disconnect(tenant, claims.user)
    return JoinOut(conversations=joined.conversations, events=joined.others)


@routes.get("/v1/widget/config", door=Door(anyone=True))
async def widget_config(call: Call) -> WidgetConfig:
    """Return the widget's name, greeting, suggestions and theme."""
    settings = call.need(Settings)
    web_push = call.need(BuiltInChannels).web_push
    support, widget, files = settings.support, settings.widget, settings.attachments
    return WidgetConfig(
        name={
            DEFAULT_LOCALE: widget.name or support.assistant_name,
            **(widget.names or support.assistant_names),
        },
        greeting=support.greeting,
        suggestions=widget.suggestions,
        theme=WidgetTheme(accent=widget.accent, mode=widget.mode, position=widget.position),
        attachments=UploadRules(max_bytes=files.max_bytes, types=list(files.types), per_turn=files.per_turn)
        if files.enabled
        else None,
        push=PushOut(public_key=web_push.public_key) if web_push is not None else None,
        prechat=PrechatForm(
            whom=widget.prechat_for, fields=[PrechatOut(**field.model_dump()) for field in widget.prechat]
        )
        if widget.prechat
        else None,
    )
