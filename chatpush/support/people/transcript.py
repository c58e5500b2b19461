"""Write a conversation down as plain text, as its user has seen it."""

from collections.abc import Sequence
from zoneinfo import ZoneInfo

from chatpush.domain import Speaker, Turn
from chatpush.support.assistant.phrases import words

LONGEST = 200_000


def transcript(turns: Sequence[Turn], locale: str, zone: str = "UTC") -> str:
    """Return who said what when, oldest first; what is too long loses its beginning."""
    place = ZoneInfo(zone)
    written = []
    for turn in turns:
        if not turn.text:
            continue
        at = f"{turn.at.astimezone(place):%Y-%m-%d %H:%M}"
        if turn.by is Speaker.SYSTEM:
            written.append(f"[{at}] {turn.text}")
            continue
        who = words("you", locale) if turn.by is Speaker.USER else turn.name
        lines = [
            f"[{at}] {who}:",
            turn.text,
            *(f"- {source.title} {source.url}".rstrip() for source in turn.sources),
        ]
        written.append("\n".join(lines))
    whole = "\n\n".join(written)
    return whole if len(whole) <= LONGEST else "… " + whole[-LONGEST:]
