"""Put users into topics and take them out."""

from pydantic import BaseModel, Field

from chatpush.domain import Role, UserId, iso
from chatpush.errors import NotFound
from chatpush.notify.listing import Window
from chatpush.notify.topics import Topics
from chatpush.web.doors import Door
from chatpush.web.operations import Body, Call, Operations, PageQuery, Query

routes = Operations("topics")
READERS = Door(scope="users:read", role=Role.VIEWER)
WRITERS = Door(scope="users:write", role=Role.EDITOR)


class MembersIn(Body):
    """Users to be added."""

    users: list[str] = Field(max_length=1000, description="Ids; unknown users are made.")


class TopicOut(BaseModel):
    """A topic and how many are in it."""

    name: str
    members: int
    created_at: str


class TopicPage(BaseModel):
    """A page of topics."""

    data: list[TopicOut]
    has_more: bool


class MembersQuery(Query):
    """Which part of the members."""

    limit: int = Field(100, ge=1, le=1000)
    starting_after: str = Field("", max_length=128, description="A user's id.")


class Members(BaseModel):
    """A page of members, by id."""

    data: list[str]
    has_more: bool


@routes.get("/v1/topics", door=READERS)
async def list_topics(call: Call, query: PageQuery) -> TopicPage:
    """List topics by name, last first."""
    window = Window(query.limit, query.starting_after, query.ending_before)
    page = await call.need(Topics).list(call.identity.tenant, window)
    data = [TopicOut(name=one.name, members=one.members, created_at=iso(one.created_at)) for one in page.data]
    return TopicPage(data=data, has_more=page.has_more)


@routes.put("/v1/topics/{name}/members", door=WRITERS, status=204)
async def add_members(call: Call, body: MembersIn) -> None:
    """Add users to a topic; the topic is made if it is new."""
    await call.need(Topics).add(call.identity.tenant, call.path["name"], body.users)


@routes.get("/v1/topics/{name}/members", door=READERS)
async def list_members(call: Call, query: MembersQuery) -> Members:
    """List the users of a topic, by id."""
    topics, tenant, name = call.need(Topics), call.identity.tenant, call.path["name"]
    if not await topics.exists(tenant, name):
        raise NotFound(f"no topic {name[:64]!r}", param="name")
    users = await topics.members(tenant, name, query.starting_after, query.limit + 1)
    return Members(data=list(users[: query.limit]), has_more=len(users) > query.limit)


@routes.delete("/v1/topics/{name}/members/{user}", door=WRITERS)
async def remove_member(call: Call) -> None:
    """Take a user out of a topic."""
    await call.need(Topics).remove(call.identity.tenant, call.path["name"], UserId(call.path["user"]))
