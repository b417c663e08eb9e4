"""Find, start, monitor and stop a `tritonserver` on this machine."""

import asyncio
import ctypes
import importlib.metadata
import importlib.util
import os
import signal
import socket
import sys
import sysconfig
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import structlog

import phoserve
from cli import triton_launch
from phoserve.errors import ConfigurationError

READY_TIMEOUT_S: Final = 120.0
STOP_TIMEOUT_S: Final = 15.0
RESTART_BACKOFF_S: Final = (0.5, 1.0, 2.0, 5.0, 10.0, 30.0)
STABLE_AFTER_S: Final = 60.0
POLL_S: Final = 0.1
SHARED_MEMORY: Final = Path("/dev/shm")  # noqa: S108 - where Triton's Python backend puts its regions, on any Linux
CLOSE_S: Final = 1.0
LOG_LINES: Final = 200
PR_SET_PDEATHSIG: Final = 1

log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class TritonInstallation:
    """The location of a Triton server with the Python backend on this machine."""

    server: Path
    libraries: Path
    backends: Path
    stub: Path

    @classmethod
    def find(cls) -> "TritonInstallation":
        """Return the server of the `nvidia-pytriton` wheel, for the running Python.

        Raises ConfigurationError that names a missing package.
        """
        spec = importlib.util.find_spec("pytriton")
        if spec is None or spec.origin is None:
            raise ConfigurationError(
                "no Triton server is installed: run `pip install 'phoserve[local]'` on x86-64 Linux"
            )
        package = Path(spec.origin).parent
        root = package / "tritonserver"
        version = f"{sys.version_info.major}.{sys.version_info.minor}"
        stub = root / "python_backend_stubs" / version / "triton_python_backend_stub"
        if not stub.is_file():
            raise ConfigurationError(f"this Triton server has no Python backend for Python {version}; use 3.11 or 3.12")
        _check_numpy()
        _check_libpython(version)
        return cls(
            server=root / "bin" / "tritonserver",
            libraries=package.parent / "nvidia_pytriton.libs",
            backends=root / "backends",
            stub=stub,
        )

    def assemble_backends(self, target: Path) -> None:
        """Create the backend directory `target`, with the Python backend and the stub of the running Python."""
        python = target / "python"
        python.mkdir(parents=True, exist_ok=True)
        for source in (*(self.backends / "python").iterdir(), self.stub):
            link = python / source.name
            link.unlink(missing_ok=True)
            link.symlink_to(source)


@dataclass(frozen=True, slots=True)
class TritonPorts:
    """The three ports of one server, all on `host`."""

    host: str
    http: int
    grpc: int
    metrics: int

    @classmethod
    def free(cls) -> "TritonPorts":
        """Return three free ports of the loopback interface."""
        host = "127.0.0.1"
        with socket.socket() as one, socket.socket() as two, socket.socket() as three:
            for sock in (one, two, three):
                sock.bind((host, 0))
            return cls(host, *(sock.getsockname()[1] for sock in (one, two, three)))

    @property
    def grpc_url(self) -> str:
        return f"{self.host}:{self.grpc}"

    @property
    def http_url(self) -> str:
        return f"http://{self.host}:{self.http}"

    @property
    def metrics_url(self) -> str:
        return f"http://{self.host}:{self.metrics}/metrics"


@dataclass(frozen=True, slots=True)
class TritonOptions:
    """Options of a Triton server."""

    repository: Path
    profile: str
    work: Path
    """The server's own folder for its backend directory and log."""
    admin_secret: str
    """Model control, tracing, logging and shared memory require this secret."""
    api_key: str | None = None
    """Inference, statistics and model configurations require this key, if given."""
    extra: tuple[str, ...] = ()


class TritonProcess:
    """One `tritonserver`, which ends with this process, even after SIGKILL."""

    def __init__(self, installation: TritonInstallation, options: TritonOptions, ports: TritonPorts) -> None:
        self.ports = ports
        self._installation = installation
        self._options = options
        self._process: asyncio.subprocess.Process | None = None
        self._reader: asyncio.Task[None] | None = None
        self._closer: asyncio.Task[None] | None = None
        self._tail: deque[str] = deque(maxlen=LOG_LINES)

    @property
    def pid(self) -> int | None:
        """The server's process id while it runs."""
        return self._process.pid if self._process and self._process.returncode is None else None

    async def start(self) -> None:
        """Start the server; `wait_ready` waits until it serves.

        Call this from the main thread, because the child ends with its thread.
        """
        options = self._options
        backends = options.work / "backends"
        self._installation.assemble_backends(backends)
        self._remove_shared_memory()
        self._process = await asyncio.create_subprocess_exec(
            sys.executable,
            "-I",
            triton_launch.__file__,
            str(self._installation.server),
            *triton_arguments(options, self.ports, backends),
            env=self._environment(),
            cwd=Path(phoserve.__file__).parents[1],  # the stub ignores PYTHONPATH, but imports from its working folder
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.STDOUT,
            start_new_session=True,  # Ctrl-C goes to phoserve, which drains requests first, then stops Triton
            preexec_fn=_die_with_parent(),
        )
        self._reader = asyncio.create_task(self._keep_log(self._process))
        if self._closer is None:
            self._closer = asyncio.create_task(self._close_shared_memory())

    async def wait_ready(self) -> None:
        """Return once every model is ready to serve.

        Raises ConfigurationError with the end of the server's log if it exits or is not ready in time.
        """
        deadline = asyncio.get_running_loop().time() + READY_TIMEOUT_S
        while not await _is_ready(self.ports.host, self.ports.http):
            if self.pid is None:
                raise ConfigurationError(f"Triton did not start:\n{self.log_tail()}")
            if asyncio.get_running_loop().time() > deadline:
                raise ConfigurationError(f"Triton was not ready after {READY_TIMEOUT_S:.0f} s:\n{self.log_tail()}")
            await asyncio.sleep(POLL_S)
        self._close_regions()

    async def wait_exit(self) -> int:
        """Return the exit status once the server has ended."""
        if self._process is None:
            raise RuntimeError("not started")
        return await self._process.wait()

    async def stop(self) -> None:
        """Stop the server with SIGTERM, after `STOP_TIMEOUT_S` with SIGKILL. Does nothing if it is not running."""
        process = self._process
        if process is not None and process.returncode is None:
            with suppress(ProcessLookupError):
                process.send_signal(signal.SIGTERM)
            try:
                await asyncio.wait_for(process.wait(), STOP_TIMEOUT_S)
            except TimeoutError:
                process.kill()
                await process.wait()
        if self._reader is not None:
            await self._reader
        if self._closer is not None:
            self._closer.cancel()
            self._closer = None
        self._remove_shared_memory()

    def log_tail(self, lines: int = 15) -> str:
        """Return the last relevant lines of the server's log."""
        telling = [line for line in self._tail if line[:1] in "EF" or "error" in line.lower()]
        return "\n".join((telling or list(self._tail))[-lines:])

    async def _keep_log(self, process: asyncio.subprocess.Process) -> None:
        assert process.stdout is not None  # noqa: S101 - a PIPE was asked for
        with (self._options.work / "triton.log").open("ab", buffering=0) as file:
            while line := await process.stdout.readline():
                file.write(line)
                self._tail.append(line.decode(errors="replace").rstrip())

    def _environment(self) -> dict[str, str]:
        environment = dict(os.environ)
        libraries = _join(_python_libraries(), environment.get("LD_LIBRARY_PATH"))
        environment["LD_LIBRARY_PATH"] = _join(self._installation.libraries, libraries)
        # The stub finds its interpreter in PATH. It must be ours, which has the packages.
        environment["PATH"] = _join(Path(sys.executable).parent, environment.get("PATH"))
        environment[triton_launch.ADMIN_SECRET] = self._options.admin_secret
        environment.pop(triton_launch.API_KEY, None)
        if self._options.api_key is not None:
            environment[triton_launch.API_KEY] = self._options.api_key
        return environment

    def _remove_shared_memory(self) -> None:
        # A killed server leaves its shared memory behind, tens of megabytes per model.
        for region in self._regions():
            with suppress(OSError):
                region.unlink()

    async def _close_shared_memory(self) -> None:
        """Keep other users from the texts in shared memory: a restarted model has new regions."""
        while True:
            self._close_regions()
            await asyncio.sleep(CLOSE_S)

    def _close_regions(self) -> None:
        # Boost creates them with mode 0644, whatever the umask is.
        for region in self._regions():
            with suppress(OSError):
                if region.stat().st_mode & 0o077:
                    region.chmod(0o600)

    def _regions(self) -> Iterator[Path]:
        return SHARED_MEMORY.glob(_shared_memory_prefix(self._options) + "*")


class TritonSupervisor:
    """Restarts a TritonProcess with backoff when it exits."""

    def __init__(self, process: TritonProcess) -> None:
        self._process = process

    async def run(self) -> None:
        """Monitor the process until cancelled."""
        loop = asyncio.get_running_loop()
        pauses = _pauses()
        while True:
            started = loop.time()
            status = await self._process.wait_exit()
            if loop.time() - started > STABLE_AFTER_S:
                pauses = _pauses()
            pause_s = next(pauses)
            log.warning("triton_died", exit_status=status, restart_in_s=pause_s, log=self._process.log_tail(3))
            await asyncio.sleep(pause_s)
            await self._process.start()


def triton_arguments(options: TritonOptions, ports: TritonPorts, backends: Path) -> list[str]:
    """Return the command line of the server, loopback only. `cli.triton_launch` adds the secrets."""
    return [
        f"--model-repository={options.repository}",
        f"--model-config-name={options.profile}",
        f"--backend-directory={backends}",
        f"--backend-config=python,shm-region-prefix-name={_shared_memory_prefix(options)}",
        f"--http-address={ports.host}",
        f"--http-port={ports.http}",
        f"--grpc-address={ports.host}",
        f"--grpc-port={ports.grpc}",
        f"--metrics-address={ports.host}",
        f"--metrics-port={ports.metrics}",
        "--exit-timeout-secs=10",
        "--allow-gpu-metrics=false",
        *options.extra,
    ]


def _pauses() -> Iterator[float]:
    yield from RESTART_BACKOFF_S
    while True:
        yield RESTART_BACKOFF_S[-1]


def _shared_memory_prefix(options: TritonOptions) -> str:
    # One prefix per working folder, so that only this server's shared memory is removed.
    return f"phoserve-{options.work.stat().st_dev:x}-{options.work.stat().st_ino:x}-"


def _join(first: Path, rest: str | None) -> str:
    return f"{first}{os.pathsep}{rest}" if rest else str(first)


async def _is_ready(host: str, port: int) -> bool:
    try:
        reader, writer = await asyncio.open_connection(host, port)
    except OSError:
        return False
    try:
        writer.write(f"GET /v2/health/ready HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n".encode())
        status = await reader.readline()
    except OSError:
        return False
    finally:
        writer.close()
    return b" 200 " in status


def _die_with_parent() -> Callable[[], None]:
    libc = ctypes.CDLL(None)
    parent = os.getpid()

    def in_child() -> None:
        libc.prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
        if os.getppid() != parent:  # it exited between fork and prctl
            os._exit(1)

    return in_child


def _check_numpy() -> None:
    version = importlib.metadata.version("numpy")
    if int(version.split(".", 1)[0]) >= 2:
        raise ConfigurationError(
            f"numpy {version} is installed, but Triton's Python backend is built for numpy 1 and would crash on texts: "
            "`pip install 'numpy<2'`"
        )


def _check_libpython(version: str) -> None:
    name = f"libpython{version}.so.1.0"
    if (_python_libraries() / name).is_file():
        return
    try:
        ctypes.CDLL(name)
    except OSError as error:
        raise ConfigurationError(
            f"{name} is not installed, but Triton's Python backend needs it: run `apt-get install libpython{version}`"
        ) from error


def _python_libraries() -> Path:
    return Path(sysconfig.get_config_var("LIBDIR") or "/nowhere")
