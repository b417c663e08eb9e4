"""`phoserve ask`: ask a running phoserve a question and print the answer while it is generated."""

import json as json_module
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
    citations: dict[int, list[dict[str, Any]]] = {}
    for name, data in remote.events(path, body | {"stream": True}):
        if name == "delta":
            typer.echo(data["text"], nl=False)
        elif name == "citation":
            citations.setdefault(data["marker"], []).append(data)
        elif name == "error":
            typer.echo()
            raise Unavailable("api", data["detail"])
    typer.echo("\n")
    for marker, cited in sorted(citations.items()):
        typer.echo(f"[{marker}] {cited[0]['title'] or cited[0]['document_id']}")
        for each in cited:
            typer.echo(f"    “{each['quote']}”")
