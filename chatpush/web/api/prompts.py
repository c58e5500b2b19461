"""Change what the assistant's model is told, version by version.

A prompt is tone and procedure; it can't loosen what code keeps: identity,
figures, links, risks.
"""

from pydantic import BaseModel, Field

from chatpush.domain import Role, from_ms, iso
from chatpush.support.model.prompts import LONGEST, Prompt, Prompts
from chatpush.web.http.doors import Door
from chatpush.web.http.moments import Moment
from chatpush.web.http.operations import Body, Call, Operations

routes = Operations("knowledge")
READ = Door(scope="knowledge:write", role=Role.EDITOR)
WRITE = Door(scope="knowledge:write", role=Role.ADMIN)


class PromptIn(Body):
    """A prompt of the tenant's own, in Jinja2; empty: the built-in one again."""

    source: str = Field(max_length=LONGEST)


class PromptOut(BaseModel):
    """A prompt; version 0 is the built-in one."""

    name: str
    version: int
    source: str
    made_by: str
    made_at: Moment | None


class PromptDetail(PromptOut):
    """The prompt that serves, and the tenant's own versions, newest first."""

    versions: list[PromptOut]


@routes.get("/v1/prompts/{name}", door=READ)
async def get_prompt(call: Call) -> PromptDetail:
    """Return a prompt (system, memory) as it serves now, with its versions."""
    prompts, tenant, name = call.need(Prompts), call.identity.tenant, call.path["name"]
    serving = await prompts.get(tenant, name)
    versions = [_out(one) for one in await prompts.versions(tenant, name)]
    return PromptDetail(**_out(serving).model_dump(), versions=versions)


@routes.put("/v1/prompts/{name}", door=WRITE)
async def put_prompt(call: Call, body: PromptIn) -> PromptOut:
    """Serve a prompt of the tenant's own from now on, after trying it once."""
    who = call.identity.name or call.identity.subject
    return _out(await call.need(Prompts).put(call.identity.tenant, call.path["name"], body.source, who))


def _out(one: Prompt) -> PromptOut:
    return PromptOut(
        name=one.name,
        version=one.version,
        source=one.source,
        made_by=one.made_by,
        made_at=iso(from_ms(one.made_at)) if one.made_at else None,
    )
