"""Wire what sends: the outbox and everything a delivery passes on its way."""

from collections.abc import Callable

from chatpush.account.metering import Meter
from chatpush.clock import Clock
from chatpush.domain import TenantId, UserId
from chatpush.notify.accepted import AcceptedMessages
from chatpush.notify.away import Away
from chatpush.notify.claims import Claims
from chatpush.notify.delivery import Delivery, Publisher
from chatpush.notify.digests import Digests
from chatpush.notify.endpoints import Endpoints
from chatpush.notify.handing import Handing
from chatpush.notify.happenings import Happenings
from chatpush.notify.marking import Marks
from chatpush.notify.outbox import Outbox
from chatpush.notify.reaching import Reaching
from chatpush.notify.ruling import Rules
from chatpush.notify.templates import Templates
from chatpush.notify.users import Users
from chatpush.notify.wording import Wording
from chatpush.plugins.host import Plugins
from chatpush.store.database import Database
from chatpush.store.vault import Vault


def build_outbox(
    database: Database, vault: Vault, publisher: Publisher, online: Callable[[TenantId, UserId], bool],
    endpoints: Endpoints, away: Away, users: Users, accepted: AcceptedMessages, templates: Templates,
    plugins: Plugins, meter: Meter, clock: Clock, rules: Rules, *,
    worker: str = "embedded", happenings: Happenings | None = None,
    inbox_size: int = 200, max_attempts: int = 5,
) -> Outbox:  # fmt: skip
    """Return the outbox, wired."""
    happenings = happenings or Happenings(clock)
    claims, marks = Claims(database, worker, happenings), Marks(database, meter, clock, happenings)
    reaching = Reaching(database, endpoints, away, claims, marks, clock, max_attempts=max_attempts)
    delivery = Delivery(
        database, vault, publisher, reaching, claims, marks, clock, online, inbox_size=inbox_size,
        max_attempts=max_attempts,
    )  # fmt: skip
    digests = Digests(database, vault)
    wording, handing = Wording(templates, plugins, vault), Handing(worker)
    outbox = Outbox(claims, users, accepted, wording, delivery, vault, clock, rules, digests, handing)
    reaching.rings(outbox.ring)
    return outbox
