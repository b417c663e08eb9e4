"""The command `phoserve`: one module per subcommand under `cli/commands`."""

import typer

app = typer.Typer(name="phoserve", no_args_is_help=True, add_completion=False, pretty_exceptions_enable=False)


@app.callback()
def root() -> None:
    """Vietnamese embeddings and retrieval, self-hosted."""


def main() -> None:
    """Run the command line."""
    app()
