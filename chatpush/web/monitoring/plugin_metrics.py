"""What plugins do, in numbers by plugin and hook: calls, failures, drops, seconds, and open breakers."""

from collections.abc import Callable, Iterable

from chatpush.plugins.roster import Roster
from chatpush.plugins.states import HookState
from chatpush.web.monitoring.metrics import Gauge, Reading, Readings, Total

LABELS = ("plugin", "hook")


def plugin_readings(plugins: Roster) -> Readings:
    """Return what reads the plugins' scores."""

    def read() -> Iterable[Reading]:
        scores = [(state.name, hook) for state in plugins.states() for hook in state.called]

        def values(of: Callable[[HookState], float]) -> tuple[tuple[tuple[str, ...], float], ...]:
            return tuple(((name, hook.name), float(of(hook))) for name, hook in scores)

        failures = "Calls that raised, took too long or answered nonsense"
        yield Total("plugin_calls", "Calls of a plugin's hook", LABELS, values(lambda one: one.calls))
        yield Total("plugin_failures", failures, LABELS, values(lambda one: one.failures))
        yield Total("plugin_drops", "What a hook kept from going on", LABELS, values(lambda one: one.drops))
        yield Total("plugin_seconds", "Time that calls took", LABELS, values(lambda one: one.seconds))
        yield Total("plugin_cuts", "How often a hook was cut off", LABELS, values(lambda one: one.cuts))
        yield Gauge("plugin_cut_off", "Whether it is cut off now", LABELS, values(lambda one: one.cut_off))

    return read
