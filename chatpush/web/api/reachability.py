"""Let readers be reached when they are away: push subscriptions, devices."""

from pydantic import BaseModel, Field

from chatpush.channels.built_in import Addressable, BuiltInChannels
from chatpush.channels.web_push import NAME, checked_subscription, subscription_text
from chatpush.errors import InvalidInput, NotFound
from chatpush.notify.audience.users import Users
from chatpush.notify.sending.endpoints import Endpoints
from chatpush.settings import Settings
from chatpush.web.http.doors import Door
from chatpush.web.http.operations import Body, Call, Operations

routes = Operations("reachability")
USERS = Door(user=True)


class PushKey(BaseModel):
    """What a page gives to ``pushManager.subscribe`` as applicationServerKey."""

    public_key: str


class SubscriptionKeys(Body):
    """A subscription's keys."""

    p256dh: str = Field(max_length=200)
    auth: str = Field(max_length=100)


class SubscriptionIn(Body):
    """A push subscription as the browser's ``toJSON()`` gives it."""

    endpoint: str = Field(max_length=2048)
    keys: SubscriptionKeys
    expires: float | None = Field(None, alias="expirationTime")


class EndpointIn(Body):
    """Where I can be reached when I am away."""

    channel: str = Field(max_length=64, description="fcm, apns or apprise, as far as they are switched on.")
    address: str = Field(min_length=1, max_length=4096, description="The device's token, or an apprise URL.")


class EndpointCounts(BaseModel):
    """How many addresses there are, by channel."""

    endpoints: dict[str, int]


@routes.get("/v1/widget/push-key", door=Door(anyone=True))
async def push_key(call: Call) -> PushKey:
    """Return the key pages subscribe to Web Push with."""
    web_push = call.need(BuiltInChannels).web_push
    if web_push is None:
        raise NotFound("Web Push is off; set channels.web_push.contact")
    return PushKey(public_key=web_push.public_key)


@routes.post("/v1/me/push-subscriptions", door=USERS, status=204)
async def add_subscription(call: Call, body: SubscriptionIn) -> None:
    """Reach me in this browser when it is closed."""
    text = _text(call, body)
    await call.need(Users).ensure(call.identity.tenant, [call.identity.user])
    await call.need(Endpoints).add(call.identity.tenant, call.identity.user, NAME, text)


@routes.post("/v1/me/push-subscriptions/remove", door=USERS, status=204)
async def remove_subscription(call: Call, body: SubscriptionIn) -> None:
    """Don't reach me in this browser any more."""
    text = _text(call, body)
    await call.need(Endpoints).remove(call.identity.tenant, call.identity.user, NAME, text)


@routes.get("/v1/me/endpoints", door=USERS)
async def list_endpoints(call: Call) -> EndpointCounts:
    """Say on which channels I can be reached; the addresses themselves stay sealed."""
    found = await call.need(Endpoints).channels_of(call.identity.tenant, call.identity.user)
    return EndpointCounts(endpoints=found)


@routes.post("/v1/me/endpoints", door=USERS, status=204)
async def add_endpoint(call: Call, body: EndpointIn) -> None:
    """Reach me on this device when I am away."""
    await _channel(call, body.channel).check(body.address)
    await call.need(Users).ensure(call.identity.tenant, [call.identity.user])
    await call.need(Endpoints).add(call.identity.tenant, call.identity.user, body.channel, body.address)


@routes.post("/v1/me/endpoints/remove", door=USERS, status=204)
async def remove_endpoint(call: Call, body: EndpointIn) -> None:
    """Don't reach me on this device any more."""
    await call.need(Endpoints).remove(call.identity.tenant, call.identity.user, body.channel, body.address)


def _channel(call: Call, name: str) -> Addressable:
    known = call.need(BuiltInChannels).open_to_users()
    if name not in known:
        choices = ", ".join(sorted(known)) or "none is switched on"
        raise InvalidInput(f"no channel {name!r} takes addresses from users; {choices}", param="channel")
    return known[name]


def _text(call: Call, body: SubscriptionIn) -> str:
    text = subscription_text(body.model_dump(include={"endpoint", "keys"}))
    checked_subscription(text, allow_private=call.need(Settings).channels.allow_private)
    return text
