"""Measurements with their machine, and the files that store them."""

import csv
import importlib.metadata
import json
import os
import platform
import statistics
import sys
from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from itertools import permutations
from pathlib import Path
from typing import Any, Final

PACKAGES: Final = ("phoserve", "numpy", "onnxruntime", "nvidia-pytriton", "qdrant-edge-py", "litestar", "uvicorn")


Key = tuple[str, str, str, int]
"""Suite, workload, contender, clients."""


@dataclass(frozen=True, slots=True)
class Measurement:
    """One round of one run."""

    suite: str
    contender: str
    workload: str
    clients: int
    round: int
    figures: dict[str, float]

    @property
    def key(self) -> Key:
        """The key shared by its rounds."""
        return self.suite, self.workload, self.contender, self.clients


@dataclass(slots=True)
class Results:
    """All measurements of a benchmark."""

    settings: dict[str, Any]
    machine: dict[str, Any] = field(default_factory=lambda: this_machine())
    measurements: list[Measurement] = field(default_factory=list)
    begun: str = field(default_factory=lambda: datetime.now(UTC).isoformat(timespec="seconds"))

    def medians(self) -> dict[Key, dict[str, float]]:
        """Return every figure's median over the rounds, in the order of measuring."""
        rounds: dict[Key, list[dict[str, float]]] = defaultdict(list)
        for each in self.measurements:
            rounds[each.key].append(each.figures)
        return {key: _median(figures) for key, figures in rounds.items()}

    def ratios(self) -> dict[Key, dict[str, float]]:
        """Return the ratios of a contender's texts/s to each other's with as many clients: the rounds' median.

        A limit has no clients and is compared with any number of them. Drift of the machine between rounds cancels out.
        """
        found: dict[Key, dict[str, list[float]]] = defaultdict(lambda: defaultdict(list))
        for one, other in permutations(self.measurements, 2):
            same = (one.suite, one.workload, one.round) == (other.suite, other.workload, other.round)
            if same and one.clients and other.clients in {one.clients, 0}:
                found[one.key][other.contender].append(one.figures["texts_per_s"] / other.figures["texts_per_s"])
        return {key: {name: statistics.median(each) for name, each in others.items()} for key, others in found.items()}

    def write(self, folder: Path) -> None:
        """Write results.json with everything and results.csv with a line per measurement."""
        folder.mkdir(parents=True, exist_ok=True)
        (folder / "results.json").write_text(json.dumps(asdict(self), indent=1, ensure_ascii=False))
        names = list(dict.fromkeys(name for each in self.measurements for name in each.figures))
        with (folder / "results.csv").open("w", newline="", encoding="utf-8") as file:
            writer = csv.writer(file)
            writer.writerow(["suite", "contender", "workload", "clients", "round", *names])
            for each in self.measurements:
                fixed = [each.suite, each.contender, each.workload, each.clients, each.round]
                writer.writerow([*fixed, *(each.figures.get(name, "") for name in names)])

    @classmethod
    def read(cls, path: Path) -> "Results":
        """Read the folder that `write` wrote, or its results.json."""
        kept = json.loads((path / "results.json" if path.is_dir() else path).read_text())
        kept["measurements"] = [Measurement(**each) for each in kept["measurements"]]
        return cls(**kept)


def compare(before: Results, after: Results) -> list[tuple[Key, str, float, float]]:
    """Return key, figure, old and new value of every figure that both have."""
    old, new = before.medians(), after.medians()
    return [
        (key, name, old[key][name], new[key][name])
        for key in old
        if key in new
        for name in old[key]
        if name in new[key]
    ]


def this_machine() -> dict[str, Any]:
    """Return processor, cores, memory, system and versions."""
    pages = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    return {
        "processor": _processor(),
        "cores": len(os.sched_getaffinity(0)),
        "memory_gb": round(pages / 2**30, 1),
        "system": platform.platform(),
        "python": sys.version.split()[0],
        "versions": dict(_versions(PACKAGES)),
    }


def _median(rounds: Sequence[dict[str, float]]) -> dict[str, float]:
    names = dict.fromkeys(name for figures in rounds for name in figures)
    return {name: statistics.median(each[name] for each in rounds if name in each) for name in names}


def _processor() -> str:
    lines = Path("/proc/cpuinfo").read_text().splitlines()
    return next((line.split(":", 1)[1].strip() for line in lines if line.startswith("model name")), platform.machine())


def _versions(packages: Iterable[str]) -> Iterable[tuple[str, str]]:
    for name in packages:
        try:
            yield name, importlib.metadata.version(name)
        except importlib.metadata.PackageNotFoundError:
            continue
