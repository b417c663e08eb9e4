"""Commands whose packages are not installed do not keep the others from running."""

import sys

import pytest
from typer.testing import CliRunner

from cli import main
from phoserve.errors import ConfigurationError

EDGE = ("index", "process", "server")


def test_a_command_without_its_packages_says_what_it_needs(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("cli.commands.up", "cli.local", *(f"phoserve.adapters.edge.{part}" for part in EDGE)):
        monkeypatch.delitem(sys.modules, name, raising=False)
    monkeypatch.setitem(sys.modules, "qdrant_edge", None)
    monkeypatch.setattr(main.app, "registered_commands", [])
    main.load("cli.commands.tokenize")
    main.load("cli.commands.up")
    outcome = CliRunner().invoke(main.app, ["up", "--port", "0"])
    assert isinstance(outcome.exception, ConfigurationError)
    assert "qdrant_edge" in str(outcome.exception)


def test_a_fault_of_our_own_is_not_hidden(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(ModuleNotFoundError, match=r"cli\.commands\.nothing"):
        main.load("cli.commands.nothing")
