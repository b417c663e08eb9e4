"""Several models in a release: in the default model's pods, or in pods of their own."""

import json
import socket
from contextlib import closing
from typing import Any

import pytest
from helm_python import HelmError

from cli.triton_ready import first_not_ready
from phoserve.settings import ModelsSettings
from tests.support.chart import LEAST, merged, of_kind, render

OWN = {"name": "BGE_m3", "source": "BAAI/bge-m3", "precision": "fp32", "triton": {"cpu": {"replicas": 3}}}
SHARED = {"name": "minilm", "source": "team/minilm", "revision": "abc"}
VOLUME = {"model": {"source": "volume", "export": {"enabled": True}}, "models": [OWN, SHARED]}


def rendered(*layers: dict[str, Any]) -> list[dict[str, Any]]:
    return render(merged(LEAST, VOLUME, *layers))


def deployments(manifests: list[dict[str, Any]]) -> dict[str, dict[str, Any]]:
    return {each["metadata"]["name"]: each["spec"] for each in of_kind(manifests, "Deployment")}


def assembled(spec: dict[str, Any]) -> list[str]:
    [init] = [each for each in spec["template"]["spec"]["initContainers"] if each["name"] == "assemble-repository"]
    return list(init["args"])


def environment(spec: dict[str, Any]) -> dict[str, str]:
    return {each["name"]: each.get("value", "") for each in spec["template"]["spec"]["containers"][0]["env"]}


def test_a_model_is_served_by_the_default_pods_or_by_its_own() -> None:
    parts = deployments(rendered())
    default, own = parts["phoserve-triton-cpu"], parts["phoserve-triton-bge-m3-cpu"]
    assert assembled(default)[-2:] == ["--also", '["/models/minilm"]']
    options = ["--profile", "cpu", "--precision", "fp32", "--also", "[]"]
    assert assembled(own) == ["/models/BGE_m3", "/repository/models", *options]
    assert (default["replicas"], own["replicas"]) == (1, 3)
    assert (
        own["template"]["spec"]["containers"][0]["resources"]
        == default["template"]["spec"]["containers"][0]["resources"]
    )
    assert "phoserve-triton-bge-m3-gpu" not in parts


@pytest.mark.parametrize("part", ["phoserve-api", "phoserve-worker-bulk", "phoserve-worker-interactive"])
def test_api_and_workers_know_the_folders_and_servers(part: str) -> None:
    variables = environment(deployments(rendered())[part])
    folders = json.loads(variables["PHOSERVE_MODELS__FOLDERS"])
    settings = ModelsSettings(folders=folders, servers=json.loads(variables["PHOSERVE_MODELS__SERVERS"]))
    assert [str(folder) for folder in settings.folders] == ["/models/BGE_m3", "/models/minilm"]
    [(folder, server)] = settings.servers.items()
    assert (str(folder), server.url) == ("/models/BGE_m3", "dns:///phoserve-triton-bge-m3-cpu-headless:8001")
    assert server.fallback_url is None


def test_pods_on_gpus_have_those_on_cpus_as_fallback() -> None:
    values = {"models": [{**OWN, "triton": {"gpu": {"enabled": True}}}]}
    manifests = rendered(values)
    [server] = json.loads(environment(deployments(manifests)["phoserve-api"])["PHOSERVE_MODELS__SERVERS"]).values()
    assert server == {
        "url": "dns:///phoserve-triton-bge-m3-gpu-headless:8001",
        "fallback_url": "dns:///phoserve-triton-bge-m3-cpu-headless:8001",
    }
    assert "phoserve-triton-gpu" not in deployments(manifests)


def test_each_model_with_a_source_is_exported_once() -> None:
    exports = [
        each["spec"]["template"]["spec"]["containers"][0]["args"]
        for each in of_kind(rendered(), "Job")
        if "-export-" in each["metadata"]["name"]
    ]
    assert [
        "export",
        "team/minilm",
        "--to=/models/minilm",
        "--task=embed",
        "--name=minilm",
        "--revision=abc",
    ] in exports
    assert [args[1] for args in exports].count("BAAI/bge-m3") == 1
    assert len(exports) == 3


def test_pods_of_all_models_are_reachable_scaled_and_monitored() -> None:
    scaling = {"engine": "keda", "minReplicas": 1, "maxReplicas": 2}
    own = {**OWN, "triton": {"cpu": {"autoscaling": scaling}}}
    values = {
        "models": [own],
        "networkPolicy": {"enabled": True},
        "monitoring": {"serviceMonitors": True, "prometheusUrl": "http://prometheus:9090"},
    }
    manifests = rendered(values)
    components = ["triton-cpu", "triton-bge-m3-cpu"]
    [policy] = [e for e in of_kind(manifests, "NetworkPolicy") if e["metadata"]["name"] == "phoserve-triton"]
    assert policy["spec"]["podSelector"]["matchExpressions"][0]["values"] == components
    assert {e["metadata"]["name"] for e in of_kind(manifests, "ServiceMonitor")} >= {
        f"phoserve-{c}" for c in components
    }
    [scaled] = of_kind(manifests, "ScaledObject")
    assert scaled["spec"]["scaleTargetRef"]["name"] == "phoserve-triton-bge-m3-cpu"


def test_no_probe_names_a_model() -> None:
    for spec in deployments(rendered()).values():
        for container in spec["template"]["spec"]["containers"]:
            probes = [container.get(f"{kind}Probe", {}) for kind in ("startup", "readiness", "liveness")]
            assert "phobert" not in json.dumps(probes)


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"model": {"source": "bundled"}}, "set model.source to volume"),
        ({"models": [SHARED, SHARED]}, "listed twice"),
        ({"models": [OWN, {**OWN, "name": "bge-m3"}]}, "rename one of them"),
        ({"models": [{**OWN, "triton": {"cpu": {"enabled": False}}}]}, "none are enabled"),
        ({"models": [{"source": "x"}]}, "name"),
        ({"settings": {"MODELS__FOLDERS": "[]"}}, "set models instead"),
    ],
)
def test_what_cannot_work_is_refused(values: dict[str, Any], message: str) -> None:
    with pytest.raises(HelmError, match=message):
        rendered(values)


def test_a_server_that_does_not_answer_is_not_ready() -> None:
    with closing(socket.socket()) as probe:
        probe.bind(("127.0.0.1", 0))
        assert first_not_ready(["a", "b"], probe.getsockname()[1]) == "a"
    assert first_not_ready([], 1) is None
