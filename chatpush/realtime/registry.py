"""Who is connected to this node: by client, by user, sockets and long-polls alike.

``on_connect`` and ``on_disconnect`` are called with (tenant, user) when a
user's first connection comes and the last one goes. Between two long-polls a
user stays for ``POLL_GRACE_SECONDS``.
"""

from collections import Counter
from collections.abc import Callable, Iterator

import structlog

from chatpush.clock import Clock
from chatpush.domain import TenantId, UserId
from chatpush.realtime.connection import Connection

log = structlog.get_logger(__name__)

POLL_GRACE_SECONDS = 15.0
UserListener = Callable[[TenantId, UserId], None]
Who = tuple[TenantId, UserId]


class Registry:
    """All connections of this node."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        # Every open socket, connected or not yet.
        self.open: set[Connection] = set()
        # Long-polls that wait at this moment, in all and by tenant; whoever holds them counts.
        self.holding = 0
        self.held: Counter[TenantId] = Counter()
        self._clients: dict[str, Connection] = {}
        self._users: dict[Who, dict[str, Connection]] = {}
        self._polls: dict[Who, int] = {}
        self._left_polls: dict[Who, float] = {}
        self.on_connect: list[UserListener] = []
        self.on_disconnect: list[UserListener] = []

    @property
    def connections(self) -> int:
        """How many sockets and held long-polls there are."""
        return len(self.open) + self.holding

    @property
    def users(self) -> int:
        """How many different users there are."""
        only_polling = (self._polls.keys() | self._left_polls.keys()) - self._users.keys()
        return len(self._users) + len(only_polling)

    def by_tenant(self) -> Counter[TenantId]:
        """Return how many connected sockets and held long-polls each tenant has."""
        counted = Counter(connection.tenant for connection in self._clients.values())
        for (tenant, _), polls in self._polls.items():
            counted[tenant] += polls
        return counted

    def online(self) -> list[Who]:
        """Return (tenant, user) of everybody who is here."""
        return list(self._users.keys() | self._polls.keys())

    def add(self, connection: Connection) -> None:
        """Take a connection whose user is known now."""
        self._clients[connection.client] = connection
        if not connection.user:
            return
        who = (connection.tenant, connection.user)
        mine = self._users.get(who)
        if mine is not None:
            mine[connection.client] = connection
            return
        first = who not in self._polls and who not in self._left_polls
        self._users[who] = {connection.client: connection}
        if first:
            self._tell(self.on_connect, who)

    def remove(self, connection: Connection) -> None:
        """Forget a connection."""
        self.open.discard(connection)
        if self._clients.pop(connection.client, None) is None:
            return
        who = (connection.tenant, connection.user)
        mine = self._users.get(who, {})
        mine.pop(connection.client, None)
        if who in self._users and not mine:
            del self._users[who]
            if not self.is_online(*who):
                self._tell(self.on_disconnect, who)

    def of_user(self, tenant: TenantId, user: UserId) -> list[Connection]:
        """Return a user's connections."""
        return list(self._users.get((tenant, user), {}).values())

    def of_client(self, tenant: TenantId, client: str) -> Connection | None:
        """Return the connection with this id."""
        found = self._clients.get(client)
        return found if found is not None and found.tenant == tenant else None

    def all(self, tenant: TenantId) -> Iterator[Connection]:
        """Yield the tenant's connections."""
        return (one for one in list(self._clients.values()) if one.tenant == tenant)

    def count(self, tenant: TenantId, user: UserId) -> int:
        """Return how many connections and held polls a user has."""
        return len(self._users.get((tenant, user), ())) + self._polls.get((tenant, user), 0)

    def is_online(self, tenant: TenantId, user: UserId) -> bool:
        """Return whether the user is connected or polling."""
        who = (tenant, user)
        return who in self._users or who in self._polls or who in self._left_polls

    def hold(self, tenant: TenantId, user: UserId) -> None:
        """A user's client begins to poll."""
        who = (tenant, user)
        if not user:
            return
        first = not self.is_online(*who)
        self._left_polls.pop(who, None)
        self._polls[who] = self._polls.get(who, 0) + 1
        if first:
            self._tell(self.on_connect, who)

    def let_go(self, tenant: TenantId, user: UserId) -> None:
        """A client does not poll any more; its user is given time to begin anew."""
        who = (tenant, user)
        if who not in self._polls:
            return
        self._polls[who] -= 1
        if not self._polls[who]:
            del self._polls[who]
            self._left_polls[who] = self._clock.monotonic() + POLL_GRACE_SECONDS

    def sweep(self) -> None:
        """Let users go who did not poll again."""
        now = self._clock.monotonic()
        for who in [who for who, until in self._left_polls.items() if until <= now]:
            del self._left_polls[who]
            if not self.is_online(*who):
                self._tell(self.on_disconnect, who)

    def _tell(self, listeners: list[UserListener], who: Who) -> None:
        for listener in listeners:
            try:
                listener(*who)
            except Exception:
                log.exception("a listener of connections failed")
