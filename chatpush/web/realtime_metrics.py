"""The realtime core's numbers, as ``/metrics`` shows them.

A message's ``type`` is "publication", "join", "leave", "ping", "error", or the
command it answers or push it is; ``protocol`` is "json" or "protobuf".
"""

from collections import Counter
from collections.abc import Callable, Iterable, Iterator

from chatpush.domain import DEFAULT_TENANT, TenantId
from chatpush.realtime.hub import Hub
from chatpush.realtime.traffic import Traffic, Way
from chatpush.web.metrics import Gauge, Histogram, Reading, Readings, Total

Values = tuple[tuple[tuple[str, ...], float], ...]


def readings_of(hub: Hub) -> Readings:
    """Return what reads a node's numbers."""

    def read() -> Iterator[Reading]:
        yield from _present(hub)
        yield from _traffic(hub.traffic)

    return read


def _present(hub: Hub) -> Iterator[Reading]:
    """Who is here now."""
    users = Counter(tenant for tenant, _ in hub.online())
    counts = hub.counts()
    yield Gauge("connections", "Open connections", ("tenant",), _by_tenant(hub.connections_by_tenant()))
    yield Gauge("users_online", "Users with a connection", ("tenant",), _by_tenant(users))
    for name, help_text, counted in (
        ("subscriptions", "Subscriptions", hub.subscriptions_by_namespace()),
        ("channels", "Channels with a reader", hub.channels_by_namespace()),
    ):
        values = tuple((labels, float(number)) for labels, number in counted.items())
        yield Gauge(name, help_text, ("tenant", "namespace"), values)
    yield Gauge("poll_holds", "Long-polls that wait", (), (((), float(counts.holding)),))
    yield Gauge("slow_readers", "Connections that are catching up", (), (((), float(counts.behind)),))


def _traffic(traffic: Traffic) -> Iterator[Reading]:
    """What went over the wires since the start."""
    ways = list(traffic.ways.values())
    sent = ("transport", "protocol", "type")
    yield Total("messages_sent", "Messages sent", sent, _by_type(ways, lambda way: way.sent))
    yield Total("sent_bytes", "Bytes of messages sent", sent, _by_type(ways, lambda way: way.sent_bytes))
    yield Total("commands", "Commands of clients", sent, _by_type(ways, lambda way: way.heard))
    heard = tuple((_labels(way), float(way.heard_bytes)) for way in ways)
    yield Total("received_bytes", "Bytes of clients' frames", sent[:2], heard)
    behind = tuple((_labels(way), float(way.fell_behind)) for way in ways)
    yield Total("fell_behind", "Readers in step that could not take a publication", sent[:2], behind)
    closed = tuple(((str(code),), float(number)) for code, number in sorted(traffic.disconnects.items()))
    yield Total("disconnects", "Connections ended, by the protocol's code", ("code",), closed)
    recoveries = ((("yes",), float(traffic.recovered)), (("no",), float(traffic.not_recovered)))
    yield Total("recoveries", "Positions asked to recover from", ("recovered",), recoveries)
    spread = traffic.latency
    yield Histogram(
        "publish_seconds",
        "From a publish to its writes to whoever is in step",
        spread.bounds,
        tuple(spread.counts),
        spread.total,
    )


def _by_type(ways: Iterable[Way], of: Callable[[Way], Counter[str]]) -> Values:
    return tuple(((*_labels(way), kind), float(n)) for way in ways for kind, n in sorted(of(way).items()))


def _labels(way: Way) -> tuple[str, str]:
    return way.name, "protobuf" if way.binary else "json"


def _by_tenant(counted: Counter[TenantId]) -> Values:
    """Return labelled values; the default tenant has one even while nobody is there."""
    tenants = {DEFAULT_TENANT, *counted}
    return tuple(((tenant,), float(counted[tenant])) for tenant in sorted(tenants))
