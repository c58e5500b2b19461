"""Put users into topics and take them out."""

from typing import Annotated

from pydantic import BaseModel, Field, StringConstraints

from chatpush.domain import Role, UserId, iso
from chatpush.errors import NotFound
from chatpush.notify.audience.topics import Topic, Topics
from chatpush.notify.listing import Window
from chatpush.web.http.doors import Door
from chatpush.web.http.moments import Moment
from chatpush.web.http.operations import Body, Call, Operations, PageQuery, Query

routes = Operations("topics")
READERS = Door(scope="users:read", role=Role.VIEWER)
WRITERS = Door(scope="users:write", role=Role.EDITOR)
USERS = Door(user=True)


class MembersIn(Body):
    """Users to be added."""

    users: list[str] = Field(max_length=1000, description="Ids; unknown users are made.")


class TopicOut(BaseModel):
    """A topic and how many are in it."""

    name: str
    members: int
    created_at: Moment
    open: bool = Field(description="Users join and leave it themselves.")
    titles: dict[str, str] = Field(description="What users read, by locale.")


class TopicIn(Body):
    """What users may do with a topic."""

    open: bool = Field(False, description="Users see it, join and leave it themselves.")
    titles: dict[str, Annotated[str, StringConstraints(min_length=1, max_length=200)]] = Field(
        default_factory=dict, max_length=50, description="What users read, by locale."
    )


class ChoiceIn(Body):
    """Whether I want to be in it."""

    member: bool


class ChoiceOut(BaseModel):
    """A topic that is open to me."""

    name: str
    titles: dict[str, str]
    member: bool


class Choices(BaseModel):
    """All of them, by name."""

    data: list[ChoiceOut]


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
    return TopicPage(data=[_out(one) for one in page.data], has_more=page.has_more)


@routes.put("/v1/topics/{name}", door=WRITERS)
async def put_topic(call: Call, body: TopicIn) -> TopicOut:
    """Make a topic, or say whether users may join and leave it themselves."""
    topics = call.need(Topics)
    made = await topics.put(call.identity.tenant, call.path["name"], is_open=body.open, titles=body.titles)
    return _out(made)


@routes.get("/v1/me/topics", door=USERS)
async def list_my_topics(call: Call) -> Choices:
    """List the topics that are open to me, and in which I am."""
    found = await call.need(Topics).choices(call.identity.tenant, call.identity.user)
    return Choices(
        data=[ChoiceOut(name=one.name, titles=dict(one.titles), member=one.member) for one in found]
    )


@routes.put("/v1/me/topics/{name}", door=USERS, status=204)
async def choose_my_topic(call: Call, body: ChoiceIn) -> None:
    """Join or leave a topic that is open to me."""
    await call.need(Topics).choose(
        call.identity.tenant, call.identity.user, call.path["name"], member=body.member
    )


@routes.put("/v1/topics/{name}/members", door=WRITERS, status=204)
async def add_topic_members(call: Call, body: MembersIn) -> None:
    """Add users to a topic; the topic is made if it is new."""
    await call.need(Topics).add(call.identity.tenant, call.path["name"], body.users)


@routes.get("/v1/topics/{name}/members", door=READERS)
async def list_topic_members(call: Call, query: MembersQuery) -> Members:
    """List the users of a topic, by id."""
    topics, tenant, name = call.need(Topics), call.identity.tenant, call.path["name"]
    if not await topics.exists(tenant, name):
        raise NotFound(f"no topic {name[:64]!r}", param="name")
    users = await topics.members(tenant, name, query.starting_after, query.limit + 1)
    return Members(data=list(users[: query.limit]), has_more=len(users) > query.limit)


@routes.delete("/v1/topics/{name}/members/{user}", door=WRITERS)
async def remove_topic_member(call: Call) -> None:
    """Take a user out of a topic."""
    await call.need(Topics).remove(call.identity.tenant, call.path["name"], UserId(call.path["user"]))


def _out(topic: Topic) -> TopicOut:
    return TopicOut(
        name=topic.name,
        members=topic.members,
        created_at=iso(topic.created_at),
        open=topic.is_open,
        titles=dict(topic.titles),
    )
