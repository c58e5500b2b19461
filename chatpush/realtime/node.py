"""What this process brings to realtime: everything a session needs, in one hand."""

from dataclasses import dataclass

from chatpush.clock import Clock
from chatpush.log.contract import Log
from chatpush.plugins.host import Plugins
from chatpush.realtime.channels import Channels
from chatpush.realtime.heartbeat import Heartbeat
from chatpush.realtime.identity.tokens import Tokens
from chatpush.realtime.limits import UserRates
from chatpush.realtime.namespaces import Namespaces
from chatpush.realtime.registry import Registry
from chatpush.realtime.rpc import Rpc
from chatpush.realtime.traffic import Traffics
from chatpush.settings import Client


@dataclass(frozen=True, slots=True)
class Node:
    """The parts of one realtime node."""

    name: str
    # Its name with its address, for the connect reply.
    known_as: str
    settings: Client
    clock: Clock
    log: Log
    namespaces: Namespaces
    channels: Channels
    registry: Registry
    heartbeat: Heartbeat
    tokens: Tokens
    plugins: Plugins
    rpc: Rpc
    traffic: Traffics
    rates: UserRates

    def now(self) -> float:
        """Return seconds since 1970."""
        return self.clock.milliseconds() / 1000
