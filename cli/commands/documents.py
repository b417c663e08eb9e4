"""`phoserve documents`: list, delete and export the documents of a collection of a running phoserve."""

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Final, Literal
from urllib.parse import quote

import typer

from cli.main import app
from cli.options import DEFAULT_URL, AsJson, Key, Url
from phoserve.errors import InvalidInput

if TYPE_CHECKING:
    from cli.remote import ApiClient

PAGE: Final = 200
TEXT: Final = "text/plain"

group = typer.Typer(no_args_is_help=True, help="List, delete and export the documents of a collection.")
app.add_typer(group, name="documents")

Collection = Annotated[str, typer.Option("--collection", "-c", help="The collection.")]
State = Annotated[
    Literal["queued", "processing", "ready", "failed"] | None, typer.Option(help="Only the documents in this state.")
]


@group.command("list")
def list_documents(
    collection: Collection, state: State = None, url: Url = DEFAULT_URL, key: Key = None, json: AsJson = False
) -> None:
    """List documents, the newest first, with what failed and what could not be kept."""
    import msgspec

    from cli.remote import ApiClient

    for each in _records(ApiClient(url, key), collection, state):
        if json:
            typer.echo(msgspec.json.encode(each).decode())
            continue
        typer.echo(f"{each['id']}  {each['state']}  {each['passages']} passages  {each['title']}")
        if each["error"]:
            typer.echo(f"    {each['error']['message']}")
        for warning in each["warnings"]:
            typer.echo(f"    {warning['message']}")


@group.command()
def delete(
    document_ids: Annotated[list[str], typer.Argument(metavar="ID...", help="Ids of documents.")],
    collection: Collection,
    url: Url = DEFAULT_URL,
    key: Key = None,
) -> None:
    """Delete documents. This cannot be undone."""
    from cli.remote import ApiClient

    remote = ApiClient(url, key)
    for each in document_ids:
        remote.delete(_path(collection, each))
    typer.echo(f"{len(document_ids)} deleted")


@group.command()
def export(
    collection: Collection,
    to: Annotated[Path, typer.Option(help="An empty folder, or one that is made.")],
    state: State = None,
    url: Url = DEFAULT_URL,
    key: Key = None,
) -> None:
    """Write the originals of documents to a folder, and their records to `documents.jsonl` in it.

    A file is named after the document's id, which is its path for documents of `phoserve ingest` and the console.
    """
    import msgspec

    from cli.remote import ApiClient

    if to.exists() and any(to.iterdir()):
        raise InvalidInput(f"{to} is not empty")
    remote, number = ApiClient(url, key), 0
    to.mkdir(parents=True, exist_ok=True)
    with (to / "documents.jsonl").open("wb") as records:
        for number, each in enumerate(_records(remote, collection, state), start=1):
            file = _save(remote, collection, each, to / "originals", number)
            records.write(msgspec.json.encode(each | {"file": file.as_posix()}) + b"\n")
    typer.echo(f"{number} documents are in {to}")


def _records(remote: "ApiClient", collection: str, state: str | None) -> Iterator[dict[str, Any]]:
    """Yield the records of the documents, the newest first."""
    path = f"/v1/collections/{quote(collection, safe='')}/documents?limit={PAGE}"
    path += f"&state={state}" if state else ""
    cursor = ""
    while True:
        page = remote.get(path + cursor)
        yield from page["documents"]
        if page["cursor"] is None:
            return
        cursor = f"&cursor={quote(page['cursor'], safe='')}"


def _path(collection: str, document_id: str) -> str:
    return f"/v1/collections/{quote(collection, safe='')}/documents/{quote(document_id, safe='')}"


def _save(remote: "ApiClient", collection: str, record: dict[str, Any], folder: Path, number: int) -> Path:
    """Write a document's original below `folder`, and return its path there. Raises InvalidInput.

    The file is named after the id where that is a path that stays inside, is not taken and is not too long; otherwise
    after the document's number.
    """
    named = record["filename"] or ("text.txt" if record["media_type"] == TEXT else "")
    ending, id_ = Path(named).suffix, record["id"]
    numbered = Path(f"_{number}{ending}")
    is_path = "\\" not in id_ and all(part not in {"", ".", ".."} for part in id_.split("/"))
    file = Path(id_ if Path(id_).suffix == ending else id_ + ending) if is_path else numbered
    source = f"{_path(collection, id_)}/original"
    try:
        # A folder of this name, or a file where the path needs a folder, is of another document.
        remote.download(source, folder / file)
    except OSError:
        file = numbered
        try:
            remote.download(source, folder / file)
        except OSError as error:
            raise InvalidInput(f"{folder / file} cannot be written: {error}") from None
    return file
