"""An image holds what its program imports: its lock is checked, not this machine's larger environment."""

import ast
import re
import subprocess
import sys
from collections.abc import Iterator
from importlib.metadata import packages_distributions
from pathlib import Path

import pytest

from tests.support.chart import ROOT

# Image -> lock, and what its program imports.
PROGRAMS = {
    "api": ("api", ["cli.commands.serve"]),
    "worker": ("ingest", ["cli.commands.worker", "cli.commands.reembed", "cli.commands.reconcile"]),
    "export": ("export", ["cli.commands.export"]),
    "triton": ("triton", ["phoserve.serving.public_model", "phoserve.serving", "export.assemble"]),
}
ELSEWHERE = {"cli.commands.reembed": "_local"}
"""Functions that are not run in the image."""
# Outside the lock, or ours (docs/adr/0003).
BESIDE = {"torch", "phoserve", "pip", "setuptools"}
WITHOUT = """
import sys
class Without:
    def __init__(self, finder):
        self.finder = finder
    def find_spec(self, name, path=None, target=None):
        missing = name.partition(".")[0] in {modules!r}
        return None if missing else self.finder.find_spec(name, path, target)
    def __getattr__(self, name):
        return getattr(self.finder, name)
sys.meta_path[:] = [Without(finder) for finder in sys.meta_path]
import {imports}
"""


@pytest.mark.parametrize("image", PROGRAMS)
def test_the_lock_has_what_the_program_imports(image: str) -> None:
    lock, programs = PROGRAMS[image]
    imports = {name for program in programs for name in [program, *_imported_when_run(program)]}
    assert len(imports) > 2
    script = WITHOUT.format(modules=_not_in(ROOT / "requirements" / f"{lock}.txt"), imports=", ".join(sorted(imports)))
    outcome = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=False, cwd=ROOT)
    assert outcome.returncode == 0, outcome.stderr[-1500:]


@pytest.mark.parametrize("lock", sorted((ROOT / "requirements").glob("*.txt")), ids=lambda path: path.stem)
def test_locks_are_pinned_and_hashed(lock: Path) -> None:
    requirements = re.split(r"\n(?=\S)", re.sub(r"^\s*#.*\n?", "", lock.read_text(), flags=re.MULTILINE))
    assert len(requirements) > 10
    for requirement in requirements:
        assert re.match(r"[\w.\[\],-]+==\S+", requirement), requirement.splitlines()[0]
        assert "--hash=sha256:" in requirement, requirement.splitlines()[0]


def test_every_lock_of_the_dockerfile_is_there_and_made_by_the_script() -> None:
    used = set(re.findall(r"/requirements/(\w+)\.txt", (ROOT / "deploy" / "Dockerfile").read_text()))
    script = (ROOT / "deploy" / "lock.sh").read_text()
    assert len(used) >= 4
    for name in used:
        assert (ROOT / "requirements" / f"{name}.txt").is_file()
        assert re.search(rf"\b{name}\b", script)


def _imported_when_run(program: str) -> Iterator[str]:
    """The modules that functions of `program` import."""
    tree = ast.parse((ROOT / f"{program.replace('.', '/')}.py").read_text()) if program.startswith("cli.") else None
    for function in tree.body if tree else []:
        if isinstance(function, ast.FunctionDef | ast.AsyncFunctionDef) and function.name != ELSEWHERE.get(program):
            for node in ast.walk(function):
                if isinstance(node, ast.Import):
                    yield from (alias.name for alias in node.names)
                elif isinstance(node, ast.ImportFrom) and node.module:
                    yield node.module


def _not_in(lock: Path) -> set[str]:
    """Top-level modules that are installed here and not by that lock."""
    locked = {_normal(name) for name in re.findall(r"^([\w.-]+)(?:\[.*\])?==", lock.read_text(), flags=re.MULTILINE)}
    return {
        module
        for module, distributions in packages_distributions().items()
        if not {_normal(each) for each in distributions} & (locked | BESIDE)
    }


def _normal(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()
