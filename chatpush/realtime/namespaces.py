"""Which rules a channel has, and how its log is kept."""

from functools import lru_cache

from chatpush.errors import InvalidInput, NotFound
from chatpush.log.contract import Retention
from chatpush.settings import Channel, ChannelOptions

# Channels without history still keep a moment, so that a slow reader or a
# long-poll between two requests misses nothing of it.
MOMENT = Retention(size=64, ttl_seconds=60, durable=False)


# Names whose rules are remembered.
NAMES_KNOWN = 16_384


class Namespaces:
    """The namespaces of the settings, looked up once."""

    def __init__(self, settings: Channel) -> None:
        self._settings = settings
        self._by_name: dict[str, ChannelOptions] = dict(settings.by_name())
        self._retentions: dict[str, Retention] = {
            name: _retention(options) for name, options in self._by_name.items()
        }
        self._without = _retention(settings.without_namespace)
        self.options = lru_cache(NAMES_KNOWN)(self._options)
        self.retention = lru_cache(NAMES_KNOWN)(self._retention_of)

    def _options(self, channel: str) -> ChannelOptions:
        """Return a channel's options.

        Raises:
            InvalidInput: the name can't be one (107 on the wire).
            NotFound: its namespace is unknown (102 on the wire).
        """
        longest = self._settings.max_name_length
        if not channel or len(channel) > longest or not channel.isprintable():
            raise InvalidInput(f"a channel's name is 1 to {longest} printable characters", param="channel")
        namespace, colon, _ = channel.partition(":")
        if not colon:
            return self._settings.without_namespace
        options = self._by_name.get(namespace)
        if options is None:
            raise NotFound(f"unknown channel: there is no namespace {namespace}", param="channel")
        return options

    def _retention_of(self, channel: str) -> Retention:
        """Return how a channel is kept; unknown namespaces keep a moment."""
        namespace, colon, _ = channel.partition(":")
        return self._retentions.get(namespace, MOMENT) if colon else self._without


def _retention(options: ChannelOptions) -> Retention:
    if options.history_size == 0:
        return MOMENT
    return Retention(options.history_size, options.history_ttl_seconds, options.durability == "disk")
