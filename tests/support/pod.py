"""A pod of the chart as processes on this machine: programs, flags, variables, probes and hooks as they are rendered.

Replaced is only what a container has to itself: addresses (each pod gets its own on loopback), mounted folders, where
of the programs, and Triton's profile: the server from PyPI has no ONNX Runtime backend, so `cpu` becomes `local`.
"""

import http.client
import os
import re
import shlex
import shutil
import signal
import socket
import subprocess
import sys
import sysconfig
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

from cli.triton_process import TritonInstallation, _die_with_parent
from tests.support.chart import ROOT
from tests.support.dockerfile import entrypoint, health_check
from tests.support.patience import patient

# Where deploy/Dockerfile puts it.
IMAGE_FOLDERS: Final = {"/opt/phoserve/models/bundled": ROOT / "export" / "bundled"}
METRICS_PORT: Final = "PHOSERVE_WORKER__METRICS_PORT"
POLL_S: Final = 0.1


class Pod:
    """One pod. `folders` are its mounts on this machine, `names` resolves its host names."""

    def __init__(
        self,
        name: str,
        spec: Mapping[str, Any],
        *,
        address: str,
        folder: Path,
        volumes: Mapping[str, Path],
        names: Mapping[str, str],
        secrets: Mapping[str, str],
    ) -> None:
        self.name, self.address, self._spec, self._folder = name, address, spec, folder
        self._volumes, self._names, self._secrets = volumes, names, secrets
        self._process: subprocess.Popen[bytes] | None = None
        (self._main,) = spec["containers"]
        # Listened on at every address of the machine, which a pod has to itself.
        self.metrics_port = _free_port()

    def start(self) -> None:
        """Run what initialises the pod, then start its program."""
        self._folder.mkdir(parents=True, exist_ok=True)
        for container in self._spec.get("initContainers", []):
            subprocess.run(
                self._command(container), env=self._environment(container), cwd=ROOT, check=True, capture_output=True
            )
        with self.log.open("ab") as log:
            self._process = subprocess.Popen(
                self._command(self._main) + self._local_flags(),
                env=self._environment(self._main),
                cwd=ROOT,  # Triton's stub looks for modules in its working folder
                stdout=log,
                stderr=log,
                start_new_session=True,
                preexec_fn=_die_with_parent(),
            )

    def wait_ready(self) -> None:
        """Return once the startup and readiness probes pass; as long as the chart gives it."""
        probes = [self._main[name] for name in ("startupProbe", "readinessProbe") if name in self._main]
        for probe in probes:
            patience_s = patient(probe.get("periodSeconds", 10) * max(probe.get("failureThreshold", 3), 12))
            deadline = time.monotonic() + patience_s
            while not self._passes(probe):
                assert self._process is not None
                assert self._process.poll() is None, f"{self.name} ended:\n{self.tail()}"
                assert time.monotonic() < deadline, f"{self.name} is not ready after {patience_s:.0f} s:\n{self.tail()}"
                time.sleep(POLL_S)

    def is_alive(self) -> bool:
        """Return the result of its liveness probe."""
        return self._passes(self._main["livenessProbe"])

    def docker_calls_it_well(self) -> bool:
        """Return the result of its image's health check."""
        stage = self._main["image"].rsplit("/", 1)[-1].partition(":")[0]
        command = [word.replace("127.0.0.1", self.address) for word in self._translated(health_check(stage))]
        command = [word.replace("python -m", f"{sys.executable} -m") for word in command]
        return subprocess.run(_local_program(command), cwd=ROOT, capture_output=True, check=False).returncode == 0

    def kill(self) -> None:
        """Kill it at once, as the kernel does when memory runs out."""
        assert self._process is not None
        os.killpg(self._process.pid, signal.SIGKILL)
        self._process.wait()

    def stop(self) -> int:
        """End it as the kubelet does: preStop, SIGTERM, and the grace that the pod has; returns the exit status."""
        assert self._process is not None
        began = time.monotonic()
        if hook := self._main.get("lifecycle", {}).get("preStop"):
            subprocess.run(self._translated(hook["exec"]["command"]), check=True)
        self._process.send_signal(signal.SIGTERM)
        left_s = self._spec.get("terminationGracePeriodSeconds", 30) - (time.monotonic() - began)
        try:
            return self._process.wait(patient(left_s))
        except subprocess.TimeoutExpired:
            self.kill()
            raise AssertionError(f"{self.name} did not end within its grace period:\n{self.tail()}") from None

    def wait_ended(self, timeout_s: float) -> int:
        """The exit status of a program that ends by itself."""
        assert self._process is not None
        return self._process.wait(timeout_s)

    @property
    def is_running(self) -> bool:
        return self._process is not None and self._process.poll() is None

    @property
    def log(self) -> Path:
        return self._folder / "log"

    def tail(self, lines: int = 25) -> str:
        """The end of its log."""
        return "\n".join(self.log.read_text(errors="replace").splitlines()[-lines:])

    def _command(self, container: Mapping[str, Any]) -> list[str]:
        program = container.get("command") or entrypoint(container["image"].rsplit("/", 1)[-1].partition(":")[0])
        words = [*program, *container.get("args", [])]
        variables = self._variables(container)
        expanded = [re.sub(r"\$\((\w+)\)", lambda match: variables[match[1]], word) for word in words]
        return _local_program(self._translated(expanded, container))

    def _environment(self, container: Mapping[str, Any]) -> dict[str, str]:
        """The rendered variables, and of this machine's only what an image brings."""
        installation = TritonInstallation.find()
        own = {
            "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}",
            "LD_LIBRARY_PATH": f"{installation.libraries}:{sysconfig.get_config_var('LIBDIR')}",
            "PYTHONPATH": str(ROOT),
            "PYTHONUNBUFFERED": "1",
            "HOME": str(self._folder),
            "TMPDIR": str(self._folder),
        }
        variables = self._variables(container)
        if METRICS_PORT in variables:
            variables[METRICS_PORT] = str(self.metrics_port)
        return own | {name: self._translated([value], container)[0] for name, value in variables.items()}

    def _variables(self, container: Mapping[str, Any]) -> dict[str, str]:
        found: dict[str, str] = {}
        for variable in container.get("env", []):
            if "value" in variable:
                value = re.sub(r"\$\((\w+)\)", lambda match: found[match[1]], variable["value"])
            else:
                value = self._secrets[variable["valueFrom"]["secretKeyRef"]["key"]]
            found[variable["name"]] = value
        return found

    def _translated(self, words: list[str], container: Mapping[str, Any] | None = None) -> list[str]:
        """The words with this machine's folders and addresses in them."""
        mounts = {
            mount["mountPath"]: self._volumes[mount["name"]]
            for mount in (container or self._main).get("volumeMounts", [])
        }
        folders = mounts | IMAGE_FOLDERS
        paths = "|".join(re.escape(path) for path in sorted(folders, key=len, reverse=True))
        pattern = rf"(?<![\w.-])({paths})(?![\w.-])"
        words = [re.sub(pattern, lambda match: str(folders[match[1]]), word) for word in words]
        for name, resolved in self._names.items():
            words = [word.replace(name, resolved) for word in words]
        words = [word.replace("cli.triton_ready ", f"cli.triton_ready --host {self.address} ") for word in words]
        if "cli.triton_ready" in words:
            words += ["--host", self.address]
        own = {"0.0.0.0": self.address, "cpu": "local", "--model-config-name=cpu": "--model-config-name=local"}  # noqa: S104
        return [own.get(word, word) for word in words]

    def _local_flags(self) -> list[str]:
        """What a network and a /dev/shm of its own would do for it."""
        if self._main["name"] == "redis":
            return ["--bind", self.address, "--dir", str(self._folder)]
        if self._main["name"] != "triton":
            return []
        backends = self._folder / "backends"
        TritonInstallation.find().assemble_backends(backends)
        addresses = [f"--{protocol}-address={self.address}" for protocol in ("http", "grpc", "metrics")]
        prefix = f"phoserve-{self.address}-{os.getpid()}-"
        return [
            *addresses,
            f"--backend-directory={backends}",
            f"--backend-config=python,shm-region-prefix-name={prefix}",
        ]

    def _passes(self, probe: Mapping[str, Any]) -> bool:
        limit_s = probe.get("timeoutSeconds", 1) + 4  # this machine is slower than a node, and shared
        if "exec" in probe:
            command = self._translated(probe["exec"]["command"])
            program = _local_program(command)
            environment = self._environment(self._main)
            outcome = subprocess.run(program, env=environment, cwd=ROOT, capture_output=True, check=False)
            return outcome.returncode == 0
        if "tcpSocket" in probe:
            return self._connects(self._port(probe["tcpSocket"]["port"]), limit_s)
        get = probe["httpGet"]
        connection = http.client.HTTPConnection(self.address, self._port(get["port"]), timeout=limit_s)
        try:
            connection.request("GET", get["path"])
            return connection.getresponse().status < 400
        except OSError:
            return False
        finally:
            connection.close()

    def _connects(self, port: int, limit_s: float) -> bool:
        try:
            with socket.create_connection((self.address, port), limit_s):
                return True
        except OSError:
            return False

    def _port(self, name: str) -> int:
        (port,) = [each["containerPort"] for each in self._main["ports"] if each["name"] == name]
        return int(port)


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def _local_program(words: list[str]) -> list[str]:
    first, *rest = words
    if first == "python":
        server = str(TritonInstallation.find().server)
        return [sys.executable, *(server if word == "tritonserver" else word for word in rest)]
    if first == "phoserve":
        return [sys.executable, "-m", "cli", *rest]
    found = shutil.which(first)
    assert found, f"{shlex.join(words)}: {first} is not installed"
    return [found, *rest]
