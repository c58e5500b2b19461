"""The realtime core's numbers, as ``/metrics`` shows them.

A message's ``type`` is "publication", "join", "leave", "ping", "error", or the
command it answers or push it is; of a long-poll's answers "publication", or
"empty" if there was none. ``protocol`` is "json" or "protobuf".
"""

from collections import Counter
from collections.abc import Iterator
from operator import attrgetter

from chatpush.domain import DEFAULT_TENANT, TenantId
from chatpush.realtime.hub import Hub
from chatpush.realtime.traffic import LATENCY_BUCKETS, Traffics, Way
from chatpush.web.monitoring.metrics import Gauge, Histogram, Reading, Readings, Total

Values = tuple[tuple[tuple[str, ...], float], ...]


def readings_of(hub: Hub) -> Readings:
    """Return what reads a node's numbers."""

    def read() -> Iterator[Reading]:
        yield from _present(hub)
        yield from _sent(hub.traffic)
        yield from _ended(hub.traffic)

    return read


def _present(hub: Hub) -> Iterator[Reading]:
    """Who is here now."""
    users = Counter(tenant for tenant, _ in hub.online())
    for name, help_text, by_tenant in (
        ("connections", "Open connections", hub.connections_by_tenant()),
        ("users_online", "Users with a connection", users),
        ("poll_holds", "Long-polls that wait", hub.polls_by_tenant()),
        ("slow_readers", "Connections that are catching up", hub.slow_by_tenant()),
    ):
        yield Gauge(name, help_text, ("tenant",), _by_tenant(by_tenant))
    for name, help_text, by_space in (
        ("subscriptions", "Subscriptions", hub.subscriptions_by_namespace()),
        ("channels", "Channels with a reader", hub.channels_by_namespace()),
    ):
        values = tuple((labels, float(number)) for labels, number in by_space.items())
        yield Gauge(name, help_text, ("tenant", "namespace"), values)


def _sent(traffics: Traffics) -> Iterator[Reading]:
    """What went over the wires since the start."""
    ways = [(tenant, way) for tenant, traffic in traffics.items() for way in list(traffic.ways.values())]
    labels = ("tenant", "transport", "protocol")
    for name, help_text, of in (
        ("messages_sent", "Messages sent", attrgetter("sent")),
        ("sent_bytes", "Bytes of messages sent", attrgetter("sent_bytes")),
        ("commands", "Commands of clients", attrgetter("heard")),
    ):
        typed = tuple(
            ((*_labels(tenant, way), kind), float(number))
            for tenant, way in ways
            for kind, number in sorted(of(way).items())
        )
        yield Total(name, help_text, (*labels, "type"), typed)
    heard = tuple((_labels(*one), float(one[1].heard_bytes)) for one in ways)
    yield Total("received_bytes", "Bytes of clients' frames", labels, heard)
    behind = tuple((_labels(*one), float(one[1].fell_behind)) for one in ways)
    yield Total("fell_behind", "Readers in step that could not take a publication", labels, behind)


def _ended(traffics: Traffics) -> Iterator[Reading]:
    """How connections ended and came back, and how quick publishing was."""
    all_of = list(traffics.items())
    closed = tuple(
        ((tenant, str(code)), float(number))
        for tenant, traffic in all_of
        for code, number in sorted(traffic.disconnects.items())
    )
    yield Total("disconnects", "Connections ended, by the protocol's code", ("tenant", "code"), closed)
    recoveries = tuple(
        ((tenant, word), float(number))
        for tenant, traffic in all_of
        for word, number in (("yes", traffic.recovered), ("no", traffic.not_recovered))
    )
    yield Total("recoveries", "Positions asked to recover from", ("tenant", "recovered"), recoveries)
    spreads = tuple(
        ((tenant,), tuple(traffic.latency.counts), traffic.latency.total) for tenant, traffic in all_of
    )
    help_text = "From a publish to its writes to whoever is in step"
    yield Histogram("publish_seconds", help_text, ("tenant",), LATENCY_BUCKETS, spreads)


def _labels(tenant: TenantId, way: Way) -> tuple[str, str, str]:
    return tenant, way.name, "protobuf" if way.binary else "json"


def _by_tenant(counted: Counter[TenantId]) -> Values:
    """Return labelled values; the default tenant has one even while nobody is there."""
    tenants = {DEFAULT_TENANT, *counted}
    return tuple(((tenant,), float(counted[tenant])) for tenant in sorted(tenants))
