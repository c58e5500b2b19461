"""Customer service behind HTTP, as the browser and the desk meet it."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from chatpush.clock import Clock
from chatpush.domain import Identity
from chatpush.settings import Settings
from chatpush.support.assistant.assistant import Assistant
from chatpush.support.assistant.promises import Promises
from chatpush.support.conversations.conversations import Conversations
from chatpush.support.knowledge.knowledge import Knowledge
from chatpush.support.retrieval.retrieval import Retrieval
from chatpush.web.api import conversations, desk, knowledge, my_conversations, teams
from tests.support.house import House
from tests.web.harness import KEY, Client, serve


@asynccontextmanager
async def supporting(house: House, identity: Identity = KEY) -> AsyncIterator[Client]:
    """Yield a client of the whole room; ``X-As: user:ada`` asks as Ada."""
    services = {
        **house.people.staff.services(), Assistant: house.assistant, Conversations: house.conversations,
        Knowledge: house.knowledge, Promises: house.promises, Retrieval: house.retrieval, Clock: house.clock,
    }  # fmt: skip
    routes = [conversations.routes, desk.routes, teams.routes, my_conversations.routes, knowledge.routes]
    async with serve(routes, services, identity, Settings()) as client:
        yield client
