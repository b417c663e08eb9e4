"""The Helm chart as the real engine renders it."""

from collections.abc import Iterator, Mapping
from functools import cache
from itertools import combinations, product
from pathlib import Path
from typing import Any, Final

import yaml
from helm_python import Chart

ROOT: Final = Path(__file__).parents[2]
CHART: Final = ROOT / "helm" / "phoserve"
NAMESPACE: Final = "search"
RELEASE: Final = "phoserve"
SECRET: Final = "phoserve-secrets"
LEAST: Final = {"secrets": {"name": SECRET}}
PROFILES: Final = {
    "defaults": (),
    "small": ("small",),
    "gpu": ("gpu",),
    "eks": ("eks",),
    "eks on GPUs": ("gpu", "eks"),
    "onprem": ("onprem",),
    "onprem on GPUs": ("gpu", "onprem"),
}

Manifest = dict[str, Any]


def merged(*layers: Mapping[str, Any]) -> dict[str, Any]:
    """The layers over each other, the last on top, as `helm --values A --values B` does."""
    result: dict[str, Any] = {}
    for layer in layers:
        for key, value in layer.items():
            below = result.get(key)
            result[key] = merged(below, value) if isinstance(below, dict) and isinstance(value, Mapping) else value
    return result


def profile_values(name: str) -> dict[str, Any]:
    """The values of a profile, with the secret that every release needs."""
    files = [yaml.safe_load((CHART / f"values-{part}.yaml").read_text()) for part in PROFILES[name]]
    return merged(*files, LEAST)


def render(values: Mapping[str, Any], *, release: str = RELEASE) -> list[Manifest]:
    """Every manifest of a release. Raises HelmError where the chart refuses the values."""
    files = _chart().render(dict(values), name=release, namespace=NAMESPACE)
    return [
        manifest
        for path, text in sorted(files.items())
        if not path.endswith("NOTES.txt")
        for manifest in yaml.safe_load_all(text)
        if manifest
    ]


def of_kind(manifests: list[Manifest], *kinds: str) -> list[Manifest]:
    """Those of the given kinds."""
    return [manifest for manifest in manifests if manifest["kind"] in kinds]


def named(manifests: list[Manifest], kind: str, name: str) -> Manifest:
    """The one of that kind and name."""
    return next(m for m in of_kind(manifests, kind) if m["metadata"]["name"] == name)


def pods(manifests: list[Manifest]) -> Iterator[tuple[str, Manifest]]:
    """Name and pod (metadata and spec) of everything that runs pods."""
    for manifest in manifests:
        name = f"{manifest['kind']}/{manifest['metadata']['name']}"
        if manifest["kind"] == "Pod":
            yield name, manifest
        elif manifest["kind"] in {"Deployment", "StatefulSet", "Job"}:
            yield name, manifest["spec"]["template"]
        elif manifest["kind"] == "CronJob":
            yield name, manifest["spec"]["jobTemplate"]["spec"]["template"]


def containers(pod: Manifest) -> list[Manifest]:
    """All containers of a pod, those that initialise it included."""
    return [*pod["spec"].get("initContainers", []), *pod["spec"]["containers"]]


def pairwise(switches: Mapping[str, list[dict[str, Any]]]) -> list[dict[str, Any]]:
    """A few settings of all switches in which every pair of two switches' positions occurs."""
    names = list(switches)
    positions = {name: range(len(switches[name])) for name in names}
    missing = {(a, i, b, j) for a, b in combinations(names, 2) for i, j in product(positions[a], positions[b])}
    rows: list[dict[str, int]] = []
    while missing:
        a, i, b, j = min(missing)
        row = {a: i, b: j}
        for name in names:
            if name not in row:
                row[name] = max(positions[name], key=lambda at: _gain(missing, row, name, at))
        rows.append(row)
        missing -= {(x, row[x], y, row[y]) for x, y in combinations(names, 2)}
    return [merged(*(switches[name][at] for name, at in row.items())) for row in rows]


def _gain(missing: set[tuple[str, int, str, int]], row: Mapping[str, int], name: str, at: int) -> int:
    return sum(
        (other, chosen, name, at) in missing or (name, at, other, chosen) in missing for other, chosen in row.items()
    )


@cache
def _chart() -> Chart:
    return Chart.load(CHART)
