"""The import rules of pyproject.toml hold, and a forbidden import breaks them."""

import shutil
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

from tests.support.chart import ROOT

RULES = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["importlinter"]
VIOLATIONS = {
    "a use case imports an adapter": ("phoserve/documents/intake.py", "import phoserve.adapters.qdrant.index"),
    "a use case imports the settings": ("phoserve/search/retrieval.py", "import phoserve.settings"),
    "a use case imports the composition": ("phoserve/answers/answering.py", "import phoserve.composition"),
    "a lower layer imports a higher one": ("phoserve/text/lexical.py", "import phoserve.documents.records"),
    "neighbours import each other": ("phoserve/embedding/ports.py", "import phoserve.documents.records"),
    "the library imports the API": ("phoserve/errors.py", "import api.app"),
    "ingestion imports the export": ("ingest/staging.py", "import export.model_folder"),
    "the API imports a command": ("api/app.py", "import cli.main"),
    "the product imports the benchmarks": ("cli/local.py", "import loadtests.overload"),
    "a new folder has no layer": ("phoserve/shelf/__init__.py", '"""A capability without a place in the rules."""'),
}


@pytest.fixture(scope="module")
def tree(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy of the code and its rules."""
    folder = tmp_path_factory.mktemp("tree")
    shutil.copy(ROOT / "pyproject.toml", folder)
    for package in RULES["root_packages"]:
        for file in (ROOT / package).rglob("*.py"):
            copy = folder / file.relative_to(ROOT)
            copy.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(file, copy)
    return folder


def test_the_tree_keeps_the_rules(tree: Path) -> None:
    outcome = lint(tree)
    assert outcome.returncode == 0, outcome.stdout


@pytest.mark.parametrize("violation", VIOLATIONS)
def test_a_forbidden_import_is_caught(tree: Path, violation: str) -> None:
    name, line = VIOLATIONS[violation]
    file = tree / name
    before = file.read_text() if file.exists() else None
    assert before is not None or line.startswith('"')
    file.parent.mkdir(exist_ok=True)
    file.write_text(f"{before or ''}\n{line}\n")
    try:
        outcome = lint(tree)
    finally:
        if before is None:
            shutil.rmtree(file.parent)
        else:
            file.write_text(before)
    assert outcome.returncode != 0, f"{line!r} in {name} was not caught"
    imported = line.removeprefix("import ")
    assert "BROKEN" in outcome.stdout
    assert (imported in outcome.stdout) == (before is not None)


def lint(tree: Path) -> subprocess.CompletedProcess[str]:
    """Run import-linter as `make lint` does."""
    command = [str(Path(sys.executable).parent / "lint-imports"), "--no-cache"]
    return subprocess.run(command, cwd=tree, env={"PYTHONPATH": str(tree)}, capture_output=True, text=True, check=False)
