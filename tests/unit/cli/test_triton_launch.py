"""The launcher, with a program that prints what it received in place of the server."""

import json
import os
import signal
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cli import triton_launch
from cli.triton_launch import KEY_HEADER, restricted_arguments
from phoserve.adapters.triton import embedder
from tests.support.chart import ROOT

PROGRAM = """
import json, os, sys
shown = open("/proc/self/cmdline").read()
print(json.dumps({"pid": os.getpid(), "arguments": sys.argv[1:], "shown": shown, "environment": dict(os.environ)}))
"""
WITHOUT_TRACER = """
import sys
from cli import triton_launch
triton_launch._start_tracer = lambda first: "Operation not permitted"
triton_launch.main()
"""
SECRETS = st.text(st.characters(min_codepoint=33, max_codepoint=126), min_size=1, max_size=200)


def launched(
    *start: str,
    environment: Mapping[str, str],
    program: tuple[str, ...] = (sys.executable, "-c", PROGRAM),
) -> "subprocess.CompletedProcess[str]":
    command = start or ("-I", triton_launch.__file__)
    variables = {"PATH": os.environ["PATH"], "PYTHONPATH": str(ROOT), **environment}
    return subprocess.run(
        [sys.executable, *command, *program, "--first", "hai ba"],
        env=variables,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


@settings(max_examples=15)
@given(SECRETS, SECRETS)
def test_the_server_receives_what_its_command_line_does_not_show(admin: str, key: str) -> None:
    done = launched(environment={"TRITON_ADMIN_SECRET": "admin!" + admin, "TRITON_API_KEY": "team!" + key})
    assert not done.stderr
    received = json.loads(done.stdout)
    assert received["arguments"][:2] == ["--first", "hai ba"]
    assert received["arguments"][2:] == [
        f"--{flag}={protocols}"
        for protocols in (
            f"model-repository,shared-memory,trace,logging:phoserve-admin=admin!{admin}",
            f"inference,model-config,statistics:phoserve-key=team!{key}",
        )
        for flag in ("http-restricted-api", "grpc-restricted-protocol")
    ]
    assert "admin!" not in received["shown"]
    assert "team!" not in received["shown"]
    assert "TRITON_ADMIN_SECRET" not in received["environment"]


def test_secrets_come_from_files(tmp_path: Path) -> None:
    (tmp_path / "secret").write_text("of-a-file\n")
    done = launched(environment={"TRITON_ADMIN_SECRET_FILE": str(tmp_path / "secret")})
    assert json.loads(done.stdout)["arguments"][2].endswith("phoserve-admin=of-a-file")
    assert "inference, statistics and model configurations need no key" in done.stderr


def test_it_becomes_the_server() -> None:
    variables = os.environ | {"TRITON_ADMIN_SECRET": "a"}
    command = [sys.executable, "-I", triton_launch.__file__, sys.executable, "-c", PROGRAM]
    with subprocess.Popen(command, env=variables, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL) as process:
        assert process.stdout is not None
        assert json.loads(process.stdout.read())["pid"] == process.pid
    assert process.returncode == 0


def test_where_tracing_is_forbidden_it_serves_and_warns() -> None:
    done = launched("-c", WITHOUT_TRACER, environment={"TRITON_ADMIN_SECRET": "a-secret"})
    assert "a-secret" in json.loads(done.stdout)["shown"]
    assert "on the command line" in done.stderr
    assert "Operation not permitted" in done.stderr


def test_a_tracer_that_fails_ends_the_server_before_it_serves() -> None:
    failing = WITHOUT_TRACER.replace(
        '_start_tracer = lambda first: "Operation not permitted"', "_variables = lambda memory, position: {}"
    )
    done = launched("-c", failing, environment={"TRITON_ADMIN_SECRET": "a-secret"})
    assert done.returncode == -signal.SIGKILL
    assert not done.stdout
    assert "Triton is stopped" in done.stderr


@pytest.mark.parametrize(
    ("environment", "reason"),
    [
        ({}, "set TRITON_ADMIN_SECRET"),
        ({"TRITON_ADMIN_SECRET": ""}, "printable ASCII"),
        ({"TRITON_ADMIN_SECRET": "a", "TRITON_API_KEY": ""}, "printable ASCII"),
        ({"TRITON_ADMIN_SECRET": "a b"}, "printable ASCII"),
        ({"TRITON_ADMIN_SECRET": "khoá"}, "printable ASCII"),
        ({"TRITON_ADMIN_SECRET_FILE": "/nowhere"}, "No such file"),
    ],
)
def test_wrong_secrets_start_nothing(environment: dict[str, str], reason: str) -> None:
    done = launched(environment=environment)
    assert done.returncode == 1
    assert reason in done.stderr
    assert not done.stdout


def test_a_missing_server_is_named() -> None:
    done = launched(program=("/nowhere/tritonserver",), environment={"TRITON_ADMIN_SECRET": "a"})
    assert done.returncode == 1
    assert "/nowhere/tritonserver" in done.stderr


def test_the_clients_send_the_header_that_the_server_requires() -> None:
    (_, grpc, *_) = [each.secret for each in restricted_arguments({"TRITON_ADMIN_SECRET": "a", "TRITON_API_KEY": "k"})][
        2:
    ]
    assert grpc.endswith(f":{KEY_HEADER}=k")
    assert embedder.key_headers("k") == {f"triton-grpc-protocol-{KEY_HEADER}": "k"}
