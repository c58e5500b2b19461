"""Build the people side of customer service: desk, queue, teams and all that agents work with.

What must go along with every turn and change enters here, in order: routing
before the clocks, because a team's targets are the clocks'.
"""

from dataclasses import dataclass, fields
from typing import Any

from chatpush.clock import Clock
from chatpush.notify.renderers import Renderers
from chatpush.notify.users import Users
from chatpush.store.database import Database
from chatpush.store.vault import Vault
from chatpush.support.assigning import Assigning
from chatpush.support.canned import CannedAnswers
from chatpush.support.conversations import Conversations
from chatpush.support.deadlines import Deadlines, Tell
from chatpush.support.desk import Desk
from chatpush.support.labels import Labels
from chatpush.support.letters import Letters
from chatpush.support.merging import Merging
from chatpush.support.notes import Notes
from chatpush.support.ports import IsOnline, PersonName, Publisher, SendLetter
from chatpush.support.promises import Promises
from chatpush.support.queue import Queue
from chatpush.support.ratings import Ratings
from chatpush.support.routing import Routing
from chatpush.support.search import ConversationSearch
from chatpush.support.service_figures import ServiceFigures
from chatpush.support.standing import Standings
from chatpush.support.teams import Teams
from chatpush.support.trail import Trails


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
        return (self.deadlines, self.letters, self.assigning)


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
    conversations.describe(standings.told)
    return Staff(
        teams, labels, Notes(database, vault, publisher, clock), ratings, standings, deadlines, letters, desk,
        Queue(database, vault, conversations), search, CannedAnswers(database, renderers, users, clock),
        Merging(database, conversations),
        Assigning(database, vault, conversations, desk, teams, labels, name_of, is_online, clock),
        ServiceFigures(database), Trails(database, vault, clock),
    )  # fmt: skip
