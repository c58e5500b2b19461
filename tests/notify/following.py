"""Follow every delivery as an exporter does."""

from collections.abc import Sequence

from chatpush.account.audit import Audit
from chatpush.account.exports import PAGE, Exports
from chatpush.account.metering import Meter
from chatpush.domain import TenantId
from chatpush.errors import Unavailable
from chatpush.notify.reporting.steps import Steps
from chatpush.plugins.contracts import Record
from tests.clocks import StillClock
from tests.notify.building import Room


class Follower:
    """An exporter of deliveries that can refuse."""

    deliveries = True

    def __init__(self, name: str = "follower") -> None:
        self.name = name
        self.refuses = False
        self.records: list[Record] = []

    async def export(self, records: Sequence[Record]) -> None:
        if self.refuses:
            raise Unavailable("not now")
        assert len(records) <= PAGE
        self.records += [one for one in records if not one.type.startswith(("usage.", "audit."))]

    def of(self, user: str) -> list[str]:
        """Return the steps of a user's deliveries."""
        return [one.type.removeprefix("delivery.") for one in self.records if one.data.get("user") == user]


def followed(room: Room, clock: StillClock, *followers: Follower) -> Exports:
    """Return the exports as the app wires them."""
    room.happenings.export()

    async def tenants() -> list[TenantId]:
        return [TenantId("default")]

    exports = Exports(
        room.database, followers, Meter(room.database, clock), Audit(room.database, clock), tenants, clock
    )
    exports.also(Steps(room.database, clock), [one.name for one in followers])
    return exports
