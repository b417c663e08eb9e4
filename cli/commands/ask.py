"""`phoserve ask`: ask a running phoserve a question and print the answer while it is generated."""

import json as json_module
from collections.abc import Iterable
from typing import Annotated, Any
from urllib.parse import quote

import typer

from cli.main import app
from cli.options import DEFAULT_URL, AsJson, InCollection, Key, Url, Where, parse_object
from cli.samples import SAMPLES
from phoserve.errors import Unavailable


@app.command()
def ask(
    question: Annotated[str, typer.Argument(help="The question.")],
    collection: InCollection = SAMPLES,
    top_k: Annotated[int, typer.Option("--top-k", "-k", help="Passages to answer from.", min=1)] = 5,
    where: Where = None,
    url: Url = DEFAULT_URL,
    key: Key = None,
    json: AsJson = False,
) -> None:
    """Print the answer to a question, with the passages it cites."""
    from cli.remote import ApiClient

    body: dict[str, Any] = {"question": question, "top_k": top_k, "filter": parse_object("--filter", where)}
    path = f"/v1/collections/{quote(collection, safe='')}/answers"
    remote = ApiClient(url, key)
    if json:
        typer.echo(json_module.dumps(remote.post(path, body), ensure_ascii=False))
        return
    citations, notes = _print_answer(remote.events(path, body | {"stream": True}))
    typer.echo("\n")
    for marker, cited in sorted(citations.items()):
        typer.echo(f"[{marker}] {cited[0]['title'] or cited[0]['document_id']}")
        for each in cited:
            typer.echo(f"    “{each['quote']}”")
    for note in notes:
        typer.echo(note, err=True)


def _print_answer(events: Iterable[tuple[str, Any]]) -> tuple[dict[int, list[dict[str, Any]]], list[str]]:
    """Print the text as it arrives; return the citations by marker, and what else is to be known about the answer."""
    citations: dict[int, list[dict[str, Any]]] = {}
    notes: list[str] = []
    for name, data in events:
        if name == "delta":
            typer.echo(data["text"], nl=False)
        elif name == "citation":
            citations.setdefault(data["marker"], []).append(data)
        elif name == "restart":
            # What was printed so far cannot be taken back; `done` has a note with the reason.
            citations.clear()
            typer.echo("\n")
        elif name == "done":
            notes = [each["message"] for each in data["notes"] if each["code"] != "quotation"]
        elif name == "error":
            typer.echo()
            raise Unavailable("api", data["detail"])
    return citations, notes
