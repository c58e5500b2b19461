"""Sessions whose commands come by requests of their own, because their transport only goes one way.

A session is named by a secret that its connect reply told it; whoever knows
it may send commands, and nobody else can guess it. Commands of one session
run in the order they came in, and only so many may wait.
"""

import asyncio
import secrets

from chatpush.errors import NotFound, TooMany
from chatpush.realtime.neighbours import Neighbours
from chatpush.realtime.session import Session

MOST_WAITING = 32


class Emulation:
    """The sessions of this node that are commanded from outside."""

    def __init__(self, node: str, neighbours: Neighbours) -> None:
        # As the connect reply names it.
        self.node = node
        self._neighbours = neighbours
        self._sessions: dict[str, tuple[Session, asyncio.Lock]] = {}
        self._waiting: dict[str, int] = {}

    def add(self, session: Session) -> str:
        """Let a session be commanded by others' requests; return its secret name."""
        name = secrets.token_urlsafe(24)
        session.connection.session_id = name
        self._sessions[name] = (session, asyncio.Lock())
        self._waiting[name] = 0
        return name

    def remove(self, name: str) -> None:
        """Forget a session."""
        self._sessions.pop(name, None)
        self._waiting.pop(name, None)

    def elsewhere(self, node: str) -> str:
        """Return the address of another node; nothing if it is this one, or has none, or is none of ours."""
        return "" if node == self.node else self._neighbours.address(node)

    async def command(self, node: str, name: str, data: bytes) -> None:
        """Hand a frame to a session; one that is gone takes nothing, and its stream says so itself.

        Raises:
            NotFound: the session was on this node before a restart, or on one that has no address.
            TooMany: too many commands of this session wait already.
        """
        if node != self.node:
            raise NotFound("no node here knows the session; connect again")
        found = self._sessions.get(name)
        if found is None:
            return
        session, turn = found
        if self._waiting[name] >= MOST_WAITING:
            raise TooMany("too many commands of this session wait; send them in one request")
        self._waiting[name] += 1
        try:
            async with turn:
                await session.receive(data)
        finally:
            if name in self._waiting:
                self._waiting[name] -= 1
