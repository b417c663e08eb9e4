"""`phoserve export` as it is run, against a stand-in hub: errors are reported in one line and leave nothing behind."""

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import pytest

from export.sources import WEIGHT_FILES
from phoserve.contract import MERGES_FILE, load_contract
from tests.support.checkpoint import write_checkpoint
from tests.support.hub import COMMIT, Hub, running_hub
from tests.support.patience import patient

MODEL = "someone/model"
WEIGHTS = WEIGHT_FILES[0]
OTHERS: dict[str, tuple[str, Callable[[Path], object]]] = {
    "someone/foreign": ("config.json", lambda path: _change(path, model_type="nonsense")),
    "someone/truncated": (WEIGHTS, lambda path: path.write_bytes(path.read_bytes()[:-1000])),
    "someone/tokenless": (MERGES_FILE, Path.unlink),
    "someone/weightless": (WEIGHTS, Path.unlink),
    "someone/configless": ("config.json", Path.unlink),
}


def _change(path: Path, **changes: object) -> None:
    path.write_text(json.dumps(json.loads(path.read_text()) | changes))


@pytest.fixture(scope="module")
def models(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    folder = tmp_path_factory.mktemp("hub")
    write_checkpoint(folder / MODEL)
    for name, (file, spoil) in OTHERS.items():
        shutil.copytree(folder / MODEL, folder / name)
        spoil(folder / name / file)
    return {name: folder / name for name in (MODEL, *OTHERS)}


@pytest.fixture
def hub(models: dict[str, Path]) -> Iterator[Hub]:
    with running_hub(Hub(models)) as hub:
        yield hub


Export = Callable[..., subprocess.CompletedProcess[str]]


@pytest.fixture
def export(tmp_path: Path, hub: Hub) -> Export:
    def run(
        name: str, *options: str, before: Sequence[str] = (), **environment: str
    ) -> subprocess.CompletedProcess[str]:
        command = [
            *before,
            sys.executable,
            "-m",
            "cli",
            "export",
            name,
            "--to",
            str(tmp_path / "out" / "model"),
            *options,
        ]
        home = {"HF_ENDPOINT": hub.url, "HF_HOME": str(tmp_path / "cache"), "HF_HUB_DISABLE_XET": "1"}
        return subprocess.run(
            command,
            capture_output=True,
            text=True,
            timeout=patient(120),
            check=False,
            env=os.environ | home | environment,
        )

    return run


def refused(done: subprocess.CompletedProcess[str], told: str, folder: Path) -> None:
    """Check that it failed with one line that contains `told`, and left nothing in `folder`."""
    assert done.returncode == 1, done.stderr
    assert "Traceback" not in done.stderr
    (complaint,) = [line for line in done.stderr.splitlines() if line.startswith("phoserve: ")]
    assert told in complaint
    out = folder / "out"
    assert not out.exists() or not list(out.iterdir())


def test_a_model_of_the_hub_becomes_a_model_folder(export: Export, tmp_path: Path) -> None:
    done = export(MODEL, "--json")
    assert done.returncode == 0, done.stderr
    assert load_contract(tmp_path / "out" / "model").name == MODEL
    assert COMMIT in (tmp_path / "out" / "model" / "README.md").read_text(encoding="utf-8")
    steps = [json.loads(line)["text"] for line in done.stdout.splitlines()]
    assert [step for step in steps if step.startswith(("reading", "writing", "checking"))] == [
        f"reading {MODEL}",
        "writing fp32",
        "checking fp32 against PyTorch",
        "writing int8, 7-bit weights",
        "checking int8 against PyTorch",
    ]


@pytest.mark.parametrize(
    ("name", "told"),
    [
        ("nobody/nothing", "no folder and no public hub model is called nobody/nothing"),
        ("someone/foreign", "its config has model_type 'nonsense', which transformers does not support"),
        ("someone/truncated", "are the files complete?"),
        ("someone/tokenless", f"has no {MERGES_FILE}: PhoBERT's tokenizer needs it"),
        ("someone/weightless", "has no weights"),
        ("someone/configless", "config.json is missing"),
    ],
)
def test_a_wrong_model_is_told(export: Export, tmp_path: Path, name: str, told: str) -> None:
    refused(export(name), told, tmp_path)


def test_a_gated_model_says_how_to_get_it(export: Export, hub: Hub, tmp_path: Path) -> None:
    hub.gated.add(MODEL)
    refused(export(MODEL), "accept its terms on the hub and to set HF_TOKEN", tmp_path)


def test_an_unknown_revision_is_told(export: Export, tmp_path: Path) -> None:
    refused(export(MODEL, "--revision", "v9"), f"{MODEL} has no revision v9", tmp_path)


def test_a_hub_that_fails_is_told(export: Export, hub: Hub, tmp_path: Path) -> None:
    hub.broken = True
    refused(export(MODEL), "the hub answered 500", tmp_path)


def test_no_network_is_told(export: Export, tmp_path: Path) -> None:
    refused(export(MODEL, HF_ENDPOINT="http://127.0.0.1:9"), "the hub cannot be reached", tmp_path)


def test_a_download_that_breaks_off_goes_on_where_it_stopped(export: Export, hub: Hub, tmp_path: Path) -> None:
    write_checkpoint(tmp_path / "large", hidden_size=512, intermediate_size=2048)
    hub.models = {MODEL: tmp_path / "large"}
    size = (tmp_path / "large" / WEIGHTS).stat().st_size
    hub.cut[WEIGHTS] = size - 1000
    refused(export(MODEL), "was interrupted; run the same command again", tmp_path)
    done = export(MODEL)
    assert done.returncode == 0, done.stderr
    assert load_contract(tmp_path / "out" / "model").name == MODEL
    assert hub.sent[WEIGHTS] < 1.6 * size, "what was already there is not sent again"


@contextmanager
def small_disk(folder: Path, room: str) -> Iterator[None]:
    folder.mkdir()
    mounted = subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={room}", "tmpfs", folder], check=False)
    if mounted.returncode != 0:
        pytest.skip("this machine may not mount")
    try:
        yield
    finally:
        subprocess.run(["umount", folder], check=True)


@pytest.mark.skipif(os.geteuid() != 0, reason="mounting a full disk takes root")
@pytest.mark.parametrize(
    ("full", "room", "told"),
    [("out", "100k", "the disk is too full"), ("cache", "300k", "the disk is full")],
)
def test_a_full_disk_is_told(export: Export, tmp_path: Path, full: str, room: str, told: str) -> None:
    with small_disk(tmp_path / full, room):
        refused(export(MODEL), told, tmp_path)


def test_a_disk_that_fills_up_while_writing_is_told(export: Export, hub: Hub, tmp_path: Path) -> None:
    # No file may grow beyond this, as on a disk that another program fills meanwhile: the graphs are larger.
    limited = ("prlimit", "--fsize=300000")
    refused(export(str(hub.models[MODEL]), before=limited), "the disk is full", tmp_path)
