"""Every profile and every pair of switches gives manifests that Kubernetes takes."""

from typing import Any

import pytest
from helm_python import chart as helm

from phoserve.contract import RERANKER as RERANKER_MODEL
from tests.support.chart import CHART, LEAST, PROFILES, merged, named, of_kind, pairwise, profile_values, render
from tests.support.kubernetes import VERSIONS, check

PLAN = {
    "model": {"source": "volume", "plan": {"enabled": True}},
    "triton": {"gpu": {"enabled": True, "profile": "tensorrt"}},
}
EGRESS = {"to": [{"namespaceSelector": {"matchLabels": {"team": "data"}}}], "ports": [{"port": 9000}]}
RERANKER = {"name": "reranker", "source": "team/reranker", "revision": "b" * 40}
SWITCHES: dict[str, list[dict[str, Any]]] = {
    "model": [
        {"model": {"source": "volume", "export": {"enabled": True}}},
        {"model": {"source": "volume", "export": {"enabled": True}, "reranker": RERANKER}},
        {"model": {"source": "volume", "volume": {"existingClaim": "models", "storageClassName": "efs"}}},
        {"model": {"source": "image", "image": {"reference": "registry.example.com/model:1"}}},
    ],
    "gpu": [
        {},
        {"triton": {"gpu": {"enabled": True, "gpu": {"resource": "nvidia.com/mig-1g.10gb", "count": 1}}}},
        {"triton": {"gpu": {"enabled": True, "profile": "ort-tensorrt"}}},
    ],
    "cpu profile": [{}, {"triton": {"cpu": {"runtimeClassName": "kata"}}}],
    "qdrant": [
        {},
        {"qdrant": {"replicas": 3}},
        {"qdrant": {"enabled": False, "externalUrl": "https://qdrant.example.com:6333"}},
    ],
    "reembed": [{}, {"reembed": {"enabled": True}}],
    "postgres": [
        {},
        {
            "postgres": {
                "enabled": False,
                "externalUrl": "postgresql://phoserve@db.example.com/phoserve?sslmode=verify-full",
                "ca": {"secret": "db-ca"},
            }
        },
    ],
    "redis": [{}, {"redis": {"enabled": False, "externalUrl": "rediss://cache.example.com:6379/0"}}],
    "llm": [{}, {"llm": {"enabled": True}}, {"llm": {"externalUrl": "https://llm.example.com/v1"}}],
    "sources": [{}, {"sources": {"url": "s3://bucket/originals", "volume": {"enabled": False}}}],
    "door": [
        {},
        {"api": {"ingress": {"enabled": True, "host": "a.example.com", "tlsSecretName": "tls"}}},
        {"api": {"httpRoute": {"enabled": True, "hostnames": ["a.example.com"], "parentRefs": [{"name": "gw"}]}}},
    ],
    "scaling": [
        {part: {"autoscaling": {"engine": engine}} for part in ("api",)}
        | {"workers": {queue: {"autoscaling": {"engine": engine}} for queue in ("interactive", "bulk")}}
        | {"triton": {part: {"autoscaling": {"engine": engine}} for part in ("gpu", "cpu")}}
        for engine in ("none", "hpa", "keda")
    ],
    "bulk": [{}, {"workers": {"bulk": {"enabled": False}}}],
    "network": [
        {},
        {"networkPolicy": {"enabled": False}},
        {"networkPolicy": {"apiFrom": [{"podSelector": {}}], "external": {"cidrs": []}, "egress": [EGRESS]}},
    ],
    "monitoring": [
        {},
        {"monitoring": {"serviceMonitors": True, "rules": True, "dashboards": True, "labels": {"release": "prom"}}},
        {"monitoring": {"otlpEndpoint": "http://otel.monitoring:4318/v1/traces"}},
    ],
    "placement": [
        {},
        {"topologySpread": [], "priorityClasses": {"serving": {"value": 10}}, "api": {"priorityClassName": "serving"}},
    ],
    "images": [{}, {"image": {"digests": {"api": "sha256:" + "0" * 64}, "pullSecrets": ["registry"]}}],
    "names": [{}, {"fullnameOverride": "a-rather-long-name-that-somebody-has-chosen-for-it"}],
    "load": [{}, {"loadtest": {"enabled": True, "userClasses": ["SearchUser"], "args": ["--stop-timeout=30"]}}],
    "backup": [
        {},
        {"backup": {"enabled": True}},
        {"backup": {"enabled": True, "upload": "s3://backups/search", "volume": {"existingClaim": "backups"}}},
        {"backup": {"enabled": True, "restore": "2026-11-29T020000Z"}},
    ],
    "extra": [{}, {"settings": {"LIMITS__MAX_IN_FLIGHT": 128}, "serviceAccount": {"annotations": {"a": "b"}}}],
}


@pytest.mark.parametrize("version", VERSIONS)
@pytest.mark.parametrize("profile", PROFILES)
def test_kubernetes_takes_every_profile(profile: str, version: str) -> None:
    manifests = render(profile_values(profile))
    assert len(manifests) > 15
    for manifest in manifests:
        check(manifest, version)


@pytest.mark.parametrize("values", [merged(LEAST, row) for row in pairwise(SWITCHES)], ids=str)
def test_kubernetes_takes_every_pair_of_switches(values: dict[str, Any]) -> None:
    for manifest in render(values):
        for version in VERSIONS:
            check(manifest, version)


def test_a_plan_is_built_where_it_will_run_and_waited_for() -> None:
    manifests = render(merged(LEAST, PLAN))
    job = next(m for m in of_kind(manifests, "Job") if "-plan-" in m["metadata"]["name"])
    triton = named(manifests, "Deployment", "phoserve-triton-gpu")["spec"]["template"]["spec"]
    for field in ("nodeSelector", "tolerations", "runtimeClassName"):
        assert job["spec"]["template"]["spec"].get(field) == triton.get(field)
    assert "tensorrt/model.plan" in triton["initContainers"][0]["args"][0]
    for manifest in manifests:
        check(manifest, VERSIONS[-1])


def test_a_reranker_is_exported_waited_for_and_asked() -> None:
    values = {"model": {"source": "volume", "export": {"enabled": True}, "reranker": RERANKER}}
    manifests = render(merged(LEAST, values))
    jobs = [job["spec"]["template"]["spec"]["containers"][0]["args"] for job in of_kind(manifests, "Job")]
    assert {"--task=rerank", "--to=/models/reranker", "--revision=" + "b" * 40} <= set(jobs[0] + jobs[1])
    wait, assemble = named(manifests, "Deployment", "phoserve-triton-cpu")["spec"]["template"]["spec"]["initContainers"]
    assert "&& [ -f /models/reranker/contract.json ]" in wait["args"][0]
    assert assemble["args"][-2:] == ["--reranker", "/models/reranker"]
    (api,) = named(manifests, "Deployment", "phoserve-api")["spec"]["template"]["spec"]["containers"]
    assert {"name": "PHOSERVE_TRITON__RERANKER", "value": RERANKER_MODEL} in api["env"]


def test_the_matrix_holds_every_pair_of_positions() -> None:
    rows = pairwise({name: [{name: at} for at in range(len(positions))] for name, positions in SWITCHES.items()})
    names = list(SWITCHES)
    for first in names:
        for second in names:
            if first != second:
                pairs = {(row[first], row[second]) for row in rows}
                assert len(pairs) == len(SWITCHES[first]) * len(SWITCHES[second])


@pytest.mark.parametrize("profile", PROFILES)
def test_lint_finds_nothing(profile: str) -> None:
    report = helm.lint(CHART, profile_values(profile), strict=True, namespace="search", kube_version="v1.34.0")
    assert report["total_charts_linted"] == 1
    assert [message for message in report["messages"] if message["severity"] > 1] == []
    assert not report["errors"]


def test_the_same_values_give_the_same_manifests() -> None:
    values = profile_values("eks on GPUs")
    assert render(values) == render(values), "GitOps would see a change where there is none"


def test_extra_objects_are_templates() -> None:
    extra = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "{{ .Release.Name }}-mine"}}
    assert "phoserve-mine" in {m["metadata"]["name"] for m in render(merged(LEAST, {"extraObjects": [extra]}))}


@pytest.mark.parametrize("file", sorted(CHART.rglob("*.yaml")) + sorted(CHART.rglob("*.tpl")), ids=lambda f: f.name)
def test_files_stay_small(file: Any) -> None:
    limit = 420 if file.name == "values.yaml" else 150
    assert len(file.read_text().splitlines()) <= limit
