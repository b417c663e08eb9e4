"""The lock holds for every supported Python, and an image holds what its program imports."""

import ast
import re
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from importlib.metadata import packages_distributions

import pytest
from packaging.markers import Marker
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name
from pathspec import GitIgnoreSpec

from deploy.lock import WHEEL, installable, simplified
from deploy.locked import ENVIRONMENTS, LOCK, requirements_of
from tests.support.chart import ROOT
from tests.support.dockerfile import DOCKERFILE

PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
# Image -> its environment of the lock, and the modules of its program.
PROGRAMS = {
    "api": ("api", ["cli.commands.serve"]),
    "worker": ("ingest", ["cli.commands.worker", "cli.commands.reembed", "cli.commands.reconcile"]),
    "export": ("export", ["cli.commands.export"]),
    "triton": ("triton", ["phoserve.serving.public_model", "phoserve.serving", "export.assemble"]),
}
ELSEWHERE = {"cli.commands.reembed": "_local"}
"""Functions that are not run in the image."""
# Outside the lock, or ours (docs/adr/0003).
OUTSIDE = {"torch", "phoserve", "pip", "setuptools"}
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
    environment, programs = PROGRAMS[image]
    imports = {name for program in programs for name in [program, *_imported_when_run(program)]}
    assert len(imports) > 2
    script = WITHOUT.format(modules=_not_in(environment), imports=", ".join(sorted(imports)))
    outcome = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=False, cwd=ROOT)
    assert outcome.returncode == 0, outcome.stderr[-1500:]


def test_every_requirement_is_pinned_and_hashed() -> None:
    requirements = re.split(r"\n(?=\S)", re.sub(r"^#.*\n", "", LOCK.read_text(), flags=re.MULTILINE))
    assert len(requirements) > 200
    for requirement in requirements:
        assert re.match(r"[\w.-]+==\S+( ; [^\\]+)? \\\n", requirement), requirement.splitlines()[0]
        assert "--hash=sha256:" in requirement, requirement.splitlines()[0]
    names = [requirement.partition("==")[0] for requirement in requirements]
    assert len(names) == len(set(names))
    assert "torch" not in names


def test_the_lock_names_no_index() -> None:
    assert "://" not in LOCK.read_text()


def test_the_environments_are_parts_of_the_whole() -> None:
    whole = requirements_of("dev", LOCK.read_text())
    assert re.sub(r"^#.*\n", "", LOCK.read_text(), flags=re.MULTILINE) == whole
    for environment in ENVIRONMENTS:
        part = requirements_of(environment, LOCK.read_text())
        assert part
        assert set(part.splitlines()) <= set(whole.splitlines())


@pytest.mark.parametrize("environment", ENVIRONMENTS)
def test_the_lock_satisfies_pyproject(environment: str) -> None:
    """A dependency that is added to an extra is locked by `make lock`."""
    locked = _versions(environment)
    wanted = [requirement for extra in ENVIRONMENTS[environment] for requirement in _requirements(extra)]
    missing = [
        str(requirement)
        for requirement in [*map(Requirement, PROJECT["dependencies"]), *wanted]
        if canonicalize_name(requirement.name) not in {"torch", "phoserve"}
        and not requirement.specifier.contains(locked.get(canonicalize_name(requirement.name), "0"))
    ]
    assert not missing, "run `make lock`"


@pytest.mark.parametrize(("python", "needed"), [("3.11.2", True), ("3.11.3", False), ("3.12.1", False)])
def test_what_only_some_pythons_need_has_a_marker(python: str, needed: bool) -> None:
    (line,) = re.findall(r"^async-timeout==\S+ ; (.*) \\$", LOCK.read_text(), flags=re.MULTILINE)
    assert Marker(line).evaluate({"python_full_version": python}) is needed


@pytest.mark.parametrize(
    ("marker", "shortest"),
    [
        ("sys_platform == 'linux' and (platform_machine == 'x86_64' or platform_machine == 'aarch64')", ""),
        ("python_full_version < '3.11.3' and sys_platform == 'linux'", "python_full_version < '3.11.3'"),
        ("python_full_version >= '3.12' or platform_machine == 'x86_64'", None),
        ("sys_platform == 'win32' or platform_machine == 'aarch64'", "platform_machine == 'aarch64'"),
    ],
)
def test_a_marker_is_shortened_to_what_tells_supported_machines_apart(marker: str, shortest: str | None) -> None:
    assert simplified(marker) == (marker if shortest is None else shortest)


@pytest.mark.parametrize(
    ("file", "machines"),
    [
        ("a-1-py3-none-any.whl", 4),
        ("a-1-py2.py3-none-any.whl", 4),
        ("a-1-cp311-cp311-manylinux_2_17_x86_64.manylinux2014_x86_64.whl", 1),
        ("a-1-cp39-abi3-manylinux_2_28_aarch64.whl", 2),
        ("a-1-cp312-abi3-manylinux_2_28_x86_64.whl", 1),
        ("a-1-cp313-cp313-manylinux_2_17_x86_64.whl", 0),
        ("a-1-cp311-cp311-musllinux_1_2_x86_64.whl", 0),
        ("a-1-cp311-cp311-win_amd64.whl", 0),
        ("a-1-cp39-cp39-manylinux_2_17_x86_64.whl", 0),
    ],
)
def test_only_files_that_can_be_installed_are_hashed(file: str, machines: int) -> None:
    match = WHEEL.search(file)
    assert match
    assert len(list(installable(match))) == machines


def test_every_environment_of_makefile_and_dockerfile_is_one_of_the_lock() -> None:
    text = "".join((ROOT / name).read_text() for name in ("Makefile", "deploy/Dockerfile"))
    assert set(re.findall(r"locked\.py ([a-z]+)", text)) == set(ENVIRONMENTS)


def _versions(environment: str) -> dict[str, str]:
    found = re.findall(r"^([\w.-]+)==(\S+)", requirements_of(environment, LOCK.read_text()), flags=re.MULTILINE)
    return {canonicalize_name(name): version for name, version in found}


def _requirements(extra: str) -> Iterator[Requirement]:
    for requirement in map(Requirement, PROJECT["optional-dependencies"][extra]):
        if requirement.name == "phoserve":
            for other in requirement.extras:
                yield from _requirements(other)
        else:
            yield requirement


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


def _not_in(environment: str) -> set[str]:
    """Top-level modules that are installed here and not by the lock's `environment`."""
    locked = {*_versions(environment), *OUTSIDE}
    return {
        module
        for module, distributions in packages_distributions().items()
        if not {canonicalize_name(each) for each in distributions} & locked
    }


def test_the_build_context_has_what_the_images_copy() -> None:
    kept = GitIgnoreSpec.from_lines((ROOT / ".dockerignore").read_text().splitlines())
    tracked = subprocess.run(["git", "ls-files"], capture_output=True, text=True, check=True, cwd=ROOT).stdout.split()
    context = [each for each in tracked if not kept.match_file(each)]
    copied = re.findall(r"^COPY (?!--from)(.+) \S+$", DOCKERFILE.read_text(), flags=re.MULTILINE)
    sources = [source.rstrip("/") for line in copied for source in line.split() if not source.startswith("--")]
    assert len(sources) > 4
    for source in sources:
        assert [each for each in context if source == "." or each == source or each.startswith(f"{source}/")], source
