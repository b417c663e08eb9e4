"""`phoserve key`: a new API key."""

from typing import Annotated

import msgspec
import typer

from api.keys import ALL_COLLECTIONS, Role, new_key
from cli.main import app


@app.command()
def key(
    key_id: Annotated[str, typer.Argument(help="What logs and limits call it.")],
    role: Annotated[Role, typer.Option(help="What it may do.")] = Role.READER,
    collection: Annotated[
        list[str] | None, typer.Option("--collection", "-c", help="What it may touch; may be repeated; all by default.")
    ] = None,
) -> None:
    """Make an API key: the secret goes to standard error, once; the entry for the list of keys to standard output."""
    secret, entry = new_key(key_id, role, tuple(collection or (ALL_COLLECTIONS,)))
    typer.echo(f"The secret, which is kept nowhere: {secret}", err=True)
    typer.echo(msgspec.json.encode(entry).decode())
