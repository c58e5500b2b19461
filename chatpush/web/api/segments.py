"""Say which users belong together, in a small safe language."""

from pydantic import BaseModel, Field

from chatpush.domain import Role, iso
from chatpush.notify.audience.segments import Segment, Segments
from chatpush.notify.listing import Window
from chatpush.web.http.doors import Door
from chatpush.web.http.moments import Moment
from chatpush.web.http.operations import Body, Call, Operations, PageQuery

routes = Operations("segments")
READERS = Door(scope="users:read", role=Role.VIEWER)
WRITERS = Door(scope="users:write", role=Role.EDITOR)


class SegmentIn(Body):
    """A segment's condition."""

    where: str = Field(
        min_length=1, max_length=4000, description='Such as: country = "GB" and last_purchase < 30 days'
    )


class SegmentOut(BaseModel):
    """A segment."""

    name: str
    where: str
    created_at: Moment
    updated_at: Moment


class SegmentCounted(SegmentOut):
    """A segment and how many users are in it now."""

    users: int


class SegmentPage(BaseModel):
    """A page of segments."""

    data: list[SegmentOut]
    has_more: bool


@routes.put("/v1/segments/{name}", door=WRITERS)
async def put_segment(call: Call, body: SegmentIn) -> SegmentOut:
    """Make or change a segment."""
    return _segment(await call.need(Segments).put(call.identity.tenant, call.path["name"], body.where))


@routes.get("/v1/segments", door=READERS)
async def list_segments(call: Call, query: PageQuery) -> SegmentPage:
    """List segments by name, last first."""
    window = Window(query.limit, query.starting_after, query.ending_before)
    page = await call.need(Segments).list(call.identity.tenant, window)
    return SegmentPage(data=[_segment(one) for one in page.data], has_more=page.has_more)


@routes.get("/v1/segments/{name}", door=READERS)
async def get_segment(call: Call) -> SegmentCounted:
    """Return a segment and how many users are in it now."""
    segments, tenant, name = call.need(Segments), call.identity.tenant, call.path["name"]
    found = _segment(await segments.get(tenant, name))
    return SegmentCounted(**found.model_dump(), users=await segments.count(tenant, name))


@routes.delete("/v1/segments/{name}", door=WRITERS)
async def delete_segment(call: Call) -> None:
    """Delete a segment."""
    await call.need(Segments).delete(call.identity.tenant, call.path["name"])


def _segment(segment: Segment) -> SegmentOut:
    return SegmentOut(
        name=segment.name,
        where=segment.condition,
        created_at=iso(segment.created_at),
        updated_at=iso(segment.updated_at),
    )
