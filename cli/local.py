"""The whole platform on one machine: Triton as a child process, everything else in this one."""

import asyncio
import secrets
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Final

from cli.progress import Reporter
from cli.triton_process import TritonInstallation, TritonOptions, TritonPorts, TritonProcess, TritonSupervisor
from export.repository import assemble_repository

PROFILE: Final = "local"


@asynccontextmanager
async def running_triton(model: Path, work: Path, report: Reporter) -> AsyncIterator[TritonProcess]:
    """A ready Triton server of the model, kept alive until the block ends."""
    installation = TritonInstallation.find()
    with report.step("Assembling the model repository"):
        await asyncio.to_thread(_assemble, model, work)
    options = TritonOptions(
        repository=work / "models", profile=PROFILE, work=work, admin_secret=secrets.token_urlsafe(24)
    )
    process = TritonProcess(installation, options, TritonPorts.free())
    try:
        with report.step("Starting Triton"):
            await process.start()
            await process.wait_ready()
        watch = asyncio.create_task(TritonSupervisor(process).run())
        try:
            yield process
        finally:
            watch.cancel()
    finally:
        await process.stop()


def _assemble(model: Path, work: Path) -> None:
    work.mkdir(parents=True, exist_ok=True)
    assemble_repository(model, work / "models", profile=PROFILE)
