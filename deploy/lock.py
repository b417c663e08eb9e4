"""Lock every dependency with hashes in requirements.txt: `make lock`.

One resolution by uv covers every environment: Python 3.11 and 3.12, Linux on x86-64 and ARM. A locked requirement has
an environment marker if it is needed on some machines only, the hashes of the files that those machines can install,
and a comment with the environments of `deploy/locked.py` that need it. Versions that are locked already are kept,
unless a requirement of pyproject.toml now excludes one, or UPGRADE=1 is set.
"""

import itertools
import json
import os
import re
import subprocess
import sys
import tempfile
import tomllib
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

from packaging.markers import Marker

from deploy.locked import ENVIRONMENTS, LOCK

# The right build of torch, and the CUDA libraries that it needs, depend on the machine (docs/adr/0003).
OUTSIDE: Final = re.compile(r"torch|triton|cuda-.*|nvidia-(?!pytriton).*")
MACHINES: Final = ("x86_64", "aarch64")
PYTHONS: Final = ("3.11.0", "3.11.99", "3.12.0", "3.12.99")
UV_OPTIONS: Final = """
[tool.uv]
environments = ["sys_platform == 'linux' and (platform_machine == 'x86_64' or platform_machine == 'aarch64')"]
constraint-dependencies = {constraints}
"""
HEADER: Final = """\
# Every dependency, locked by `make lock`; do not edit. This is the environment `dev`;
# `python deploy/locked.py ENVIRONMENT` prints that of another one. The comments name the environments.
"""
WHEEL: Final = re.compile(r"-(?P<python>[^-]+)-(?P<abi>[^-]+)-(?P<platform>[^-]+)\.whl$")
ATOM: Final = re.compile(r"[a-z_]+ (?:==|!=|<=|>=|<|>) '[^']+'")


def main() -> int:
    """Write requirements.txt and return the exit status."""
    kept = [] if os.environ.get("UPGRADE") else list(locked_versions())
    with tempfile.TemporaryDirectory() as folder:
        if not resolve(Path(folder), kept):
            if not kept:
                return 1
            print("The versions above cannot be kept; resolving all of them again.", file=sys.stderr)
            if not resolve(Path(folder), []):
                return 1
        LOCK.write_text(HEADER + "".join(render(Path(folder))))
    print(f"{LOCK.name}: {len(list(locked_versions()))} packages", file=sys.stderr)
    return 0


def locked_versions() -> Iterator[str]:
    """Yield `name==version` and the marker of each locked requirement."""
    for line in LOCK.read_text().splitlines() if LOCK.exists() else []:
        if line[:1].isalnum():
            yield line.removesuffix("\\").strip()


def resolve(folder: Path, constraints: list[str]) -> bool:
    """Resolve all extras of pyproject.toml into `folder`/uv.lock; print uv's message and return False on a conflict."""
    options = UV_OPTIONS.format(constraints=json.dumps(constraints))
    (folder / "pyproject.toml").write_text((LOCK.parent / "pyproject.toml").read_text() + options)
    (folder / "README.md").touch()
    command = uv("lock", "--python", sys.executable)
    outcome = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)
    if outcome.returncode:
        print(outcome.stderr, file=sys.stderr)
    return outcome.returncode == 0


def render(folder: Path) -> Iterator[str]:
    """Yield the text of each requirement, in order of name."""
    needed: defaultdict[str, dict[str, list[str]]] = defaultdict(lambda: defaultdict(list))
    for environment, extras in ENVIRONMENTS.items():
        for requirement, marker in exported(folder, extras):
            needed[requirement][marker].append(environment)
    hashes = {f"{each['name']}=={each['version']}": file_hashes(each) for each in read_lock(folder)}
    for requirement, by_marker in sorted(needed.items()):
        # What one environment needs on every machine does no harm in another that needs it on some machines.
        marker = "" if "" in by_marker else " or ".join(sorted(by_marker))
        environments = [each for each in ENVIRONMENTS if any(each in some for some in by_marker.values())]
        lines = [f"{requirement} ; {marker}" if marker else requirement]
        lines += [f"--hash={digest}" for digest in hashes[requirement]]
        yield " \\\n    ".join(lines) + f"  # {' '.join(environments)}\n"


def exported(folder: Path, extras: list[str]) -> Iterator[tuple[str, str]]:
    """Yield `name==version` and marker of everything that `extras` need."""
    options = ["--frozen", "--no-emit-project", "--no-hashes", "--no-header", "--no-annotate"]
    command = uv("export", *options, *(f"--extra={extra}" for extra in extras))
    outcome = subprocess.run(command, cwd=folder, stdout=subprocess.PIPE, text=True, check=True)
    for line in outcome.stdout.splitlines():
        requirement, _, marker = line.partition(" ; ")
        needed = any(Marker(marker or "sys_platform == 'linux'").evaluate(machine) for machine in machines(marker))
        if needed and not OUTSIDE.fullmatch(requirement.partition("==")[0]):
            yield requirement.strip(), simplified(marker.strip())


def simplified(marker: str) -> str:
    """Return the shortest marker that holds on the same of the supported machines as `marker`."""
    wanted = [not marker or Marker(marker).evaluate(machine) for machine in machines(marker)]
    if all(wanted):
        return ""
    atoms = sorted(set(ATOM.findall(marker)))
    for count in (1, 2):
        for some in itertools.combinations(atoms, count):
            shorter = " and ".join(some)
            if [Marker(shorter).evaluate(machine) for machine in machines(marker)] == wanted:
                return shorter
    return marker


def machines(marker: str) -> Iterator[dict[str, str]]:
    """Yield the supported machines that `marker` may distinguish."""
    named = [version for version in re.findall(r"'(3\.1[12]\.\d+)'", marker) if version[-2:] != ".0"]
    before = [re.sub(r"\d+$", lambda last: str(int(last.group()) - 1), version) for version in named]
    for python, machine in itertools.product((*PYTHONS, *named, *before), MACHINES):
        yield {
            "python_full_version": python,
            "python_version": python.rpartition(".")[0],
            "platform_machine": machine,
            "sys_platform": "linux",
            "platform_system": "Linux",
            "os_name": "posix",
            "implementation_name": "cpython",
            "platform_python_implementation": "CPython",
        }


def file_hashes(package: dict[str, Any]) -> list[str]:
    """Return the hashes of the wheels that supported machines can install; of the source, where one has no wheel."""
    wheels = {wheel["hash"]: WHEEL.search(wheel["url"]) for wheel in package.get("wheels", [])}
    served = {digest: set(installable(match)) for digest, match in wheels.items() if match}
    hashes = sorted(digest for digest, by in served.items() if by)
    everywhere = set(itertools.product(("cp311", "cp312"), MACHINES))
    if set().union(*served.values()) != everywhere and "sdist" in package:
        hashes.append(package["sdist"]["hash"])
    return hashes


def installable(wheel: re.Match[str]) -> Iterator[tuple[str, str]]:
    """Yield the Pythons and machines that can install a wheel with this name."""
    for python, machine in itertools.product(("cp311", "cp312"), MACHINES):
        tags = wheel["python"].split(".")
        older = any(re.fullmatch(r"cp3\d+", tag) and int(tag[3:]) <= int(python[3:]) for tag in tags)
        if ({"py3", python} & set(tags) or ("abi3" in wheel["abi"] and older)) and any(
            platform == "any" or (platform.startswith(("linux", "manylinux")) and platform.endswith(machine))
            for platform in wheel["platform"].split(".")
        ):
            yield python, machine


def read_lock(folder: Path) -> list[dict[str, Any]]:
    """Return the packages of uv.lock that have a version."""
    packages: list[dict[str, Any]] = tomllib.loads((folder / "uv.lock").read_text())["package"]
    return [each for each in packages if "version" in each]


def uv(*arguments: str) -> list[str]:
    """Return the command line of this environment's uv."""
    return [sys.executable, "-m", "uv", *arguments]


if __name__ == "__main__":
    sys.exit(main())
