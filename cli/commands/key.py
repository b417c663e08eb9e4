"""`phoserve key`: create an API key."""

from typing import Annotated

import msgspec
import typer

from api.keys import ALL_COLLECTIONS, Role, new_key
from cli.main import app


@app.command()
def key(
    key_id: Annotated[str, typer.Argument(help="The key's id in logs and limits.")],
    role: Annotated[Role, typer.Option(help="The key's role.")] = Role.READER,
    collection: Annotated[
        list[str] | None,
        typer.Option(
            "--collection", "-c", help="A collection that the key may access; may be repeated; all by default."
        ),
    ] = None,
    group: Annotated[
        list[str] | None,
        typer.Option("--group", "-g", help="A group whose documents the key may see too; may be repeated."),
    ] = None,
) -> None:
    """Create an API key for the key file; `phoserve keys add` stores one in the registry instead.

    The secret is printed once to standard error, the entry for the key list to standard output.
    """
    secret, entry = new_key(key_id, role, tuple(collection or (ALL_COLLECTIONS,)), tuple(group or ()))
    typer.echo(f"The secret, which is not stored: {secret}", err=True)
    typer.echo(msgspec.json.encode(entry).decode())
