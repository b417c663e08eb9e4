"""Settings of all tests."""

import gc
from collections.abc import Iterator

import pytest
from hypothesis import settings

# Time per example depends on the machine's load; tests of time measure it themselves.
settings.register_profile("phoserve", deadline=None)
settings.load_profile("phoserve")


@pytest.fixture(scope="module", autouse=True)
def nothing_left_open(request: pytest.FixtureRequest) -> Iterator[None]:
    """Report what a file of tests leaves open there, and not in the test that runs when it is collected."""
    yield
    if "unit" not in request.path.parts:
        gc.collect()
