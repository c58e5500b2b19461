"""What a poll asks, and which publications it wants: tag filters, turned into functions once, when they come in."""

from collections.abc import Mapping
from dataclasses import dataclass

import msgspec

from chatpush.errors import Forbidden, InvalidInput
from chatpush.log.contract import Publication
from chatpush.realtime.filters import compiled
from chatpush.realtime.namespaces import Namespaces
from chatpush.realtime.protocol.codes import Refused
from chatpush.realtime.protocol.frames import FilterNode

_encoder = msgspec.json.Encoder(order="deterministic")


class Wanted:
    """Filters by channel; a channel without one is wanted whole."""

    __slots__ = ("_filters", "text")

    def __init__(self, filters: Mapping[str, FilterNode]) -> None:
        self._filters = {channel: compiled(node) for channel, node in filters.items()}
        # The same for the same filters.
        self.text = _encoder.encode(filters) if filters else b""

    def __call__(self, channel: str, publication: Publication) -> bool:
        """Return whether a publication is wanted."""
        wants = self._filters.get(channel)
        return wants is None or wants(publication.tags or {})


EVERYTHING = Wanted({})


@dataclass(frozen=True, slots=True)
class Asking:
    """One poll: what is new in these channels after a cursor, so many at once, for so long."""

    channels: tuple[str, ...]
    cursor: str
    limit: int
    seconds: float
    wanted: Wanted = EVERYTHING


def wanted_of(namespaces: Namespaces, filters: Mapping[str, FilterNode]) -> Wanted:
    """Return what a poll wants.

    Raises:
        Forbidden: a channel's namespace has no tag filters.
        InvalidInput: one is no filter, or too large.
        NotFound: no such namespace.
    """
    if not filters:
        return EVERYTHING
    for channel in filters:
        if not namespaces.options(channel).allow_tags_filter:
            raise Forbidden(
                f"{channel}: tag filters are not allowed here; see allow_tags_filter", param="channels"
            )
    try:
        return Wanted(filters)
    except Refused as refused:
        raise InvalidInput(refused.code.message, param="channels") from refused
