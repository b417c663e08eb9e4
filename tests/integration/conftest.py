"""A deployed platform, for tests of what happens to it: the API and workers as processes, and a real Triton server."""

from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest
import pytest_asyncio

from cli.triton_process import TritonProcess
from export.repository import assemble_repository
from tests.support.deployed import MODEL, Deployed, deployed
from tests.support.triton import running_triton


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def triton(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[TritonProcess]:
    """Serve the bundled model, for the tests of one file."""
    work = tmp_path_factory.mktemp("triton")
    assemble_repository(MODEL, work / "models", profile="local")
    async with running_triton(work / "models", work) as process:
        yield process


@pytest.fixture
def platform(tmp_path: Path, triton: TritonProcess) -> Iterator[Deployed]:
    """Return a platform with empty stores."""
    with deployed(tmp_path, triton.ports.grpc_url) as platform:
        yield platform
