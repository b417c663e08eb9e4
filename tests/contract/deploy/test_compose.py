"""Compose starts what the chart starts: the same variables, flags and ports."""

import re
import subprocess
from functools import cache
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.support.chart import CHART, LEAST, Manifest, merged, named, of_kind, render
from tests.support.compose import DEPLOY, SUCCEEDED, conditions, services, start_stages
from tests.support.dockerfile import entrypoint, health_check, inherited

PAIRS = {
    "api": "phoserve-api",
    "worker-interactive": "phoserve-worker-interactive",
    "worker-bulk": "phoserve-worker-bulk",
    "triton": "phoserve-triton-cpu",
    "redis": "phoserve-redis",
}
FULL = "/models/sup-SimCSE-VietNamese-phobert-base"
# What the chart calls a part, and what compose calls it.
HOSTS = {
    "phoserve-triton-cpu-headless": "triton",
    "phoserve-triton-gpu-headless": "triton",
    "phoserve-qdrant": "qdrant",
    "phoserve-postgres": "postgres",
    "phoserve-redis": "redis",
}


@cache
def chart() -> list[Manifest]:
    return render(LEAST)


def _without_llm(environment: dict[str, str]) -> dict[str, str]:
    return {name: value for name, value in environment.items() if not name.startswith("PHOSERVE_LLM__")}


@pytest.mark.parametrize("service", PAIRS)
def test_the_same_flags(service: str) -> None:
    assert services("compose.yaml")[service]["command"] == _container(chart(), PAIRS[service])["args"]


@pytest.mark.parametrize("service", PAIRS)
def test_the_same_variables(service: str) -> None:
    container = _container(chart(), PAIRS[service])
    environment = services("compose.yaml")[service].get("environment", {})
    assert _without_llm(environment) == _environment(container)


def test_the_llm_of_the_api() -> None:
    """Compose takes it from `deploy/.env`; without it the URL is empty, which means no LLM."""
    enabled = _environment(_container(render(merged(LEAST, {"llm": {"enabled": True}})), "phoserve-api"))
    environment = services("compose.yaml")["api"]["environment"]
    names = {name for name in environment if name.startswith("PHOSERVE_LLM__")}
    assert names == {name for name in enabled if name.startswith("PHOSERVE_LLM__")}
    assert not environment["PHOSERVE_LLM__URL"]
    for name in ("MODEL", "CONTEXT_TOKENS"):
        assert environment[f"PHOSERVE_LLM__{name}"] == enabled[f"PHOSERVE_LLM__{name}"]


def test_the_same_with_a_gpu() -> None:
    gpu = services("compose.yaml", "compose.gpu.yaml", MODEL_FOLDER=FULL)
    values = merged(LEAST, {"model": {"source": "volume"}, "triton": {"gpu": {"enabled": True}}})
    manifests = render(values)
    assert gpu["triton"]["command"] == _container(manifests, "phoserve-triton-gpu")["args"]
    assert gpu["triton-cpu"]["command"] == _container(manifests, "phoserve-triton-cpu")["args"]
    expected = _environment(_container(manifests, "phoserve-api"))
    expected["PHOSERVE_TRITON__FALLBACK_URL"] = "dns:///triton-cpu:8001"
    assert _without_llm(gpu["api"]["environment"]) == expected
    for part, service in (("gpu", "assemble-repository"), ("cpu", "assemble-repository-cpu")):
        pod = named(manifests, "Deployment", f"phoserve-triton-{part}")["spec"]["template"]["spec"]
        assemble = next(c for c in pod["initContainers"] if c["name"] == "assemble-repository")
        assert gpu[service]["command"] == assemble["args"]
        assert gpu[service]["entrypoint"] == assemble["command"]


def test_the_repository_is_assembled_alike() -> None:
    pod = named(chart(), "Deployment", "phoserve-triton-cpu")["spec"]["template"]["spec"]
    (assemble,) = pod["initContainers"]
    service = services("compose.yaml")["assemble-repository"]
    assert (service["entrypoint"], service["command"]) == (assemble["command"], assemble["args"])


def test_the_same_qdrant() -> None:
    service = services("compose.yaml")["qdrant"]
    container = _container(chart(), "phoserve-qdrant", kind="StatefulSet")
    assert service["image"] == container["image"]
    assert service["entrypoint"] == container["command"]
    assert service["command"] == container["args"]
    assert service["environment"].keys() == {each["name"] for each in container["env"]}
    (config,) = of_kind(chart(), "ConfigMap")
    assert yaml.safe_load((DEPLOY / "qdrant.yaml").read_text()) == yaml.safe_load(config["data"]["phoserve.yaml"])


def test_the_same_postgres() -> None:
    service = services("compose.yaml")["postgres"]
    container = _container(chart(), "phoserve-postgres", kind="StatefulSet")
    assert service["image"] == container["image"]
    assert service["command"] == container["args"]
    assert service["environment"] == _environment(container)
    assert service["healthcheck"]["test"][1:] == container["readinessProbe"]["exec"]["command"]


def test_the_same_migration() -> None:
    service = services("compose.yaml")["migrate"]
    for workload in ("phoserve-api", "phoserve-worker-interactive", "phoserve-worker-bulk"):
        pod = named(chart(), "Deployment", workload)["spec"]["template"]["spec"]
        (migrate,) = [each for each in pod["initContainers"] if each["name"] == "migrate"]
        assert (service["entrypoint"], service["command"]) == (migrate["command"], migrate["args"])
        assert service["environment"] == _environment(migrate)


def test_the_same_llm() -> None:
    service = services("compose.yaml")["llm"]
    container = _container(render(merged(LEAST, {"llm": {"enabled": True}})), "phoserve-llm")
    assert service["image"] == container["image"]
    assert service["entrypoint"] + service["command"] == container["command"] + container["args"]


@pytest.mark.parametrize("service", PAIRS)
def test_the_same_images(service: str) -> None:
    assert services("compose.yaml")[service]["image"] == _container(chart(), PAIRS[service])["image"]


def test_the_same_ports() -> None:
    (mapping,) = services("compose.yaml")["api"]["ports"]
    api = {each["name"]: each["containerPort"] for each in _container(chart(), "phoserve-api")["ports"]}
    assert mapping == f"127.0.0.1:{api['http']}:{api['http']}"
    prometheus = yaml.safe_load((DEPLOY / "observability" / "prometheus.yaml").read_text())
    jobs = {job["job_name"]: job for job in prometheus["scrape_configs"]}
    assert jobs["api"]["static_configs"][0]["targets"] == [f"api:{api['metrics']}"]
    (worker_port,) = _container(chart(), "phoserve-worker-bulk")["ports"]
    assert jobs["worker"]["static_configs"][0]["targets"] == [
        f"worker-{queue}:{worker_port['containerPort']}" for queue in ("interactive", "bulk")
    ]
    ports = {each["name"]: each["containerPort"] for each in _container(chart(), "phoserve-triton-cpu")["ports"]}
    assert jobs["triton"]["dns_sd_configs"][0]["port"] == ports["metrics"]


@pytest.mark.parametrize(("stage", "workload"), [("api", "phoserve-api"), ("triton", "phoserve-triton-cpu")])
def test_docker_asks_what_kubernetes_asks(stage: str, workload: str) -> None:
    """The image's check is what must hold all the time; compose's for the API is readiness."""
    container = _container(chart(), workload)
    asked = " ".join(health_check(stage))
    if stage == "api":
        assert container["livenessProbe"]["httpGet"]["path"] in asked
        asked = " ".join(services("compose.yaml")["api"]["healthcheck"]["test"])
        assert container["readinessProbe"]["httpGet"]["path"] in asked
    else:
        ready = "python -m cli.triton_ready /repository/models"
        startup, readiness = (container[f"{name}Probe"]["exec"]["command"] for name in ("startup", "readiness"))
        assert " ".join(readiness) == f"{ready} --port 8000"
        assert " ".join(startup) == f"{ready} --port 8000 --encoders"
        assert f"{ready} --encoders && {ready}" in asked


def test_the_same_patience_at_the_end() -> None:
    for service, workload in PAIRS.items():
        pod = named(chart(), "Deployment", workload)["spec"]["template"]["spec"]
        if service != "redis":
            expected = f"{pod['terminationGracePeriodSeconds']}s"
            assert services("compose.yaml")[service]["stop_grace_period"] == expected


def test_what_runs_is_hardened() -> None:
    for name, service in services("compose.yaml").items():
        if name not in {"export", "llm"}:
            assert service["read_only"] is True, name
            assert service["cap_drop"] == ["ALL"], name
            assert service["security_opt"] == ["no-new-privileges:true"], name
        assert not service.get("privileged"), name
        for port in service.get("ports", []):
            assert port.startswith("127.0.0.1:"), f"{name} listens on the network"


def test_what_others_wait_for_can_be_reached() -> None:
    known = services("compose.yaml")
    for name, condition in conditions().items():
        service = known[name]
        if condition == SUCCEEDED:
            assert service["restart"] in {"no", "on-failure"}, f"{name} starts again when it has succeeded"
        else:
            stage = service["image"].rsplit("/", 1)[-1].partition(":")[0]
            assert service.get("healthcheck") or inherited(stage, "HEALTHCHECK"), f"{name} is never healthy"
    assert start_stages(list(known)), "no cycles"


def test_what_is_connected_to_is_started_before() -> None:
    """The addresses among a service's variables are of services that it waits for, directly or not."""
    known = services("compose.yaml")
    for name in ("api", "worker-interactive", "worker-bulk", "migrate"):
        text = " ".join(str(value) for value in known[name]["environment"].values())
        addressed = {host for host in ("triton", "qdrant", "postgres", "redis") if re.search(rf"[/@]{host}:", text)}
        assert addressed <= {each for stage in start_stages([name])[:-1] for each in stage}, name
    assert "migrate" in known["api"]["depends_on"]
    assert "assemble-repository" in known["triton"]["depends_on"]


def test_mounted_files_exist() -> None:
    for name, service in services("compose.yaml").items():
        for volume in service.get("volumes", []):
            source = volume.split(":")[0]
            if source.startswith(".") and "secrets" not in source:
                assert (DEPLOY / source).exists(), f"{name}: {source}"


def test_hadolint_finds_nothing() -> None:
    outcome = subprocess.run(["hadolint", DEPLOY / "Dockerfile"], capture_output=True, text=True, check=False)
    assert outcome.returncode == 0, outcome.stdout


def test_every_image_is_a_target_of_the_dockerfile_that_is_not_root() -> None:
    used = {"api", "worker", "triton", "export", "plan", "loadtest"}
    registry = yaml.safe_load((CHART / "values.yaml").read_text())["image"]["registry"]
    for service in services("compose.yaml").values():
        if service["image"].startswith(registry):
            assert service["build"]["target"] in used if "build" in service else True
            assert service["image"].removeprefix(registry + "/").partition(":")[0] in used
    for target in used:
        assert inherited(target, "USER") == "10001:10001", target


def test_images_start_what_chart_and_compose_give_arguments_to() -> None:
    assert {name: entrypoint(name) for name in ("api", "worker", "triton")} == {
        "api": ["phoserve", "serve"],
        "worker": ["phoserve", "worker"],
        "triton": ["python", "-m", "cli.triton_launch", "tritonserver"],
    }


def test_the_stub_is_of_the_python_and_the_triton_it_works_with() -> None:
    dockerfile = (DEPLOY / "Dockerfile").read_text()
    assert "tritonserver:24.10-py3" in dockerfile, "nvidia-pytriton 0.7.0 has the stub of Triton 24.10"
    line = subprocess.run(
        ["sed", "-n", r"/^nvidia-pytriton==/,/[^\\]$/p", "requirements.txt"],
        capture_output=True,
        text=True,
        check=True,
        cwd=DEPLOY.parent,
    ).stdout
    assert line.startswith("nvidia-pytriton==0.7.0 ")
    assert line.count("--hash=sha256:") >= 1
    (version,) = set(re.findall(r"uv python install (3\.\d+)", dockerfile))
    assert f"python_backend_stubs/{version}/" in dockerfile


def test_secrets_are_made_once(tmp_path: Path) -> None:
    script = tmp_path / "secrets.sh"
    script.write_bytes((DEPLOY / "secrets.sh").read_bytes())
    first = subprocess.run(["bash", script], capture_output=True, text=True, check=True)
    key = first.stdout.split()[-1]
    (entry,) = yaml.safe_load((tmp_path / "secrets" / "api-keys.json").read_text())
    made = dict(line.split("=") for line in (tmp_path / ".env").read_text().splitlines())
    assert len(set(made.values())) == len(made) == 7
    assert (tmp_path / ".env").stat().st_mode & 0o077 == 0
    private = tmp_path / "secrets" / "private"
    assert private.stat().st_mode & 0o077 == 0
    assert (private / "qdrant-key").read_text() == made["QDRANT_API_KEY"]
    assert _sha256(key) == entry["sha256"]
    again = subprocess.run(["bash", script], capture_output=True, text=True, check=False)
    assert again.returncode == 1
    assert "already exists" in again.stderr


def _sha256(text: str) -> str:
    import hashlib

    return hashlib.sha256(text.encode()).hexdigest()


def _container(manifests: list[Manifest], name: str, kind: str = "Deployment") -> dict[str, Any]:
    (container,) = named(manifests, kind, name)["spec"]["template"]["spec"]["containers"]
    found: dict[str, Any] = container
    return found


def _environment(container: dict[str, Any]) -> dict[str, str]:
    """The container's variables as compose writes them; a secret of its own name stands for itself."""
    found = {}
    for variable in container.get("env", []):
        if "value" in variable:
            found[variable["name"]] = _address(variable["value"])
        else:
            found[variable["name"]] = f"$({_SECRET_NAMES[variable['valueFrom']['secretKeyRef']['key']]})"
    if container["name"] in {"api", "worker"}:
        del found["REDIS_PASSWORD"]  # only there to become part of the URL
    return found


_SECRET_NAMES = {
    "postgres-password": "POSTGRES_PASSWORD",
    "qdrant-api-key": "QDRANT_API_KEY",
    "llm-api-key": "LLM_API_KEY",
    "redis-password": "REDIS_PASSWORD",
    "triton-admin": "TRITON_ADMIN_SECRET",
    "triton-key": "TRITON_API_KEY",
}


def _address(value: str) -> str:
    for host, short in HOSTS.items():
        value = re.sub(rf"\b{re.escape(host)}(?=:)", short, value)
    return value
