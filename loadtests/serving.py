"""Start a Triton server for a load test, with a repository that the test prepares."""

import contextlib
import tempfile
from collections.abc import AsyncIterator, Callable
from pathlib import Path

from cli.triton_process import TritonInstallation, TritonOptions, TritonPorts, TritonProcess
from export.repository import Profile
from phoserve.adapters.triton.embedder import TritonEmbedder
from phoserve.contract import load_contract


@contextlib.asynccontextmanager
async def serving(
    model: Path, prepare: Callable[[Path], None], *, profile: Profile = "local"
) -> AsyncIterator[tuple[TritonProcess, TritonEmbedder]]:
    """Serve the repository that `prepare` writes. The work folder is next to `model`, so that hard links work."""
    with tempfile.TemporaryDirectory(dir=model.parent) as folder:
        work = Path(folder)
        prepare(work / "models")
        options = TritonOptions(work / "models", profile, work, admin_secret="bench")  # noqa: S106 - loopback, one run
        server = TritonProcess(TritonInstallation.find(), options, TritonPorts.free())
        await server.start()
        try:
            await server.wait_ready()
            embedder = TritonEmbedder(server.ports.grpc_url, load_contract(model), timeout_s=600)
            yield server, embedder
            await embedder.close()
        finally:
            await server.stop()
