"""What a cluster's policies ask of every manifest, whatever the profile."""

from typing import Any

import pytest

from tests.support.chart import (
    CHART,
    PROFILES,
    SECRET,
    Manifest,
    containers,
    merged,
    named,
    of_kind,
    pods,
    profile_values,
    render,
)

MONITORED = {"monitoring": {"serviceMonitors": True, "rules": True, "dashboards": True}}


@pytest.fixture(params=PROFILES, scope="module")
def values(request: pytest.FixtureRequest) -> dict[str, Any]:
    parts = {name: {"enabled": True} for name in ("llm", "loadtest", "reembed", "backup")}
    return merged(profile_values(request.param), MONITORED, parts)


@pytest.fixture(scope="module")
def manifests(values: dict[str, Any]) -> list[Manifest]:
    return render(values)


def test_pods_are_restricted(manifests: list[Manifest]) -> None:
    for name, pod in pods(manifests):
        security = pod["spec"]["securityContext"]
        assert security["runAsNonRoot"] is True, name
        assert security["runAsUser"] >= 10000, name
        assert security["seccompProfile"]["type"] == "RuntimeDefault", name
        assert pod["spec"]["automountServiceAccountToken"] is False, name
        assert not {"hostNetwork", "hostPID", "hostIPC"} & pod["spec"].keys(), name
        assert all("hostPath" not in volume for volume in pod["spec"].get("volumes", [])), name


def test_containers_are_restricted(manifests: list[Manifest]) -> None:
    for name, pod in pods(manifests):
        for container in containers(pod):
            security = container["securityContext"]
            assert security["allowPrivilegeEscalation"] is False, name
            assert security["readOnlyRootFilesystem"] is True, name
            assert security["capabilities"] == {"drop": ["ALL"]}, name
            assert not security.get("privileged"), name


def test_every_container_has_requests_and_limits(manifests: list[Manifest]) -> None:
    for name, pod in pods(manifests):
        for container in containers(pod):
            resources = container["resources"]
            assert {"cpu", "memory"} <= resources["requests"].keys(), name
            assert "memory" in resources["limits"], name


def test_images_are_pinned(manifests: list[Manifest]) -> None:
    for name, pod in pods(manifests):
        for container in containers(pod):
            tag = container["image"].rsplit("/", 1)[-1].partition(":")[2]
            assert tag, f"{name}: {container['image']}"
            assert tag != "latest", name


def test_memory_backed_volumes_and_scratch_have_a_limit(manifests: list[Manifest]) -> None:
    for name, pod in pods(manifests):
        for volume in pod["spec"].get("volumes", []):
            if "emptyDir" in volume:
                assert volume["emptyDir"].get("sizeLimit"), f"{name}: {volume['name']}"


def test_what_serves_is_probed(manifests: list[Manifest]) -> None:
    for manifest in of_kind(manifests, "Deployment", "StatefulSet"):
        name = manifest["metadata"]["name"]
        for container in manifest["spec"]["template"]["spec"]["containers"]:
            assert "livenessProbe" in container, name
            # A worker receives no requests, so it has no readiness probe.
            assert "readinessProbe" in container or "worker" in name, name


def test_grace_is_longer_than_the_pause_before_the_end(manifests: list[Manifest]) -> None:
    for name, pod in pods(manifests):
        for container in pod["spec"]["containers"]:
            pause = container.get("lifecycle", {}).get("preStop")
            if pause:
                assert pod["spec"]["terminationGracePeriodSeconds"] >= 2 * int(pause["exec"]["command"][1]), name


def test_every_selector_matches_pods(manifests: list[Manifest]) -> None:
    labels = [pod["metadata"]["labels"] for _, pod in pods(manifests)]
    for manifest in of_kind(manifests, "Service", "PodDisruptionBudget", "NetworkPolicy", "PodMonitor"):
        spec = manifest["spec"]
        selector = spec["podSelector"] if manifest["kind"] == "NetworkPolicy" else spec["selector"]
        if manifest["kind"] == "Service":
            selector = {"matchLabels": selector}
        assert any(_matches(selector, each) for each in labels), manifest["metadata"]["name"]


def test_workloads_select_their_own_pods_and_no_others(manifests: list[Manifest]) -> None:
    workloads = of_kind(manifests, "Deployment", "StatefulSet")
    for one in workloads:
        for other in workloads:
            matches = _matches(one["spec"]["selector"], other["spec"]["template"]["metadata"]["labels"])
            assert matches == (one is other), f"{one['metadata']['name']} and {other['metadata']['name']}"


def test_service_ports_name_container_ports(manifests: list[Manifest]) -> None:
    for service in of_kind(manifests, "Service"):
        for _, pod in pods(manifests):
            if _matches({"matchLabels": service["spec"]["selector"]}, pod["metadata"]["labels"]):
                names = {port["name"] for c in pod["spec"]["containers"] for port in c.get("ports", [])}
                assert {port["targetPort"] for port in service["spec"]["ports"]} <= names, service["metadata"]["name"]


def test_monitors_select_services_with_the_port(manifests: list[Manifest]) -> None:
    for monitor in of_kind(manifests, "ServiceMonitor"):
        services = [s for s in of_kind(manifests, "Service") if _matches(monitor["spec"]["selector"], _labels(s))]
        for endpoint in monitor["spec"]["endpoints"]:
            found = [port for service in services for port in service["spec"]["ports"]]
            assert endpoint["port"] in {port["name"] for port in found}, monitor["metadata"]["name"]


def test_no_pod_is_scraped_twice(manifests: list[Manifest]) -> None:
    for monitor in of_kind(manifests, "ServiceMonitor"):
        (endpoint,) = monitor["spec"]["endpoints"]
        services = [
            service
            for service in of_kind(manifests, "Service")
            if _matches(monitor["spec"]["selector"], _labels(service))
            and endpoint["port"] in {port["name"] for port in service["spec"]["ports"]}
        ]
        assert len(services) == 1, monitor["metadata"]["name"]


def test_pod_monitors_name_a_port_of_the_pods(manifests: list[Manifest]) -> None:
    for monitor in of_kind(manifests, "PodMonitor"):
        for _, pod in pods(manifests):
            if _matches(monitor["spec"]["selector"], pod["metadata"]["labels"]):
                names = {port["name"] for c in pod["spec"]["containers"] for port in c.get("ports", [])}
                assert {e["port"] for e in monitor["spec"]["podMetricsEndpoints"]} <= names


def test_scalers_have_their_target(manifests: list[Manifest]) -> None:
    names = {manifest["metadata"]["name"] for manifest in of_kind(manifests, "Deployment")}
    for scaler in of_kind(manifests, "HorizontalPodAutoscaler", "ScaledObject"):
        target = scaler["spec"]["scaleTargetRef"]["name"]
        assert target in names
        deployment = next(m for m in of_kind(manifests, "Deployment") if m["metadata"]["name"] == target)
        assert "replicas" not in deployment["spec"], "an upgrade would undo what the scaler did"


def test_everything_referred_to_exists(manifests: list[Manifest], values: dict[str, Any]) -> None:
    known = {(m["kind"], m["metadata"]["name"]) for m in manifests}
    for name, pod in pods(manifests):
        assert ("ServiceAccount", pod["spec"]["serviceAccountName"]) in known, name
        for kind, target in _references(pod["spec"]):
            if kind == "Secret":
                assert target == SECRET, f"{name} needs the secret {target}, which README.md does not speak of"
            else:
                assert (kind, target) in known, f"{name}: {kind} {target}"
        priority = pod["spec"].get("priorityClassName")
        assert priority is None or ("PriorityClass", priority) in known, name


def test_the_readme_describes_every_key_of_the_secret() -> None:
    readme = (CHART / "README.md").read_text()
    keys = {ref["key"] for _, pod in pods(render(_with_everything())) for ref in _secret_keys(pod)}
    assert len(keys) >= 5
    for key in keys:
        assert f"`{key}`" in readme, f"README.md does not say what {key} is for"


def test_everything_is_denied_that_is_not_opened(manifests: list[Manifest]) -> None:
    policies = of_kind(manifests, "NetworkPolicy")
    closed = [p for p in policies if p["metadata"]["name"].endswith("default-deny")]
    for name, pod in pods(manifests):
        assert any(_matches(p["spec"]["podSelector"], pod["metadata"]["labels"]) for p in closed), name
    for policy in policies:
        for rule in policy["spec"].get("egress") or []:
            assert rule.get("to"), f"{policy['metadata']['name']} lets everything out"
        if "ingress" in policy["spec"] and not policy["metadata"]["name"].endswith("-api"):
            assert all(rule.get("from") for rule in policy["spec"]["ingress"]), policy["metadata"]["name"]


def test_cloud_metadata_is_out_of_reach(manifests: list[Manifest]) -> None:
    for policy in of_kind(manifests, "NetworkPolicy"):
        for rule in policy["spec"].get("egress", []):
            for peer in rule["to"]:
                block = peer.get("ipBlock", {})
                assert block.get("cidr") != "0.0.0.0/0" or "169.254.169.254/32" in block["except"]


def test_what_is_named_outside_can_be_reached() -> None:
    outside = {
        "qdrant": {"enabled": False, "externalUrl": "https://qdrant.example.com:6333"},
        "postgres": {"externalUrl": "postgresql://phoserve@db.example.com:5433/phoserve"},
        "redis": {"enabled": False, "externalUrl": "rediss://cache.example.com/0"},
        "llm": {"externalUrl": "http://llm.example.com:8080/v1"},
        "monitoring": {"otlpEndpoint": "http://otel.example.com:4318/v1/traces"},
        "sources": {"env": {"AWS_ENDPOINT": "https://minio.example.com:9000"}},
        "networkPolicy": {"egress": [{"to": [{"namespaceSelector": {}}], "ports": [{"port": 7777}]}]},
    }
    manifests = render(merged(profile_values("gpu"), outside))
    for name in ("phoserve-api", "phoserve-worker"):
        rules = named(manifests, "NetworkPolicy", name)["spec"]["egress"]
        (world,) = [rule for rule in rules if any("ipBlock" in peer for peer in rule["to"])]
        assert {each["port"] for each in world["ports"]} == {443, 5433, 6333, 6334, 6379, 8080, 4318, 9000}
        assert [{"port": 7777}] in [rule["ports"] for rule in rules]
    for port, expected in (("0", set()), ("7334", {7334})):
        rest = render(merged(profile_values("gpu"), outside, {"settings": {"QDRANT__GRPC_PORT": port}}))
        rules = named(rest, "NetworkPolicy", "phoserve-api")["spec"]["egress"]
        (world,) = [rule for rule in rules if any("ipBlock" in peer for peer in rule["to"])]
        assert {each["port"] for each in world["ports"]} - {443, 5433, 6333, 6379, 8080, 4318, 9000} == expected
    (trigger,) = named(manifests, "ScaledObject", "phoserve-worker-bulk")["spec"]["triggers"]
    assert trigger["metadata"]["address"] == "cache.example.com:6379"


def test_gpus_are_asked_for_and_tolerated() -> None:
    for name, pod in pods(render(profile_values("eks on GPUs"))):
        gpu = any("nvidia.com/gpu" in c["resources"]["limits"] for c in containers(pod))
        assert gpu == name.endswith("triton-gpu"), name
        if gpu:
            assert {"key": "nvidia.com/gpu", "operator": "Exists", "effect": "NoSchedule"} in pod["spec"]["tolerations"]
            assert pod["spec"]["nodeSelector"]
            assert pod["spec"]["topologySpreadConstraints"]


def _with_everything() -> dict[str, Any]:
    return merged(profile_values("gpu"), {"llm": {"enabled": True}, "loadtest": {"enabled": True}})


def _labels(manifest: Manifest) -> dict[str, str]:
    labels: dict[str, str] = manifest["metadata"]["labels"]
    return labels


def _matches(selector: dict[str, Any], labels: dict[str, str]) -> bool:
    exact = all(labels.get(key) == value for key, value in selector.get("matchLabels", {}).items())
    return exact and all(
        labels.get(each["key"]) in each["values"] for each in selector.get("matchExpressions", []) if each
    )


def _references(spec: dict[str, Any]) -> list[tuple[str, str]]:
    found = []
    for volume in spec.get("volumes", []):
        if "secret" in volume:
            found.append(("Secret", volume["secret"]["secretName"]))
        if "configMap" in volume:
            found.append(("ConfigMap", volume["configMap"]["name"]))
        if "persistentVolumeClaim" in volume:
            found.append(("PersistentVolumeClaim", volume["persistentVolumeClaim"]["claimName"]))
    for container in [*spec.get("initContainers", []), *spec["containers"]]:
        secrets = [v["valueFrom"]["secretKeyRef"] for v in container.get("env", []) if "valueFrom" in v]
        found += [("Secret", secret["name"]) for secret in secrets]
    return found


def _secret_keys(pod: Manifest) -> list[dict[str, str]]:
    refs = [v["valueFrom"]["secretKeyRef"] for c in containers(pod) for v in c.get("env", []) if "valueFrom" in v]
    mounted = [item for v in pod["spec"].get("volumes", []) if "secret" in v for item in v["secret"]["items"]]
    return refs + mounted
