"""One catalogue for all tests: reading it takes most of a second."""

import pytest

from examples.shop.catalogue import Catalogue, load


@pytest.fixture(scope="session")
def catalogue() -> Catalogue:
    return load()
