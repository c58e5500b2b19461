"""The room of customer service, and an endpoint that makes vectors, as fixtures."""

from collections.abc import AsyncIterator

import pytest

from chatpush.store.database import Database
from chatpush.store.vault import Vault
from chatpush.support.model.budget import Budget
from chatpush.support.model.writer import Writer
from chatpush.support.retrieval.embedding import EndpointEmbedder
from chatpush.support.retrieval.vectors import Vectors
from chatpush.writer_settings import Writer as WriterSettings
from tests.clocks import StillClock
from tests.support.house import House, build
from tests.support.scripted_model import ScriptedModel, scripted_model
from tests.support.vectoring import embeds


@pytest.fixture
async def house(database: Database, vault: Vault, still_clock: StillClock) -> AsyncIterator[House]:
    """The room without a model."""
    house = await build(database, vault, still_clock)
    yield house
    await house.close()


@pytest.fixture
async def model() -> AsyncIterator[ScriptedModel]:
    """A scripted endpoint."""
    async with scripted_model() as model:
        model.json["embeddings"] = embeds
        yield model


@pytest.fixture
async def writer(model: ScriptedModel, database: Database, still_clock: StillClock) -> AsyncIterator[Writer]:
    """A writer that asks it."""
    settings = WriterSettings(
        base_url=model.url, api_key="k", model="m", embedding_model="e", rerank_model="r",
        daily_tokens_per_user=0, first_token_seconds=1.0,
    )  # fmt: skip

    async def pause(_: float) -> None:
        """Don't wait."""

    writer = Writer(settings, Budget(database, still_clock, settings), still_clock, pause=pause)
    yield writer
    await writer.close()


@pytest.fixture
async def vectors(writer: Writer, database: Database, vault: Vault) -> AsyncIterator[Vectors]:
    """The store of vectors."""
    vectors = Vectors(database, vault, EndpointEmbedder(writer, "e"))
    yield vectors
    await vectors.stop()
