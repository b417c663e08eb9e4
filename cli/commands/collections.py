"""`phoserve collections`: list and delete the collections of a running phoserve."""

from typing import Annotated
from urllib.parse import quote

import typer

from cli.main import app
from cli.options import DEFAULT_URL, AsJson, Key, Url

group = typer.Typer(no_args_is_help=True, help="List and delete collections.")
app.add_typer(group, name="collections")


@group.command("list")
def list_collections(url: Url = DEFAULT_URL, key: Key = None, json: AsJson = False) -> None:
    """List the collections that the key may access, with their documents by state."""
    import msgspec

    from cli.remote import ApiClient

    answer = ApiClient(url, key).get("/v1/collections")
    if json:
        typer.echo(msgspec.json.encode(answer).decode())
        return
    for each in answer["collections"]:
        counts = ", ".join(f"{number} {state}" for state, number in each["documents"].items() if number)
        typer.echo(f"{each['name']:24} {each['model']:24} {each['passages']:>9} passages  {counts or 'empty'}")


@group.command()
def delete(
    name: Annotated[str, typer.Argument(help="The collection.")],
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Do not ask.")] = False,
    url: Url = DEFAULT_URL,
    key: Key = None,
) -> None:
    """Delete a collection with all its documents. This cannot be undone."""
    from cli.remote import ApiClient

    remote = ApiClient(url, key)
    path = f"/v1/collections/{quote(name, safe='')}"
    documents = sum(remote.get(path)["documents"].values())
    if not yes:
        typer.confirm(f"Delete the collection {name} with its {documents} documents?", abort=True, err=True)
    remote.delete(path)
    typer.echo(f"{name} is deleted, with {documents} documents")
