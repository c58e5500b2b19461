"""Wire what sends: the outbox and everything a delivery passes on its way."""

from collections.abc import Callable

from chatpush.account.metering import Meter
from chatpush.clock import Clock
from chatpush.domain import TenantId, UserId
from chatpush.notify.audience.users import Users
from chatpush.notify.deciding.digests import Digests
from chatpush.notify.deciding.ruling import Rules
from chatpush.notify.messages.accepted import AcceptedMessages
from chatpush.notify.messages.happenings import Happenings
from chatpush.notify.sending.away import Away
from chatpush.notify.sending.claims import Claims
from chatpush.notify.sending.delivery import Delivery, Publisher
from chatpush.notify.sending.endpoints import Endpoints
from chatpush.notify.sending.handing import Handing
from chatpush.notify.sending.marking import Marks
from chatpush.notify.sending.outbox import Outbox
from chatpush.notify.sending.reaching import Reaching
from chatpush.notify.templates.templates import Templates
from chatpush.notify.templates.wording import Wording
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
