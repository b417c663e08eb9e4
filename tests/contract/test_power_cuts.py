"""The power fails in the middle of an intake: every acknowledged document is there afterwards, with its original.

An ext4 image is shut down without flushing anything (EXT4_IOC_SHUTDOWN), as a power cut leaves it, and mounted again.
Needs root, loop devices and mkfs.ext4; `PHOSERVE_POWER_CUTS` sets how many cuts there are.
"""

import asyncio
import fcntl
import hashlib
import os
import random
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

import pytest

from phoserve.adapters.sources import ObjectStoreSources
from phoserve.documents.intake import Draft, Intake
from phoserve.documents.passages import PassageStores
from tests.support.memory import MemoryIndex, MemoryQueue
from tests.support.pages import all_pages
from tests.support.registry import add_collection, sqlite_registry

CUTS: Final = int(os.environ.get("PHOSERVE_POWER_CUTS", "20"))
EXT4_IOC_SHUTDOWN: Final = 0x8004587D
NO_LOG_FLUSH: Final = (2).to_bytes(4, "little")
BATCHES: Final = (1, 1, 1, 20)


def unusable() -> str:
    """Why power cannot be cut here; "" if it can."""
    if os.geteuid() != 0:
        return "only root may mount an image"
    if not all(Path(folder, "mkfs.ext4").exists() for folder in ("/sbin",)):
        return "mkfs.ext4 is not installed"
    return "" if Path("/dev/loop-control").exists() else "there are no loop devices"


@contextmanager
def mounted(image: Path, folder: Path) -> Iterator[None]:
    """The image at `folder`, until it is shut down or the block ends."""
    attempt = subprocess.run(["mount", "-o", "loop", image, folder], capture_output=True, text=True, check=False)
    if attempt.returncode:
        pytest.skip(f"an image cannot be mounted here: {attempt.stderr.strip()}")
    try:
        yield
    finally:
        subprocess.run(["umount", folder], check=True)


def cut_power(folder: Path) -> None:
    """Stop the file system without writing anything that is not on the disk yet."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        fcntl.ioctl(descriptor, EXT4_IOC_SHUTDOWN, NO_LOG_FLUSH)
    finally:
        os.close(descriptor)


@pytest.mark.slow
@pytest.mark.timeout(900)
@pytest.mark.skipif(bool(unusable()), reason=unusable())
def test_acknowledged_documents_survive_power_cuts(tmp_path: Path) -> None:
    image, folder = tmp_path / "disk", tmp_path / "mounted"
    folder.mkdir()
    with image.open("wb") as file:
        file.truncate(192 * 1024 * 1024)
    subprocess.run(["mkfs.ext4", "-q", image], check=True)
    acknowledged: set[str] = set()
    rng = random.Random(7)
    for number in range(CUTS):
        with mounted(image, folder):
            assert asyncio.run(lost(folder, acknowledged)) == set(), f"after {number} cuts"
            command = [sys.executable, "-m", __name__, str(folder), str(number)]
            with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True) as intake:
                assert intake.stdout
                intake.stdout.readline()  # it has begun
                time.sleep(rng.uniform(0.05, 1.0))
                cut_power(folder)
                intake.kill()
                acknowledged.update(intake.stdout.read().split())
    with mounted(image, folder):
        assert asyncio.run(lost(folder, acknowledged)) == set()
    assert len(acknowledged) > CUTS


async def lost(folder: Path, acknowledged: set[str]) -> set[str]:
    """Those of the acknowledged documents whose record or original is not there, or not whole."""
    if not acknowledged:
        return set()
    registry, sources = sqlite_registry(folder), ObjectStoreSources(folder / "originals")
    kb = await registry.collection("kb")
    whole = set()
    for each in await all_pages(registry, kb.id, limit=500):
        content = await sources.read(each.original.key) if each.id in acknowledged else b""
        if hashlib.sha256(content).hexdigest() == each.original.sha256:
            whole.add(each.id)
    await registry.close()
    return acknowledged - whole


async def submit_until_cut(folder: Path, run: str) -> None:
    """Take documents in, one by one and in batches, and print the id of each that is acknowledged."""
    registry, sources = sqlite_registry(folder), ObjectStoreSources(folder / "originals")
    if run == "0":
        await add_collection(registry, "kb")
    intake = Intake(registry, PassageStores([MemoryIndex("f")]), sources, MemoryQueue())
    print("begun", flush=True)  # noqa: T201 - the test reads it

    async def client(name: int) -> None:
        for round_ in range(10_000):
            ids = [f"r{run}-c{name}-{round_}-{n}" for n in range(BATCHES[name])]
            await intake.submit("kb", [Draft(f"nội dung {id_} ".encode() * 20, id=id_) for id_ in ids])
            print("\n".join(ids), flush=True)  # noqa: T201 - the test reads it

    await asyncio.gather(*(client(name) for name in range(len(BATCHES))))


if __name__ == "__main__":
    asyncio.run(submit_until_cut(Path(sys.argv[1]), sys.argv[2]))
