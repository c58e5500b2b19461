"""What goes over the wires of this node, counted: plain numbers, read when somebody asks.

Each transport of a tenant has one ``Way``; every connection of it counts into
the same one. A fan-out to many counts once, by multiplication.
"""

from bisect import bisect_left
from collections import Counter

from chatpush.domain import TenantId
from chatpush.realtime.protocol.codec import Frame

LATENCY_BUCKETS = (0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0)


class Way:
    """One transport: messages and bytes by type in each direction, and who could not keep up."""

    __slots__ = ("binary", "fell_behind", "heard", "heard_bytes", "name", "sent", "sent_bytes")

    def __init__(self, name: str, *, binary: bool) -> None:
        self.name = name
        # Whether it speaks Protobuf.
        self.binary = binary
        # By type: "publication", "join", "leave", "ping", "error", or the command or push it is.
        self.sent: Counter[str] = Counter()
        self.sent_bytes: Counter[str] = Counter()
        # By command; "pong" is the answer to a ping.
        self.heard: Counter[str] = Counter()
        self.heard_bytes = 0
        # How often a subscriber in step could not take the next publication.
        self.fell_behind = 0

    def frame(self, kind: str, frame: Frame) -> None:
        """Count one frame."""
        shown = frame.in_protobuf() if self.binary else frame
        self.count(kind, len(shown.payload))

    def count(self, kind: str, size: int, times: int = 1) -> None:
        """Count messages of a type; ``size`` is the bytes of all of them."""
        self.sent[kind] += times
        self.sent_bytes[kind] += size


class Spread:
    """How observations spread over buckets, as a histogram of Prometheus counts them."""

    __slots__ = ("bounds", "counts", "total")

    def __init__(self, bounds: tuple[float, ...]) -> None:
        self.bounds = bounds
        # One more than bounds: the last has no upper one.
        self.counts = [0] * (len(bounds) + 1)
        self.total = 0.0

    def observe(self, value: float) -> None:
        """Count one observation."""
        self.counts[bisect_left(self.bounds, value)] += 1
        self.total += value


class Traffic:
    """The numbers of one tenant on one node."""

    def __init__(self) -> None:
        self.ways: dict[tuple[str, bool], Way] = {}
        # Seconds from a publish to its write to every reader in step.
        self.latency = Spread(LATENCY_BUCKETS)
        # By the protocol's code; 3000 where the client simply went.
        self.disconnects: Counter[int] = Counter()
        self.recovered = 0
        self.not_recovered = 0

    def way(self, transport: str, *, binary: bool = False) -> Way:
        """Return a transport's numbers."""
        found = self.ways.get((transport, binary))
        if found is None:
            found = self.ways[transport, binary] = Way(transport, binary=binary)
        return found


class Traffics(dict[TenantId, Traffic]):
    """The numbers of all tenants that ever were on this node; a new tenant begins with its first look."""

    def __missing__(self, tenant: TenantId) -> Traffic:
        made = self[tenant] = Traffic()
        return made
