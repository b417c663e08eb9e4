"""The compose files as Docker would read them: variables filled in, one file laid over the other."""

import re
from graphlib import TopologicalSorter
from pathlib import Path
from typing import Any

import yaml

from tests.support.chart import ROOT, merged

DEPLOY = ROOT / "deploy"
VARIABLE = re.compile(r"\$\{(\w+)(?::([-?])([^}]*))?\}")
SECRETS = {
    "QDRANT_API_KEY",
    "POSTGRES_PASSWORD",
    "REDIS_PASSWORD",
    "TRITON_ADMIN_SECRET",
    "TRITON_API_KEY",
    "GRAFANA_PASSWORD",
    "LLM_API_KEY",
}


HEALTHY = "service_healthy"
SUCCEEDED = "service_completed_successfully"


def start_stages(wanted: list[str]) -> list[list[str]]:
    """The services of `compose.yaml` that `wanted` need, each after what it depends on."""
    known = services("compose.yaml")
    graph: dict[str, set[str]] = {}
    waiting = list(wanted)
    while waiting:
        name = waiting.pop()
        if name not in graph:
            graph[name] = set(known[name].get("depends_on", {}))
            waiting += graph[name]
    order = TopologicalSorter(graph)
    order.prepare()
    stages = []
    while order.is_active():
        ready = sorted(order.get_ready())
        stages.append(ready)
        order.done(*ready)
    return stages


def conditions() -> dict[str, str]:
    """What the services that others depend on must have reached, by name."""
    found: dict[str, str] = {}
    for service in services("compose.yaml").values():
        for name, condition in service.get("depends_on", {}).items():
            assert found.setdefault(name, condition["condition"]) == condition["condition"], name
    return found


class _Loader(yaml.SafeLoader):
    """YAML with compose's tag for a value that replaces the one of earlier files."""


def _replacing(loader: _Loader, node: yaml.Node) -> Any:
    if isinstance(node, yaml.SequenceNode):
        return loader.construct_sequence(node, deep=True)
    assert isinstance(node, yaml.MappingNode)
    return loader.construct_mapping(node, deep=True)


_Loader.add_constructor("!override", _replacing)


def services(*files: str, **variables: str) -> dict[str, dict[str, Any]]:
    """The services of the files, each with its secrets as `$(NAME)`, the way Kubernetes writes them."""
    layers = [_read(DEPLOY / file, variables)["services"] for file in files]
    found: dict[str, dict[str, Any]] = merged(*layers)
    return {name: merged(_extended(service, variables), service) for name, service in found.items()}


def _extended(service: dict[str, Any], variables: dict[str, str]) -> dict[str, Any]:
    if "extends" not in service:
        return {}
    base = service["extends"]
    extended: dict[str, Any] = _read(DEPLOY / base["file"], variables)["services"][base["service"]]
    return extended


def _read(path: Path, variables: dict[str, str]) -> dict[str, Any]:
    def value(match: re.Match[str]) -> str:
        name, operator, rest = match.groups()
        if name in SECRETS:
            return f"$({name})"
        if name in variables:
            return variables[name]
        assert operator == "-", f"{path.name}: ${{{name}}} has no default"
        return str(rest)

    document: dict[str, Any] = yaml.load(VARIABLE.sub(value, path.read_text()), _Loader)  # noqa: S506 - a SafeLoader
    return document
