"""Teams and agents: who answers what, when, and how much at once; and how well it went."""

from datetime import timedelta
from typing import Literal

from pydantic import BaseModel, Field, RootModel

from chatpush.clock import Clock
from chatpush.domain import Role, iso
from chatpush.support.people.office_hours import office_hours
from chatpush.support.people.service_figures import ServiceFigures, ServiceReport
from chatpush.support.people.teams import (
    DEFAULT_CAPACITY,
    LONGEST_NAME,
    LONGEST_TARGET_SECONDS,
    MOST_CAPACITY,
    MOST_WORDS,
    Agent,
    Assignment,
    Targets,
    Team,
    TeamDraft,
    Teams,
)
from chatpush.web.http.doors import Door
from chatpush.web.http.moments import Moment
from chatpush.web.http.operations import Body, Call, Operations, Query

routes = Operations("teams")
READ = Door(scope="conversations:read", role=Role.AGENT)
MANAGE = Door(scope="conversations:write", role=Role.ADMIN)
LONGEST_REPORT_DAYS = 92


class HoursIn(Body):
    """Office hours; no week at all: always there."""

    zone: str = Field("UTC", max_length=60, description="An IANA zone such as Europe/London.")
    week: dict[str, list[str]] = Field(
        default_factory=dict, description='{"mon": ["09:00-12:30", "13:30-17:00"]}'
    )
    holidays: list[str] = Field(default_factory=list, max_length=200, description="Dates such as 2026-12-25.")


class TargetsIn(Body):
    """Seconds within which people want to have answered; 0: no target."""

    first: int = Field(0, ge=0, le=LONGEST_TARGET_SECONDS)
    next: int = Field(0, ge=0, le=LONGEST_TARGET_SECONDS)
    resolution: int = Field(0, ge=0, le=LONGEST_TARGET_SECONDS)


class TeamIn(Body):
    """A team."""

    name: str = Field(min_length=1, max_length=LONGEST_NAME)
    skills: list[str] = Field(default_factory=list, max_length=MOST_WORDS)
    languages: list[str] = Field(default_factory=list, max_length=MOST_WORDS, description="Empty: all.")
    hours: HoursIn = Field(default_factory=HoursIn)
    assignment: Assignment = Assignment.MANUAL
    targets: TargetsIn = Field(default_factory=TargetsIn)


class TeamOut(BaseModel):
    """A team as it is kept."""

    id: str
    name: str
    skills: list[str]
    languages: list[str]
    hours: HoursIn
    assignment: Assignment
    targets: TargetsIn


class TeamsOut(BaseModel):
    """All teams, oldest first."""

    data: list[TeamOut]


class AgentSettings(Body):
    """What a console person does as an agent."""

    teams: list[str] = Field(default_factory=list, max_length=100)
    skills: list[str] = Field(default_factory=list, max_length=MOST_WORDS)
    languages: list[str] = Field(default_factory=list, max_length=MOST_WORDS, description="Empty: all.")
    capacity: int = Field(DEFAULT_CAPACITY, ge=0, le=MOST_CAPACITY, description="Conversations at once.")


class PresenceIn(Body):
    """Whether they take new conversations while their console is open."""

    away: bool


class AgentOut(BaseModel):
    """An agent with what they have now."""

    person: str
    teams: list[str]
    skills: list[str]
    languages: list[str]
    capacity: int
    load: int
    presence: Literal["online", "away", "offline"] = Field(description="offline: no console is open.")
    seen_at: Moment | None


class AgentsOut(BaseModel):
    """Everybody who answers."""

    data: list[AgentOut]


class ServiceOut(RootModel[ServiceReport]):
    """How well it went."""


class ReportQuery(Query):
    """Of which days."""

    days: int = Field(7, ge=1, le=LONGEST_REPORT_DAYS)


@routes.get("/v1/teams", door=READ)
async def list_teams(call: Call) -> TeamsOut:
    """List the teams."""
    return TeamsOut(data=[_team(team) for team in await call.need(Teams).list(call.identity.tenant)])


@routes.post("/v1/teams", door=MANAGE, status=201)
async def make_team(call: Call, body: TeamIn) -> TeamOut:
    """Make a team."""
    return _team(await call.need(Teams).put(call.identity.tenant, _draft(body)))


@routes.put("/v1/teams/{id}", door=MANAGE)
async def change_team(call: Call, body: TeamIn) -> TeamOut:
    """Change a team."""
    return _team(await call.need(Teams).put(call.identity.tenant, _draft(body), call.path["id"]))


@routes.delete("/v1/teams/{id}", door=MANAGE)
async def delete_team(call: Call) -> None:
    """Delete a team; what waits for it waits for everybody."""
    await call.need(Teams).delete(call.identity.tenant, call.path["id"])


@routes.get("/v1/agents", door=READ)
async def list_agents(call: Call) -> AgentsOut:
    """List who answers, with presence and load."""
    found = await call.need(Teams).agents(call.identity.tenant)
    return AgentsOut(data=[_agent(call, agent) for agent in found])


@routes.put("/v1/agents/{person}", door=MANAGE)
async def change_agent(call: Call, body: AgentSettings) -> AgentOut:
    """Say what a console person does as an agent."""
    agent = Agent(
        call.path["person"][:64], tuple(body.teams), tuple(body.skills), tuple(body.languages), body.capacity
    )
    return _agent(call, await call.need(Teams).put_agent(call.identity.tenant, agent))


@routes.put("/v1/agents/{person}/presence", door=MANAGE)
async def change_presence(call: Call, body: PresenceIn) -> AgentOut:
    """Put an agent on duty, as an open console does, or take them off."""
    person = call.path["person"][:64]
    return _agent(call, await call.need(Teams).set_away(call.identity.tenant, person, away=body.away))


@routes.get("/v1/service", door=READ)
async def service_report(call: Call, query: ReportQuery) -> ServiceOut:
    """Return how well people and the assistant served: resolution, response times, ratings, promises."""
    now = call.need(Clock).now()  # type: ignore[type-abstract]
    figures = call.need(ServiceFigures)
    return ServiceOut(await figures.report(call.identity.tenant, now - timedelta(days=query.days), now))


def _draft(body: TeamIn) -> TeamDraft:
    targets = Targets(body.targets.first, body.targets.next, body.targets.resolution)
    return TeamDraft(
        body.name, tuple(body.skills), tuple(body.languages), office_hours(body.hours.model_dump()),
        body.assignment, targets,
    )  # fmt: skip


def _team(team: Team) -> TeamOut:
    return TeamOut(
        id=team.id, name=team.name, skills=list(team.skills), languages=list(team.languages),
        hours=HoursIn(**team.hours.stored()), assignment=team.assignment,
        targets=TargetsIn(
            first=team.targets.first, next=team.targets.next, resolution=team.targets.resolution
        ),
    )  # fmt: skip


def _agent(call: Call, agent: Agent) -> AgentOut:
    now = call.need(Clock).now()  # type: ignore[type-abstract]
    presence = "offline" if not agent.present(now) else "away" if agent.away else "online"
    return AgentOut(
        person=agent.person, teams=list(agent.teams), skills=list(agent.skills),
        languages=list(agent.languages), capacity=agent.capacity, load=agent.load, presence=presence,
        seen_at=iso(agent.seen_at) if agent.seen_at else None,
    )  # fmt: skip
