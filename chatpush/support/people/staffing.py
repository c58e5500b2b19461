"""Build the people side of customer service: desk, queue, teams and all that agents work with.

What must go along with every turn and change enters here, in order: routing
before the clocks, because a team's targets are the clocks'.
"""

from dataclasses import dataclass, fields
from typing import Any

from chatpush.clock import Clock
from chatpush.notify.audience.users import Users
from chatpush.notify.templates.renderers import Renderers
from chatpush.store.database import Database
from chatpush.store.vault import Vault
from chatpush.support.assistant.promises import Promises
from chatpush.support.assistant.trail import Trails
from chatpush.support.conversations.conversations import Conversations
from chatpush.support.people.assigning import Assigning
from chatpush.support.people.canned import CannedAnswers
from chatpush.support.people.deadlines import Deadlines, Tell
from chatpush.support.people.desk import Desk
from chatpush.support.people.labels import Labels
from chatpush.support.people.letters import Letters
from chatpush.support.people.merging import Merging
from chatpush.support.people.notes import Notes
from chatpush.support.people.queue import Queue
from chatpush.support.people.ratings import Ratings
from chatpush.support.people.routing import Routing
from chatpush.support.people.search import ConversationSearch
from chatpush.support.people.search_backfill import SearchBackfill
from chatpush.support.people.service_figures import ServiceFigures
from chatpush.support.people.standing import Standings
from chatpush.support.people.teams import Teams
from chatpush.support.ports import IsOnline, PersonName, Publisher, SendLetter


@dataclass(frozen=True, slots=True)
class Staff:
    """Everything of the people side that an app holds."""

    teams: Teams
    labels: Labels
    notes: Notes
    ratings: Ratings
    standings: Standings
    deadlines: Deadlines
    letters: Letters
    desk: Desk
    queue: Queue
    search: ConversationSearch
    backfill: SearchBackfill
    canned: CannedAnswers
    merging: Merging
    assigning: Assigning
    figures: ServiceFigures
    trails: Trails

    def services(self) -> dict[type, object]:
        """Return the parts by class, as web handlers look them up."""
        parts = [getattr(self, field.name) for field in fields(self)]
        return {type(part): part for part in parts}

    def running(self) -> tuple[Any, ...]:
        """Return the parts that run beside requests."""
        return (self.deadlines, self.letters, self.assigning, self.backfill)


def build_staff(
    database: Database,
    vault: Vault,
    clock: Clock,
    conversations: Conversations,
    promises: Promises,
    publisher: Publisher,
    users: Users,
    renderers: Renderers,
    *,
    send: SendLetter | None,
    name_of: PersonName,
    is_online: IsOnline,
    tell: Tell | None = None,
) -> Staff:
    """Return the people side, wired."""
    teams = Teams(database, clock)
    labels = Labels(database, conversations, clock)
    ratings = Ratings(database, vault, conversations, clock)
    standings = Standings(database, teams, ratings, clock)
    deadlines = Deadlines(database, publisher, clock, tell)
    letters = Letters(database, vault, clock, send)
    search = ConversationSearch(database, vault, conversations)
    desk = Desk(conversations, promises, letters, is_online)
    conversations.rows.companions += [Routing(), deadlines, search]
    conversations.announcing.describe(standings.told)
    return Staff(
        teams, labels, Notes(database, vault, publisher, clock), ratings, standings, deadlines, letters, desk,
        Queue(database, vault, conversations), search,
        SearchBackfill(database, vault, conversations, search), CannedAnswers(database, renderers, users, clock),
        Merging(database, conversations),
        Assigning(database, vault, conversations, desk, teams, labels, name_of, is_online, clock),
        ServiceFigures(database), Trails(database, vault, clock),
    )  # fmt: skip
