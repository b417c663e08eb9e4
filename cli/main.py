"""The command `phoserve`: one module for each subcommand, under `cli/commands`."""

import os
import sys
from importlib import import_module
from typing import Annotated, Any, Final

import typer
from typer.core import TyperCommand, TyperGroup

from cli.commands import COMMANDS
from phoserve.errors import ConfigurationError, PhoserveError

OURS: Final = {"api", "cli", "export", "ingest", "phoserve"}


class LazyCommands(TyperGroup):
    """A group that lists `COMMANDS` without importing them, and imports the one that runs."""

    def __init__(self, **options: Any) -> None:
        super().__init__(**options)
        registered = self.commands  # from modules that are already imported
        self.commands = {name: TyperCommand(name, help=text) for name, text in COMMANDS.items()}
        self.commands.update(registered)

    def resolve_command(self, ctx: Any, args: list[str]) -> Any:
        """Replace the placeholder of the command in `args` by the command itself."""
        if args[0] in COMMANDS:
            ctx.invoked_subcommand = args[0]  # named if one of its packages is missing
            self.commands[args[0]] = load(args[0])
        return super().resolve_command(ctx, args)

    def invoke(self, ctx: Any) -> Any:
        """Run the command. Raises ConfigurationError if a package that it imports is not installed.

        An image contains only the packages of its own program.
        """
        try:
            return super().invoke(ctx)
        except ModuleNotFoundError as error:
            package = (error.name or "").partition(".")[0]
            if not package or package in OURS:
                raise
            raise ConfigurationError(
                f"`phoserve {ctx.invoked_subcommand}` needs {package}, which is not installed here; see README.md"
            ) from error


app = typer.Typer(
    name="phoserve", cls=LazyCommands, no_args_is_help=True, add_completion=False, pretty_exceptions_enable=False
)


def print_version(wanted: bool) -> None:
    """Print the installed version and exit."""
    if wanted:
        from importlib.metadata import version

        typer.echo(f"phoserve {version('phoserve')}")
        raise typer.Exit


@app.callback()
def root(
    version: Annotated[
        bool, typer.Option("--version", callback=print_version, is_eager=True, help="Print the version and exit.")
    ] = False,
) -> None:
    """Self-hosted semantic search and cited answers over Vietnamese documents."""


def main() -> None:
    """Run the command line; a domain error ends it with one message and status 1."""
    # Children are started by exec, so gRPC's handlers for fork have nothing to do but print that they are skipped.
    os.environ.setdefault("GRPC_ENABLE_FORK_SUPPORT", "0")
    try:
        app()
    except PhoserveError as error:
        typer.echo(f"phoserve: {error}", err=True)
        sys.exit(1)


def load(command: str) -> Any:
    """Return the click command of `command` from `COMMANDS`; importing its module registers it with `app`."""
    import_module(f"cli.commands.{command}")
    group = typer.main.get_command(app)
    if not isinstance(group, TyperGroup):
        raise TypeError(f"{group!r} is not a group")
    return group.commands[command]
