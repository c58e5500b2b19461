"""Choose the team and the agent for a conversation: by language, by skill, by turn or by load.

Pure rules but for ``Routing``, which gives a conversation its team in the very
transaction in which it is handed over. A tag of a conversation asks for the
skill of the same name. Language and skill are wishes: where nobody fulfils
them, somebody who doesn't is better than nobody.
"""

from collections.abc import Iterable, Sequence
from datetime import datetime

from chatpush.domain import EPOCH, ConversationId, ConversationState, TenantId
from chatpush.store.database import Transaction
from chatpush.support.conversations.turns import Conversation, Saying
from chatpush.support.people.teams import Agent, Assignment, Team, speaks, team_of


def choose_team(teams: Sequence[Team], language: str, tags: Iterable[str]) -> Team | None:
    """Return the team that fits best, the oldest of several; None if there are no teams."""
    wanted = set(tags)

    def fit(team: Team) -> tuple[int, int, int]:
        skilled = len(wanted & set(team.skills))
        # A team with skills nobody asks for is a specialist: last choice.
        specialist = -1 if team.skills and not skilled else 0
        native = 1 if team.languages and speaks(team.languages, language) else 0
        foreign = -1 if not speaks(team.languages, language) else 0
        return (foreign, skilled or specialist, native)

    return max(teams, key=fit, default=None)


def choose_agent(
    agents: Sequence[Agent], team: Team, language: str, tags: Iterable[str], now: datetime
) -> Agent | None:
    """Return who of a team gets a conversation; None if nobody is on duty with a free place.

    Round robin takes whose last one is longest ago, least load whose share of
    capacity is smallest, both among those who speak the language and have the
    skills, if there are any.
    """
    free = [
        agent
        for agent in agents
        if team.id in agent.teams and agent.on_duty(now) and agent.load < agent.capacity
    ]
    wanted = set(tags) & {skill for agent in agents for skill in agent.skills}
    speaking = [agent for agent in free if speaks(agent.languages, language)] or free
    able = [agent for agent in speaking if wanted <= set(agent.skills)] or speaking

    def turn(agent: Agent) -> tuple[float, datetime, str]:
        load = agent.load / agent.capacity if team.assignment is Assignment.LEAST_LOAD else 0.0
        return (load, agent.assigned_at or EPOCH, agent.person)

    return min(able, key=turn, default=None)


class Routing:
    """Gives what is handed over to a team, in the same transaction."""

    def said(self, tx: Transaction, tenant: TenantId, conversation: ConversationId, saying: Saying) -> None:
        """Turns are not its business."""

    def changed(self, tx: Transaction, conversation: Conversation, state: ConversationState) -> None:
        """Choose a team for what begins to wait, unless it has one."""
        if state not in (ConversationState.WAITING, ConversationState.AGENT):
            return
        where = {"t": conversation.tenant, "c": conversation.id}
        now = tx.query("SELECT team, language FROM conversation WHERE tenant = :t AND id = :c", **where)[0]
        if now["team"]:
            return
        rows = tx.query("SELECT * FROM team WHERE tenant = :t ORDER BY id", t=conversation.tenant)
        if not rows:
            return
        tags = tx.query("SELECT tag FROM conversation_tag WHERE tenant = :t AND conversation = :c", **where)
        team = choose_team([team_of(row) for row in rows], now["language"], [row["tag"] for row in tags])
        if team is not None:
            tx.execute("UPDATE conversation SET team = :m WHERE tenant = :t AND id = :c", m=team.id, **where)
