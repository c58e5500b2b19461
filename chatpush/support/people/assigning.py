"""Give what waits to who is there, take it back from who has gone, and tell the others their place.

One loop: note who has the console open; put back what an agent left behind
while the user waits for an answer; assign what waits, longest wait first; tell
those whose place in the queue has changed. Rung by every change of state, and
at least every ``SWEEP_SECONDS``. Two nodes may do it at once, and people take
over and give back meanwhile: what has moved since it was looked at is left to
the next look, and saying a place twice shows once.
"""

from datetime import timedelta

import structlog

from chatpush.clock import Clock
from chatpush.domain import ConversationId, ConversationState, TenantId, UserId, to_ms
from chatpush.rounds import Worker
from chatpush.store.database import Database
from chatpush.store.vault import Vault
from chatpush.support.conversations.conversations import Conversations
from chatpush.support.conversations.turns import Conversation
from chatpush.support.people.desk import Desk
from chatpush.support.people.labels import Labels
from chatpush.support.people.routing import choose_agent
from chatpush.support.people.teams import Assignment, Teams
from chatpush.support.ports import IsOnline, PersonName

log = structlog.get_logger(__name__)
SWEEP_SECONDS = 5.0
PER_TURN = 100
TOLD = 200
"""How many of a queue are told their place; whoever is further back learns it by asking."""
GONE_AFTER = timedelta(minutes=2)
PERSON_PREFIX = "person_"


def console_user(person: str) -> UserId:
    """Return as whom a console person is connected."""
    return UserId(PERSON_PREFIX + person)


class Assigning(Worker):
    """The loop over every tenant's queue."""

    def __init__(
        self,
        database: Database,
        vault: Vault,
        conversations: Conversations,
        desk: Desk,
        teams: Teams,
        labels: Labels,
        name_of: PersonName,
        is_online: IsOnline,
        clock: Clock,
    ) -> None:
        self._database = database
        self._vault = vault
        self._conversations = conversations
        self._desk = desk
        self._teams = teams
        self._labels = labels
        self._name_of = name_of
        self._is_online = is_online
        self._clock = clock
        self._told: dict[tuple[TenantId, ConversationId], int] = {}
        super().__init__("assigning", self._look)
        conversations.announcing.watch(lambda _: self.ring())

    async def turn(self) -> None:
        """Look once after everything."""
        await self._see_who_is_there()
        await self._take_back()
        for tenant in await self._tenants():
            await self._assign(tenant)
        await self._tell_places()

    async def _look(self) -> float:
        await self.turn()
        return SWEEP_SECONDS

    async def _see_who_is_there(self) -> None:
        stale = to_ms(self._clock.now() - timedelta(seconds=15))
        for row in await self._database.read("SELECT tenant, person FROM agent WHERE seen_at < :s", s=stale):
            tenant = TenantId(row["tenant"])
            if self._is_online(tenant, console_user(row["person"])):
                await self._teams.seen(tenant, row["person"])

    async def _take_back(self) -> None:
        """Put back what agents who are gone owe an answer in."""
        rows = await self._database.read(
            "SELECT DISTINCT c.tenant, c.id FROM conversation c"
            " JOIN agent a ON a.tenant = c.tenant AND a.person = c.agent"
            " JOIN service_clock s ON s.tenant = c.tenant AND s.conversation = c.id"
            " AND s.met_at IS NULL AND s.kind IN ('first', 'next')"
            " WHERE c.state = 'agent' AND a.seen_at < :gone LIMIT :l",
            gone=to_ms(self._clock.now() - GONE_AFTER), l=PER_TURN,
        )  # fmt: skip
        for row in rows:
            conversation = await self._conversations.get(TenantId(row["tenant"]), ConversationId(row["id"]))
            if await self._desk.requeue(conversation):
                log.info("put back", conversation=conversation.id, agent=conversation.agent)

    async def _tenants(self) -> list[TenantId]:
        rows = await self._database.read(
            "SELECT DISTINCT c.tenant FROM conversation c JOIN team m ON m.tenant = c.tenant AND m.id = c.team"
            " WHERE c.state = 'waiting' AND m.assignment <> :manual",
            manual=Assignment.MANUAL.value,
        )
        return [TenantId(row["tenant"]) for row in rows]

    async def _assign(self, tenant: TenantId) -> None:
        teams = {team.id: team for team in await self._teams.list(tenant)}
        waiting = await self._waiting(tenant)
        tags = await self._labels.tags(tenant, [conversation.id for conversation in waiting])
        for conversation in waiting:
            team = teams.get(conversation.team)
            if team is None or team.assignment is Assignment.MANUAL:
                continue
            now = self._clock.now()
            agents = await self._teams.agents(tenant)
            chosen = choose_agent(agents, team, conversation.language, tags.get(conversation.id, ()), now)
            if chosen is None or not (name := await self._name_of(tenant, chosen.person)):
                continue
            if not await self._desk.assign(conversation, chosen.person, name):
                continue  # somebody took it, gave it back or closed it in the meantime
            await self._note_turn(tenant, chosen.person)
            log.info("assigned", conversation=conversation.id, agent=chosen.person, team=team.id)

    async def _note_turn(self, tenant: TenantId, person: str) -> None:
        await self._database.write(
            lambda tx: tx.execute(
                "UPDATE agent SET assigned_at = :n WHERE tenant = :t AND person = :p",
                n=to_ms(self._clock.now()), t=tenant, p=person,
            )
        )  # fmt: skip

    async def _waiting(self, tenant: TenantId) -> list[Conversation]:
        rows = await self._database.read(
            "SELECT * FROM conversation WHERE tenant = :t AND state = :s AND team <> ''"
            " ORDER BY waiting_at, id LIMIT :l",
            t=tenant, s=ConversationState.WAITING, l=PER_TURN,
        )  # fmt: skip
        await self._vault.ready_many(tenant, [row["user_id"] for row in rows])
        return [self._conversations.rows.conversation(row) for row in rows]

    async def _tell_places(self) -> None:
        rows = await self._database.read(
            "SELECT tenant, id, place FROM (SELECT tenant, id,"
            " ROW_NUMBER() OVER (PARTITION BY tenant, team ORDER BY waiting_at, id) AS place"
            " FROM conversation WHERE state = 'waiting') q WHERE place <= :l",
            l=TOLD,
        )  # fmt: skip
        now = {(TenantId(row["tenant"]), ConversationId(row["id"])): int(row["place"]) for row in rows}
        moved = [who for who, place in now.items() if self._told.get(who, place) != place]
        self._told = now
        for who in moved:
            await self._conversations.announcing.place(await self._conversations.get(*who))
