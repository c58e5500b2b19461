"""Look for what is new at a long-poll's place: in memory at once, or wherever it is kept."""

import asyncio
from collections.abc import Sequence

from chatpush.errors import CursorLost
from chatpush.log.contract import Cursor, Log, Publication
from chatpush.realtime.polls.answers import Answer, Place


class Looking:
    """Reads one log for all polls."""

    def __init__(self, source: Log) -> None:
        self._log = source

    def at_hand(self, place: Place) -> list[tuple[str, Publication]] | None:
        """Return what is new at a place; None if only the file knows, or something is gone."""
        found: list[tuple[str, Publication]] = []
        for name, cursor in place.cursors.items():
            room = place.limit - len(found)
            if room <= 0:
                break
            try:
                part = self._log.at_hand(place.tenant, name, cursor, room)
            except CursorLost:
                return None
            if part is None:
                return None
            found += [(name, entry) for entry in part.publications]
        return found

    async def collect(self, place: Place, passing: Sequence[tuple[str, Publication]] = ()) -> Answer:
        """Read on in every channel, wherever it is kept; tell where something is gone.

        What nobody wants is read past, so an empty answer means that there is nothing.
        """
        while True:
            found, gaps = await self._read(place)
            if gaps or len(found) < place.limit or place.wants(found):
                return made(place, found, gaps, passing)
            place = place.moved(found, gaps)

    async def _read(self, place: Place) -> tuple[list[tuple[str, Publication]], dict[str, Cursor]]:
        """Return the next publications, wanted or not, and where a channel with a gap goes on."""
        found: list[tuple[str, Publication]] = []
        gaps: dict[str, Cursor] = {}
        for name, cursor in place.cursors.items():
            room = place.limit - len(found)
            if room <= 0:
                break
            try:
                part = await self._log.after(place.tenant, name, cursor, room)
            except CursorLost:
                gaps[name] = await self._log.top(place.tenant, name)
                continue
            found += [(name, entry) for entry in part.publications]
        return found, gaps


def made(
    place: Place,
    found: Sequence[tuple[str, Publication]],
    gaps: dict[str, Cursor],
    passing: Sequence[tuple[str, Publication]],
) -> Answer:
    """Return the answer that tells of these as far as they are wanted, and of what no log keeps."""
    at = asyncio.get_running_loop().time()
    return Answer(place.moved(found, gaps), [*place.wants(found), *passing], list(gaps), at)


def nothing(place: Place) -> Answer:
    """Return the answer of whoever is to come again at the same place."""
    return Answer(place, (), (), asyncio.get_running_loop().time())
