"""Where long-polls stand, and what they are answered: encoded once for all that stood there."""

from collections.abc import Sequence

import msgspec

from chatpush.domain import TenantId
from chatpush.log.contract import Cursor, Publication
from chatpush.realtime.polls.grants import Grant, encode_cursor
from chatpush.realtime.polls.wanting import EVERYTHING, Wanted
from chatpush.realtime.protocol import codec, frames


class PublicationOut(msgspec.Struct, omit_defaults=True):
    """One publication; ``offset`` 0 is one that no log keeps."""

    channel: str
    offset: int
    data: msgspec.Raw
    tags: dict[str, str] | None = None
    info: frames.ClientInfo | None = None


class Shared(msgspec.Struct):
    """The part of a reply that is the same for everybody there."""

    cursor: str
    publications: list[PublicationOut]
    gaps: list[str]


class Own(msgspec.Struct):
    """The part of a reply that is one client's."""

    grant: str
    client: str


class Place:
    """A cursor in each of some channels, what is wanted of them, and how much at once."""

    __slots__ = ("cursor", "cursors", "key", "limit", "tenant", "wanted")

    def __init__(
        self, tenant: TenantId, cursors: dict[str, Cursor], limit: int, wanted: Wanted = EVERYTHING
    ) -> None:
        self.tenant = tenant
        self.cursors = cursors
        self.limit = limit
        self.wanted = wanted
        # As the clients know it; the same for the same place.
        self.cursor = encode_cursor(cursors)
        self.key = (tenant, self.cursor, limit, wanted.text)

    def moved(self, found: Sequence[tuple[str, Publication]], gaps: dict[str, Cursor]) -> "Place":
        """Return the place after these publications, and at the top of the channels with a gap."""
        cursors = self.cursors | gaps
        for channel, entry in found:
            cursors[channel] = Cursor(cursors[channel].epoch, entry.offset)
        return Place(self.tenant, cursors, self.limit, self.wanted)

    def wants(self, found: Sequence[tuple[str, Publication]]) -> list[tuple[str, Publication]]:
        """Return what is wanted of these."""
        if self.wanted is EVERYTHING:
            return list(found)
        return [(channel, entry) for channel, entry in found if self.wanted(channel, entry)]


class Answer:
    """The next place, publications in order, and channels with a gap. ``at`` is the loop's time."""

    __slots__ = ("at", "body", "cursor", "forms", "gaps", "place", "publications")

    def __init__(
        self, place: Place, found: Sequence[tuple[str, Publication]], gaps: Sequence[str], at: float
    ) -> None:
        self.place = place
        self.at = at
        # How many of each it tells.
        self.publications, self.gaps = len(found), len(gaps)
        self.cursor = place.cursor.encode()
        shown = [_shown(channel, entry) for channel, entry in found]
        # JSON that ``own_part`` ends.
        self.body = codec.encode(Shared(place.cursor, shown, list(gaps)))[:-1]
        # What a transport makes of it once for many.
        self.forms: dict[int, bytes] = {}


def own_part(grant: Grant, text: str) -> bytes:
    """Return what ends a client's replies; ``text`` is its signed grant."""
    return b"," + codec.encode(Own(text, grant.client))[1:]


def _shown(channel: str, publication: Publication) -> PublicationOut:
    wire = codec.publication_of(publication)
    return PublicationOut(channel, publication.offset, wire.data, wire.tags, wire.info)
