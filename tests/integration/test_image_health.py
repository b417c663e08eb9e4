"""The Triton image's health check on the real server: an encoder that could not be loaded is no health."""

import subprocess
import sys
from pathlib import Path

import export.bundled
from cli.triton_process import TritonInstallation, TritonOptions, TritonPorts, TritonProcess
from export.repository import assemble_repository
from phoserve.contract import CPU_ENCODER
from tests.support.chart import ROOT
from tests.support.dockerfile import health_check
from tests.support.polling import eventually
from tests.support.triton import ADMIN_SECRET, running_triton

MODEL = Path(export.bundled.__path__[0])
TOLERANT = ("--exit-on-error=false", "--strict-readiness=false")
"""As the chart starts it."""


def is_well(ports: TritonPorts, repository: Path, *, encoders: bool = True) -> bool:
    """The image's check; without `encoders` its second part alone, which asks for the public models."""
    shell, flag, script = health_check("triton")
    assert shell == "sh"
    here = f"{sys.executable} -m cli.triton_ready --host {ports.host} --port {ports.http}"
    script = script.replace("python -m cli.triton_ready", here).replace("/repository/models", str(repository))
    of_encoders, of_public = script.split(" && ")
    assert "--encoders" in of_encoders
    chosen = script if encoders else of_public
    return subprocess.run([shell, flag, chosen], cwd=ROOT, capture_output=True, check=False).returncode == 0


async def test_a_server_with_its_encoder_is_well(tmp_path: Path) -> None:
    assemble_repository(MODEL, tmp_path / "models", profile="local")
    async with running_triton(tmp_path / "models", tmp_path, extra=TOLERANT) as process:
        assert is_well(process.ports, tmp_path / "models")


async def test_a_server_without_its_encoder_is_not(tmp_path: Path) -> None:
    assemble_repository(MODEL, tmp_path / "models", profile="local")
    (tmp_path / "models" / CPU_ENCODER / "1" / "model.py").write_text("raise ImportError('no encoder')")
    options = TritonOptions(tmp_path / "models", "local", tmp_path, ADMIN_SECRET, extra=TOLERANT)
    process = TritonProcess(TritonInstallation.find(), options, TritonPorts.free())
    await process.start()
    try:
        await eventually(lambda: is_well(process.ports, tmp_path / "models", encoders=False), timeout_s=60)
        assert not is_well(process.ports, tmp_path / "models")
    finally:
        await process.stop()
