"""Every program of ours takes the command line and the variables that the chart gives it."""

import re
import subprocess
import sys
import sysconfig
from pathlib import Path

import pytest

import export.assemble
import export.bundled
import export.tensorrt
from cli.main import load
from cli.triton_launch import restricted_arguments
from cli.triton_process import TritonInstallation
from phoserve.adapters.celery_queue import BULK_QUEUE, INTERACTIVE_QUEUE
from tests.support.chart import PROFILES, Manifest, containers, of_kind, pods, profile_values, render
from tests.support.dockerfile import entrypoint
from tests.support.programs import ALL_VALUES, commands

TRITON = "python -m cli.triton_launch tritonserver"


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
    given = list(commands(TRITON))
    assert len(given) >= len(PROFILES)
    secrets = [each.shown for each in restricted_arguments({"TRITON_ADMIN_SECRET": "a", "TRITON_API_KEY": "k"})]
    for _, arguments in given:
        assert {word.partition("=")[0] for word in (*arguments, *secrets)} <= known


def test_triton_is_given_a_profile_that_the_models_have() -> None:
    for _, arguments in commands(TRITON):
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


@pytest.mark.parametrize("subcommand", ["serve", "worker", "export", "reembed"])
def test_phoserve_takes_its_arguments(subcommand: str) -> None:
    command = load(subcommand)
    # The export image starts `phoserve`; the others their one subcommand.
    given = list(commands(f"phoserve {subcommand}"))
    assert given
    for _, arguments in given:
        assert command.make_context(subcommand, list(arguments)).params


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


def test_every_program_is_known(everything: list[Manifest]) -> None:
    """A container that starts something else needs a test of its own here."""
    known = (
        "phoserve ",
        "locust ",
        "python ",
        "tritonserver ",
        "redis-server ",
        "postgres ",
        "./qdrant ",
        "vllm serve ",
        "sh -c ",
    )
    for name, pod in pods(everything):
        for container in containers(pod):
            image = container["image"].rsplit("/", 1)[-1].partition(":")[0]
            words = [*(container.get("command") or entrypoint(image)), *container.get("args", [])]
            assert " ".join(words).startswith(known), name


@pytest.fixture(scope="module")
def everything() -> list[Manifest]:
    return render(ALL_VALUES["everything"])
