"""Every program of ours takes the command line and the variables that the chart gives it."""

import re
import subprocess
import sys
import sysconfig
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any

import pytest
from typer.core import TyperGroup
from typer.main import get_command

import export.assemble
import export.bundled
import export.tensorrt
from cli.main import app, load
from cli.triton_process import TritonInstallation
from phoserve.adapters.celery_queue import BULK_QUEUE, INTERACTIVE_QUEUE
from phoserve.settings import PREFIX, load_settings
from tests.support.chart import LEAST, PROFILES, Manifest, containers, merged, of_kind, pods, profile_values, render
from tests.support.dockerfile import entrypoint

RERANKER = {"name": "reranker", "source": "team/reranker", "revision": "b" * 40}
EVERYTHING: dict[str, dict[str, Any]] = {
    "settings": {"LIMITS__MAX_IN_FLIGHT": 128, "LLM__MAX_TOKENS": 512},
    "llm": {"enabled": True},
    "loadtest": {"enabled": True, "userClasses": ["SearchUser"]},
    "monitoring": {"otlpEndpoint": "http://otel.monitoring:4318/v1/traces"},
    "model": {
        "source": "volume",
        "export": {"enabled": True, "revision": "a" * 40},
        "plan": {"enabled": True},
        "reranker": RERANKER,
    },
    "triton": {"gpu": {"enabled": True, "profile": "tensorrt"}},
}
ALL_VALUES: dict[str, dict[str, Any]] = {name: profile_values(name) for name in PROFILES} | {
    "everything": merged(LEAST, EVERYTHING)
}


@cache
def rendered() -> list[list[Manifest]]:
    """All the profiles."""
    return [render(values) for values in ALL_VALUES.values()]


def commands(program: str, values: dict[str, Any] | None = None) -> Iterator[tuple[dict[str, Any], list[str]]]:
    """Each container that starts `program`, in all the profiles or with those values, and what it is given."""
    for manifests in [render(values)] if values else rendered():
        for _, pod in pods(manifests):
            for container in containers(pod):
                name = container["image"].rsplit("/", 1)[-1].partition(":")[0]
                words = [*(container.get("command") or entrypoint(name)), *container.get("args", [])]
                if 'exec phoserve "$@"' in " ".join(words[:3]):
                    words = ["phoserve", *words[4:]]
                if " ".join(words).startswith(program):
                    yield container, words[len(program.split()) :]


def test_triton_takes_its_flags() -> None:
    installation = TritonInstallation.find()
    libraries = f"{installation.libraries}:{sysconfig.get_config_var('LIBDIR')}"
    outcome = subprocess.run(
        [installation.server, "--help"],
        env={"LD_LIBRARY_PATH": libraries},
        capture_output=True,
        text=True,
        check=False,
    )
    known = set(re.findall(r"^\s+(--[a-z0-9-]+)", outcome.stdout + outcome.stderr, flags=re.MULTILINE))
    assert len(known) > 50
    given = list(commands("tritonserver"))
    assert len(given) >= len(PROFILES)
    for _, arguments in given:
        assert {word.partition("=")[0] for word in arguments} <= known


def test_triton_is_given_a_profile_that_the_models_have() -> None:
    for _, arguments in commands("tritonserver"):
        (profile,) = [word.partition("=")[2] for word in arguments if word.startswith("--model-config-name=")]
        parsed = export.assemble.parser().parse_args(["model", "target", "--profile", profile])
        assert parsed.profile == profile


def test_the_repository_is_assembled_by_a_command_that_there_is() -> None:
    given = list(commands("python -m export.assemble"))
    assert len(given) >= len(PROFILES)
    for _, arguments in given:
        assert export.assemble.parser().parse_args(arguments).target == Path("/repository/models")


def test_the_plan_is_built_by_a_command_that_there_is(capsys: pytest.CaptureFixture[str]) -> None:
    ((_, arguments),) = commands("python -m export.tensorrt", ALL_VALUES["everything"])
    assert arguments == ["/models/sup-SimCSE-VietNamese-phobert-base"]
    assert export.tensorrt.main([export.bundled.__path__[0]]) == 1
    said = capsys.readouterr().err
    assert "plain.onnx" in said or "TensorRT is not installed" in said, "its arguments were taken"


@pytest.mark.parametrize("subcommand", ["serve", "worker", "export"])
def test_phoserve_takes_its_arguments(subcommand: str) -> None:
    load(f"cli.commands.{subcommand}")
    command = get_command(app)
    assert isinstance(command, TyperGroup)
    # The export image starts `phoserve`; the others their one subcommand.
    given = list(commands(f"phoserve {subcommand}"))
    assert given
    for _, arguments in given:
        assert command.commands[subcommand].make_context(subcommand, list(arguments)).params


def test_locust_takes_its_flags() -> None:
    given = [arguments for _, arguments in commands("locust", ALL_VALUES["everything"])]
    assert len(given) == 2
    for arguments in given:
        # In a process of its own: Locust patches the standard library.
        script = f"from locust.argument_parser import get_parser; print(get_parser().parse_args({arguments!r}))"
        outcome = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=False)
        assert outcome.returncode == 0, outcome.stderr[-500:]
        assert "user_classes=['SearchUser']" in outcome.stdout


def test_workers_ask_for_queues_that_are_filled() -> None:
    for values in ALL_VALUES.values():
        asked = {arguments[arguments.index("--queues") + 1] for _, arguments in commands("phoserve worker", values)}
        assert asked <= {INTERACTIVE_QUEUE, BULK_QUEUE}
        assert INTERACTIVE_QUEUE in asked
    for scaler in of_kind(render(profile_values("gpu")), "ScaledObject"):
        for trigger in scaler["spec"]["triggers"]:
            if trigger["type"] == "redis":
                assert trigger["metadata"]["listName"] in {INTERACTIVE_QUEUE, BULK_QUEUE}


@pytest.mark.parametrize("values", ALL_VALUES.values(), ids=ALL_VALUES)
def test_settings_are_taken(values: dict[str, Any], monkeypatch: pytest.MonkeyPatch) -> None:
    for program in ("phoserve serve", "phoserve worker"):
        for container, _ in commands(program, values):
            with monkeypatch.context() as patch:
                for variable in container["env"]:
                    if variable["name"].startswith(PREFIX):
                        patch.setenv(variable["name"], variable.get("value", "secret"))
                settings = load_settings()
            assert settings.triton.url.startswith("dns:///")
            assert settings.qdrant.api_key is not None
            assert settings.redis.url.get_secret_value().startswith("redis")


def test_a_setting_that_there_is_not_stops_the_program(monkeypatch: pytest.MonkeyPatch) -> None:
    values = merged(LEAST, {"settings": {"LIMITS__MAX_INFLIGHT": 1}})
    for container, _ in commands("phoserve serve", values):
        for variable in container["env"]:
            if variable["name"].startswith(PREFIX):
                monkeypatch.setenv(variable["name"], variable.get("value", "secret"))
    with pytest.raises(Exception, match="PHOSERVE_LIMITS__MAX_INFLIGHT: there is no such setting"):
        load_settings()


def test_every_program_is_known(everything: list[Manifest]) -> None:
    """A container that starts something else needs a test of its own here."""
    known = ("phoserve ", "locust ", "python ", "tritonserver ", "redis-server ", "./qdrant ", "vllm serve ", "sh -c ")
    for name, pod in pods(everything):
        for container in containers(pod):
            image = container["image"].rsplit("/", 1)[-1].partition(":")[0]
            words = [*(container.get("command") or entrypoint(image)), *container.get("args", [])]
            assert " ".join(words).startswith(known), name


@pytest.fixture(scope="module")
def everything() -> list[Manifest]:
    return render(ALL_VALUES["everything"])
