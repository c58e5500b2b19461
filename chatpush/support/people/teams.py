"""Keep teams and agents: who answers what, in which languages, how much at once, and when.

A console person becomes an agent with the first visit to the console. An agent
is on duty while the console is open (``seen_at`` is kept fresh while it is) and
they have not said that they are away. An installation without teams has no
hours and assigns nothing: whoever is there takes what waits.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any

from chatpush.clock import Clock
from chatpush.domain import TenantId, from_ms, new_id, to_ms
from chatpush.errors import Conflict, InvalidInput, NotFound
from chatpush.store.database import Database, Row, Transaction
from chatpush.support.people.office_hours import OfficeHours, office_hours
from chatpush.support.retrieval.language import base

MOST_TEAMS = 100
MOST_WORDS = 50
LONGEST_WORD = 60
LONGEST_NAME = 100
DEFAULT_CAPACITY = 5
MOST_CAPACITY = 100
LONGEST_TARGET_SECONDS = 90 * 24 * 3600
SEEN_FOR = timedelta(seconds=45)
"""How long after the console closed an agent still counts as there: a change of page closes it, too."""


class Assignment(StrEnum):
    """How what waits for a team is given to its agents."""

    MANUAL = "manual"
    ROUND_ROBIN = "round_robin"
    LEAST_LOAD = "least_load"


@dataclass(frozen=True, slots=True)
class Targets:
    """In how many seconds people want to have answered; 0: no target."""

    first: int = 0
    next: int = 0
    resolution: int = 0


@dataclass(frozen=True, slots=True)
class TeamDraft:
    """A team as it is given."""

    name: str
    skills: tuple[str, ...] = ()
    languages: tuple[str, ...] = ()
    hours: OfficeHours = field(default_factory=OfficeHours)
    assignment: Assignment = Assignment.MANUAL
    targets: Targets = field(default_factory=Targets)


@dataclass(frozen=True, slots=True)
class Team(TeamDraft):
    """A group of agents that answers one kind of conversation."""

    id: str = ""


@dataclass(frozen=True, slots=True)
class Agent:
    """A console person who answers. No languages: any. ``load`` is how many conversations they have."""

    person: str
    teams: tuple[str, ...] = ()
    skills: tuple[str, ...] = ()
    languages: tuple[str, ...] = ()
    capacity: int = DEFAULT_CAPACITY
    away: bool = False
    seen_at: datetime | None = None
    assigned_at: datetime | None = None
    load: int = 0

    def present(self, now: datetime) -> bool:
        """Return whether their console is open."""
        return self.seen_at is not None and now - self.seen_at <= SEEN_FOR

    def on_duty(self, now: datetime) -> bool:
        """Return whether they take new conversations."""
        return self.present(now) and not self.away


class Teams:
    """The teams and agents of every tenant."""

    def __init__(self, database: Database, clock: Clock) -> None:
        self._database = database
        self._clock = clock

    async def get(self, tenant: TenantId, team: str) -> Team:
        """Return one team.

        Raises:
            NotFound: there is none of this id.
        """
        rows = await self._database.read("SELECT * FROM team WHERE tenant = :t AND id = :i", t=tenant, i=team)
        if not rows:
            raise NotFound(f"no team {team!r}")
        return team_of(rows[0])

    async def put(self, tenant: TenantId, draft: TeamDraft, team: str = "") -> Team:
        """Make a team, or change the one of this id.

        Raises:
            InvalidInput: a part can't be used.
            NotFound: there is none of this id.
            Conflict: there are too many.
        """
        row = {"tenant": tenant, "id": team or new_id("tem"), **_columns(draft)}

        def write(tx: Transaction) -> None:
            if team:
                places = ", ".join(f"{name} = :{name}" for name in row if name not in ("tenant", "id"))
                if not tx.execute(f"UPDATE team SET {places} WHERE tenant = :tenant AND id = :id", **row):
                    raise NotFound(f"no team {team!r}")
                return
            if tx.query("SELECT COUNT(*) AS n FROM team WHERE tenant = :t", t=tenant)[0]["n"] >= MOST_TEAMS:
                raise Conflict(f"there are {MOST_TEAMS} teams already; delete one")
            tx.insert("team", {**row, "created_at": to_ms(self._clock.now())})

        await self._database.write(write)
        return await self.get(tenant, row["id"])

    async def delete(self, tenant: TenantId, team: str) -> None:
        """Delete a team; what waits for it waits for everybody.

        Raises:
            NotFound: there is none of this id.
        """

        def delete(tx: Transaction) -> None:
            if not tx.execute("DELETE FROM team WHERE tenant = :t AND id = :i", t=tenant, i=team):
                raise NotFound(f"no team {team!r}")
            tx.execute("UPDATE conversation SET team = '' WHERE tenant = :t AND team = :i", t=tenant, i=team)
            for row in tx.query("SELECT person, teams FROM agent WHERE tenant = :t", t=tenant):
                left = [one for one in json.loads(row["teams"]) if one != team]
                tx.execute(
                    "UPDATE agent SET teams = :l WHERE tenant = :t AND person = :p",
                    l=json.dumps(left), t=tenant, p=row["person"],
                )  # fmt: skip

        await self._database.write(delete)

    async def agents(self, tenant: TenantId) -> list[Agent]:
        """Return everybody who answers, with what they have."""
        rows = await self._database.read(
            "SELECT a.*, (SELECT COUNT(*) FROM conversation c"
            " WHERE c.tenant = a.tenant AND c.agent = a.person AND c.state = 'agent') AS load"
            " FROM agent a WHERE a.tenant = :t ORDER BY a.person",
            t=tenant,
        )
        return [_agent(row) for row in rows]

    async def agent(self, tenant: TenantId, person: str) -> Agent:
        """Return one agent; somebody not known yet has the defaults."""
        found = [agent for agent in await self.agents(tenant) if agent.person == person]
        return found[0] if found else Agent(person)

    async def put_agent(self, tenant: TenantId, agent: Agent) -> Agent:
        """Say what an agent does; presence stays what it is.

        Raises:
            InvalidInput: a part can't be used, or there is no such team.
        """
        if not 0 <= agent.capacity <= MOST_CAPACITY:
            raise InvalidInput(f"capacity is 0 to {MOST_CAPACITY} conversations at once", param="capacity")
        known = {team.id for team in await self.list(tenant)}
        if unknown := [team for team in agent.teams if team not in known]:
            raise InvalidInput(f"no team {unknown[0][:60]!r}", param="teams")
        row = {
            "tenant": tenant, "person": agent.person, "teams": json.dumps(list(agent.teams)),
            "skills": json.dumps(checked_words(agent.skills, "skills")),
            "languages": json.dumps(checked_words(agent.languages, "languages")), "capacity": agent.capacity,
        }  # fmt: skip
        update = ", ".join(
            f"{name} = excluded.{name}" for name in ("teams", "skills", "languages", "capacity")
        )
        await self._database.write(
            lambda tx: tx.insert("agent", row, f"(tenant, person) DO UPDATE SET {update}")
        )
        return await self.agent(tenant, agent.person)

    async def seen(self, tenant: TenantId, person: str) -> None:
        """Note that an agent's console is open."""
        row = {
            "tenant": tenant, "person": person, "teams": "[]", "skills": "[]", "languages": "[]",
            "capacity": DEFAULT_CAPACITY, "seen_at": to_ms(self._clock.now()),
        }  # fmt: skip
        await self._database.write(
            lambda tx: tx.insert("agent", row, "(tenant, person) DO UPDATE SET seen_at = excluded.seen_at")
        )

    async def set_away(self, tenant: TenantId, person: str, *, away: bool) -> Agent:
        """Take an agent off duty, or put them on again."""
        await self.seen(tenant, person)
        await self._database.write(
            lambda tx: tx.execute(
                "UPDATE agent SET away = :a WHERE tenant = :t AND person = :p",
                a=int(away), t=tenant, p=person,
            )
        )  # fmt: skip
        return await self.agent(tenant, person)

    async def list(self, tenant: TenantId) -> list[Team]:
        """Return all teams, oldest first."""
        rows = await self._database.read("SELECT * FROM team WHERE tenant = :t ORDER BY id", t=tenant)
        return [team_of(row) for row in rows]


def checked_words(words: Sequence[str], param: str) -> list[str]:
    """Return skills, languages or tags as they are kept: lower case, each once.

    Raises:
        InvalidInput: one is too long or not one word's worth of text, or there are too many.
    """
    found = list(dict.fromkeys(" ".join(word.lower().split()) for word in words if word.strip()))
    if len(found) > MOST_WORDS or any(len(word) > LONGEST_WORD or "," in word for word in found):
        raise InvalidInput(
            f"{param}: at most {MOST_WORDS}, each up to {LONGEST_WORD} characters without a comma",
            param=param,
        )
    return found


def speaks(languages: Sequence[str], language: str) -> bool:
    """Return whether a list of languages covers one; an empty list covers all."""
    return not languages or base(language) in {base(one) for one in languages}


def _columns(draft: TeamDraft) -> dict[str, Any]:
    name = " ".join(draft.name.split())
    if not name or len(name) > LONGEST_NAME:
        raise InvalidInput(f"a team's name has 1 to {LONGEST_NAME} characters", param="name")
    targets = draft.targets
    if not all(
        0 <= target <= LONGEST_TARGET_SECONDS for target in (targets.first, targets.next, targets.resolution)
    ):
        raise InvalidInput(f"a target is 0 to {LONGEST_TARGET_SECONDS} seconds", param="targets")
    return {
        "name": name, "skills": json.dumps(checked_words(draft.skills, "skills")),
        "languages": json.dumps(checked_words(draft.languages, "languages")),
        "hours": json.dumps(draft.hours.stored()), "assignment": draft.assignment.value,
        "first_seconds": targets.first, "next_seconds": targets.next, "resolution_seconds": targets.resolution,
    }  # fmt: skip


def team_of(row: Mapping[str, Any]) -> Team:
    """Return a row as a team."""
    return Team(
        id=row["id"],
        name=row["name"],
        skills=tuple(json.loads(row["skills"])),
        languages=tuple(json.loads(row["languages"])),
        hours=office_hours(json.loads(row["hours"])),
        assignment=Assignment(row["assignment"]),
        targets=Targets(row["first_seconds"], row["next_seconds"], row["resolution_seconds"]),
    )


def _agent(row: Row) -> Agent:
    return Agent(
        person=row["person"],
        teams=tuple(json.loads(row["teams"])),
        skills=tuple(json.loads(row["skills"])),
        languages=tuple(json.loads(row["languages"])),
        capacity=row["capacity"],
        away=bool(row["away"]),
        seen_at=from_ms(row["seen_at"]) if row["seen_at"] else None,
        assigned_at=from_ms(row["assigned_at"]) if row["assigned_at"] else None,
        load=int(row["load"]),
    )
