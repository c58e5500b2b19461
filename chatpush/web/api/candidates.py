"""Questions people answered, waiting for a yes before the assistant learns them."""

from typing import Literal

from pydantic import BaseModel, Field

from chatpush.domain import Role, iso
from chatpush.support.knowledge.candidates import Candidate, Candidates
from chatpush.support.knowledge.knowledge import MAX_ID
from chatpush.web.http.doors import Door
from chatpush.web.http.moments import Moment
from chatpush.web.http.operations import Body, Call, Operations

routes = Operations("knowledge")
DECIDE = Door(scope="knowledge:write", role=Role.EDITOR)
READ = Door(scope="knowledge:write", role=Role.AGENT)
State = Literal["proposed", "approved", "rejected"]


class CandidateQuery(Body):
    """Which candidates."""

    state: State = "proposed"
    limit: int = Field(50, ge=1, le=200)
    starting_after: str = Field("", max_length=60)


class Approval(Body):
    """Where the question goes; left out: the article proposed, or a new one if none is."""

    article: str = Field("", max_length=MAX_ID)
    question: str = Field("", max_length=300, description="Another wording, without anything personal.")


class CandidateOut(BaseModel):
    """A question a person answered."""

    id: str
    state: State
    question: str
    reply: str
    article: str
    conversation: str
    proposed_at: Moment
    decided_by: str


class CandidatesPage(BaseModel):
    """A page of candidates."""

    data: list[CandidateOut]
    has_more: bool


@routes.get("/v1/knowledge-candidates", door=READ)
async def list_candidates(call: Call, query: CandidateQuery) -> CandidatesPage:
    """List questions people answered; the newest replies are looked through first."""
    candidates, tenant = call.need(Candidates), call.identity.tenant
    await candidates.look(tenant)
    found = await candidates.page(tenant, query.state, query.limit + 1, query.starting_after)
    return CandidatesPage(data=[_out(one) for one in found[: query.limit]], has_more=len(found) > query.limit)


@routes.post("/v1/knowledge-candidates/{id}/approve", door=DECIDE)
async def approve_candidate(call: Call, body: Approval) -> CandidateOut:
    """Add the question to an article as a similar one, or make a new article of it."""
    return _out(
        await call.need(Candidates).approve(
            call.identity.tenant, call.path["id"], _who(call), article=body.article, question=body.question
        )
    )


@routes.post("/v1/knowledge-candidates/{id}/reject", door=DECIDE)
async def reject_candidate(call: Call) -> CandidateOut:
    """Put the question away; it is not proposed again."""
    return _out(await call.need(Candidates).reject(call.identity.tenant, call.path["id"], _who(call)))


def _who(call: Call) -> str:
    return call.identity.name or call.identity.subject


def _out(one: Candidate) -> CandidateOut:
    return CandidateOut.model_validate(
        {
            "id": one.id, "state": one.state, "question": one.question, "reply": one.reply,
            "article": one.article, "conversation": one.conversation,
            "proposed_at": iso(one.proposed_at), "decided_by": one.decided_by,
        }
    )  # fmt: skip
