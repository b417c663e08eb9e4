"""docs/architecture.md and the other pages name only files that exist."""

import re
from pathlib import Path
from typing import Final

import pytest

ROOT: Final = Path(__file__).parents[2]
PAGES: Final = [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md")), ROOT / "helm" / "phoserve" / "README.md"]
ARCHITECTURE: Final = ROOT / "docs" / "architecture.md"
FOLDERS: Final = sorted(path.name for path in ROOT.iterdir() if path.is_dir() and not path.name.startswith((".", "_")))
NAMED: Final = re.compile(rf"`((?:{'|'.join(FOLDERS)})/[\w./-]*)`")
LINK: Final = re.compile(r"\]\(([^)#\s]+)(?:#([^)\s]+))?\)|\]\(#([^)\s]+)\)")
CREATED_LATER: Final = {"deploy/.env", "deploy/secrets/api-keys.json"}
"""Files that `deploy/secrets.sh` creates."""
BATCHING: Final = ("API micro-batching", "Triton dynamic batching", "scheduler micro-batches", "ingestion batchers")


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_named_files_exist(page: Path) -> None:
    named = set(NAMED.findall(page.read_text("utf-8"))) - CREATED_LATER
    missing = [path for path in sorted(named) if not (ROOT / path).exists()]
    assert not missing


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_links_lead_to_files_and_headings(page: Path) -> None:
    broken = []
    for target, anchor, own in LINK.findall(page.read_text("utf-8")):
        if target.startswith("http"):
            continue
        file = page.parent / target if target else page
        anchor = anchor or own
        if not file.exists() or (anchor and anchor not in _anchors(file)):
            broken.append(f"{target}#{anchor}")
    assert not broken


def test_the_hops_of_a_query_and_a_document_are_files() -> None:
    hops = [line for line in ARCHITECTURE.read_text("utf-8").splitlines() if re.match(r"\| \d+ \|", line)]
    assert len(hops) > 20
    for hop in hops:
        named = NAMED.findall(hop.split("|")[2])
        assert named, hop
        assert all((ROOT / path).is_file() for path in named), hop


def test_every_place_of_batching_is_named() -> None:
    page = ARCHITECTURE.read_text("utf-8")
    table = page[page.index("## Batching") : page.index("## Folders")]
    assert all(place in table for place in BATCHING)
    users = [
        str(path.relative_to(ROOT))
        for folder in ("phoserve", "api", "ingest")
        for path in (ROOT / folder).rglob("*.py")
        if re.search(r"\bBatcher\(", path.read_text("utf-8")) and "class Batcher" not in path.read_text("utf-8")
    ]
    assert users
    assert not [path for path in users if f"`{path}`" not in table], "name these files on the page"


def test_every_folder_of_the_library_is_described() -> None:
    page = ARCHITECTURE.read_text("utf-8")
    folders = [path for path in (ROOT / "phoserve").iterdir() if path.is_dir() and (path / "__init__.py").exists()]
    assert not [path.name for path in folders if f"| `phoserve/{path.name}/` |" not in page]


def _anchors(page: Path) -> set[str]:
    headings = re.findall(r"^#+ (.+)$", page.read_text("utf-8"), re.MULTILINE)
    return {re.sub(r"[^\w -]", "", heading.lower()).replace(" ", "-") for heading in headings}
