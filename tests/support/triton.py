"""A real Triton server over an assembled repository."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from cli.triton_process import TritonInstallation, TritonOptions, TritonPorts, TritonProcess

ADMIN_SECRET = "s3cret"
API_KEY = "k3y"


@asynccontextmanager
async def running_triton(
    repository: Path,
    work: Path,
    *,
    profile: str = "local",
    extra: tuple[str, ...] = (),
    api_key: str | None = None,
) -> AsyncIterator[TritonProcess]:
    """Serve `repository` until the block ends; `work` receives the server's log and backends."""
    options = TritonOptions(repository, profile, work, ADMIN_SECRET, api_key, extra)
    process = TritonProcess(TritonInstallation.find(), options, TritonPorts.free())
    await process.start()
    try:
        await process.wait_ready()
        yield process
    finally:
        await process.stop()
