"""The commands of docs/api.md work, in their order, on a running platform."""

import re
import subprocess
import sys
from pathlib import Path

import httpx
import pytest

from tests.support.hostile import docx, paragraph, pdf
from tests.support.patience import patient
from tests.support.platform import Platform
from tests.support.waiting import wait_until

PAGE = Path(__file__).parents[2] / "docs" / "api.md"
COMMAND = re.compile(r"^(?:curl|phoserve (?:search|ask)) (?:.*\\\n)*.*$", re.MULTILINE)
BLOCKS = re.findall(r"^```bash\n(.*?)^```$", PAGE.read_text(encoding="utf-8"), re.MULTILINE | re.DOTALL)
COMMANDS = [command for block in BLOCKS for command in COMMAND.findall(block)]
TIMED_OUT = 28
STREAM = "BT /F1 12 Tf 20 50 Td (Noi quy cong ty.) Tj ET"


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where the commands are typed, with the files that they name."""
    folder = tmp_path_factory.mktemp("typed")
    (folder / "noi-quy.docx").write_bytes(docx(paragraph("Nội quy công ty.")))
    page = "/Parent 2 0 R/MediaBox[0 0 200 99]/Contents 4 0 R/Resources<</Font<</F1 5 0 R>>>>"
    objects = ["<</Type/Catalog/Pages 2 0 R>>", "<</Type/Pages/Kids[3 0 R]/Count 1>>", f"<</Type/Page{page}>>"]
    content = f"<</Length {len(STREAM)}>>\nstream\n{STREAM}\nendstream"
    font = "<</Type/Font/Subtype/Type1/BaseFont/Helvetica>>"
    (folder / "so-tay.pdf").write_bytes(pdf([*objects, content, font]))
    return folder


def test_the_page_shows_how() -> None:
    assert len(COMMANDS) >= 7


@pytest.mark.parametrize("command", COMMANDS, ids=range(len(COMMANDS)))
def test_commands_are_answered(platform: Platform, http: httpx.Client, folder: Path, command: str) -> None:
    if "/samples/" in command or command.startswith("phoserve"):
        wait_until(lambda: http.get("/v1/collections/samples").json()["documents"].keys() == {"ready"}, timeout_s=120)
    endless = command.startswith("curl -N")
    options = "curl --fail-with-body" + (f" --max-time {patient(3):.0f}" if endless else "")
    typed = command.replace("localhost:8000", platform.url.removeprefix("http://")).replace("curl", options)
    typed = re.sub("^phoserve", f"{sys.executable} -m cli", typed)
    environment = {"PHOSERVE_URL": platform.url, "PYTHONPATH": str(PAGE.parents[1]), "PATH": "/usr/bin:/bin"}
    done = subprocess.run(
        ["bash", "-c", typed],
        cwd=folder,
        env=environment,
        capture_output=True,
        text=True,
        timeout=patient(60),
        check=False,
    )
    assert done.returncode == (TIMED_OUT if endless else 0), done.stdout + done.stderr
    assert done.stdout


def test_what_was_sent_becomes_ready(http: httpx.Client) -> None:
    wait_until(lambda: http.get("/v1/collections/kb").json()["documents"] == {"ready": 3}, timeout_s=60)
    http.delete("/v1/collections/kb").raise_for_status()
