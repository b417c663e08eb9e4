"""Commands are imported when they run, and one whose packages are missing names them."""

import pkgutil
import subprocess
import sys

import pytest
from typer.testing import CliRunner

import cli.commands
from cli.commands import COMMANDS
from cli.main import app, load
from phoserve.errors import ConfigurationError
from tests.support.patience import patient

MAX_RSS_MB = 60
# Each costs 10 MB or a tenth of a second. Typer itself imports pydantic where it is installed.
HEAVY = {
    "celery",
    "httpx2",
    "kreuzberg",
    "litestar",
    "numpy",
    "obstore",
    "onnxruntime",
    "openai",
    "opentelemetry",
    "qdrant_client",
    "qdrant_edge",
    "sqlalchemy",
    "tokenizers",
    "torch",
    "transformers",
    "tritonclient",
    "uvicorn",
}
PRINT_COST = """
import re, sys
from pathlib import Path
from cli.main import main
try:
    main()
except SystemExit as exit:
    assert not exit.code, exit.code
finally:
    rss_mb = int(re.search(r"VmHWM:\\s+(\\d+)", Path("/proc/self/status").read_text())[1]) >> 10
    print("COST", rss_mb, *sorted({name.partition(".")[0] for name in sys.modules}), file=sys.stderr)
"""
EDGE = ("index", "process", "server", "builder", "copying", "engine", "frames", "graph", "shard")


@pytest.mark.parametrize(
    "arguments", [["--help"], ["--version"], *([name, "--help"] for name in COMMANDS)], ids=" ".join
)
def test_help_imports_no_heavy_package(arguments: list[str]) -> None:
    if arguments[0] == "bench":
        pytest.skip("its options are those of loadtests.benchmark")
    outcome = subprocess.run(
        [sys.executable, "-c", PRINT_COST, *arguments],
        capture_output=True,
        text=True,
        check=False,
        timeout=patient(120),
    )
    assert outcome.returncode == 0, outcome.stderr
    assert outcome.stdout
    rss_mb, *modules = outcome.stderr.rpartition("COST ")[2].split()
    assert sorted(HEAVY & set(modules)) == []
    assert int(rss_mb) < MAX_RSS_MB


def test_every_module_of_a_command_is_listed_and_the_other_way_round() -> None:
    assert {module.name for module in pkgutil.iter_modules(cli.commands.__path__)} == set(COMMANDS)


@pytest.mark.parametrize("name", COMMANDS)
def test_every_command_loads_under_its_name(name: str) -> None:
    command = load(name)
    assert command.name == name
    assert command.help


def test_the_help_lists_every_command() -> None:
    outcome = CliRunner().invoke(app, ["--help"])
    assert outcome.exit_code == 0
    for name in COMMANDS:
        assert f" {name} " in outcome.output


def test_a_misspelled_command_gets_a_suggestion() -> None:
    outcome = CliRunner().invoke(app, ["serach"])
    assert outcome.exit_code == 2
    assert "search" in outcome.output


def test_the_version_is_printed() -> None:
    outcome = CliRunner().invoke(app, ["--version"])
    assert outcome.exit_code == 0
    assert outcome.output.startswith("phoserve 0.")


def test_a_command_without_its_packages_says_what_it_needs(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("cli.local", *(f"phoserve.adapters.edge.{part}" for part in EDGE)):
        monkeypatch.delitem(sys.modules, name, raising=False)
    monkeypatch.setitem(sys.modules, "qdrant_edge", None)
    outcome = CliRunner().invoke(app, ["up", "--port", "0"])
    assert isinstance(outcome.exception, ConfigurationError)
    assert "`phoserve up` needs qdrant_edge" in str(outcome.exception)


def test_a_missing_module_of_our_own_is_a_fault(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(COMMANDS, "nothing", "A command without a module.")
    outcome = CliRunner().invoke(app, ["nothing"])
    assert isinstance(outcome.exception, ModuleNotFoundError)


@pytest.mark.parametrize(("flag", "ignored"), [("--ignore-leases", True), ("--nobody-works", True), (None, False)])
def test_the_old_name_of_ignore_leases_still_works(
    flag: str | None, ignored: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[bool] = []

    async def reconcile(settings: object, *, ignore_leases: bool) -> int:
        asked.append(ignore_leases)
        return 0

    load("reconcile")
    monkeypatch.setattr("cli.commands.reconcile._reconcile", reconcile)
    assert CliRunner().invoke(app, ["reconcile", *([flag] if flag else [])]).exit_code == 0
    assert asked == [ignored]


def test_the_old_name_of_ignore_leases_is_hidden() -> None:
    listing = CliRunner().invoke(app, ["reconcile", "--help"]).output
    assert "--ignore-leases" in listing
    assert "nobody" not in listing
