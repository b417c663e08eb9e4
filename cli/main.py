"""The command `phoserve`: one module per subcommand under `cli/commands`."""

import sys
from importlib import import_module
from pkgutil import iter_modules
from typing import Final

import typer

import cli.commands
from phoserve.errors import ConfigurationError, PhoserveError

OURS: Final = {"api", "cli", "export", "ingest", "phoserve"}

app = typer.Typer(name="phoserve", no_args_is_help=True, add_completion=False, pretty_exceptions_enable=False)


@app.callback()
def root() -> None:
    """Vietnamese embeddings and retrieval, self-hosted."""


def main() -> None:
    """Run the command line; an error that the project raises on purpose ends it with its sentence and status 1."""
    for module in iter_modules(cli.commands.__path__, "cli.commands."):
        load(module.name)
    try:
        app()
    except PhoserveError as error:
        typer.echo(f"phoserve: {error}", err=True)
        sys.exit(1)


def load(module: str) -> None:
    """Make the module's command known. Images hold only what they need: elsewhere a command says what it misses."""
    try:
        import_module(module)
    except ModuleNotFoundError as error:
        if error.name is None or error.name.partition(".")[0] in OURS:
            raise
        _say_what_is_missing(module.rpartition(".")[2], error.name)


def _say_what_is_missing(command: str, package: str) -> None:
    @app.command(command, hidden=True, context_settings={"allow_extra_args": True, "ignore_unknown_options": True})
    def absent() -> None:
        raise ConfigurationError(f"`phoserve {command}` needs {package}, which is not installed here; see README.md")
