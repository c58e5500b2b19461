"""What one subscriber gets of a publication, where it is not what everybody gets.

Its tag filter may leave the publication out; a delta reader gets what changed
since the publication before, if it has that one; a compact one gets the
channel's number instead of its name. Each form is encoded once.
"""

from chatpush.log.contract import Publication
from chatpush.realtime.filters import Filter
from chatpush.realtime.protocol.codec import Frame, PublicationFrame


class Shape:
    """One subscription's wishes, and the publication its next delta builds on."""

    __slots__ = ("_base", "delta", "filter", "number")

    def __init__(self, *, delta: bool = False, number: int = 0, wanted: Filter | None = None) -> None:
        self.delta = delta
        self.number = number
        self.filter = wanted
        # The offset of the last publication that was shown; 0: none that a delta may build on.
        self._base = 0

    def pick(self, frame: PublicationFrame) -> Frame | None:
        """Return the form of a publication to write, or None to leave it out."""
        publication = frame.publication
        if not self.wants(publication):
            return None
        before, base = frame.previous, self._base
        self._base = publication.offset
        if not self.delta:
            return frame.form(self.number)
        possible = publication.delta and before is not None and before.offset == base
        return frame.form(self.number, "delta" if possible else "whole")

    def wants(self, publication: Publication) -> bool:
        """Return whether the filter lets a publication through."""
        return self.filter is None or self.filter(publication.tags or {})

    def shown(self, publication: Publication) -> None:
        """The subscriber was given a publication in another way, whole."""
        self._base = publication.offset
