"""The command `phoserve`: one module per subcommand under `cli/commands`."""

import sys
from importlib import import_module
from pkgutil import iter_modules

import typer

import cli.commands
from phoserve.errors import PhoserveError

app = typer.Typer(name="phoserve", no_args_is_help=True, add_completion=False, pretty_exceptions_enable=False)


@app.callback()
def root() -> None:
    """Vietnamese embeddings and retrieval, self-hosted."""


def main() -> None:
    """Run the command line; an error that the project raises on purpose ends it with its sentence and status 1."""
    for module in iter_modules(cli.commands.__path__, "cli.commands."):
        import_module(module.name)
    try:
        app()
    except PhoserveError as error:
        typer.echo(f"phoserve: {error}", err=True)
        sys.exit(1)
