"""Say how a conversation stands for its user: the place in the queue, whether people are there, the rating.

What is told with every state and every conversation, so that a widget never
has to guess: how many are before me, is anybody there, when are they back.
"""

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from chatpush.clock import Clock
from chatpush.domain import ConversationState, iso, to_ms
from chatpush.store.database import Database
from chatpush.support.conversations.turns import Conversation
from chatpush.support.people.ratings import Rating, Ratings
from chatpush.support.people.routing import choose_team
from chatpush.support.people.teams import Teams


@dataclass(frozen=True, slots=True)
class Office:
    """Whether people are there, and when they are back if that is known."""

    open: bool = True
    opens_at: datetime | None = None

    def payload(self) -> dict[str, Any]:
        """Return it as channels and the API carry it."""
        return {"open": self.open, "opens_at": iso(self.opens_at) if self.opens_at else None}


@dataclass(frozen=True, slots=True)
class Standing:
    """How a conversation stands."""

    position: int | None
    office: Office
    may_rate: bool
    rating: Rating | None
    subject: str

    def payload(self) -> dict[str, Any]:
        """Return it as channels and the API carry it."""
        return {
            "position": self.position, "office": self.office.payload(), "may_rate": self.may_rate,
            "rating": self.rating.payload() if self.rating else None, "subject": self.subject,
        }  # fmt: skip


class Standings:
    """Looks up how conversations stand."""

    def __init__(self, database: Database, teams: Teams, ratings: Ratings, clock: Clock) -> None:
        self._database = database
        self._teams = teams
        self._ratings = ratings
        self._clock = clock

    async def of(self, conversation: Conversation) -> Standing:
        """Return how a conversation stands now."""
        rating = await self._ratings.latest(conversation)
        return Standing(
            await self._position(conversation),
            await self.office(conversation),
            self._ratings.may_rate(conversation, rating),
            rating,
            conversation.subject,
        )

    async def told(self, conversation: Conversation) -> dict[str, Any]:
        """Return what goes with a state."""
        return (await self.of(conversation)).payload()

    async def office(self, conversation: Conversation) -> Office:
        """Return whether somebody of the team it is or would be with is there.

        Within its hours a team with agents is there if one of them is on duty; a
        team nobody belongs to is there whenever its hours say so.
        """
        teams = await self._teams.list(conversation.tenant)
        team = next((team for team in teams if team.id == conversation.team), None)
        team = team or choose_team(teams, conversation.language, ())
        if team is None:
            return Office()
        now = self._clock.now()
        if not team.hours.is_open(now):
            return Office(open=False, opens_at=team.hours.opens_at(now))
        agents = [agent for agent in await self._teams.agents(conversation.tenant) if team.id in agent.teams]
        return Office(open=not agents or any(agent.on_duty(now) for agent in agents))

    async def _position(self, conversation: Conversation) -> int | None:
        if conversation.state is not ConversationState.WAITING or conversation.waiting_at is None:
            return None
        rows = await self._database.read(
            "SELECT COUNT(*) AS n FROM conversation WHERE tenant = :t AND state = 'waiting' AND team = :m"
            " AND (waiting_at < :w OR (waiting_at = :w AND id < :c))",
            t=conversation.tenant, m=conversation.team, w=to_ms(conversation.waiting_at), c=conversation.id,
        )  # fmt: skip
        return int(rows[0]["n"]) + 1
